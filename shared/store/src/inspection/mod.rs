//! What a write says, for simulations that check each one of them.

mod work;

use serde::de::DeserializeOwned;
use sundial_model::{JobRunId, JobUuid};

use crate::item::read;
use crate::keys::{self, Key};
use crate::run_partition::StoredJobRun;
use crate::stored_job::StoredJob;
use crate::table::{Expect, Write};

pub use work::{WorkChange, work_change};

/// A change of an item that matters to schedules.
#[derive(Clone, Debug)]
pub enum Change {
    /// A job as it is from now on.
    Job(Box<StoredJob>),
    /// A job is no longer there.
    NoJob(Key),
    /// A job run as it is from now on; the flag says whether it is new.
    Run(Box<StoredJobRun>, bool),
    /// A run got its first lane, so that it can be worked on.
    NewLane(JobRunId),
    /// A run of a job waits for others to end, under this sort key.
    Waits(JobUuid, JobRunId, String),
    /// A single run stands among those that have not ended, or, says the flag, no longer.
    Active(JobRunId, bool),
    /// It does not wait any more.
    WaitsNoMore(JobUuid, JobRunId, String),
}

/// Reads a write; `None` when it is about other things.
pub fn change(write: &Write) -> Option<Change> {
    let Key { pk, sk } = write.key();
    match write {
        Write::Check(..) => None,
        Write::Put(item, expect) => {
            let is_new = *expect == Expect::Nothing;
            if sk == "JOB" {
                return Some(Change::Job(Box::new(value(item)?)));
            }
            if let Some((job, run)) = waiting(pk, sk) {
                return Some(Change::Waits(job, run, sk.clone()));
            }
            if let Some(run) = active(pk, sk) {
                return Some(Change::Active(run, true));
            }
            let run = pk.strip_prefix("RUN#")?;
            if sk == keys::RUN {
                return Some(Change::Run(Box::new(value(item)?), is_new));
            }
            (*sk == keys::lane(JobRunId(uuid::Uuid::nil()), 0).sk && is_new)
                .then(|| run.parse().ok().map(Change::NewLane))?
        }
        Write::Delete(key, _) if sk == "JOB" => Some(Change::NoJob(key.clone())),
        Write::Delete(..) => match active(pk, sk) {
            Some(run) => Some(Change::Active(run, false)),
            None => waiting(pk, sk).map(|(job, run)| Change::WaitsNoMore(job, run, sk.clone())),
        },
    }
}

fn value<T: DeserializeOwned>(item: &crate::NewItem) -> Option<T> {
    read(item.attributes().clone()).ok().map(|read| read.value)
}

fn active(pk: &str, sk: &str) -> Option<JobRunId> {
    pk.strip_prefix("SINGLE-RUNS#").and(sk.strip_prefix(keys::ACTIVE_PREFIX))?.parse().ok()
}

fn waiting(pk: &str, sk: &str) -> Option<(JobUuid, JobRunId)> {
    let job = pk.strip_prefix("WAITING#")?.parse().ok()?;
    let run = sk.rsplit_once('#')?.1.parse().ok()?;
    Some((job, run))
}
