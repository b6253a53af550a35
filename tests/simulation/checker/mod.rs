//! The invariants of schedules, checked after each transaction on what it wrote.

mod admissions;
mod catch_up;
mod history;
mod job_book;
mod work;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use sundial_model::job_run::{JobRunStatus, ReasonType};
use sundial_model::{JobRunId, JobUuid, Timestamp};
use sundial_store::inspection::{Change, WorkChange, change, work_change};
use sundial_store::keys::Key;
use sundial_store::{StoredJobRun, TransactionToken, Write, keys};

use crate::Statistics;
use crate::exports::Expected;
use job_book::JobBook;
pub(crate) use work::{Reception, WorkBook};

/// Whose transaction it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Api,
    Evaluator,
    Executor,
}

/// Whose it is, and since when that invocation goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    pub(crate) begun: Timestamp,
}

/// So many of the last changes are told with a violation.
const TRACE_LENGTH: usize = 60;

/// What is known of all jobs and runs.
#[derive(Default)]
pub(crate) struct Checker {
    books: BTreeMap<JobUuid, JobBook>,
    uuids: HashMap<Key, JobUuid>,
    runs: HashMap<JobRunId, StoredJobRun>,
    /// Single runs that stand among those that have not ended.
    active: HashSet<JobRunId>,
    work: BTreeMap<JobRunId, WorkBook>,
    tokens: HashSet<TransactionToken>,
    trace: VecDeque<String>,
    violation: Option<String>,
    statistics: Statistics,
    /// Since when there are no faults any more.
    recovered_at: Option<Timestamp>,
}

/// What a transaction did to one job.
#[derive(Default)]
pub(crate) struct JobChanges {
    pub(crate) job: Option<Box<sundial_store::StoredJob>>,
    pub(crate) is_deleted: bool,
    pub(crate) new_runs: Vec<StoredJobRun>,
    pub(crate) changed_runs: Vec<StoredJobRun>,
    pub(crate) with_lanes: HashSet<JobRunId>,
    pub(crate) waits: Vec<(String, JobRunId)>,
    pub(crate) waits_no_more: Vec<String>,
}

impl Checker {
    /// Checks a transaction that was just written at the true time `now`.
    pub(crate) fn committed(&mut self, caller: Caller, now: Timestamp, writes: &[Write], token: &TransactionToken) {
        if self.violation.is_some() || !self.tokens.insert(token.clone()) {
            return;
        }
        self.statistics.transactions += 1;
        if let Err(violation) = self.check_work(caller, now, writes) {
            self.violation = Some(format!("{violation} (transaction of {:?} at {now})", caller.role));
            return;
        }
        let changes = self.by_job(writes);
        for (uuid, changes) in changes {
            let role = caller.role;
            self.note(role, now, uuid, &changes);
            self.count(&changes);
            let lanes_before = |run: &StoredJobRun| self.runs.get(&run.id).cloned();
            let before: Vec<_> = changes.changed_runs.iter().filter_map(lanes_before).collect();
            let book = self.books.entry(uuid).or_default();
            let grace = self.recovered_at.map(|at| at + RECOVERY_TIME);
            let is_healthy = grace.is_some_and(|grace| now > grace);
            if let Err(violation) = book.apply(caller, now, is_healthy, &before, &changes) {
                self.violation = Some(format!("{violation} (job {uuid}, transaction of {role:?} at {now})"));
                return;
            }
            for run in changes.new_runs.into_iter().chain(changes.changed_runs) {
                self.runs.insert(run.id, run);
            }
        }
    }

    /// Checks what became of payloads.
    fn check_work(&mut self, caller: Caller, now: Timestamp, writes: &[Write]) -> Result<(), String> {
        let mut by_run: BTreeMap<JobRunId, Vec<WorkChange>> = BTreeMap::new();
        for (run, change) in writes.iter().filter_map(work_change) {
            by_run.entry(run).or_default().push(change);
        }
        for (run, changes) in by_run {
            let line = work::in_words(&changes);
            let book = self.work.entry(run).or_default();
            let checked = book.apply(caller, now, changes, &mut self.statistics);
            self.tell(format!("{now} {:?} run {}: {line}", caller.role, &run.to_string()[24..]));
            checked.map_err(|violation| format!("{violation} (job run {run})"))?;
        }
        Ok(())
    }

