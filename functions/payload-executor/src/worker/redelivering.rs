//! Making deliveries due again that were given up, or dropping them where their result was replaced, when a user has asked for all of them: step by step,
//! beside everything else, so that it does not matter how many payloads the run has.

use std::collections::BTreeMap;
use std::time::Duration;

use sundial_model::Timestamp;
use sundial_store::{
    DeliveryRequest, DeliveryStanding, RedeliveryProgress, SegmentDeliveries, SegmentOutcomes, StoreError, json_bytes,
    keys,
};
use tokio::time::Instant;

use super::Worker;
use super::drafting::Draft;
use crate::context::RunContext;
use crate::due_deliveries::{Due, in_batches};

/// A step looks at so many segments at most, for so long, and makes so many batches due.
const SEGMENTS_AT_ONCE: u32 = 5;
const LOOK_FOR: Duration = Duration::from_millis(500);
const BATCHES_AT_ONCE: usize = 30;
/// Of a segment it drops as moot so many groups at most; further ones go when all is requested once more.
const MOOT_GROUPS_MAX: usize = 6;

impl Worker {
    /// Whether there are deliveries to be looked for, and the time to do so.
    pub(super) fn may_redeliver(&self) -> bool {
        self.lane.redelivery.is_some() && self.may_act()
    }

    /// Makes due again what was given up, as far as one step goes.
    pub(super) async fn draft_redelivery(&mut self, draft: &mut Draft, now: Timestamp) -> Result<(), StoreError> {
        let Some(RedeliveryProgress { mut next }) = draft.lane.redelivery else { return Ok(()) };
        let begun = Instant::now();
        for _ in 0..SEGMENTS_AT_ONCE {
            if next >= self.queue.total || draft.commit.due.len() >= BATCHES_AT_ONCE || begun.elapsed() >= LOOK_FOR {
                break;
            }
            let room = BATCHES_AT_ONCE - draft.commit.due.len();
            let GivenUp { again, moot } = given_up_from(&self.context, next).await?;
            for request in moot {
                request.indices.iter().for_each(|_| draft.lane.drop_given_up());
                draft.commit.requests.push(request);
            }
            let again = in_batches(again, now);
            let is_cut = again.len() > room;
            let after = again.get(room).and_then(|batch| batch.indices.first().copied());
            for due in again.into_iter().take(room) {
                due.indices.iter().for_each(|_| draft.lane.deliver_again(false));
                draft.commit.requests.push(DeliveryRequest::of(&due));
                draft.commit.due.push(due);
            }
            next = if is_cut { after.unwrap_or(next) } else { (keys::segment_of(next) + 1) * keys::SEGMENT_LENGTH };
        }
        draft.lane.redelivery = (next < self.queue.total).then_some(RedeliveryProgress { next });
        Ok(())
    }
}

/// What was given up of a segment.
#[derive(Default)]
struct GivenUp {
    /// The last deliveries of payloads, in order.
    again: Vec<Due>,
    /// Those of results that were replaced.
    moot: Vec<DeliveryRequest>,
}

/// What was given up of the payloads from `first` to the end of its segment, and what is moot in all of that.
async fn given_up_from(context: &RunContext, first: u32) -> Result<GivenUp, StoreError> {
    let (store, run, segment) = (&context.clients.store, &context.run, keys::segment_of(first));
    let deliveries = store.segment_deliveries(run.id, segment).await?;
    if !deliveries.has_failures() {
        return Ok(GivenUp::default());
    }
    let outcomes = store.outcomes(run.id, segment, run.generation).await?;
    let count = ((segment + 1) * keys::SEGMENT_LENGTH - first) as usize;
    let payloads = store.run_payloads_within(&context.snapshot, first, count, usize::MAX).await?;
    let given_up = payloads.into_iter().filter_map(|indexed| {
        let index = indexed.index;
        let (generation, outcome) = outcomes.get(index).filter(|_| !outcomes.is_open(index, run))?;
        match deliveries.standing(index, generation) {
            DeliveryStanding::Ended { was_delivered: false, round } => {
                let bytes = outcome.delivered_bytes() + json_bytes(&indexed.payload);
                Some(Due { index, generation, round: round + 1, bytes })
            }
            _ => None,
        }
    });
    Ok(GivenUp { again: given_up.collect(), moot: moot(&deliveries, &outcomes) })
}

/// What was given up of results that a later generation has replaced. That is on record like a request, so that it is
/// taken out of the counters once.
fn moot(deliveries: &SegmentDeliveries, outcomes: &SegmentOutcomes) -> Vec<DeliveryRequest> {
    let mut groups: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    for (index, generation, round) in deliveries.given_up() {
        if outcomes.get(index).is_some_and(|(latest, _)| generation < latest) {
            groups.entry((generation, round + 1)).or_default().push(index);
        }
    }
    let request = |((generation, round), mut indices): (_, Vec<u32>)| {
        indices.sort_unstable();
        DeliveryRequest { generation, round, indices, is_moot: true }
    };
    groups.into_iter().take(MOOT_GROUPS_MAX).map(request).collect()
}
