//! Deliveries: a batch is tried as a whole, beside the payloads and never in their way.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use sundial_engine::sink_delivery::next_delivery;
use sundial_engine::sink_health::SinkHealth;
use sundial_model::Timestamp;
use sundial_model::payload::Payload;
use sundial_model::run::{DeliveryAttempt, DeliveryStatus};
use sundial_model::sink::Sink;
use sundial_outbound::sink::{DeliveredOutcome, Delivery, DeliveryOutcome, DeliverySigners};
use sundial_store::{DeliveryRecord, DueDeliveries, Outcome, SigningPurpose, StoreError, keys};
use tokio::time::Instant;

use crate::context::RunContext;

/// So many requests of one batch are under way at once.
const AT_ONCE: usize = 8;

/// A delivery may take this long: none starts when the invocation would end before.
const DELIVERY_TIME_MAX: Duration = Duration::from_secs(35);
/// A batch comes back at so many different times at most, to fit one transaction.
const GROUPS_MAX: usize = 8;

/// A batch that is due.
pub(crate) struct DeliveryBatch {
    pub(crate) due: DueDeliveries,
    /// What is to be delivered, when it is at hand; it is read otherwise.
    pub(crate) items: Option<Vec<(Payload, Outcome)>>,
    pub(crate) extent: Extent,
}

/// How much of a batch is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it, as long as the sink is not dead.
    All,
    /// One delivery of it, to see whether the sink is still dead.
    Probe,
    /// All of it, for the last time if the sink is still dead.
    Last,
}

/// What the lane's deliveries under way know of their sink.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedHealth(Arc<Mutex<SinkHealth>>);

