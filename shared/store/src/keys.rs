//! Every key format of the table, each with an example.
//!
//! | item | `pk` | `sk` |
//! | --- | --- | --- |
//! | workspace's API key | `WORKSPACE#019b…` | `KEY#7f3a…` |
//! | call with an idempotency key | `IDEMPOTENCY#019b…#9f86…` (workspace, digest of path and key) | `IDEMPOTENCY` |
//! | project | `WORKSPACE#019b…` | `PROJECT#shop` |
//! | secrets, one version | `SECRETS#019b…` | `SECRETS` |
//! | what a project signs with | `SECRETS#019b…` (project) | `SECRETS` |
//! | auth session | `AUTH-SESSIONS#019b…` (project) | `SESSION#shop-login` |
//! | operation on an auth session | `AUTH-OPERATIONS#019b…` (project) | `OPERATION#019b…` |
//! | job in its project's list | `JOBS#019b…` (project) | `JOB#nightly` |
//! | job | `JOB#019b…#nightly` (project, id) | `JOB` |
//! | payload chunk | `PAYLOADS#019b…` (part) | `CHUNK#00000200` (first index) |
//! | garbage to be | `SWEEP#019b…` | `SWEEP` |
//! | job run in its job's list | `JOB-RUNS#019b…` (job's UUID) | `2026-…Z#2026-…Z#6f1c…` (recorded, scheduled, id) |
//! | job run in its project's list | `PROJECT-RUNS#019b…#2` (project, shard) | the same |
//! | single run in its project's list | `SINGLE-RUNS#019b…#2` (project, shard) | the same |
//! | single run that has not ended | `SINGLE-RUNS#019b…#2` | `ACTIVE#019b…` (id) |
//! | job run that waits for others to end | `WAITING#019b…` (job's UUID) | `2026-…Z#6f1c…` (scheduled, id) |
//! | job run | `RUN#6f1c…` | `RUN` |
//! | what it is an instance of | `RUN#6f1c…` | `SNAPSHOT` |
//! | its queue | `RUN#6f1c…` | `QUEUE` |
//! | a lane of it | `RUN#6f1c…` | `LANE#03` |
//! | what follows its end | `RUN#6f1c…` | `CLOSING#0001` (generation) |
//! | payloads given back to the queue | `RUN#6f1c…#PUT-BACK#0001` (generation) | `2026-…Z#03#00000017#002` (when, lane, its revision, number) |
//! | payloads that it was extended by | `RUN#6f1c…#EXTENDED#0002` (block) | `CHUNK#00020200` (first index) |
//! | deliveries due in a lane | `RUN#6f1c…#LANE#03` | `DUE#2026-…Z#0001#00000200` (when, generation, index) |
//! | outcomes of a segment | `RUN#6f1c…#SEGMENT#00002` | `OUTCOME#0001#00000200` (generation, lowest index) |
//! | failed attempts of a segment | `RUN#6f1c…#SEGMENT#00002` | `ATTEMPT#0001#00000200#03#00000017` (generation, lowest index, lane, its revision) |
//! | delivery attempts | `RUN#6f1c…#SEGMENT#00002` | `DELIVERY#0001#00000200#2026-…Z` |
//! | deliveries requested again | `RUN#6f1c…#SEGMENT#00002` | `DELIVERY-REQUEST#0001#00000200#0001` (generation, lowest index, round) |
//!
//! Payloads of a run are spread over segments of [`SEGMENT_LENGTH`], each a partition of its own,
//! so that no run is held to one partition's write limit.

use sundial_model::{
    JobId, JobRunId, JobUuid, OperationId, PayloadPartId, ProjectId, ProjectName, SecretsId, Timestamp, WorkspaceId,
};
use uuid::Uuid;

/// How many payloads share a partition for what becomes of them.
pub const SEGMENT_LENGTH: u32 = 100;

/// Over how many partitions the list of a project's job runs is spread, and that of its single runs.
pub const RUNS_SHARDS: u32 = 4;

/// The primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }
}

