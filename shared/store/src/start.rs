//! Recording job runs: each with its lanes, in one transaction with its job's next wake time.

use std::time::Duration;

use sundial_engine::due::Missed;
use sundial_engine::overlap::{Admission, Origin};
use sundial_engine::schedule::Occurrence;
use sundial_model::duration::Milliseconds;
use sundial_model::event::WorkReady;
use sundial_model::job_run::{JobRunStatus, JobRunType, Reason, ReasonType};
use sundial_model::number::WholeNumber;
use sundial_model::schedule::Overlap;
use sundial_model::trace::Caller;
use sundial_model::{JobRunId, Timestamp};

use crate::auth_session::SessionCheck;
use crate::error::StoreError;
use crate::item::NewItem;
use crate::payload_parts::{PayloadPart, count};
use crate::projects::StoredProject;
use crate::queue::Queue;
use crate::run_partition::{JobOfRun, RunPartition, StoredJobRun};
use crate::run_view::RunView;
use crate::snapshot::Snapshot;
use crate::stored_job::StoredJob;
use crate::table::{Expect, Write};
use crate::{RUN_AGE_MAX, Store, keys};

/// A lane that nobody has taken up after this long is looked at by the evaluator: its event was lost.
pub const LOST_EVENT_AFTER: Duration = Duration::from_secs(15);

/// A transaction has 100 writes: some for the job and for a stretch that was missed, and for each
/// run itself, its snapshot, its queue, its first lane or what follows its end, its places in two
/// lists, and one among those that wait. And it has 4 MB: a snapshot has up to 100 KB of its job and
/// of its target, and a list of parts.
const RECORDED_AT_ONCE_MAX: usize = 12;

/// A job run to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJobRun {
    /// Its id.
    pub id: JobRunId,
    /// What starts it.
    pub run_type: JobRunType,
    /// Its occurrence, when the schedule starts it.
    pub occurrence: Option<Occurrence>,
    /// What becomes of it.
    pub admission: Admission,
    /// Its payloads instead of the job's own.
    pub payloads: Option<PayloadPart>,
    /// The call that starts it.
    pub caller: Option<Caller>,
}

/// What is to be recorded for a job in one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewRecords {
    /// Job runs, oldest first; at most [`StoredJob::recordable_at_once`].
    pub runs: Vec<NewJobRun>,
    /// A stretch that nobody was there for: a record of it, or more of the one that begins with it.
    pub missed: Option<Missed>,
}

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The job as it is then.
    pub job: StoredJob,
    /// The runs, in order.
    pub runs: Vec<RunView>,
    /// What workers are needed for.
    pub work: Vec<WorkReady>,
}

impl NewJobRun {
    /// The run of an occurrence: its id is the same for everyone who records it.
    pub fn of_occurrence(job: &StoredJob, occurrence: Occurrence, admission: Admission) -> Self {
        Self {
            id: JobRunId::scheduled(job.uuid, occurrence.nominal),
            run_type: JobRunType::Scheduled,
            occurrence: Some(occurrence),
            admission,
            payloads: None,
            caller: None,
        }
    }
}

impl StoredJob {
    /// How many runs of it fit into one transaction.
    pub fn recordable_at_once(&self, origin: Origin) -> usize {
        match (self.overlap(), origin) {
            // The end of the one that it supersedes needs room, too.
            (Overlap::TerminateRunning, Origin::Present) => 1,
            _ => RECORDED_AT_ONCE_MAX,
        }
    }

    fn new_run(&self, project: &StoredProject, new: NewJobRun, now: Timestamp, retention: Duration) -> RunView {
        let parts = new.payloads.map_or_else(|| self.parts.clone(), |part| vec![part]);
        let total = count(&parts);
        let is_skipped = new.admission == Admission::Skip;
        let keep_until = now + retention + if is_skipped { Duration::ZERO } else { RUN_AGE_MAX };
        let configuration = &self.definition.configuration;
        let run = StoredJobRun {
            id: new.id,
            job: Some(JobOfRun { uuid: self.uuid, id: self.id.clone() }),
            project_id: self.project_id,
            project_name: self.project_name.clone(),
            workspace_id: self.workspace_id,
            run_type: new.run_type,
            status: if is_skipped { JobRunStatus::Canceled } else { JobRunStatus::Pending },
            reason: is_skipped.then(|| self.why_skipped()),
            generation: 1,
            scheduled_time: new.occurrence.map(|occurrence| occurrence.nominal),
            effective_time: new.occurrence.map(|occurrence| occurrence.effective),
            created_at: now,
            generation_began_at: now,
            first_new: 0,
            start_time: None,
            end_time: is_skipped.then_some(now),
            updated_at: now,
            session_check: (!is_skipped && self.definition.auth_session.is_some()).then_some(SessionCheck::Wanted),
            max_duration_ms: configuration.max_duration.map(Milliseconds::get),
            deadline: None,
            triggered_by: new.caller.as_ref().map(|caller| caller.key_id.clone()),
            correlation_id: new.caller.as_ref().map(|caller| caller.correlation_id.clone()),
            trace: new.caller.and_then(|caller| caller.trace),
            keep_until,
            revision: 1,
        };
        let snapshot = Snapshot {
            run: new.id,
            definition: self.definition.clone(),
            secrets: self.secrets,
            target: project.target.clone(),
            project_secrets: project.secrets,
            parts,
            keep_until,
        };
        let (limit, max_runs) =
            (configuration.max_concurrent_requests.get(), configuration.max_runs.map(WholeNumber::get));
        let queue = Queue::new(total, limit, max_runs, keep_until);
        let starts = matches!(new.admission, Admission::Start | Admission::Supersede);
        let lanes = if starts { vec![run.first_lane(now)] } else { Vec::new() };
        RunView { partition: RunPartition { run, queue, lanes }, snapshot }
    }

