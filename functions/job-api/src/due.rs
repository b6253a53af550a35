//! When a job is due next, and telling the evaluator when that is soon.

use sundial_engine::due::NEXT_TICK_AFTER;
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::Timestamp;
use sundial_model::event::Event;
use sundial_runtime::Clients;
use sundial_store::{NextOccurrence, StoredJob};

/// Sets when a job is due: strictly after now and after its newest recorded occurrence. What was
/// due and is not on record is dropped, an outage that is not caught up with included.
pub(crate) fn set_next(job: &mut StoredJob, now: Timestamp) {
    job.catching_up = None;
    let after = job.last_nominal.map_or(now, |last| last.max(now));
    let schedule = job.definition.schedule.as_ref();
    // A stored schedule has been compiled before.
    let compiled = schedule.and_then(|schedule| CompiledSchedule::compile(schedule.specification()).ok());
    let next = compiled.and_then(|compiled| compiled.next_occurrence(job.uuid, after));
    job.next = next.map(NextOccurrence::from);
}

/// Wakes the evaluator when the job is due before the next tick of the timer can be relied on.
pub(crate) async fn announce(clients: &Clients, job: &StoredJob, now: Timestamp) {
    if job.due_at().is_some_and(|due_at| is_before_next_tick(due_at, now)) {
        clients.bus.put(&[Event::ScheduleChanged]).await;
    }
}

fn is_before_next_tick(due_at: Timestamp, now: Timestamp) -> bool {
    due_at.since(now) < NEXT_TICK_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evaluator_is_told_of_what_the_next_tick_may_be_too_late_for() {
        let at = Timestamp::from_seconds;
        let told = [0, 100, 101, 174, 175, 230].map(|due_at| is_before_next_tick(at(due_at), at(100)));
        assert_eq!(told, [true, true, true, true, false, false]);
    }
}
