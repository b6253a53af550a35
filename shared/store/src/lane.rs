//! Lanes: a job run's payloads are worked off in lanes side by side, each by one worker under a
//! lease. A lane is the fence (whoever has lost its revision records nothing), the list of what its
//! worker has claimed, and the counters of what became of it, so that workers never fight over one
//! item.

use serde::{Deserialize, Serialize};
use sundial_engine::sink_health::SinkHealth;
use sundial_model::{JobRunId, Timestamp};

use crate::error::StoreError;
use crate::item::{NewItem, Read, as_json};
use crate::redelivery::RedeliveryProgress;
use crate::table::{Expect, Write};
use crate::{Store, keys};

/// A worker carries out up to so many requests at once; a larger limit gets several lanes.
pub const LANE_SLOTS_MAX: u32 = 100;

/// A job run has so many lanes at most, those of workers included that only finish what they have
/// begun: one transaction must be able to write all of them.
pub const LANES_MAX: u32 = 60;

/// Whether payloads are carried out in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LanePhase {
    /// Yes.
    Working,
    /// Those in flight finish, none starts.
    Pausing,
    /// Nothing happens until the run is resumed.
    Paused,
    /// No payload is left to it. Deliveries may go on; and it is opened again when there is more to do.
    Settled,
}

/// The payloads from `start` up to, but not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
pub struct PayloadRange {
    /// The first index.
    pub start: u32,
    /// The index after the last.
    pub end: u32,
}

impl From<(u32, u32)> for PayloadRange {
    fn from((start, end): (u32, u32)) -> Self {
        Self { start, end }
    }
}

impl From<PayloadRange> for (u32, u32) {
    fn from(range: PayloadRange) -> Self {
        (range.start, range.end)
    }
}

impl PayloadRange {
    /// The fewest ranges that hold just these indices, which are in order.
    pub fn exactly(indices: impl IntoIterator<Item = u32>) -> Vec<Self> {
        let mut ranges: Vec<Self> = Vec::new();
        for index in indices {
            match ranges.last_mut() {
                Some(last) if last.end == index => last.end = index + 1,
                _ => ranges.push(Self { start: index, end: index + 1 }),
            }
        }
        ranges
    }

    /// How many payloads are in it.
    pub fn count(&self) -> u32 {
        self.end.saturating_sub(self.start)
    }
}

/// Payloads that a worker had when it died. Any of them may be what it died of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u32, bool)", into = "(u32, u32, u32, bool)")]
pub struct Suspects {
    /// Which payloads; those among them that are finished are none any more.
    pub range: PayloadRange,
    /// How often a worker died while it made an attempt at them that was announced before.
    pub losses: u32,
    /// Whether an attempt at them is announced: it is about to start, or under way.
    pub in_flight: bool,
}

impl From<(u32, u32, u32, bool)> for Suspects {
    fn from((start, end, losses, in_flight): (u32, u32, u32, bool)) -> Self {
        Self { range: PayloadRange { start, end }, losses, in_flight }
    }
}

impl From<Suspects> for (u32, u32, u32, bool) {
    fn from(suspects: Suspects) -> Self {
        (suspects.range.start, suspects.range.end, suspects.losses, suspects.in_flight)
    }
}

/// What is to be told to the world about the run, by the worker of this lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Announcement {
    /// It has been taken up.
    Started,
    /// It has come to rest.
    Paused,
    /// A delivery was given up.
    DeliveryExhausted,
}

/// A lane of a job run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    /// Its number, from 0.
    pub number: u32,
    /// Whether payloads are carried out.
    pub phase: LanePhase,
    /// The worker that has the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// How many requests may be under way in it.
    #[serde(default)]
    pub slots: u32,
    /// Its worker has no time left to begin anything, and only finishes what it has begun.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_draining: bool,
    /// What was claimed and is not finished as a whole.
    #[serde(with = "as_json")]
    pub claims: Vec<PayloadRange>,
    /// What a worker before had claimed when it died.
    #[serde(with = "as_json", default, skip_serializing_if = "Vec::is_empty")]
    pub suspects: Vec<Suspects>,
    /// How many of all these payloads are not finished.
    pub unfinished: u32,
    /// How many ended well, in any generation.
    pub succeeded: u32,
    /// How many ended badly in this generation.
    pub failed: u32,
    /// How many deliveries were taken by the sink; less those that are requested again through this lane, which
    /// may have been taken in others.
    pub delivered: i64,
    /// How many deliveries were given up; less those that are requested again.
    pub deliveries_failed: i64,
    /// How many deliveries are waiting.
    pub deliveries_pending: u32,
    /// All deliveries that were given up are to be made once more: how far they were looked for.
    #[serde(with = "as_json", default, skip_serializing_if = "Option::is_none")]
    pub redelivery: Option<RedeliveryProgress>,
    /// What is held against the sink.
    #[serde(with = "as_json", default, skip_serializing_if = "Option::is_none")]
    pub sink_health: Option<SinkHealth>,
    /// What is still to be told to the world.
    #[serde(with = "as_json", default, skip_serializing_if = "Vec::is_empty")]
    pub announce: Vec<Announcement>,
    /// The target asked to be left alone until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_until: Option<Timestamp>,
    /// When there is something to do, while nobody has the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// When the item may go.
    pub keep_until: Timestamp,
    /// What a later write expects; set by reading.
    #[serde(skip)]
    pub(crate) revision: u64,
}