impl SharedHealth {
    pub(crate) fn new(health: SinkHealth) -> Self {
        Self(Arc::new(Mutex::new(health)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, SinkHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch of deliveries that was tried.
pub(crate) struct TriedDeliveries {
    /// The batch as it stood.
    pub(crate) done: DueDeliveries,
    /// What was tried.
    pub(crate) attempts: Vec<DeliveryRecord>,
    /// What is tried again.
    pub(crate) again: Vec<DueDeliveries>,
    /// How many were taken by the sink.
    pub(crate) delivered: u32,
    /// How many were given up.
    pub(crate) failed: u32,
}

/// What became of a batch.
pub(crate) enum Delivered {
    /// It was tried.
    Tried(TriedDeliveries),
    /// It could not be read; it is still due.
    Unread(DueDeliveries),
}

/// A payload that has ended, with how.
pub(crate) struct Ended<'a> {
    pub(crate) payload: &'a Payload,
    pub(crate) payload_bytes: usize,
    pub(crate) outcome: &'a Outcome,
}

impl Ended<'_> {
    /// About how many bytes it takes to deliver it.
    pub(crate) fn bytes(&self) -> usize {
        self.payload_bytes + self.outcome.delivered_bytes()
    }
}

/// A batch of deliveries is closed when it has so many bytes: a few batches are in memory at once.
pub(crate) const BATCH_BYTES: usize = 2_000_000;

/// The deliveries that become due with these outcomes, which are in the order of their indices:
/// batches of one segment each.
pub(crate) fn due_with<'a>(
    context: &RunContext,
    ended: impl Iterator<Item = Ended<'a>>,
    now: Timestamp,
) -> Vec<DueDeliveries> {
    let Some(sink) = &context.definition.sink else { return Vec::new() };
    let wanted = ended.filter(|ended| sink.wants(&ended.payload.api_name, ended.outcome.has_succeeded()));
    let generation = context.run.generation;
    in_batches(wanted.map(|ended| Due { index: ended.outcome.index, generation, round: 0, bytes: ended.bytes() }), now)
}

/// A delivery that becomes due.
pub(crate) struct Due {
    pub(crate) index: u32,
    /// In which generation the payload ended.
    pub(crate) generation: u32,
    /// How often it was requested again.
    pub(crate) round: u32,
    /// About how many bytes it takes.
    pub(crate) bytes: usize,
}

/// Batches of one segment each, in the order of their indices, which is that of the deliveries.
pub(crate) fn in_batches(deliveries: impl IntoIterator<Item = Due>, now: Timestamp) -> Vec<DueDeliveries> {
    let mut batches: Vec<DueDeliveries> = Vec::new();
    for Due { index, generation, round, bytes } in deliveries {
        match batches.last_mut() {
            Some(batch)
                if keys::segment_of(batch.indices[0]) == keys::segment_of(index)
                    && (batch.generation, batch.round) == (generation, round)
                    && batch.bytes + bytes <= BATCH_BYTES =>
            {
                batch.indices.push(index);
                batch.bytes += bytes;
            }
            _ => batches.push(DueDeliveries {
                due_at: now,
                since: now,
                generation,
                round,
                attempts_made: 0,
                bytes,
                indices: vec![index],
            }),
        }
    }
    batches
}

/// Reads what a batch is to deliver.
async fn load(context: &RunContext, due: &DueDeliveries) -> Result<Vec<(Payload, Outcome)>, StoreError> {
    let (Some(first), Some(last)) = (due.indices.first().copied(), due.indices.last().copied()) else {
        return Ok(Vec::new());
    };
    let wanted: HashSet<u32> = due.indices.iter().copied().collect();
    let store = &context.clients.store;
    let mut outcomes = store.outcomes(context.id(), keys::segment_of(first), due.generation).await?;
    let count = (last - first + 1) as usize;
    let payloads = store.run_payloads_within(&context.snapshot, first, count, usize::MAX).await?;
    let wanted = payloads.into_iter().filter(|indexed| wanted.contains(&indexed.index));
    let found = wanted.filter_map(|indexed| {
        let outcome = outcomes.take(indexed.index, due.generation)?;
        Some((indexed.payload, outcome))
    });
    Ok(found.collect())
}

/// Tries a batch, as far as there is time until `end_at`, and the sink is not dead.
pub(crate) async fn attempt(
    context: Arc<RunContext>,
    batch: DeliveryBatch,
    health: SharedHealth,
    end_at: Instant,
) -> Delivered {
    let DeliveryBatch { due, items, extent } = batch;
    let items = match items {
        Some(items) => items,
        None => match load(&context, &due).await {
            Ok(items) => items,
            Err(error) => {
                tracing::warn!(%error, "deliveries that are due could not be read");
                return Delivered::Unread(due);
            }
        },
    };
    let Some(sink) = context.definition.sink.clone().map(Arc::new) else { return Delivered::Unread(due) };
    let generation = due.generation;
    let tries = items.into_iter().enumerate().map(|(place, (payload, outcome))| {
        let (context, sink, health) = (Arc::clone(&context), Arc::clone(&sink), health.clone());
        async move {
            let waits = match extent {
                Extent::All => health.lock().is_dead(),
                Extent::Probe => place > 0,
                Extent::Last => false,
            };
            if waits || Instant::now() + DELIVERY_TIME_MAX >= end_at {
                return (outcome.index, None);
            }
            let time = context.clients.clock.now();
            let tried = deliver(&context, &sink, &payload, &outcome, generation, time).await;
            if tried.was_sent {
                health.lock().note(tried.failure.as_ref(), context.clients.clock.now());
            }
            (outcome.index, Some((time, tried)))
        }
    });
    let tried: Vec<_> = futures::stream::iter(tries).buffer_unordered(AT_ONCE).collect().await;
    let gives_up = extent == Extent::Last && health.lock().is_dead();
    Delivered::Tried(judge(due, tried, gives_up, context.clients.clock.now()))
}

/// Decides what becomes of each delivery of a batch; those that were not tried stay due, and keep their place.
fn judge(
    due: DueDeliveries,
    tried: Vec<(u32, Option<(Timestamp, DeliveryOutcome)>)>,
    gives_up: bool,
    now: Timestamp,
) -> TriedDeliveries {
    let attempts_made = due.attempts_made + 1;
    let (mut attempts, mut again, mut delivered, mut failed) = (Vec::new(), Vec::new(), 0, 0);
    let mut untried = Vec::new();
    // One die for the batch: what failed together comes back together, and other batches at
    // other times.
    let spread = fastrand::f64() * 2.0 - 1.0;
    for (index, tried) in tried {
        let Some((time, outcome)) = tried else {
            untried.push(index);
            continue;
        };
        let next_at = |failure| next_delivery(failure, attempts_made, due.since, now, spread).filter(|_| !gives_up);
        let next = outcome.failure.as_ref().map(next_at);
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
        attempts.push(DeliveryRecord { index, generation: due.generation, round: due.round, attempt });
    }
    let batch = |due_at: Timestamp, attempts_made: u32, mut indices: Vec<u32>| {
        indices.sort_unstable();
        // How they share the bytes is not known.
        DueDeliveries { due_at, attempts_made, indices, ..due.clone() }
    };
    let mut later: Vec<_> = in_groups(again).map(|(due_at, indices)| batch(due_at, attempts_made, indices)).collect();
    if !untried.is_empty() {
        // Not under the key that the same transaction deletes.
        let has_that_key = untried.iter().min() == due.indices.first();
        let due_at = if has_that_key { due.due_at + Duration::from_millis(1) } else { due.due_at };
        later.push(batch(due_at, due.attempts_made, untried));
    }
    TriedDeliveries { again: later, done: due, attempts, delivered, failed }
}

/// Groups by time. When there are too many, neighbours wait for the latest of them.
fn in_groups(mut times: Vec<(Timestamp, u32)>) -> impl Iterator<Item = (Timestamp, Vec<u32>)> {
    times.sort_unstable();
    let distinct = times.chunk_by(|(one, _), (other, _)| one == other).count();
    let groups: Vec<_> = if distinct <= GROUPS_MAX {
        times.chunk_by(|(one, _), (other, _)| one == other).map(<[_]>::to_vec).collect()
    } else {
        times.chunks(times.len().div_ceil(GROUPS_MAX)).map(<[_]>::to_vec).collect()
    };
    groups.into_iter().filter_map(|group| {
        let latest = group.last().map(|(at, _)| *at)?;
        Some((latest, group.into_iter().map(|(_, index)| index).collect()))
    })
}

async fn deliver(
    context: &RunContext,
    sink: &Sink,
    payload: &Payload,
    outcome: &Outcome,
    generation: u32,
    now: Timestamp,
) -> DeliveryOutcome {
    // It was allowed when the job was saved; the deployment may have changed since.
    let may_write = |bucket| context.clients.settings.may_write(context.run.workspace_id, bucket);
    if sink.bucket_of_own_role().is_some_and(|bucket| !may_write(bucket)) {
        return DeliveryOutcome::not_sent("this deployment does not let Sundial's own role write to the bucket");
    }
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
        generation,
        payload_index: outcome.index,
        api_name: &payload.api_name,
        parameters: payload.parameters.as_ref(),
        outcome: delivered,
    };
    let secrets = context.signing.valid_at(SigningPurpose::Webhooks, now);
    let signers = DeliverySigners { webhook_secrets: &secrets, own_role: context.clients.own_role.as_ref() };
    context.clients.outbound.deliver(sink, signers, &delivery, now).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use sundial_engine::sink_delivery::DeliveryFailure;

