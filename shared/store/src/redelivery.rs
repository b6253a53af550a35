//! Redelivery: what was delivered, or given up, is due once more. A request is on record beside the
//! attempts, in the transaction that makes the delivery due and takes it out of the counters; so
//! nothing is requested twice, and the counters are right at every moment.
//!
//! All of it goes through the first lane of the run: whoever requests something writes that, and is
//! refused when somebody else has meanwhile.

use serde::{Deserialize, Serialize};
use sundial_engine::sink_delivery::DELIVERY_TIME_MAX;
use sundial_model::event::WorkReady;
use sundial_model::{JobRunId, Timestamp};

use crate::error::StoreError;
use crate::item::as_json;
use crate::lane::Lane;
use crate::outcome::{DueDeliveries, json_bytes};
use crate::run_partition::RunPartition;
use crate::segment_deliveries::DeliveryStanding;
use crate::snapshot::Snapshot;
use crate::table::retry_on_conflict;
use crate::{Commit, Store, TransactionToken, keys};

/// The lane through which deliveries are requested again.
pub const REDELIVERY_LANE: u32 = 0;

/// Deliveries that were requested again together, or were found to be moot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryRequest {
    /// The generation in which the payloads ended.
    pub generation: u32,
    /// 1 for the first time that they are requested again, and so on.
    pub round: u32,
    /// The payloads, in order.
    #[serde(with = "as_json")]
    pub indices: Vec<u32>,
    /// Nothing is due with it: the payloads have ended in a later generation, so that these deliveries do not count
    /// any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_moot: bool,
}

impl DeliveryRequest {
    /// The request that makes these due.
    pub fn of(due: &DueDeliveries) -> Self {
        Self { generation: due.generation, round: due.round, indices: due.indices.clone(), is_moot: false }
    }
}

/// How far all deliveries of a run that were given up have been made due again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedeliveryProgress {
    /// The first payload that was not looked at.
    pub next: u32,
}

/// What a wish to deliver once more came to.
#[derive(Clone, Debug)]
pub enum Redelivery {
    /// So many are due again, or will be in a moment.
    Requested(u32, Vec<WorkReady>),
    /// There is nothing that could be delivered, for this reason.
    Refused(String),
    /// The run is not there any more.
    Gone,
}

fn refused(why: impl Into<String>) -> Redelivery {
    Redelivery::Refused(why.into())
}

impl RunPartition {
    /// Its first lane, when it has one.
    fn redelivery_lane(&self) -> Option<Lane> {
        self.lane(REDELIVERY_LANE).cloned()
    }
}

impl Lane {
    /// A delivery that had ended is due again.
    pub fn deliver_again(&mut self, was_delivered: bool) {
        self.deliveries_pending += 1;
        if was_delivered {
            self.delivered -= 1;
        } else {
            self.deliveries_failed -= 1;
        }
    }

    /// A delivery that was given up is of no account any more.
    pub fn drop_given_up(&mut self) {
        self.deliveries_failed -= 1;
    }

    /// It is looked at now, unless a worker is there; and its sink, if that was dead, is probed.
    fn wake(&mut self, now: Timestamp) {
        if let Some(health) = &mut self.sink_health {
            health.probe_now(now);
        }
        if self.owner.is_none() {
            self.next_at = Some(self.next_at.map_or(now, |at| at.min(now)));
        }
    }
}

