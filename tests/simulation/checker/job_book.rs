//! What is known of one creation of a job, and what must hold of it after each transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sundial_engine::overlap::ACTIVE_RUNS_MAX;
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::job_run::JobRunStatus;
use sundial_model::job_run::ReasonType;
use sundial_model::number::WholeNumber;
use sundial_model::schedule::{CatchUpPolicy, Overlap};
use sundial_model::{JobRunId, Timestamp};
use sundial_store::{StoredJob, StoredJobRun};

use super::catch_up::{Outage, is_outage};
use super::history::History;
use super::{Caller, JobChanges, Role, admissions, may_follow};
use crate::world::SKEW_MAX;

/// In a healthy world an occurrence is recorded this long after its time at the latest.
const LATENESS_MAX: Duration = Duration::from_secs(3);

/// Whether what an evaluator records is made up for the past; `None` when that cannot be told.
fn is_made_up(had: &StoredJob, now: Timestamp) -> Option<bool> {
    let policy = had.definition.schedule.as_ref().map(|schedule| schedule.specification().catch_up.policy);
    if policy == Some(CatchUpPolicy::All) { is_outage(had, now) } else { Some(false) }
}

/// One creation of a job.
#[derive(Default)]
pub(crate) struct JobBook {
    job: Option<StoredJob>,
    schedule: Option<CompiledSchedule>,
    is_deleted: bool,
    history: History,
    outage: Outage,
    active: BTreeSet<JobRunId>,
    waiting: BTreeMap<String, JobRunId>,
    /// How many runs have failed since one did not, or since it was resumed.
    failed_in_a_row: u32,
}

impl JobBook {
    pub(crate) fn is_deleted(&self) -> bool {
        self.is_deleted
    }

    /// Notes a transaction and says what does not hold after it. `before` has the changed runs as they were.
    pub(crate) fn apply(
        &mut self,
        caller: Caller,
        now: Timestamp,
        is_healthy: bool,
        before: &[StoredJobRun],
        changes: &JobChanges,
    ) -> Result<(), String> {
        let Caller { role, begun } = caller;
        let had = self.job.clone();
        if let Some(job) = &changes.job
            && had.as_ref().is_none_or(|had| had.definition != job.definition)
        {
            let schedule = job.definition.schedule.as_ref();
            let compiled = schedule.map(|schedule| CompiledSchedule::compile(schedule.specification())).transpose();
            self.schedule = compiled.map_err(|error| format!("its schedule does not compile: {error}"))?;
        }
        let is_missed = |run: &StoredJobRun| run.reason.as_ref().is_some_and(|it| it.reason_type == ReasonType::Missed);
        // What a stretch leaves out is what has a record of its own, in the same transaction, too.
        let (stretches, single): (Vec<_>, Vec<_>) = changes.new_runs.iter().partition(|run| is_missed(run));
        for run in single.into_iter().chain(stretches) {
            self.check_new_run(role, now, is_healthy, had.as_ref(), run)?;
        }
        for (run, was) in changes.changed_runs.iter().zip(before) {
            let is_retried = run.generation == was.generation + 1 && run.status == JobRunStatus::Running;
            if !(may_follow(was.status, run) || (is_retried && was.status.is_terminal())) {
                return Err(format!("job run {} went from {:?} to {:?}", run.id, was.status, run.status));
            }
            if was.reason != run.reason && is_missed(run) {
                let schedule = self.schedule.as_ref().ok_or("a job without a schedule missed something")?;
                self.history.miss(run, schedule)?;
            }
        }
        if let (Some(had), Some(job)) = (&had, &changes.job) {
            let is_made_up = |run: &StoredJobRun| match role {
                Role::Evaluator => is_made_up(had, now),
                Role::Api | Role::Executor => Some(run.scheduled_time.is_some()),
            };
            admissions::check(had.overlap(), &self.active, self.waiting.len(), changes, is_made_up)?;
            if role == Role::Evaluator && had.next != job.next {
                self.outage.check(had, now, changes, job.next.map(|next| next.effective))?;
            }
            self.check_progress(role, begun, now, had, job)?;
        }
        self.note_places(changes)?;
        self.check_pause(role, had.as_ref(), before, changes)?;
        if let Some(job) = &changes.job {
            self.job = Some((**job).clone());
        }
        self.is_deleted |= changes.is_deleted;
        self.check_places(changes)
    }

