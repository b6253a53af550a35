//! In a world without faults everything gets on, and comes to rest.

use std::time::Duration;

use sundial_model::Timestamp;
use sundial_model::job_run::JobRunStatus;
use sundial_model::lifecycle::Lifecycle;
use sundial_store::{Lane, PayloadRange};

use super::WorkBook;

/// In a world without faults nothing waits for longer than this without a reason. A payload that has killed
/// its worker waits for the end of the lease.
const STALL_TIME: Duration = Duration::from_secs(75);

impl WorkBook {
    /// What has not come to rest, in words.
    pub(crate) fn unrest(&self, now: Timestamp) -> Option<String> {
        let run = self.run.as_ref()?;
        if let Some(wake_at) = self.lanes.values().filter_map(Lane::wake_at).min()
            && run.status.is_terminal()
            && self.due.is_empty()
        {
            return Some(format!("job run {} has ended, but a lane wakes at {wake_at}", run.id));
        }
        if self.lanes.values().any(|lane| lane.redelivery.is_some()) {
            return Some(format!("deliveries of job run {} are to be requested again", run.id));
        }
        let due = self.due.values().map(|due| due.due_at).min();
        if let Some(due) = due.filter(|due| *due < now) {
            return Some(format!("a delivery of job run {} is due since {due}", run.id));
        }
        let exhaustion_untold = !self.was_exhaustion_told && self.lanes.values().any(|lane| lane.deliveries_failed > 0);
        if exhaustion_untold {
            return Some(format!("nobody was told that a delivery of job run {} was given up", run.id));
        }
        if run.job.is_none() {
            // Nothing follows its end.
            let told = self.closings.len() + self.told.len();
            return (told > 0).then(|| format!("the world was told of single run {}", run.id));
        }
        if run.status.is_terminal() && self.closings.get(&run.generation).is_none_or(|closing| !closing.is_done()) {
            return Some(format!("what follows the end of job run {} is not done", run.id));
        }
        let end = Lifecycle::of_end(run.status);
        let start = run.start_time.map(|_| Lifecycle::Started).filter(|_| end.is_some());
        let untold =
            start.into_iter().chain(end).find(|what| !self.told.contains_key(&(run.generation, what.detail_type())));
        if let Some(what) = untold {
            return Some(format!("nobody was told that job run {} has {what:?}", run.id));
        }
        let was_told = |what: Lifecycle| self.told.keys().any(|(_, told)| *told == what.detail_type());
        if self.was_paused && !was_told(Lifecycle::Paused) {
            return Some(format!("nobody was told that job run {} was paused", run.id));
        }
        None
    }

    /// In a world without faults: a payload that could be carried out for long, of a run that gets on with
    /// nothing, in words.
    pub(crate) fn stall(&self, now: Timestamp) -> Option<String> {
        let (run, queue, progress_at) = (self.run.as_ref()?, self.queue?, self.progress_at?);
        let is_held = self.lanes.values().any(|lane| lane.hold_until.is_some_and(|until| until + STALL_TIME > now));
        if run.status != JobRunStatus::Running || progress_at + STALL_TIME > now || is_held {
            return None;
        }
        let put_backs = self.put_backs.values();
        let later = put_backs.filter(|put_back| put_back.due_at + STALL_TIME > now).flat_map(|it| it.ranges.clone());
        let later: Vec<PayloadRange> = later.collect();
        let waits = |index: u32| {
            let next_at = self.attempts.get(&(run.generation, index)).and_then(|them| them.last());
            let next_at = next_at.map_or(Timestamp::EPOCH, |last| last.next_at);
            next_at + STALL_TIME > now || later.iter().any(|range| (range.start..range.end).contains(&index))
        };
        let stalled = (0..queue.end()).find(|index| self.is_open(*index) && !waits(*index))?;
        Some(format!(
            "payload {stalled} of job run {} could be carried out, and nothing has happened since {progress_at}",
            run.id
        ))
    }
}