    fn tell(&mut self, line: String) {
        let mut hasher = DefaultHasher::new();
        (self.statistics.digest, &line).hash(&mut hasher);
        self.statistics.digest = hasher.finish();
        self.trace.push_back(line);
        if self.trace.len() > TRACE_LENGTH {
            self.trace.pop_front();
        }
    }

    /// How a run is carried out.
    pub(crate) fn work(&self, run: JobRunId) -> Option<&WorkBook> {
        self.work.get(&run)
    }

    /// Notices runs that do not get on though nothing is in their way.
    pub(crate) fn check_stalls(&mut self, now: Timestamp) {
        let is_healthy = self.recovered_at.is_some_and(|at| at + RECOVERY_TIME + HEALTHY_TIME < now);
        if let Some(stall) = self.work.values().filter(|_| is_healthy).find_map(|book| book.stall(now)) {
            self.object(stall);
        }
    }

    /// The same, to be told of what happened outside.
    pub(crate) fn work_mut(&mut self, run: JobRunId) -> &mut WorkBook {
        self.work.entry(run).or_default()
    }

    /// What the exports must say.
    pub(crate) fn expected_exports(&self) -> Vec<Expected> {
        self.work.values().filter_map(WorkBook::expected_export).collect()
    }

    fn count(&mut self, changes: &JobChanges) {
        let new_with = |wanted: ReasonType| {
            let has = |run: &&StoredJobRun| run.reason.as_ref().is_some_and(|reason| reason.reason_type == wanted);
            changes.new_runs.iter().filter(has).count() as u64
        };
        let is_superseded =
            |run: &&StoredJobRun| run.reason.as_ref().is_some_and(|it| it.reason_type == ReasonType::Superseded);
        let new: HashSet<_> = changes.new_runs.iter().map(|run| run.id).collect();
        self.statistics += Statistics {
            runs: changes.new_runs.len() as u64,
            missed: new_with(ReasonType::Missed),
            skipped: new_with(ReasonType::AnotherJobRunActive),
            superseded: changes.changed_runs.iter().filter(is_superseded).count() as u64,
            released: changes.with_lanes.difference(&new).count() as u64,
            ..Statistics::default()
        };
    }

    fn by_job(&mut self, writes: &[Write]) -> BTreeMap<JobUuid, JobChanges> {
        let mut by_job: BTreeMap<JobUuid, JobChanges> = BTreeMap::new();
        let (mut lanes, mut single_runs) = (Vec::new(), HashSet::new());
        for change in writes.iter().filter_map(change) {
            match change {
                Change::Job(job) => {
                    let uuid = job.uuid;
                    self.uuids.insert(keys::job(job.project_id, &job.id), uuid);
                    by_job.entry(uuid).or_default().job = Some(job);
                }
                Change::NoJob(key) => {
                    if let Some(uuid) = self.uuids.remove(&key) {
                        by_job.entry(uuid).or_default().is_deleted = true;
                    }
                }
                Change::Run(run, is_new) => {
                    let Some(job) = run.job_uuid() else {
                        single_runs.insert(run.id);
                        self.take_in_single_run(*run, is_new);
                        continue;
                    };
                    let changes = by_job.entry(job).or_default();
                    if is_new { changes.new_runs.push(*run) } else { changes.changed_runs.push(*run) }
                }
                Change::NewLane(run) => lanes.push(run),
                Change::Active(run, is_active) => {
                    single_runs.insert(run);
                    if is_active {
                        self.active.insert(run)
                    } else {
                        self.active.remove(&run)
                    };
                }
                Change::Waits(job, run, place) => by_job.entry(job).or_default().waits.push((place, run)),
                Change::WaitsNoMore(job, _, place) => by_job.entry(job).or_default().waits_no_more.push(place),
            }
        }
        self.check_active(&single_runs);
        for run in lanes {
            let known = self.runs.get(&run).and_then(StoredJobRun::job_uuid);
            let new = by_job.iter().find(|(_, changes)| changes.new_runs.iter().any(|new| new.id == run));
            if let Some(uuid) = known.or_else(|| new.map(|(uuid, _)| *uuid)) {
                by_job.entry(uuid).or_default().with_lanes.insert(run);
            }
        }
        by_job
    }

    /// A single run stands among those that have not ended just as long as it has not.
    fn check_active(&mut self, single_runs: &HashSet<JobRunId>) {
        let has_ended = |run: &JobRunId| self.runs.get(run).is_none_or(|run| run.status.is_terminal());
        if let Some(run) = single_runs.iter().find(|run| self.active.contains(*run) == has_ended(run)) {
            let has_ended = has_ended(run);
            self.object(format!("single run {run} has ended ({has_ended}), and is not among the others accordingly"));
        }
    }

