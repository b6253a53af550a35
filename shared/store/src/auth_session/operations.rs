//! Operations on auth sessions: what was asked for, and what came of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sundial_model::auth_session::{Operation, OperationStatus, OperationType};
use sundial_model::run::RunError;
use sundial_model::{AuthSessionId, OperationId, ProjectId, Timestamp};

use super::changes::SUPERSEDED;
use crate::error::StoreError;
use crate::item::{NewItem, Read, as_json};
use crate::table::{Expect, Write};
use crate::{Store, keys};

/// An operation is kept for so long after it was asked for.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// An operation as it is kept. While it is PENDING, the session says how far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredOperation {
    /// Its id.
    pub id: OperationId,
    /// The project.
    pub project_id: ProjectId,
    /// The session.
    pub auth_session_id: AuthSessionId,
    /// What is done.
    pub operation_type: OperationType,
    /// Where it stands.
    pub status: OperationStatus,
    /// Why it failed.
    #[serde(with = "as_json", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl StoredOperation {
    /// One that begins.
    pub(super) fn new(
        id: OperationId,
        project_id: ProjectId,
        auth_session_id: AuthSessionId,
        operation_type: OperationType,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            project_id,
            auth_session_id,
            operation_type,
            status: OperationStatus::Pending,
            error: None,
            created_at: now,
            ended_at: None,
        }
    }

    /// The same at its end: FAILED if there is an error.
    pub(super) fn ended(self, error: Option<RunError>, now: Timestamp) -> Self {
        let status = if error.is_none() { OperationStatus::Succeeded } else { OperationStatus::Failed };
        Self { status, error, ended_at: Some(now), ..self }
    }

    /// Why it failed; none when its session was changed before it came to its end, which decides nothing.
    pub fn failure(&self) -> Option<&RunError> {
        self.error.as_ref().filter(|error| error.code != SUPERSEDED)
    }

    /// As it is answered.
    pub fn answer(self) -> Operation {
        Operation {
            id: self.id,
            auth_session_id: self.auth_session_id,
            operation_type: self.operation_type,
            status: self.status,
            error: self.error,
        }
    }

    /// Whoever writes it writes its session as well, which is the fence.
    pub(super) fn put(&self) -> Result<Write, StoreError> {
        let item = NewItem::new(keys::auth_operation(self.project_id, self.id), self)?;
        Ok(Write::Put(item.expiring(Some(self.created_at + KEPT_FOR)), Expect::Anything))
    }
}

impl Store {
    /// An operation on an auth session of a project.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn auth_operation(
        &self,
        project: ProjectId,
        id: OperationId,
    ) -> Result<Option<StoredOperation>, StoreError> {
        let read: Option<Read<StoredOperation>> = self.table.get(&keys::auth_operation(project, id)).await?;
        Ok(read.map(|read| read.value))
    }

    /// The write that ends an operation.
    pub(super) async fn end_operation(
        &self,
        project: ProjectId,
        id: OperationId,
        error: Option<RunError>,
        now: Timestamp,
    ) -> Result<Option<Write>, StoreError> {
        let stored = self.auth_operation(project, id).await?;
        stored.map(|stored| stored.ended(error, now).put()).transpose()
    }
}
