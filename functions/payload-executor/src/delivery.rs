//! Deliveries: a batch is tried as a whole, beside the payloads and never in their way.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use sundial_engine::sink_delivery::next_delivery;
use sundial_model::Timestamp;
use sundial_model::payload::Payload;
use sundial_model::run::{DeliveryAttempt, DeliveryStatus};
use sundial_model::sink::Sink;
use sundial_outbound::sink::{DeliveredOutcome, Delivery, DeliveryOutcome};
use sundial_runtime::clock;
use sundial_store::{DeliveryRecord, DueDeliveries, Outcome, StoreError, keys};
use uuid::Uuid;

use crate::buffer::TriedDeliveries;
use crate::context::RunContext;

/// So many requests of one batch are under way at once.
const AT_ONCE: usize = 8;

/// A batch with what is to be delivered.
pub(crate) struct DeliveryBatch {
    pub(crate) due: DueDeliveries,
    pub(crate) items: Vec<(Payload, Outcome)>,
}

/// The deliveries that become due with these outcomes: a batch for each segment.
pub(crate) fn due_with<'a>(
    context: &RunContext,
    ended: impl Iterator<Item = (&'a Payload, &'a Outcome)>,
    now: Timestamp,
) -> Vec<DueDeliveries> {
    let Some(sink) = &context.definition.sink else { return Vec::new() };
    let wanted = ended.filter(|(payload, outcome)| sink.wants(&payload.api_name, outcome.error.is_none()));
    let mut indices: Vec<u32> = wanted.map(|(_, outcome)| outcome.index).collect();
    indices.sort_unstable();
    let segments = indices.chunk_by(|one, other| keys::segment_of(*one) == keys::segment_of(*other));
    let batch = |indices: &[u32]| DueDeliveries {
        due_at: now,
        generation: context.run.generation,
        attempts_made: 0,
        indices: indices.to_vec(),
    };
    segments.map(batch).collect()
}

/// Reads what a batch is to deliver.
pub(crate) async fn load(context: &RunContext, due: DueDeliveries) -> Result<DeliveryBatch, StoreError> {
    let wanted: HashSet<u32> = due.indices.iter().copied().collect();
    let Some(first) = due.indices.first().copied() else { return Ok(DeliveryBatch { due, items: Vec::new() }) };
    let store = &context.clients.store;
    let outcomes = store.outcomes(&context.run, keys::segment_of(first)).await?;
    let mut outcomes: HashMap<u32, Outcome> = outcomes.into_iter().map(|outcome| (outcome.index, outcome)).collect();
    let mut items = Vec::with_capacity(wanted.len());
    for index in &due.indices {
        let payload = store.payloads_from(&context.run.parts, *index, 1).await?.pop();
        items.extend(payload.map(|indexed| indexed.payload).zip(outcomes.remove(index)));
    }
    Ok(DeliveryBatch { due, items })
}

/// Tries a batch.
pub(crate) async fn attempt(context: Arc<RunContext>, batch: DeliveryBatch) -> TriedDeliveries {
    let DeliveryBatch { due, items } = batch;
    let Some(sink) = context.definition.sink.clone() else {
        return TriedDeliveries { done: due, attempts: Vec::new(), again: Vec::new(), delivered: 0, failed: 0 };
    };
    let sink = Arc::new(sink);
    let tries = items.into_iter().map(|(payload, outcome)| {
        let (context, sink) = (Arc::clone(&context), Arc::clone(&sink));
        async move {
            let time = clock::now();
            (outcome.index, time, deliver(&context, &sink, &payload, &outcome, time).await)
        }
    });
    let tried: Vec<_> = futures::stream::iter(tries).buffer_unordered(AT_ONCE).collect().await;
    judge(due, tried)
}