impl Store {
    /// Requests that what became of a payload is delivered once more, whether it was delivered or given up.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn redeliver_payload(&self, run: JobRunId, index: u32, now: Timestamp) -> Result<Redelivery, StoreError> {
        let snapshot = self.snapshot(run).await?;
        retry_on_conflict(async || {
            // Before what is on record, so that no other request can come between.
            let Some(partition) = self.run_partition(run).await? else { return Ok(Redelivery::Gone) };
            if let Some(why) = self.why_not_again(&partition, &snapshot, now).await? {
                return Ok(refused(why));
            }
            let (segment, generation) = (keys::segment_of(index), partition.run.generation);
            let outcomes = self.outcomes(run, segment, generation).await?;
            let ended = outcomes.get(index).filter(|_| !outcomes.is_open(index, &partition.run));
            let (Some((generation, outcome)), Some(mut lane)) = (ended, partition.redelivery_lane()) else {
                return Ok(refused("the payload has not ended: there is nothing to deliver"));
            };
            let payload = self.run_payloads_from(&snapshot, index, 1).await?.pop().map(|indexed| indexed.payload);
            let Some(payload) = payload else { return Ok(Redelivery::Gone) };
            let sink = snapshot.definition.sink.as_ref();
            if !sink.is_some_and(|sink| sink.wants(&payload.api_name, outcome.has_succeeded())) {
                return Ok(refused("the sink does not want it, by its skipOnFail or apisToSend"));
            }
            let deliveries = self.segment_deliveries(run, segment).await?;
            let DeliveryStanding::Ended { was_delivered, round } = deliveries.standing(index, generation) else {
                // It is on its way as it is.
                return Ok(Redelivery::Requested(0, Vec::new()));
            };
            let due = DueDeliveries {
                due_at: now,
                since: now,
                generation,
                round: round + 1,
                attempts_made: 0,
                bytes: outcome.delivered_bytes() + json_bytes(&payload),
                indices: vec![index],
            };
            lane.deliver_again(was_delivered);
            lane.wake(now);
            let commit = Commit { requests: vec![DeliveryRequest::of(&due)], due: vec![due], ..Commit::default() };
            self.counting(1).commit(&partition.run, &lane, None, &commit, &TransactionToken::new()).await?;
            Ok(Redelivery::Requested(1, vec![WorkReady::lane(run, REDELIVERY_LANE)]))
        })
        .await
    }

    /// Requests that all deliveries of a run that were given up are made once more. A worker makes them due, step
    /// by step; those of results that a later generation has replaced it takes out of the counters instead.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn redeliver_failed(&self, run: JobRunId, now: Timestamp) -> Result<Redelivery, StoreError> {
        let snapshot = self.snapshot(run).await?;
        retry_on_conflict(async || {
            let Some(partition) = self.run_partition(run).await? else { return Ok(Redelivery::Gone) };
            if let Some(why) = self.why_not_again(&partition, &snapshot, now).await? {
                return Ok(refused(why));
            }
            let failed = partition.deliveries().failed;
            let Some(mut lane) = partition.redelivery_lane().filter(|_| failed > 0) else {
                return Ok(Redelivery::Requested(0, Vec::new()));
            };
            lane.redelivery = Some(RedeliveryProgress { next: 0 });
            lane.wake(now);
            let commit = Commit::default();
            self.counting(failed).commit(&partition.run, &lane, None, &commit, &TransactionToken::new()).await?;
            Ok(Redelivery::Requested(failed, vec![WorkReady::lane(run, REDELIVERY_LANE)]))
        })
        .await
    }

    /// Why nothing of a run can be delivered once more.
    async fn why_not_again(
        &self,
        partition: &RunPartition,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        if snapshot.definition.sink.is_none() {
            return Ok(Some("the run has no sink".to_owned()));
        }
        if partition.run.keep_until <= now + DELIVERY_TIME_MAX {
            return Ok(Some("the run is so old that its records are about to be dropped".to_owned()));
        }
        // All that a worker needs to deliver.
        let needed: Vec<_> = [snapshot.project_secrets]
            .into_iter()
            .chain(snapshot.secrets)
            .map(keys::secrets)
            .chain([keys::signing_secrets(partition.run.project_id)])
            .collect();
        let count = needed.len();
        let are_there = self.table.existing(needed).await?.len() == count;
        Ok((!are_there).then(|| "the secrets that the run was recorded with are not kept any more".to_owned()))
    }
}
