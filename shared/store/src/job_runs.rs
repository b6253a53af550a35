//! Lists of job runs, newest first.

use std::collections::{HashMap, HashSet};

use sundial_model::job_run::JobRunStatus;
use sundial_model::{JobRunId, JobUuid, ProjectId};

use crate::error::StoreError;
use crate::item::text;
use crate::run_view::RunView;
use crate::snapshot::Snapshot;
use crate::table::Range;
use crate::{Store, keys};

/// A page of a list of job runs.
pub struct JobRunPage {
    /// Newest first.
    pub runs: Vec<RunView>,
    /// Where the next page begins: before this sort key.
    pub next_before: Option<String>,
}

/// A page looks at so many runs at most, however few of them have the status asked for.
const RUNS_LOOKED_AT_MAX: usize = 500;

impl Store {
    /// The runs of a job, newest first, before the sort key `before`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn job_runs(
        &self,
        job: JobUuid,
        before: Option<&str>,
        status: Option<JobRunStatus>,
        limit: usize,
    ) -> Result<JobRunPage, StoreError> {
        self.list_runs(vec![keys::job_runs(job)], before, status, limit).await
    }

    /// The runs of all jobs of a project, newest first, before the sort key `before`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn project_runs(
        &self,
        project: ProjectId,
        before: Option<&str>,
        status: Option<JobRunStatus>,
        limit: usize,
    ) -> Result<JobRunPage, StoreError> {
        let shards = (0..keys::RUNS_SHARDS).map(|shard| keys::project_runs(project, shard)).collect();
        self.list_runs(shards, before, status, limit).await
    }

    /// The places of the newest runs of a job in its list, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn job_run_places(&self, job: JobUuid, limit: usize) -> Result<Vec<String>, StoreError> {
        self.newest(&[keys::job_runs(job)], None, limit).await
    }

    /// The job runs at these places, in their order; without those that are not kept any more.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn job_runs_at(&self, places: &[String]) -> Result<Vec<RunView>, StoreError> {
        let mut views = self.views(places).await?;
        Ok(places.iter().filter_map(|place| views.remove(&run_id(place)?)).collect())
    }

    /// Which of these job runs are on record.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn recorded_runs(
        &self,
        ids: impl IntoIterator<Item = JobRunId>,
    ) -> Result<HashSet<JobRunId>, StoreError> {
        // A run's queue is there when the run is, and is much smaller.
        let keys = ids.into_iter().map(keys::queue).collect();
        let found = self.table.existing(keys).await?;
        Ok(found.iter().filter_map(|key| key.pk.rsplit_once('#')?.1.parse().ok()).collect())
    }

    pub(crate) async fn list_runs(
        &self,
        partitions: Vec<String>,
        before: Option<&str>,
        status: Option<JobRunStatus>,
        limit: usize,
    ) -> Result<JobRunPage, StoreError> {
        let mut before = before.map(str::to_owned);
        let (mut runs, mut looked_at) = (Vec::new(), 0);
        loop {
            let wanted = limit - runs.len();
            let sort_keys = self.newest(&partitions, before.as_deref(), wanted).await?;
            let is_last = sort_keys.len() < wanted;
            looked_at += sort_keys.len();
            let views = self.views(&sort_keys).await?;
            for sort_key in sort_keys {
                let view = run_id(&sort_key).and_then(|id| views.get(&id));
                let is_wanted = |view: &&RunView| status.is_none_or(|status| view.partition.run.status == status);
                runs.extend(view.filter(is_wanted).cloned());
                before = Some(sort_key);
            }
            if is_last {
                return Ok(JobRunPage { runs, next_before: None });
            }
            if runs.len() >= limit || looked_at >= RUNS_LOOKED_AT_MAX {
                return Ok(JobRunPage { runs, next_before: before });
            }
        }
    }

    /// The newest sort keys over some partitions.
    async fn newest(
        &self,
        partitions: &[String],
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let mut sort_keys = Vec::new();
        for partition in partitions {
            let range = Range {
                pk: partition.clone(),
                from: "0".to_owned(),
                to: before.map_or_else(|| "9".to_owned(), str::to_owned),
                backward: true,
            };
            // One more, because `before` itself is within the range.
            for item in self.table.query(&range, limit + 1).await? {
                let sort_key = text(&item, "sk")?;
                if before != Some(sort_key.as_str()) {
                    sort_keys.push(sort_key);
                }
            }
        }
        sort_keys.sort_by(|one, other| other.cmp(one));
        sort_keys.truncate(limit);
        Ok(sort_keys)
    }

    async fn views(&self, sort_keys: &[String]) -> Result<HashMap<JobRunId, RunView>, StoreError> {
        // A few at a time: each is a query of its own.
        const AT_ONCE: usize = 10;
        let ids: Vec<_> = sort_keys.iter().filter_map(|key| run_id(key)).collect();
        let mut snapshots: HashMap<JobRunId, Snapshot> = HashMap::new();
        for read in self.table.get_many::<Snapshot>(ids.iter().copied().map(keys::snapshot).collect()).await? {
            snapshots.insert(read.value.run, read.value);
        }
        let mut views = HashMap::new();
        for some in ids.chunks(AT_ONCE) {
            let reads = some.iter().map(|id| self.run_partition(*id));
            for partition in futures::future::try_join_all(reads).await?.into_iter().flatten() {
                let id = partition.run.id;
                let snapshot = snapshots.remove(&id);
                views.extend(snapshot.map(|snapshot| (id, RunView { partition, snapshot })));
            }
        }
        Ok(views)
    }
}

fn run_id(sort_key: &str) -> Option<JobRunId> {
    sort_key.rsplit_once('#').and_then(|(_, id)| id.parse().ok())
}
