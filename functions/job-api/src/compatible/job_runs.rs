//! Job runs: list, get, terminate.

use std::cmp::Ordering;

use axum::Json as JsonAnswer;
use axum::extract::{FromRequestParts, Query, State};
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use sundial_model::InvalidFields;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_runtime::Clients;
use sundial_store::RunView;

use super::Generation;
use super::job_run_answer::{job_run, results};
use crate::body::{OptionalJson, PAGE_BYTES_MAX};
use crate::idempotency::Once;
use crate::problem_response::ApiProblem;
use crate::routes::{FoundJob, FoundRun, job_runs};

type Answer = Result<JsonAnswer<Value>, ApiProblem>;

/// The newest runs of a job, of which there are pages; older ones are there for the other API.
const RUNS_MAX: usize = 1000;
const PAGE_SIZE_DEFAULT: usize = 50;
/// What runs can be sorted by: names of the answer.
const SORTABLE: [&str; 10] = [
    "id",
    "start_time",
    "end_time",
    "created_at",
    "updated_at",
    "type",
    "status",
    "payloads",
    "successful_runs",
    "failed_runs",
];

/// By which name, and whether from the largest value on.
type SortKey = (&'static str, bool);

/// What a list of job runs is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Pages {
    size: usize,
    number: usize,
    sort_by: Vec<SortKey>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    page_size: Option<String>,
    page_number: Option<String>,
    sort_by: Option<String>,
}

impl Pages {
    fn read(parameters: &Parameters) -> Result<Self, InvalidFields> {
        let mut errors = InvalidFields::default();
        let mut number = |name: &str, text: &Option<String>, default: usize, least: usize| {
            let Some(text) = text else { return default };
            match text.parse::<usize>() {
                Ok(number) if (least..=RUNS_MAX).contains(&number) => number,
                _ => {
                    errors.push(format!("/{name}"), format!("must be a whole number from {least} to {RUNS_MAX}"));
                    default
                }
            }
        };
        let size = number("pageSize", &parameters.page_size, PAGE_SIZE_DEFAULT, 1);
        let number = number("pageNumber", &parameters.page_number, 0, 0);
        let keys = parameters.sort_by.as_deref().unwrap_or_default().split('/').filter(|key| !key.is_empty());
        let sort_by: Option<Vec<SortKey>> = keys.map(sort_key).collect();
        if sort_by.is_none() {
            let names = SORTABLE.join(", ");
            errors.push("/sortBy", format!("must be like start_time,desc/status,asc with names out of {names}"));
        }
        errors.into_result().map(|()| Self { size, number, sort_by: sort_by.unwrap_or_default() })
    }

    /// Whether the order in which runs are listed anyway will do: then a page can be read without the others.
    fn is_newest_first(&self) -> bool {
        matches!(self.sort_by.as_slice(), [] | [("created_at", true)])
    }

    fn range(&self, count: usize) -> std::ops::Range<usize> {
        let start = self.number.saturating_mul(self.size).min(count);
        start..start.saturating_add(self.size).min(count)
    }