    /// A single run is of no job: nothing keeps it from starting, or lets it wait.
    fn take_in_single_run(&mut self, run: StoredJobRun, is_new: bool) {
        let before = self.runs.get(&run.id).map(|before| before.status);
        match before {
            None if is_new => self.statistics.single_runs += 1,
            Some(before) if !is_new && may_follow(before, &run) => {}
            _ => self.object(format!("single run {} is {:?} after {before:?}", run.id, run.status)),
        }
        if matches!(run.status, JobRunStatus::Pausing | JobRunStatus::Paused) {
            self.object(format!("single run {} is {:?}", run.id, run.status));
        }
        self.runs.insert(run.id, run);
    }

    fn note(&mut self, role: Role, now: Timestamp, uuid: JobUuid, changes: &JobChanges) {
        let mut line = format!("{now} {role:?} job {}:", &uuid.to_string()[24..]);
        if let Some(job) = &changes.job {
            let next = job.next.map(|next| next.nominal);
            line += &format!(
                " {:?} next {next:?} last {:?} active {} waiting {}",
                job.state.status,
                job.last_nominal,
                job.active_runs.len(),
                job.waiting_runs
            );
        }
        if changes.is_deleted {
            line += " deleted";
        }
        for run in changes.new_runs.iter().chain(&changes.changed_runs) {
            let time = run.scheduled_time.map_or_else(|| "manual".to_owned(), |time| time.to_string());
            let reason = run.reason.as_ref().map(|reason| format!(" {:?}", reason.reason_type)).unwrap_or_default();
            let place = if changes.with_lanes.contains(&run.id) { " (started)" } else { "" };
            line += &format!("; run {time} {:?}{reason}{place}", run.status);
        }
        self.tell(line);
    }

    /// Something happened that must never happen.
    pub(crate) fn object(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    /// The first violation.
    pub(crate) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.trace.iter().cloned().collect()
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// There are no faults from `now` on.
    pub(crate) fn recover(&mut self, now: Timestamp) {
        self.recovered_at = Some(now);
    }

    /// What has not come to rest, in words: a run that should have ended, a job that is overdue.
    pub(crate) fn unrest(&self, now: Timestamp) -> Option<String> {
        let recovered_at = self.recovered_at?;
        if now < recovered_at + RECOVERY_TIME + HEALTHY_TIME {
            return Some("too early to say".to_owned());
        }
        let old = now - RUN_TIME;
        let lingering = self.runs.values().find(|run| {
            let is_deleted = |uuid| self.books.get(&uuid).is_none_or(JobBook::is_deleted);
            let is_gone = run.job_uuid().is_some_and(is_deleted);
            !run.status.is_terminal() && (run.created_at < old || is_gone)
        });
        if let Some(run) = lingering {
            return Some(format!("job run {} of {:?} is {:?}", run.id, run.scheduled_time, run.status));
        }
        let of_jobs = self.books.values().find_map(|book| book.unrest(now));
        of_jobs.or_else(|| self.work.values().find_map(|book| book.unrest(now)))
    }
}

/// An evaluator of after the last fault is there after this long: the timer, its delays, and leases
/// of those that died last.
const RECOVERY_TIME: Duration = Duration::from_secs(150);
/// A healthy world is watched at least so long.
const HEALTHY_TIME: Duration = Duration::from_secs(45);
/// In a healthy world a run is done after this long.
const RUN_TIME: Duration = Duration::from_secs(30);

/// Whether a run's status may change like this.
fn may_follow(before: JobRunStatus, after: &StoredJobRun) -> bool {
    use JobRunStatus::{Canceled, Completed, Failed, Paused, Pausing, Pending, Running, Terminated};
    let is_too_old = after.reason.as_ref().is_some_and(|reason| reason.reason_type == ReasonType::TooOld);
    if after.status == Failed && is_too_old {
        return !before.is_terminal();
    }
    match before {
        Pending => !matches!(after.status, Completed | Failed),
        Running => !matches!(after.status, Pending | Canceled),
        Pausing | Paused => !matches!(after.status, Completed | Failed) || before == Pausing,
        Completed | Failed | Terminated | Canceled => after.status == before,
    }
}