    #[test]
    fn a_batch_is_parted_into_what_was_taken_given_up_and_tried_again() {
        let due = DueDeliveries {
            due_at: Timestamp::EPOCH,
            since: Timestamp::EPOCH,
            generation: 1,
            round: 0,
            attempts_made: 0,
            bytes: 9,
            indices: vec![1, 2, 3, 4],
        };
        let outcome = |status: u16| DeliveryOutcome {
            failure: (status != 200).then_some(DeliveryFailure { status_code: Some(status), retry_after: None }),
            status_code: Some(status),
            duration: Duration::ZERO,
            error: None,
            response: None,
            was_sent: true,
        };
        let tried = [(1, 200), (2, 410), (3, 500), (4, 500)];
        let tried = tried.map(|(index, status)| (index, Some((Timestamp::EPOCH, outcome(status)))));
        let given_up = judge(due.clone(), tried.to_vec(), true, Timestamp::EPOCH);
        assert_eq!((given_up.delivered, given_up.failed, given_up.again.len()), (1, 3, 0));
        let judged = judge(due, tried.to_vec(), false, Timestamp::EPOCH);
        assert_eq!((judged.delivered, judged.failed, judged.attempts.len()), (1, 1, 4));
        assert_eq!(judged.again.len(), 1);
        assert_eq!((judged.again[0].attempts_made, judged.again[0].indices.clone()), (1, vec![3, 4]));
    }

    #[test]
    fn what_was_not_tried_stays_due_in_its_place_and_uses_up_no_attempt() {
        let due = DueDeliveries {
            due_at: Timestamp::EPOCH,
            since: Timestamp::EPOCH,
            generation: 1,
            round: 0,
            attempts_made: 3,
            bytes: 9,
            indices: vec![1, 2],
        };
        let now = Timestamp::from_seconds(1000);
        let judged = judge(due.clone(), vec![(2, None), (1, None)], false, now);
        assert_eq!((judged.again[0].attempts_made, judged.again[0].indices.clone()), (3, vec![1, 2]));
        assert_eq!(judged.again[0].due_at, Timestamp::from_milliseconds(1), "under another key");
        assert_eq!((judged.attempts.len(), judged.delivered, judged.failed), (0, 0, 0));
        let failed = DeliveryOutcome { was_sent: true, ..DeliveryOutcome::not_sent("it is dead") };
        let probed = judge(due, vec![(1, Some((now, failed))), (2, None)], false, now);
        let places: Vec<_> = probed.again.iter().map(|it| (it.due_at, it.attempts_made, it.indices.clone())).collect();
        assert_eq!(places[1], (Timestamp::EPOCH, 3, vec![2]));
        assert_eq!((places[0].1, places[0].2.clone()), (4, vec![1]));
    }

    #[test]
    fn a_batch_comes_back_at_few_times_and_never_early() {
        let times: Vec<_> = (0..100).map(|index| (Timestamp::from_seconds(index.into()), index)).collect();
        let groups: Vec<_> = in_groups(times).collect();
        assert!(groups.len() <= GROUPS_MAX);
        for (at, indices) in &groups {
            assert!(indices.iter().all(|index| Timestamp::from_seconds((*index).into()) <= *at));
        }
        assert_eq!(groups.iter().map(|(_, indices)| indices.len()).sum::<usize>(), 100);
    }
}