    fn compare(&self, one: &Value, other: &Value) -> Ordering {
        let by_key = |(name, is_descending): &SortKey| {
            let order = compare(&one[*name], &other[*name]);
            if *is_descending { order.reverse() } else { order }
        };
        self.sort_by.iter().map(by_key).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

fn sort_key(text: &str) -> Option<SortKey> {
    let (name, direction) = text.split_once(',').unwrap_or((text, "asc"));
    let name = SORTABLE.into_iter().find(|known| *known == name.trim())?;
    match direction.trim() {
        "asc" => Some((name, false)),
        "desc" => Some((name, true)),
        _ => None,
    }
}

/// Numbers by size, texts by their letters, which for times is by time; what is not there comes first.
fn compare(one: &Value, other: &Value) -> Ordering {
    match (one.as_u64(), other.as_u64()) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.as_str().cmp(&other.as_str()),
    }
}

impl<S: Sync> FromRequestParts<S> for Pages {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiProblem> {
        let Query(parameters) = Query::<Parameters>::try_from_uri(&parts.uri)
            .map_err(|error| InvalidFields::one("", format!("has a query that cannot be read: {error}")))?;
        Ok(Self::read(&parameters)?)
    }
}

/// The newest runs of a job.
pub(super) async fn list(
    State(clients): State<Clients>,
    FoundJob { job, .. }: FoundJob,
    generation: Generation,
    pages: Pages,
) -> Answer {
    let now = clients.clock.now();
    let places = clients.store.job_run_places(job.uuid, RUNS_MAX).await?;
    // The first generation knows no pages.
    let wants_all = generation == Generation::First;
    let range = if wants_all { 0..places.len() } else { pages.range(places.len()) };
    let reads_page = wants_all || pages.is_newest_first();
    let read = if reads_page { &places[range.clone()] } else { places.as_slice() };
    let views = clients.store.job_runs_at(read).await?;
    let in_words = |view: &RunView| view.answer(now).map(|run| job_run(&run, generation));
    let mut runs = views.iter().map(in_words).collect::<Result<Vec<_>, _>>()?;
    if !pages.sort_by.is_empty() {
        runs.sort_by(|one, other| pages.compare(one, other));
    }
    if !reads_page {
        let end = range.end.min(runs.len());
        runs = runs.drain(range.start.min(end)..end).collect();
    }
    if serde_json::to_vec(&runs).map_or(0, |json| json.len()) > PAGE_BYTES_MAX {
        let detail = "these runs are more than one answer holds; ask for smaller pages, by pageSize";
        return Err(Problem::new(ProblemCode::PayloadTooLarge, detail).into());
    }
    Ok(JsonAnswer(if wants_all { json!(runs) } else { json!({ "jobRuns": runs, "totalCount": places.len() }) }))
}

/// One job run, with a link to its results.
pub(super) async fn get(clients: State<Clients>, found: FoundRun, generation: Generation) -> Answer {
    let JsonAnswer(run) = job_runs::get(clients, found).await?;
    let mut answer = json!({ "jobRun": job_run(&run, generation) });
    if let Some(of_run) = &run.results {
        answer["results"] = results(of_run);
    }
    Ok(JsonAnswer(answer))
}

/// Ends a job run; one that has ended stays as it is.
pub(super) async fn terminate(once: Once, found: FoundRun, body: OptionalJson) -> Answer {
    let JsonAnswer(_) = job_runs::terminate(once, found, body).await?;
    Ok(JsonAnswer(json!({ "message": "Job run terminated" })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(size: &str, number: &str, sort_by: &str) -> Result<Pages, Vec<String>> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let parameters = Parameters { page_size: given(size), page_number: given(number), sort_by: given(sort_by) };
        Pages::read(&parameters).map_err(|errors| errors.0.into_iter().map(|error| error.pointer).collect())
    }

    #[test]
    fn pages_are_counted_from_zero_and_sorted_as_asked() {
        assert_eq!(read("", "", ""), Ok(Pages { size: 50, number: 0, sort_by: vec![] }));
        let pages = read("10", "2", "start_time,desc/status,asc").expect("pages");
        assert_eq!(pages.sort_by, [("start_time", true), ("status", false)]);
        assert_eq!((pages.range(25), pages.range(100), pages.range(7)), (20..25, 20..30, 7..7));
        let run = |status: &str, failed: u64| json!({ "status": status, "failed_runs": failed });
        let by_both = read("", "", "status/failed_runs,desc").expect("pages");
        let mut runs = [run("B", 2), run("A", 9), run("A", 10)];
        runs.sort_by(|one, other| by_both.compare(one, other));
        assert_eq!(runs, [run("A", 10), run("A", 9), run("B", 2)]);
    }

    #[test]
    fn what_is_no_page_is_refused_by_name() {
        assert_eq!(
            read("0", "-1", "colour,asc"),
            Err(["/pageSize", "/pageNumber", "/sortBy"].map(str::to_owned).to_vec())
        );
        assert_eq!(
            read("1001", "x", "status,up"),
            Err(["/pageSize", "/pageNumber", "/sortBy"].map(str::to_owned).to_vec())
        );
    }
}
