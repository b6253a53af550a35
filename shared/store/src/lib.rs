//! What we remember: one DynamoDB table, and the only crate that names DynamoDB.
//!
//! Every write is a whole item with an expectation about what stands there (nothing, or a
//! certain revision), so a decision that was made on old facts is refused as a whole and made
//! again on new ones. Key formats stand in [`keys`], each with an example.

mod access;
mod api_keys;
mod append;
mod auth_session;
mod closing;
mod commit;
mod deletion;
mod due_jobs;
mod endings;
mod error;
mod following;
mod generations;
mod idempotency;
#[cfg(feature = "model")]
pub mod inspection;
mod item;
mod job_runs;
mod jobs;
pub mod keys;
mod lane;
mod outcome;
mod payload_parts;
pub mod projects;
mod put_backs;
mod queue;
mod redelivery;
mod release;
mod run_partition;
mod run_payloads;
mod run_view;
mod secrets;
mod segment;
mod segment_deliveries;
mod signing_secrets;
mod single_runs;
mod snapshot;
mod start;
mod status_changes;
mod stored_job;
mod sweep;
pub mod table;
mod upgrade;
mod wake;

pub use access::ApiKey;
pub use api_keys::{CreatedApiKey, ListedApiKey};
pub use append::{Append, PARTS_MAX};
pub use auth_session::{
    NewAuthSession, SessionEnd, SessionOfRun, SessionRequest, SessionWork, StateVersion, StoredAuthSession,
    StoredOperation,
};
pub use closing::{Closing, Export, ExportProgress, PendingNotification};
pub use commit::Commit;
pub use deletion::Deletion;
pub use due_jobs::DueJob;
pub use error::StoreError;
pub use following::Followed;
pub use generations::Retried;
pub use idempotency::{CLAIM_LIFETIME, Claim, Claimed, KEY_LIFETIME, KeyedCall};
pub use item::{Item, NewItem};
pub use job_runs::JobRunPage;
pub use jobs::JobPage;
pub use lane::{Announcement, LANE_SLOTS_MAX, LANES_MAX, Lane, LanePhase, PayloadRange, Suspects};
pub use outcome::{AttemptRecord, DeliveryRecord, DueDeliveries, Outcome, OutcomeLocation, json_bytes};
pub use payload_parts::{PAYLOAD_BYTES_MAX, PayloadPart};
pub use projects::StoredProject;
pub use put_backs::{PUT_BACK_MAX, PutBack};
pub use queue::Queue;
pub use redelivery::{DeliveryRequest, REDELIVERY_LANE, Redelivery, RedeliveryProgress};
pub use run_partition::{JobOfRun, RunPartition, StoredJobRun};
pub use run_payloads::extension_writes_max;
pub use run_view::RunView;
pub use segment::{SegmentAttempts, SegmentOutcomes};
pub use segment_deliveries::{DeliveryStanding, SegmentDeliveries};
pub use signing_secrets::{REPLACED_SECRET_VALID_FOR, Rotation, SigningPurpose, SigningSecrets};
pub use single_runs::NewSingleRun;
pub use snapshot::Snapshot;
pub use start::{LOST_EVENT_AFTER, NewJobRun, NewRecords, Recorded};
pub use status_changes::Settled;
pub use stored_job::{NextOccurrence, StoredJob};
pub use table::{Answer, Backend, DynamoDb, Expect, Range, Table, TransactionToken, Tries, WakeQuery, Write};
pub use wake::{Wake, Wakes};

use std::time::Duration;

use idempotency::Fulfilment;
use sundial_engine::sink_delivery::DELIVERY_TIME_MAX;

/// How long history stays after the end of a job run, unless the deployment says otherwise.
pub const RETENTION_DEFAULT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// No job run lives longer: 30 days.
pub const RUN_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The store: typed reads and writes over the table.
#[derive(Clone, Debug)]
pub struct Store {
    table: Table,
    retention: Duration,
    /// The call whose effect is to be written.
    fulfilment: Option<Box<Fulfilment>>,
}

impl Store {
    /// A store over `table` that keeps the history of job runs for `retention` after their end, and at least as long
    /// as deliveries may take.
    pub fn new(table: Table, retention: Duration) -> Self {
        // What is still delivered needs it.
        Self { table, retention: retention.max(DELIVERY_TIME_MAX), fulfilment: None }
    }
}
