//! What must be looked at again: the sparse index of wake times.
//!
//! The index lags behind the items, so what it says is only where to look.

use sundial_model::{AuthSessionId, JobId, JobRunId, ProjectId, Timestamp};
use uuid::Uuid;

use crate::error::StoreError;
use crate::item::{Item, WAKE_SHARDS, text, wake_shard};
use crate::{Store, keys};

/// An item whose wake time has come, or will.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wake {
    /// A job: an occurrence of it, or that its active runs have to follow it.
    Job {
        /// Its project.
        project: ProjectId,
        /// Its id.
        id: JobId,
    },
    /// Work in a lane of a job run.
    Lane {
        /// The run.
        run: JobRunId,
        /// The lane's number.
        lane: u32,
    },
    /// A job run whose time is over.
    Run {
        /// The run.
        run: JobRunId,
    },
    /// What follows the end of a job run.
    Closing {
        /// The run.
        run: JobRunId,
        /// Which of its generations has ended.
        generation: u32,
    },
    /// An operation on an auth session.
    AuthSession {
        /// Its project.
        project: ProjectId,
        /// Its id.
        id: AuthSessionId,
    },
    /// Garbage.
    Sweep {
        /// The note that names it.
        note: Uuid,
    },
}

impl Wake {
    fn parse(pk: &str, sk: &str) -> Option<Self> {
        if let Some(rest) = pk.strip_prefix("JOB#") {
            let (project, id) = rest.split_once('#')?;
            return Some(Self::Job { project: project.parse().ok()?, id: id.parse().ok()? });
        }
        if let Some(run) = pk.strip_prefix("RUN#") {
            let run = run.parse().ok()?;
            if sk == keys::RUN {
                return Some(Self::Run { run });
            }
            if let Some(generation) = sk.strip_prefix(keys::CLOSING_PREFIX) {
                return Some(Self::Closing { run, generation: generation.parse().ok()? });
            }
            return Some(Self::Lane { run, lane: sk.strip_prefix(keys::LANE_PREFIX)?.parse().ok()? });
        }
        if let Some(project) = pk.strip_prefix(keys::AUTH_SESSIONS_PREFIX) {
            let id = sk.strip_prefix(keys::AUTH_SESSION_PREFIX)?.parse().ok()?;
            return Some(Self::AuthSession { project: project.parse().ok()?, id });
        }
        pk.strip_prefix("SWEEP#").and_then(|note| note.parse().ok()).map(|note| Self::Sweep { note })
    }
}

/// What the index says.
#[derive(Clone, Debug)]
pub struct Wakes {
    /// Items with their wake times, the earliest first.
    pub items: Vec<(Timestamp, Wake)>,
    /// All that has a wake time before this is among them.
    pub complete_until: Timestamp,
}

/// One look at the index sees so many items of each shard at most; in all more than one
/// invocation can work off.
const WAKES_PER_SHARD_MAX: usize = 2000;

impl Store {
    /// What has a wake time from `from` until `until`; the earliest of each shard when there are very many.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn wakes(&self, from: Timestamp, until: Timestamp) -> Result<Wakes, StoreError> {
        let queries =
            (0..WAKE_SHARDS).map(|shard| self.table.query_wake(wake_shard(shard), from, until, WAKES_PER_SHARD_MAX));
        let shards = futures::future::try_join_all(queries).await?;
        let (mut items, mut complete_until) = (Vec::new(), until);
        for shard in shards {
            let is_full = shard.len() >= WAKES_PER_SHARD_MAX;
            let last = shard.last().map(wake_at).transpose()?;
            complete_until = complete_until.min(last.filter(|_| is_full).unwrap_or(until));
            items.extend(shard);
        }
        let mut wakes = Vec::with_capacity(items.len());
        for item in items {
            match parse(&item)? {
                Some(wake) => wakes.push(wake),
                None => tracing::error!(key = ?text(&item, "pk"), "an item of an unknown kind has a wake time"),
            }
        }
        wakes.sort();
        Ok(Wakes { items: wakes, complete_until })
    }
}

fn wake_at(item: &Item) -> Result<Timestamp, StoreError> {
    text(item, "wakeAt")?.parse().map_err(StoreError::Corrupt)
}

fn parse(item: &Item) -> Result<Option<(Timestamp, Wake)>, StoreError> {
    let wake_at = wake_at(item)?;
    Ok(Wake::parse(&text(item, "pk")?, &text(item, "sk")?).map(|wake| (wake_at, wake)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_item_that_wakes_is_known_by_its_key() {
        let (project, run, note) = (ProjectId::new(), JobRunId::new(), Uuid::new_v4());
        let id: JobId = "a-job".parse().expect("an id");
        for (key, wake) in [
            (keys::job(project, &id), Wake::Job { project, id: id.clone() }),
            (keys::lane(run, 7), Wake::Lane { run, lane: 7 }),
            (keys::run(run), Wake::Run { run }),
            (keys::closing(run, 2), Wake::Closing { run, generation: 2 }),
            (keys::auth_session(project, "login"), Wake::AuthSession { project, id: "login".parse().expect("an id") }),
            (keys::sweep(note), Wake::Sweep { note }),
        ] {
            assert_eq!(Wake::parse(&key.pk, &key.sk), Some(wake));
        }
        assert_eq!(Wake::parse("RUN#x", "RUN"), None);
    }
}
