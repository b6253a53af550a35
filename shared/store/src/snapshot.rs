//! What a job run is an instance of: its job and its project's target as they were when it was
//! recorded. It is written once, and read by each worker once; what changes stands elsewhere.

use serde::{Deserialize, Serialize};
use sundial_model::job::JobDefinition;
use sundial_model::target::Target;
use sundial_model::{JobRunId, SecretsId, Timestamp};

use crate::error::StoreError;
use crate::item::{NewItem, as_json};
use crate::payload_parts::PayloadPart;
use crate::table::{Expect, Write};
use crate::{Store, keys};

/// What a job run is an instance of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The run.
    pub run: JobRunId,
    /// Its job, without secrets.
    #[serde(with = "as_json")]
    pub definition: JobDefinition,
    /// The secrets of sink and notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsId>,
    /// Its project's target, without secrets.
    #[serde(with = "as_json")]
    pub target: Target,
    /// The secrets of the target.
    pub project_secrets: SecretsId,
    /// Its initial payloads.
    #[serde(with = "as_json")]
    pub parts: Vec<PayloadPart>,
    /// When the item may go.
    pub keep_until: Timestamp,
}

impl Snapshot {
    pub(crate) fn creation(&self) -> Result<Write, StoreError> {
        let item = NewItem::new(keys::snapshot(self.run), self)?.expiring(Some(self.keep_until));
        Ok(Write::Put(item, Expect::Nothing))
    }
}

impl Store {
    /// What a job run is an instance of; it is there as long as the run is.
    ///
    /// # Errors
    /// When the table cannot be read, or it is not there.
    pub async fn snapshot(&self, run: JobRunId) -> Result<Snapshot, StoreError> {
        let read = self.table.get(&keys::snapshot(run)).await?;
        read.map(|read| read.value).ok_or_else(|| StoreError::Corrupt(format!("job run {run} has no snapshot")))
    }
}