/// Decides what becomes of each delivery of a batch.
fn judge(due: DueDeliveries, tried: Vec<(u32, Timestamp, DeliveryOutcome)>) -> TriedDeliveries {
    let attempts_made = due.attempts_made + 1;
    let (mut attempts, mut again, mut delivered, mut failed) = (Vec::new(), Vec::new(), 0, 0);
    let now = clock::now();
    // One die for the batch: what failed together for lack of a receiver comes back together,
    // in one request to the table, and other batches at other times.
    let spread = Uuid::new_v4().as_u128() as u32 as f64 / f64::from(u32::MAX) * 2.0 - 1.0;
    for (index, time, outcome) in tried {
        let next = outcome.failure.as_ref().map(|failure| next_delivery(failure, attempts_made, now, spread));
        let status = match next {
            None => DeliveryStatus::Delivered,
            Some(Some(_)) => DeliveryStatus::Retrying,
            Some(None) => DeliveryStatus::Failed,
        };
        match next {
            None => delivered += 1,
            Some(None) => failed += 1,
            Some(Some(due_at)) => again.push((due_at, index)),
        }
        let attempt = DeliveryAttempt {
            time,
            status,
            status_code: outcome.status_code,
            duration_ms: u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
            error: outcome.error,
            response: outcome.response,
        };
        attempts.push(DeliveryRecord { index, attempt });
    }
    again.sort_unstable();
    let same_time = again.chunk_by(|(one, _), (other, _)| one == other);
    let again = same_time.map(|group| DueDeliveries {
        due_at: group[0].0,
        generation: due.generation,
        attempts_made,
        indices: group.iter().map(|(_, index)| *index).collect(),
    });
    TriedDeliveries { again: again.collect(), done: due, attempts, delivered, failed }
}

async fn deliver(
    context: &RunContext,
    sink: &Sink,
    payload: &Payload,
    outcome: &Outcome,
    now: Timestamp,
) -> DeliveryOutcome {
    let from_bucket = match &outcome.location {
        None => None,
        Some(location) => match context.clients.results.get(&location.key).await {
            Ok(json) => serde_json::value::RawValue::from_string(json).ok(),
            Err(error) => {
                tracing::warn!(%error, "a result could not be read for its delivery");
                return DeliveryOutcome::not_sent("the result could not be read");
            }
        },
    };
    let delivered = match (&outcome.error, from_bucket.as_ref().or(outcome.result.as_ref())) {
        (Some(error), _) => DeliveredOutcome::Failed(error, outcome.attempts_ran_out),
        (None, Some(result)) => DeliveredOutcome::Succeeded(result),
        (None, None) => DeliveredOutcome::Succeeded(serde_json::value::RawValue::NULL),
    };
    let run = &context.run;
    let delivery = Delivery {
        workspace_id: run.workspace_id,
        project_id: run.project_id,
        project_name: &run.project_name,
        job_id: &run.job_id,
        job_run_id: run.id,
        generation: run.generation,
        payload_index: outcome.index,
        api_name: &payload.api_name,
        parameters: payload.parameters.as_ref(),
        outcome: delivered,
    };
    context.clients.outbound.deliver(sink, &context.webhook_secret, &delivery, now).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use sundial_engine::sink_delivery::DeliveryFailure;

    #[test]
    fn a_batch_is_parted_into_what_was_taken_given_up_and_tried_again() {
        let due =
            DueDeliveries { due_at: Timestamp::EPOCH, generation: 1, attempts_made: 0, indices: vec![1, 2, 3, 4] };
        let outcome = |status: u16| DeliveryOutcome {
            failure: (status != 200).then_some(DeliveryFailure { status_code: Some(status), retry_after: None }),
            status_code: Some(status),
            duration: Duration::ZERO,
            error: None,
            response: None,
        };
        let tried = [(1, 200), (2, 410), (3, 500), (4, 500)];
        let tried = tried.map(|(index, status)| (index, Timestamp::EPOCH, outcome(status))).to_vec();
        let judged = judge(due, tried);
        assert_eq!((judged.delivered, judged.failed, judged.attempts.len()), (1, 1, 4));
        assert_eq!(judged.again.len(), 1);
        assert_eq!((judged.again[0].attempts_made, judged.again[0].indices.clone()), (1, vec![3, 4]));
    }
}
