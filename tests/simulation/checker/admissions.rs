//! What becomes of each new run by the overlap policy, as the design says it, decided here once more.

use std::collections::BTreeSet;

use sundial_engine::overlap::ACTIVE_RUNS_MAX;
use sundial_model::JobRunId;
use sundial_model::job_run::{JobRunStatus, ReasonType};
use sundial_model::schedule::Overlap;
use sundial_store::StoredJobRun;

use super::JobChanges;

/// What a run has come to in the transaction that recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Starts,
    Waits,
    IsSkipped,
    Supersedes,
}

/// Checks new runs, in their order, of a job with these runs active and so many waiting before.
/// `is_made_up` tells those of the past, if that can be told.
pub(crate) fn check(
    overlap: Overlap,
    active: &BTreeSet<JobRunId>,
    waiting: usize,
    changes: &JobChanges,
    is_made_up: impl Fn(&StoredJobRun) -> Option<bool>,
) -> Result<(), String> {
    let (mut active_now, mut waiting_now) = (active.len(), waiting);
    for run in &changes.new_runs {
        if run.reason.as_ref().is_some_and(|reason| reason.reason_type == ReasonType::Missed) {
            continue;
        }
        let fate = fate(run, changes, active)?;
        let may_be = |made_up: bool| expected(overlap, made_up, active_now, waiting_now) == fate;
        let is_right = match is_made_up(run) {
            Some(made_up) => may_be(made_up),
            None => may_be(true) || may_be(false),
        };
        if !is_right {
            let time = run.scheduled_time.unwrap_or(run.created_at);
            return Err(format!("under {overlap:?}, {active_now} active and {waiting_now} waiting, {time} {fate:?}"));
        }
        match fate {
            Fate::Starts => active_now += 1,
            Fate::Supersedes => active_now = 1,
            Fate::Waits => waiting_now += 1,
            Fate::IsSkipped => {}
        }
    }
    Ok(())
}

fn fate(run: &StoredJobRun, changes: &JobChanges, active: &BTreeSet<JobRunId>) -> Result<Fate, String> {
    let reason = run.reason.as_ref().map(|reason| reason.reason_type);
    if run.status == JobRunStatus::Canceled && reason == Some(ReasonType::AnotherJobRunActive) {
        return Ok(Fate::IsSkipped);
    }
    if run.status != JobRunStatus::Pending || reason.is_some() {
        return Err(format!("a new run is {:?}, for {reason:?}", run.status));
    }
    if changes.waits.iter().any(|(_, waits)| *waits == run.id) {
        return Ok(Fate::Waits);
    }
    if !changes.with_lanes.contains(&run.id) {
        return Err("a new run neither waits nor starts".to_owned());
    }
    let is_superseded = |run: &&StoredJobRun| {
        let reason = run.reason.as_ref().map(|reason| reason.reason_type);
        run.status == JobRunStatus::Terminated && reason == Some(ReasonType::Superseded)
    };
    let superseded = changes.changed_runs.iter().filter(is_superseded).filter(|run| active.contains(&run.id)).count();
    Ok(if superseded > 0 && superseded == active.len() { Fate::Supersedes } else { Fate::Starts })
}

fn expected(overlap: Overlap, is_made_up: bool, active: usize, waiting: usize) -> Fate {
    let is_idle = active == 0 && waiting == 0;
    match overlap {
        _ if is_idle => Fate::Starts,
        Overlap::Allow if active < ACTIVE_RUNS_MAX => Fate::Starts,
        _ if is_made_up => Fate::Waits,
        Overlap::Skip | Overlap::Allow => Fate::IsSkipped,
        Overlap::BufferOne if waiting == 0 => Fate::Waits,
        Overlap::BufferOne => Fate::IsSkipped,
        // Where none is active, nothing is ended.
        Overlap::TerminateRunning if active == 0 => Fate::Starts,
        Overlap::TerminateRunning => Fate::Supersedes,
    }
}