    fn check_new_run(
        &mut self,
        role: Role,
        now: Timestamp,
        is_healthy: bool,
        had: Option<&StoredJob>,
        run: &StoredJobRun,
    ) -> Result<(), String> {
        let Some(time) = run.scheduled_time else { return Ok(()) };
        let had = had.ok_or("a run was recorded before its job")?;
        if self.is_deleted {
            return Err(format!("a run of {time} was recorded for a job that is deleted"));
        }
        if !had.is_active() {
            return Err(format!("a run of {time} was recorded while the job was paused"));
        }
        let schedule = self.schedule.as_ref().ok_or("a run of a schedule without a schedule")?;
        let second_before = Timestamp::from_milliseconds(time.milliseconds() - 1);
        let occurrence = schedule.next_occurrence(had.uuid, second_before);
        let Some(occurrence) = occurrence.filter(|occurrence| occurrence.nominal == time) else {
            return Err(format!("a run was recorded for {time}, at which nothing occurs"));
        };
        if run.reason.as_ref().is_some_and(|reason| reason.reason_type == ReasonType::Missed) {
            return self.history.miss(run, schedule);
        }
        if now + SKEW_MAX < occurrence.effective {
            return Err(format!("the run of {time} was recorded too early, at {now}"));
        }
        let is_due = had.next.is_some_and(|next| next.nominal <= time);
        if (role == Role::Evaluator) != is_due {
            return Err(format!("{role:?} recorded the run of {time} while the job's next was {:?}", had.next));
        }
        let late = now.since(occurrence.effective);
        if is_healthy && role == Role::Evaluator && late > LATENESS_MAX {
            return Err(format!("the run of {time} was recorded {late:?} late in a healthy world"));
        }
        self.history.record(run, role == Role::Api)
    }

    /// Notes which runs are active and which wait.
    fn note_places(&mut self, changes: &JobChanges) -> Result<(), String> {
        let is_released =
            |place: &&String| self.waiting.get(*place).is_some_and(|run| changes.with_lanes.contains(run));
        let (released, ended): (Vec<_>, Vec<_>) = changes.waits_no_more.iter().partition(is_released);
        for place in ended {
            self.waiting.remove(place);
        }
        for place in released {
            let first = self.waiting.first_key_value().map(|(first, _)| first.clone());
            self.waiting.remove(place);
            if first.as_ref() != Some(place) {
                return Err(format!("{place} was released before {first:?}"));
            }
        }
        self.waiting.extend(changes.waits.iter().cloned());
        for run in changes.new_runs.iter().chain(&changes.changed_runs) {
            // A run that goes on in a later generation has its lanes.
            let has_lanes = self.active.contains(&run.id) || changes.with_lanes.contains(&run.id) || run.generation > 1;
            if run.status.is_terminal() {
                self.active.remove(&run.id);
            } else if has_lanes {
                self.active.insert(run.id);
            } else if !self.waiting.values().any(|waiting| *waiting == run.id) {
                return Err(format!("job run {} is {:?}, and neither active nor waiting", run.id, run.status));
            }
        }
        Ok(())
    }

    /// A job pauses itself when so many runs in a row have failed, or when its auth session is lost, and only
    /// then.
    fn check_pause(
        &mut self,
        role: Role,
        had: Option<&StoredJob>,
        before: &[StoredJobRun],
        changes: &JobChanges,
    ) -> Result<(), String> {
        let ended = changes.changed_runs.iter().zip(before).filter(|(_, was)| !was.status.is_terminal());
        for (run, _) in ended {
            match run.status {
                JobRunStatus::Failed => self.failed_in_a_row += 1,
                JobRunStatus::Completed => self.failed_in_a_row = 0,
                _ => {}
            }
        }
        let (Some(had), Some(job)) = (had, &changes.job) else { return Ok(()) };
        if job.is_active() && !had.is_active() {
            self.failed_in_a_row = 0;
        }
        let most = had.definition.configuration.pause_after_failed_runs.map(WholeNumber::get);
        let is_enough = most.is_some_and(|most| self.failed_in_a_row >= most);
        if job.is_active() && job.paused_without.is_some() {
            return Err("the job goes on, and lacks an auth session".to_owned());
        }
        let has_paused = had.is_active() && !job.is_active() && role != Role::Api && job.paused_without.is_none();
        // That of a user may come between.
        let should_pause = is_enough && had.is_active() && job.is_active() && role == Role::Executor;
        if should_pause || (has_paused && !is_enough) {
            let failed = self.failed_in_a_row;
            return Err(format!(
                "{failed} runs in a row have failed of {most:?}, and the job is {:?}",
                job.state.status
            ));
        }
        Ok(())
    }

