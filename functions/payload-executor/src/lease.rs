//! The lease on a lane: taken by one conditional write, kept by every further one.

use std::time::Duration;

use sundial_model::fresh_id::fresh_id;
use sundial_model::job_run::JobRunStatus;
use sundial_model::{JobRunId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::{
    Announcement, LANE_SLOTS_MAX, Lane, LanePhase, PayloadRange, RunPartition, SessionOfRun, StoreError,
};
use tokio::time::Instant;

/// How long a lease lasts, and what follows from that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseTimes {
    /// From one renewal to its end.
    pub(crate) length: Duration,
    /// A worker drops everything this long before the end: clocks and calls take time.
    pub(crate) safety: Duration,
    /// It is renewed this often.
    pub(crate) renew_every: Duration,
    /// An attempt starts only if the lane was seen this recently.
    pub(crate) look_every: Duration,
}

impl LeaseTimes {
    /// For a lease of this length.
    pub(crate) fn new(length: Duration) -> Self {
        Self {
            length,
            safety: Duration::from_secs(5).min(length / 4),
            renew_every: Duration::from_secs(15).min(length / 3),
            look_every: Duration::from_secs(3).min(length / 4),
        }
    }
}

/// A lane that is ours.
pub(crate) struct Lease {
    pub(crate) owner: String,
    /// When everything is dropped unless it was renewed, by this machine's own clock.
    pub(crate) drop_at: Instant,
    /// When it was last seen to be ours.
    pub(crate) seen_at: Instant,
    /// When it was last renewed.
    pub(crate) renewed_at: Instant,
    pub(crate) times: LeaseTimes,
}

impl Lease {
    /// Notes a write of the lane that began at `begun`.
    pub(crate) fn renewed(&mut self, begun: Instant) {
        self.drop_at = begun + self.times.length - self.times.safety;
        (self.seen_at, self.renewed_at) = (begun, begun);
    }

    /// The end of a lease that is renewed now.
    pub(crate) fn until(&self, now: Timestamp) -> Timestamp {
        now + self.times.length
    }
}

/// A lane that could not be taken up after so many tries is found again by its wake time.
const TRIES_MAX: u32 = 20;

/// A lane that was taken up, and what was seen of its run.
pub(crate) struct Acquired {
    pub(crate) partition: RunPartition,
    pub(crate) lane: Lane,
    pub(crate) lease: Lease,
    /// What was claimed with it.
    pub(crate) claimed: Option<PayloadRange>,
}

/// Takes the lease on a lane, slots that no other lane holds, and as many payloads. `None` when
/// there is nothing to do, or another worker has the lane.
pub(crate) async fn acquire(clients: &Clients, run: JobRunId, number: u32) -> Result<Option<Acquired>, StoreError> {
    let times = LeaseTimes::new(clients.settings.lease);
    let (mut tries, mut looked_at) = (0, None);
    loop {
        let begun = Instant::now();
        let Some(mut partition) = clients.store.run_partition(run).await? else { return Ok(None) };
        let now = clients.clock.now();
        let found = partition.lane(number).filter(|lane| !lane.is_leased(now) && lane.has_work());
        let Some(found) = found.cloned() else { return Ok(None) };
        if partition.run.waits_for_session() && found.phase == LanePhase::Working {
            let is_valid = looked_at.take().is_some_and(|looked_at| partition.run.session_is_valid(&looked_at));
            if !is_valid {
                tries += 1;
                if tries > TRIES_MAX {
                    return Ok(None);
                }
                match clients.store.session_of_run(run, number, now).await? {
                    SessionOfRun::Valid(run) => looked_at = Some(*run),
                    SessionOfRun::NotNow(work) => {
                        clients.bus.hand_over(work).await;
                        return Ok(None);
                    }
                }
                continue;
            }
        }
        let owner = fresh_id().to_string();
        let mut lane = found.taken(owner.clone(), now + times.length);
        let starts = partition.run.status == JobRunStatus::Pending && lane.phase == LanePhase::Working;
        if starts && clients.store.end_without_project(&partition.run, now).await? {
            return Ok(None);
        }
        if starts {
            partition.run.begin(now);
            lane.announce.push(Announcement::Started);
        }
        let before = partition.queue;
        let claimed = first_claim(&mut lane, &mut partition, now);
        let queue = (partition.queue != before).then_some(&mut partition.queue);
        match clients.store.take_lane(&mut partition.run, starts, &mut lane, queue).await {
            Ok(()) => {
                if let Some(stored) = partition.lanes.iter_mut().find(|stored| stored.number == number) {
                    *stored = lane.clone();
                }
                let mut lease = Lease { owner, drop_at: begun, seen_at: begun, renewed_at: begun, times };
                lease.renewed(begun);
                return Ok(Some(Acquired { partition, lane, lease, claimed }));
            }
            // Another worker was faster, or another lane has changed the queue: look again.
            Err(StoreError::Conflict) if tries < TRIES_MAX => tries += 1,
            Err(error) => return Err(error),
        }
        // Spread, so that two that met once do not meet again.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..10 << tries.min(5)))).await;
    }
}

/// What a lane takes at once. Where it has a history, its worker looks at that first.
fn first_claim(lane: &mut Lane, partition: &mut RunPartition, now: Timestamp) -> Option<PayloadRange> {
    if lane.phase != LanePhase::Working {
        return None;
    }
    let queue = &mut partition.queue;
    let slots = LANE_SLOTS_MAX.min(lane.slots + queue.free_slots());
    if slots > lane.slots {
        queue.set_slots(lane, slots);
    }
    let is_new = partition.run.generation == 1 && lane.claims.is_empty() && lane.suspects.is_empty();
    let is_held = partition.lanes.iter().any(|lane| lane.hold_until > Some(now));
    if !is_new || is_held {
        return None;
    }
    let range = queue.claim(slots);
    lane.unfinished += range.count();
    lane.claims.extend((range.count() > 0).then_some(range));
    (range.count() > 0).then_some(range)
}