impl Lane {
    /// A lane that is to be worked in: the settled one that is given, or a new one. It is looked at
    /// `next_at` should its event be lost.
    pub fn opened(settled: Option<&Self>, number: u32, next_at: Timestamp, keep_until: Timestamp) -> Self {
        let Some(settled) = settled else { return Self::new(number, next_at, keep_until) };
        Self { phase: LanePhase::Working, next_at: Some(next_at), ..settled.clone() }
    }

    /// A new lane, to be looked at `next_at` should its event be lost.
    pub(crate) fn new(number: u32, next_at: Timestamp, keep_until: Timestamp) -> Self {
        Self {
            number,
            phase: LanePhase::Working,
            owner: None,
            lease_until: None,
            slots: 0,
            is_draining: false,
            claims: Vec::new(),
            suspects: Vec::new(),
            unfinished: 0,
            succeeded: 0,
            failed: 0,
            delivered: 0,
            deliveries_failed: 0,
            deliveries_pending: 0,
            redelivery: None,
            sink_health: None,
            announce: Vec::new(),
            hold_until: None,
            next_at: Some(next_at),
            keep_until,
            revision: 0,
        }
    }

    pub(crate) fn from_read(read: Read<Self>) -> Self {
        Self { revision: read.revision, ..read.value }
    }

    /// Whether a worker has the lease at `now`.
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }

    /// When the evaluator must look at it.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.lease_until.or(self.next_at)
    }

    /// Whether there is something that a worker could do in it, now or later.
    pub fn has_work(&self) -> bool {
        self.wake_at().is_some() || self.phase == LanePhase::Working
    }

    /// The lane once a worker has taken it up. If the one before has not given it back, what that
    /// had claimed is suspect: first all of it, and from then on what was announced.
    #[must_use]
    pub fn taken(&self, owner: String, until: Timestamp) -> Self {
        let mut taken = self.clone();
        if self.owner.is_some() {
            for suspects in &mut taken.suspects {
                suspects.losses += u32::from(suspects.in_flight);
                suspects.in_flight = false;
            }
            let claims = std::mem::take(&mut taken.claims).into_iter();
            taken.suspects.extend(claims.map(|range| Suspects { range, losses: 0, in_flight: false }));
        }
        (taken.owner, taken.lease_until, taken.next_at, taken.is_draining) = (Some(owner), Some(until), None, false);
        taken
    }

    /// Gives the lane back; it is looked at `next_at`.
    pub fn release(&mut self, next_at: Option<Timestamp>) {
        (self.owner, self.lease_until, self.next_at, self.is_draining) = (None, None, next_at, false);
    }

    /// Nothing of payloads is left to it.
    pub(crate) fn drop_claims(&mut self) {
        self.claims.clear();
        self.suspects.clear();
        self.unfinished = 0;
    }

    /// Whether this is what was read, or was written by us since.
    pub fn is_same_revision(&self, other: &Self) -> bool {
        self.revision == other.revision
    }

    /// When it is looked at while it only delivers: now, if there is anything.
    pub(crate) fn wake_for_rest(&self, now: Timestamp) -> Option<Timestamp> {
        let delivers = self.deliveries_pending > 0 || self.redelivery.is_some();
        (delivers || !self.announce.is_empty()).then_some(now)
    }

    pub(crate) fn put(&self, run: JobRunId) -> Result<Write, StoreError> {
        self.put_expecting(run, Expect::Revision(self.revision))
    }

    pub(crate) fn put_expecting(&self, run: JobRunId, expect: Expect) -> Result<Write, StoreError> {
        let item = NewItem::new(keys::lane(run, self.number), self)?;
        Ok(Write::Put(item.waking(self.wake_at()).expiring(Some(self.keep_until)), expect))
    }
}

impl Store {
    /// A lane as it is now.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn lane(&self, run: JobRunId, number: u32) -> Result<Option<Lane>, StoreError> {
        Ok(self.table.get(&keys::lane(run, number)).await?.map(Lane::from_read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_worker_had_is_suspect_and_announced_attempts_count() {
        let mut lane = Lane::new(0, Timestamp::EPOCH, Timestamp::EPOCH);
        let range = |start, end| PayloadRange { start, end };
        lane.claims = vec![range(0, 10)];
        let first = lane.taken("one".to_owned(), Timestamp::EPOCH);
        assert_eq!((first.claims.len(), first.suspects.len()), (1, 0), "nobody had it before");
        let mut second = first.taken("two".to_owned(), Timestamp::EPOCH);
        let suspects = |losses, in_flight| Suspects { range: range(0, 10), losses, in_flight };
        assert_eq!((second.claims.len(), second.suspects.clone()), (0, vec![suspects(0, false)]));
        assert_eq!(second.taken("three".to_owned(), Timestamp::EPOCH).suspects, [suspects(0, false)]);
        second.suspects[0].in_flight = true;
        assert_eq!(second.taken("three".to_owned(), Timestamp::EPOCH).suspects, [suspects(1, false)]);
    }
}