    /// What the job says of its runs is so.
    fn check_places(&self, changes: &JobChanges) -> Result<(), String> {
        if self.is_deleted {
            let left = self.active.len() + self.waiting.len();
            return if left == 0 { Ok(()) } else { Err(format!("{left} runs have outlived their job")) };
        }
        let Some(job) = &self.job else { return Ok(()) };
        let said: BTreeSet<_> = job.active_runs.iter().copied().collect();
        if said != self.active || job.waiting_runs != self.waiting.len() {
            return Err(format!(
                "the job says that {said:?} are active and {} waiting, but it is {:?} and {:?}",
                job.waiting_runs, self.active, self.waiting
            ));
        }
        let has_started = changes.with_lanes.iter().any(|run| self.active.contains(run));
        let bound = if job.overlap() == Overlap::Allow { ACTIVE_RUNS_MAX } else { 1 };
        if has_started && self.active.len() > bound {
            return Err(format!("{} runs are active under {:?}", self.active.len(), job.overlap()));
        }
        if has_started && !job.is_active() {
            return Err("a run has started while the job was paused".to_owned());
        }
        if job.is_active() && self.active.is_empty() && !self.waiting.is_empty() {
            return Err(format!("{} runs wait for nothing", self.waiting.len()));
        }
        Ok(())
    }

    /// Nothing is left out between two states of a job.
    fn check_progress(
        &self,
        role: Role,
        begun: Timestamp,
        now: Timestamp,
        had: &StoredJob,
        job: &StoredJob,
    ) -> Result<(), String> {
        if job.last_nominal < had.last_nominal {
            return Err(format!(
                "the last nominal time went from {:?} back to {:?}",
                had.last_nominal, job.last_nominal
            ));
        }
        if had.next == job.next {
            return Ok(());
        }
        let schedule = self.schedule.as_ref();
        match (role, had.next, schedule) {
            (Role::Executor, ..) => Err("an executor moved the schedule on".to_owned()),
            (Role::Evaluator, Some(next), Some(schedule)) if had.definition == job.definition => {
                let until = job.next.map_or(Timestamp::MAX, |next| next.nominal);
                let gap = self.history.gap(schedule, next.nominal, until);
                gap.map_or(Ok(()), |gap| Err(format!("the occurrence {gap} was left out")))
            }
            (Role::Evaluator, ..) => Err("an evaluator moved a schedule that was not due".to_owned()),
            (Role::Api, ..) => self.check_restart(begun, now, job),
        }
    }

    /// After a change by a user the next occurrence is strictly after that and after the last one.
    fn check_restart(&self, begun: Timestamp, now: Timestamp, job: &StoredJob) -> Result<(), String> {
        let Some(schedule) = &self.schedule else {
            return if job.next.is_none() { Ok(()) } else { Err("no schedule, but a next run".to_owned()) };
        };
        let next = job.next.map(|next| next.nominal);
        let last = job.last_nominal.unwrap_or(Timestamp::EPOCH);
        let earliest = schedule.next_nominal(last.max(begun - SKEW_MAX));
        let latest = schedule.next_nominal(last.max(now + SKEW_MAX));
        let in_order = |time: Option<Timestamp>| time.unwrap_or(Timestamp::MAX);
        if (in_order(earliest)..=in_order(latest)).contains(&in_order(next)) {
            Ok(())
        } else {
            Err(format!("after a change the next is {next:?}, not between {earliest:?} and {latest:?}"))
        }
    }

    /// What has not come to rest.
    pub(crate) fn unrest(&self, now: Timestamp) -> Option<String> {
        let job = self.job.as_ref().filter(|_| !self.is_deleted)?;
        let paused_itself = job.state.reason.as_ref().is_some_and(|reason| reason.to_string().contains("in a row"));
        if paused_itself {
            return None;
        }
        if !job.is_active() {
            return Some(format!("job {} is paused", job.id));
        }
        if !self.waiting.is_empty() {
            return Some(format!("{} runs of job {} wait", self.waiting.len(), job.id));
        }
        let overdue = job.next.filter(|next| now.since(next.effective) > LATENESS_MAX)?;
        Some(format!("job {} is overdue since {:?}", job.id, overdue.effective))
    }
}