/// Where a workspace's API keys and projects stand.
pub fn workspace(id: WorkspaceId) -> String {
    format!("WORKSPACE#{id}")
}

/// What the sort keys of API keys begin with.
pub const API_KEY_PREFIX: &str = "KEY#";

/// An API key.
pub fn api_key(workspace_id: WorkspaceId, key_id: &str) -> Key {
    Key::new(workspace(workspace_id), format!("{API_KEY_PREFIX}{key_id}"))
}

/// A call with an idempotency key.
pub fn idempotency(workspace: WorkspaceId, digest: &str) -> Key {
    Key::new(format!("IDEMPOTENCY#{workspace}#{digest}"), "IDEMPOTENCY")
}

/// What the sort keys of projects begin with.
pub const PROJECT_PREFIX: &str = "PROJECT#";

/// A project.
pub fn project(workspace_id: WorkspaceId, name: &ProjectName) -> Key {
    Key::new(workspace(workspace_id), format!("{PROJECT_PREFIX}{name}"))
}

/// One version of the secrets of a project or a job.
pub fn secrets(id: SecretsId) -> Key {
    Key::new(format!("SECRETS#{id}"), "SECRETS")
}

/// What a project signs with: as secrets of which its own id is the version, so that they are swept alike.
pub fn signing_secrets(project: ProjectId) -> Key {
    secrets(SecretsId(project.0))
}

/// Where a project's auth sessions stand.
pub fn auth_sessions(project: ProjectId) -> String {
    format!("{AUTH_SESSIONS_PREFIX}{project}")
}

/// What the partition keys of auth sessions begin with.
pub const AUTH_SESSIONS_PREFIX: &str = "AUTH-SESSIONS#";
/// What their sort keys begin with.
pub const AUTH_SESSION_PREFIX: &str = "SESSION#";

/// An auth session.
pub fn auth_session(project: ProjectId, id: &str) -> Key {
    Key::new(auth_sessions(project), format!("{AUTH_SESSION_PREFIX}{id}"))
}

/// An operation on an auth session.
pub fn auth_operation(project: ProjectId, id: OperationId) -> Key {
    Key::new(format!("AUTH-OPERATIONS#{project}"), format!("OPERATION#{id}"))
}

/// Where a project's list of jobs stands.
pub fn jobs(project: ProjectId) -> String {
    format!("JOBS#{project}")
}

/// What the sort keys of listed jobs begin with.
pub const JOB_PREFIX: &str = "JOB#";

/// A job in its project's list.
pub fn listed_job(project: ProjectId, id: &str) -> Key {
    Key::new(jobs(project), format!("{JOB_PREFIX}{id}"))
}

/// A job.
pub fn job(project: ProjectId, id: &JobId) -> Key {
    Key::new(format!("JOB#{project}#{id}"), "JOB")
}

/// Where the chunks of a part stand.
pub fn payloads(part: PayloadPartId) -> String {
    format!("PAYLOADS#{part}")
}

/// What the sort keys of chunks begin with.
pub const CHUNK_PREFIX: &str = "CHUNK#";

/// The chunk of a part that begins with this payload, counted within the part.
pub fn chunk(part: PayloadPartId, first_index: u32) -> Key {
    Key::new(payloads(part), format!("{CHUNK_PREFIX}{first_index:08}"))
}

/// What will be garbage at its wake time.
pub fn sweep(id: Uuid) -> Key {
    Key::new(format!("SWEEP#{id}"), "SWEEP")
}

/// Where a job's list of job runs stands.
pub fn job_runs(job: JobUuid) -> String {
    format!("JOB-RUNS#{job}")
}

/// Where a shard of a project's list of job runs stands.
pub fn project_runs(project: ProjectId, shard: u32) -> String {
    format!("PROJECT-RUNS#{project}#{shard}")
}

/// Where a shard of a project's list of single runs stands, with those of them that have not ended.
pub fn single_runs(project: ProjectId, shard: u32) -> String {
    format!("SINGLE-RUNS#{project}#{shard}")
}

