//! Lanes: a job run's payloads are worked off in up to ten lanes side by side, each by one worker
//! under a lease. A lane is the fence (whoever has lost its revision records nothing), the list of
//! what its worker has claimed, and the counters of what became of it, so that workers never
//! fight over one item.

use serde::{Deserialize, Serialize};
use sundial_model::{JobRunId, Timestamp};

use crate::error::StoreError;
use crate::item::{NewItem, Read, as_json};
use crate::keys;
use crate::table::{Expect, Write};

/// Whether payloads are carried out in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LanePhase {
    /// Yes.
    Working,
    /// Those in flight finish, none starts.
    Pausing,
    /// Nothing happens until the run is resumed.
    Paused,
    /// Never again: all are finished, or the run was ended. Deliveries may go on.
    Settled,
}

/// The payloads from `start` up to, but not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadRange {
    /// The first index.
    pub start: u32,
    /// The index after the last.
    pub end: u32,
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
    /// What was claimed and is not finished as a whole.
    #[serde(with = "as_json")]
    pub claims: Vec<PayloadRange>,
    /// How many of the claimed payloads are not finished.
    pub unfinished: u32,
    /// How many ended well.
    pub succeeded: u32,
    /// How many ended badly.
    pub failed: u32,
    /// How many deliveries were taken by the sink.
    pub delivered: u32,
    /// How many deliveries were given up.
    pub deliveries_failed: u32,
    /// How many deliveries are waiting.
    pub deliveries_pending: u32,
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
    /// A lane of a new job run, to be looked at `next_at` should its event be lost.
    pub(crate) fn new(number: u32, next_at: Timestamp, keep_until: Timestamp) -> Self {
        Self {
            number,
            phase: LanePhase::Working,
            owner: None,
            lease_until: None,
            claims: Vec::new(),
            unfinished: 0,
            succeeded: 0,
            failed: 0,
            delivered: 0,
            deliveries_failed: 0,
            deliveries_pending: 0,
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

    /// Whether this is what was read, or was written by us since.
    pub fn is_same_revision(&self, other: &Self) -> bool {
        self.revision == other.revision
    }

    pub(crate) fn put(&self, run: JobRunId) -> Result<Write, StoreError> {
        self.put_expecting(run, Expect::Revision(self.revision))
    }

    pub(crate) fn put_expecting(&self, run: JobRunId, expect: Expect) -> Result<Write, StoreError> {
        let item = NewItem::new(keys::lane(run, self.number), self)?;
        Ok(Write::Put(item.waking(self.wake_at()).expiring(Some(self.keep_until)), expect))
    }
}
