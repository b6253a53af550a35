//! The lease on a lane: taken by one conditional write, kept by every further one.

use std::time::Duration;

use sundial_model::job_run::JobRunStatus;
use sundial_model::{JobRunId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::{Lane, LanePhase, RunPartition, StoreError};
use tokio::time::Instant;
use uuid::Uuid;

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

/// Takes the lease on a lane. `None` when there is nothing to do, or another worker has it.
pub(crate) async fn acquire(
    clients: &Clients,
    run: JobRunId,
    number: u32,
) -> Result<Option<(RunPartition, Lane, Lease)>, StoreError> {
    let times = LeaseTimes::new(clients.settings.lease);
    loop {
        let begun = Instant::now();
        let Some(mut partition) = clients.store.run_partition(run).await? else { return Ok(None) };
        let now = clients.clock.now();
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(lane) = partition.lanes.get(place).filter(|lane| !lane.is_leased(now) && has_work(lane)) else {
            return Ok(None);
        };
        let owner = Uuid::new_v4().to_string();
        let mut lane = lane.clone();
        (lane.owner, lane.lease_until, lane.next_at) = (Some(owner.clone()), Some(now + times.length), None);
        let starts = partition.run.status == JobRunStatus::Pending;
        let written = if starts {
            let mut run = partition.run.clone();
            (run.status, run.start_time, run.updated_at) = (JobRunStatus::Running, Some(now), now);
            clients.store.put_lane_and_run(&run, &lane).await.map(|(run, lane)| {
                partition.run = run;
                lane
            })
        } else {
            clients.store.put_lane(run, &lane).await
        };
        match written {
            Ok(lane) => {
                let mut lease = Lease { owner, drop_at: begun, seen_at: begun, renewed_at: begun, times };
                lease.renewed(begun);
                return Ok(Some((partition, lane, lease)));
            }
            // Another worker was faster, or the run's other lane has just started it: look again.
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
}

fn has_work(lane: &Lane) -> bool {
    lane.wake_at().is_some() || lane.phase == LanePhase::Working
}
