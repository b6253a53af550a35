//! What becomes of a batch that was tried: what was taken, what is tried again and when, and what is given up.

use std::time::Duration;

use sundial_engine::sink_delivery::{next_delivery, next_reading};
use sundial_model::Timestamp;
use sundial_model::run::{DeliveryAttempt, DeliveryStatus};
use sundial_outbound::sink::DeliveryOutcome;
use sundial_store::{DeliveryRecord, DueDeliveries};

/// What failed of a batch comes back at so many different times at most, to fit one transaction.
const GROUPS_MAX: usize = 8;

/// How it went with one delivery of a batch.
#[derive(Clone, Debug)]
pub(crate) enum Try {
    /// Its turn did not come.
    Waits,
    /// What is to be delivered could not be read at this time.
    Unread(Timestamp),
    /// It was tried at this time, and ended so.
    Made(Timestamp, DeliveryOutcome),
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

/// Decides what becomes of each delivery of a batch; those that were not tried stay due, and keep their place.
pub(crate) fn judge(due: DueDeliveries, tried: Vec<(u32, Try)>, gives_up: bool, now: Timestamp) -> TriedDeliveries {
    let attempts_made = due.attempts_made + 1;
    let (mut attempts, mut again, mut delivered, mut failed) = (Vec::new(), Vec::new(), 0, 0);
    let (mut untried, mut unread) = (Vec::new(), Vec::new());
    // One die for the batch: what failed together comes back together, and other batches at
    // other times.
    let spread = fastrand::f64() * 2.0 - 1.0;
    for (index, tried) in tried {
        let (time, outcome) = match tried {
            Try::Waits => {
                untried.push(index);
                continue;
            }
            Try::Unread(time) => match next_reading(due.since, now) {
                Some(due_at) => {
                    unread.push((due_at, index));
                    continue;
                }
                None => (time, DeliveryOutcome::not_sent("the result could not be read")),
            },
            Try::Made(time, outcome) => (time, outcome),
        };
        // What was not sent has not had its last try.
        let gives_up = gives_up && outcome.concerns_receiver;
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
    later.extend(in_groups(unread).map(|(due_at, indices)| batch(due_at, due.attempts_made, indices)));
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
            concerns_receiver: true,
        };
        let tried = [(1, 200), (2, 410), (3, 500), (4, 500)];
        let tried = tried.map(|(index, status)| (index, Try::Made(Timestamp::EPOCH, outcome(status))));
        let given_up = judge(due.clone(), tried.clone().to_vec(), true, Timestamp::EPOCH);
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
        let judged = judge(due.clone(), vec![(2, Try::Waits), (1, Try::Waits)], false, now);
        assert_eq!((judged.again[0].attempts_made, judged.again[0].indices.clone()), (3, vec![1, 2]));
        assert_eq!(judged.again[0].due_at, Timestamp::from_milliseconds(1), "under another key");
        assert_eq!((judged.attempts.len(), judged.delivered, judged.failed), (0, 0, 0));
        let failed = DeliveryOutcome { concerns_receiver: true, ..DeliveryOutcome::not_sent("it is dead") };
        let probed = judge(due, vec![(1, Try::Made(now, failed)), (2, Try::Waits)], false, now);
        let places: Vec<_> = probed.again.iter().map(|it| (it.due_at, it.attempts_made, it.indices.clone())).collect();
        assert_eq!(places[1], (Timestamp::EPOCH, 3, vec![2]));
        assert_eq!((places[0].1, places[0].2.clone()), (4, vec![1]));
    }

    #[test]
    fn what_was_not_sent_is_not_given_up_because_the_sink_is_dead_and_what_was_not_read_uses_up_no_attempt() {
        let since = Timestamp::from_seconds(1_000_000);
        let due = DueDeliveries {
            due_at: since,
            since,
            generation: 1,
            round: 0,
            attempts_made: 7,
            bytes: 9,
            indices: vec![1, 2, 3],
        };
        let now = since + Duration::from_secs(100);
        let forbidden = || Try::Made(now, DeliveryOutcome::not_sent("it may not be"));
        let tried = vec![(1, Try::Unread(now)), (2, Try::Unread(now)), (3, Try::Waits)];
        let judged = judge(due.clone(), tried, true, now);
        assert_eq!((judged.attempts.len(), judged.failed), (0, 0));
        let places: Vec<_> = judged.again.iter().map(|it| (it.due_at, it.attempts_made, it.indices.clone())).collect();
        assert_eq!(places, [(now + Duration::from_secs(100), 7, vec![1, 2]), (since, 7, vec![3])]);
        let fresh = DueDeliveries { attempts_made: 0, ..due.clone() };
        let judged = judge(fresh, vec![(1, forbidden())], true, now);
        assert_eq!((judged.failed, judged.again.len()), (0, 1));
        let late = since + Duration::from_secs(73 * 60 * 60);
        let judged = judge(due, vec![(1, Try::Unread(late))], false, late);
        assert_eq!((judged.failed, judged.again.len()), (1, 0), "but not for ever");
        assert_eq!(judged.attempts[0].attempt.error.as_deref(), Some("the result could not be read"));
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
