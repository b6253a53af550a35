//! Schedules, looked at: what one means, and its next occurrences.

use axum::Json as JsonAnswer;
use axum::extract::{Query, State};
use axum::http::Uri;
use deserr::Deserr;
use serde::{Deserialize, Serialize};
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::number::WholeNumber;
use sundial_model::problem::Problem;
use sundial_model::schedule::Schedule;
use sundial_model::{InvalidFields, Timestamp};
use sundial_runtime::Clients;

use super::FoundJob;
use crate::body::Json;
use crate::problem_response::ApiProblem;

/// How many occurrences are shown: 10 unless more are asked for.
type Count = WholeNumber<1, 1000>;
const COUNT_DEFAULT: Count = Count::constant(10);

/// What a schedule means, and when it is due.
#[derive(Serialize)]
pub(crate) struct Preview {
    description: String,
    occurrences: Vec<Timestamp>,
}

#[derive(Debug, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct PreviewBody {
    schedule: Schedule,
    #[deserr(default)]
    after: Option<Timestamp>,
    #[deserr(default = COUNT_DEFAULT)]
    count: Count,
}

/// Looks at a schedule that no job has.
pub(crate) async fn preview(
    State(clients): State<Clients>,
    Json(document): Json,
) -> Result<JsonAnswer<Preview>, ApiProblem> {
    let body: PreviewBody = InvalidFields::read(document)?;
    Ok(JsonAnswer(look(&body.schedule, body.after.unwrap_or_else(|| clients.clock.now()), body.count)?))
}

#[derive(Deserialize)]
struct Parameters {
    after: Option<String>,
    count: Option<String>,
}

/// Looks at the schedule of a job.
pub(crate) async fn of_job(
    State(clients): State<Clients>,
    FoundJob { job, .. }: FoundJob,
    uri: Uri,
) -> Result<JsonAnswer<Preview>, ApiProblem> {
    let Query(parameters) = Query::<Parameters>::try_from_uri(&uri)
        .map_err(|error| InvalidFields::one("", format!("has a query that cannot be read: {error}")))?;
    let mut errors = InvalidFields::default();
    let after = parameters.after.map(|text| text.parse()).transpose().unwrap_or_else(|message: String| {
        errors.push("/after", message);
        None
    });
    let count = parameters.count.map_or(Some(COUNT_DEFAULT), |text| text.parse().ok().and_then(Count::new));
    if count.is_none() {
        errors.push("/count", "must be a whole number from 1 to 1000");
    }
    errors.into_result()?;
    let Some(schedule) = &job.definition.schedule else {
        return Err(Problem::not_found(format!("schedule of job {}", job.id)).into());
    };
    Ok(JsonAnswer(look(schedule, after.unwrap_or_else(|| clients.clock.now()), count.unwrap_or(COUNT_DEFAULT))?))
}

fn look(schedule: &Schedule, after: Timestamp, count: Count) -> Result<Preview, InvalidFields> {
    let compiled = CompiledSchedule::compile(schedule.specification()).map_err(|faults| {
        let mut errors = InvalidFields::default();
        errors.extend_below("/schedule", faults);
        errors
    })?;
    let first = compiled.next_nominal(after);
    let times = std::iter::successors(first, |time| compiled.next_nominal(*time));
    Ok(Preview {
        description: compiled.in_words(schedule.specification()),
        occurrences: times.take(count.get() as usize).collect(),
    })
}