/// What the sort keys of single runs begin with that have not ended: behind those of the list.
pub const ACTIVE_PREFIX: &str = "ACTIVE#";

/// A single run that has not ended.
pub fn active_single_run(project: ProjectId, run: JobRunId) -> Key {
    Key::new(single_runs(project, runs_shard(run)), format!("{ACTIVE_PREFIX}{run}"))
}

/// The place of a job run in a list: in the order in which they were recorded, and those that were
/// recorded together in the order of their occurrences.
pub fn place_of_run(created_at: Timestamp, scheduled_time: Option<Timestamp>, run: JobRunId) -> String {
    format!("{created_at}#{}#{run}", scheduled_time.unwrap_or(created_at))
}

/// Whether a text is the place of some job run in a list.
pub fn is_place_of_run(text: &str) -> bool {
    let is_time = |text: &str| text.parse::<Timestamp>().is_ok();
    let is_run = |text: &str| text.parse::<JobRunId>().is_ok();
    text.split_once('#').is_some_and(|(time, _)| is_time(time))
        && text.rsplit_once('#').is_some_and(|(_, id)| is_run(id))
}

/// A job run in a list.
pub fn listed_run(list: String, place: &str) -> Key {
    Key::new(list, place)
}

/// Where the job runs of a job stand that wait for others to end.
pub fn waiting_runs(job: JobUuid) -> String {
    format!("WAITING#{job}")
}

/// A job run that waits, in the order of scheduled times.
pub fn waiting_run(job: JobUuid, scheduled_time: Timestamp, run: JobRunId) -> Key {
    Key::new(waiting_runs(job), format!("{scheduled_time}#{run}"))
}

/// The shard of its project's list that a run is in.
pub fn runs_shard(run: JobRunId) -> u32 {
    u32::from(run.0.as_bytes()[15]) % RUNS_SHARDS
}

/// Where a job run stands, with its queue and its lanes.
pub fn run_partition(run: JobRunId) -> String {
    format!("RUN#{run}")
}

/// The sort key of a job run.
pub const RUN: &str = "RUN";
/// The sort key of its snapshot: after the others, so that these are read without it.
pub const SNAPSHOT: &str = "SNAPSHOT";
/// What the sort keys of closings begin with: before the others, for the same reason.
pub const CLOSING_PREFIX: &str = "CLOSING#";
/// The sort key of its queue.
pub const QUEUE: &str = "QUEUE";
/// What the sort keys of lanes begin with.
pub const LANE_PREFIX: &str = "LANE#";

/// A job run.
pub fn run(id: JobRunId) -> Key {
    Key::new(run_partition(id), RUN)
}

/// What a job run is an instance of.
pub fn snapshot(run: JobRunId) -> Key {
    Key::new(run_partition(run), SNAPSHOT)
}

/// What follows the end of a job run, in each generation.
pub fn closing(run: JobRunId, generation: u32) -> Key {
    Key::new(run_partition(run), format!("{CLOSING_PREFIX}{generation:04}"))
}

/// Where payloads stand that were given back to a job run's queue in a generation.
pub fn put_backs(run: JobRunId, generation: u32) -> String {
    format!("RUN#{run}#PUT-BACK#{generation:04}")
}

/// Payloads that a lane at this revision gives back until a time.
pub fn put_back(run: JobRunId, generation: u32, due_at: Timestamp, lane: u32, revision: u64, number: usize) -> Key {
    Key::new(put_backs(run, generation), format!("{due_at}#{lane:02}#{revision:08}#{number:03}"))
}

/// How many payloads that a run was extended by share a partition.
pub const EXTENSION_BLOCK_LENGTH: u32 = 10_000;

/// Where the chunks stand that hold payload `index`, if the run was extended by it.
pub fn extension_block(run: JobRunId, index: u32) -> String {
    format!("RUN#{run}#EXTENDED#{:04}", index / EXTENSION_BLOCK_LENGTH)
}

