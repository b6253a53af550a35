//! Redelivery: what became of one payload, or all of a run that was given up, goes to the sink once more.

use std::collections::HashMap;

use axum::Json as JsonAnswer;
use axum::extract::Path;
use http::StatusCode;
use serde::Serialize;
use sundial_model::JobRunId;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_store::Redelivery;

use super::FoundRun;
use super::payloads::index_in;
use crate::body::OptionalJson;
use crate::first_answer::{FirstAnswer, Subject};
use crate::idempotency::Once;
use crate::problem_response::ApiProblem;

/// What a redelivery has asked for.
#[derive(Serialize)]
pub(crate) struct Redelivered {
    /// How many deliveries are due again.
    requested: u32,
}

pub(super) type Answer = Result<(StatusCode, JsonAnswer<Redelivered>), ApiProblem>;

#[derive(Debug, Default, deserr::Deserr)]
#[deserr(error = sundial_model::InvalidFields, deny_unknown_fields)]
pub(super) struct RedeliverBody {}

/// Delivers what became of a payload once more.
pub(crate) async fn of_payload(
    once: Once,
    FoundRun(partition): FoundRun,
    Path(parameters): Path<HashMap<String, String>>,
    body: OptionalJson,
) -> Answer {
    let RedeliverBody {} = body.read()?;
    let (run, index) = (partition.run.id, index_in(&partition, &parameters)?);
    // How many it will be is counted where it is done.
    let clients = once.answering(FirstAnswer::Requested { requested: 0, of: Some(Subject::JobRun { id: run }) });
    let redelivery = clients.store.redeliver_payload(run, index, clients.clock.now()).await?;
    answer(&once, run, redelivery).await
}

/// Delivers once more what was given up of a job run.
pub(crate) async fn of_run(once: Once, FoundRun(partition): FoundRun, body: OptionalJson) -> Answer {
    let RedeliverBody {} = body.read()?;
    let run = partition.run.id;
    // How many it will be is counted where it is done.
    let clients = once.answering(FirstAnswer::Requested { requested: 0, of: Some(Subject::JobRun { id: run }) });
    let redelivery = clients.store.redeliver_failed(run, clients.clock.now()).await?;
    answer(&once, run, redelivery).await
}

pub(super) async fn answer(once: &Once, run: JobRunId, redelivery: Redelivery) -> Answer {
    match redelivery {
        Redelivery::Requested(requested, work) => {
            once.clients.bus.hand_over(work).await;
            Ok((StatusCode::ACCEPTED, JsonAnswer(Redelivered { requested })))
        }
        Redelivery::Refused(why) => Err(Problem::new(ProblemCode::Conflict, why).into()),
        Redelivery::Gone => Err(Problem::not_found(format!("job run {run}")).into()),
    }
}