    /// Why a run of it does not start as things are.
    pub fn why_skipped(&self) -> Reason {
        let message = match self.active_runs.as_slice() {
            [] => format!("{} job runs of the job are waiting", self.waiting_runs),
            [one] => format!("job run {one} is active"),
            [one, others @ ..] => format!("job run {one} and {} more are active", others.len()),
        };
        Reason::new(ReasonType::AnotherJobRunActive, message)
    }

    /// The record of a stretch: CANCELED, and the only one for all its occurrences.
    fn missed_run(&self, project: &StoredProject, missed: Missed, now: Timestamp, retention: Duration) -> RunView {
        let Missed { from, to, count } = missed;
        let occurrence = Occurrence { nominal: from, effective: from };
        let new = NewJobRun {
            id: JobRunId::missed(self.uuid, from),
            ..NewJobRun::of_occurrence(self, occurrence, Admission::Skip)
        };
        let mut view = self.new_run(project, new, now, retention);
        let message = format!("{count} occurrence(s) passed while nothing looked at the schedule");
        let details = serde_json::json!({ "from": from, "to": to, "count": count });
        let reason = Reason { details: Some(details), ..Reason::new(ReasonType::Missed, message) };
        view.partition.run.reason = Some(reason);
        view
    }
}

impl RunView {
    /// The writes of a run that is not there yet.
    pub(crate) fn creation(&self) -> Result<Vec<Write>, StoreError> {
        let Self { partition: RunPartition { run, queue, lanes }, snapshot } = self;
        let mut writes = vec![
            run.put_expecting(Expect::Nothing)?,
            snapshot.creation()?,
            queue.put_expecting(run.id, Expect::Nothing)?,
        ];
        for lane in lanes {
            writes.push(lane.put_expecting(run.id, Expect::Nothing)?);
        }
        let place = keys::place_of_run(run.created_at, run.scheduled_time, run.id);
        let shard = keys::runs_shard(run.id);
        let lists = match run.job_uuid() {
            Some(job) => vec![keys::job_runs(job), keys::project_runs(run.project_id, shard)],
            None => vec![keys::single_runs(run.project_id, shard)],
        };
        for list in lists {
            let item = NewItem::new(keys::listed_run(list, &place), &serde_json::json!({}))?;
            writes.push(Write::Put(item.expiring(Some(run.keep_until)), Expect::Nothing));
        }
        if run.waits(lanes) {
            writes.extend(run.enqueue()?);
        }
        if run.status.is_terminal() {
            writes.extend(self.partition.closing(run.created_at)?);
        }
        Ok(writes)
    }
}

impl Store {
    /// Records job runs of `job`, which is put in the same transaction in the state given here,
    /// over the one that was read. Those that a run supersedes end in it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the job has changed since it was read, or a run was recorded before.
    pub async fn record_job_runs(
        &self,
        project: &StoredProject,
        mut job: StoredJob,
        records: NewRecords,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let (mut writes, mut runs, mut work) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(missed) = records.missed {
            writes.extend(self.missed_writes(project, &job, missed, now, &mut work).await?);
        }
        for new in records.runs {
            let admission = new.admission;
            let view = job.new_run(project, new, now, self.retention);
            let run = &view.partition.run;
            if admission == Admission::Supersede {
                let (ends, closings) = self.supersede(&mut job, run.id, now).await?;
                writes.extend(ends);
                work.extend(closings);
            }
            writes.extend(view.creation()?);
            match admission {
                Admission::Start | Admission::Supersede => {
                    work.push(WorkReady::lane(run.id, 0));
                    job.active_runs.push(run.id);
                    job.last_run_time = Some(now);
                }
                Admission::Wait => job.waiting_runs += 1,
                Admission::Skip => work.extend(view.partition.closing_work()),
            }
            runs.push(view);
        }
        writes.push(job.put()?);
        self.write_effect(writes).await?;
        job.revision += 1;
        Ok(Recorded { job, runs, work })
    }

    /// The first part of a stretch is a new record; more of it replaces that.
    async fn missed_writes(
        &self,
        project: &StoredProject,
        job: &StoredJob,
        missed: Missed,
        now: Timestamp,
        work: &mut Vec<WorkReady>,
    ) -> Result<Vec<Write>, StoreError> {
        let view = job.missed_run(project, missed, now, self.retention);
        match self.stored_run(view.partition.run.id).await? {
            None => {
                work.extend(view.partition.closing_work());
                view.creation()
            }
            Some(stored) => {
                let reason = view.partition.run.reason;
                Ok(vec![StoredJobRun { reason, updated_at: now, ..stored }.put()?])
            }
        }
    }
}