/// The chunk of payloads that a run was extended by which begins with this index.
pub fn extension_chunk(run: JobRunId, first_index: u32) -> Key {
    Key::new(extension_block(run, first_index), format!("{CHUNK_PREFIX}{first_index:08}"))
}

/// Its queue.
pub fn queue(run: JobRunId) -> Key {
    Key::new(run_partition(run), QUEUE)
}

/// One of its lanes.
pub fn lane(run: JobRunId, lane: u32) -> Key {
    Key::new(run_partition(run), format!("{LANE_PREFIX}{lane:02}"))
}

/// Where the due deliveries of a lane stand.
pub fn due_partition(run: JobRunId, lane: u32) -> String {
    format!("RUN#{run}#LANE#{lane:02}")
}

/// What the sort keys of due deliveries begin with.
pub const DUE_PREFIX: &str = "DUE#";

/// Deliveries of a lane that are due at a time.
pub fn due(run: JobRunId, lane: u32, due_at: Timestamp, generation: u32, index: u32) -> Key {
    Key::new(due_partition(run, lane), format!("{DUE_PREFIX}{due_at}#{generation:04}#{index:08}"))
}

/// The segment that a payload is in.
pub fn segment_of(index: u32) -> u32 {
    index / SEGMENT_LENGTH
}

/// Where what became of a segment's payloads stands.
pub fn segment(run: JobRunId, segment: u32) -> String {
    format!("RUN#{run}#SEGMENT#{segment:05}")
}

/// What the sort keys of outcomes begin with.
pub const OUTCOME_PREFIX: &str = "OUTCOME#";
/// What the sort keys of attempts begin with.
pub const ATTEMPT_PREFIX: &str = "ATTEMPT#";
/// What the sort keys of delivery attempts begin with.
pub const DELIVERY_PREFIX: &str = "DELIVERY#";
/// What those of requests to deliver once more begin with.
pub const DELIVERY_REQUEST_PREFIX: &str = "DELIVERY-REQUEST#";
/// What both begin with.
pub const DELIVERIES_PREFIX: &str = "DELIVERY";

/// Outcomes of one segment that were recorded together, under the lowest of their indices.
pub fn outcomes(run: JobRunId, generation: u32, lowest_index: u32) -> Key {
    let partition = segment(run, segment_of(lowest_index));
    Key::new(partition, format!("{OUTCOME_PREFIX}{generation:04}#{lowest_index:08}"))
}

/// Failed attempts of one segment that a lane at this revision has recorded.
pub fn attempts(run: JobRunId, generation: u32, lowest_index: u32, lane: u32, revision: u64) -> Key {
    let partition = segment(run, segment_of(lowest_index));
    Key::new(partition, format!("{ATTEMPT_PREFIX}{generation:04}#{lowest_index:08}#{lane:02}#{revision:08}"))
}

/// Delivery attempts of one segment that were recorded together.
pub fn deliveries(run: JobRunId, generation: u32, lowest_index: u32, time: Timestamp) -> Key {
    let partition = segment(run, segment_of(lowest_index));
    Key::new(partition, format!("{DELIVERY_PREFIX}{generation:04}#{lowest_index:08}#{time}"))
}

/// Deliveries of one segment that were requested again together.
pub fn delivery_request(run: JobRunId, generation: u32, lowest_index: u32, round: u32) -> Key {
    let partition = segment(run, segment_of(lowest_index));
    Key::new(partition, format!("{DELIVERY_REQUEST_PREFIX}{generation:04}#{lowest_index:08}#{round:04}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_sort_keys_is_that_of_numbers_and_times() {
        let run = JobRunId::new();
        assert!(outcomes(run, 1, 99).sk < outcomes(run, 1, 100_000).sk);
        assert!(outcomes(run, 9, 0).sk < outcomes(run, 10, 0).sk);
        let (early, late) = (Timestamp::from_seconds(9), Timestamp::from_seconds(10));
        assert!(due(run, 0, early, 1, 5).sk < due(run, 0, late, 1, 0).sk);
        assert!(lane(run, 2).sk < lane(run, 10).sk);
    }
}
