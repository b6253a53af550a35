//! A project: a named group of jobs and the target that executes their payloads.

use deserr::Deserr;
use serde::{Deserialize, Serialize};

use crate::identifiers::{ProjectId, ProjectName};
use crate::invalid::InvalidFields;
use crate::job::Ignored;
use crate::target::Target;
use crate::timestamp::Timestamp;

/// What a PUT of a project carries.
#[derive(Clone, Debug, PartialEq, Deserr, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
pub struct ProjectInput {
    /// How the project's APIs are called.
    pub target: Target,
    #[deserr(default)]
    id: Ignored,
    #[deserr(default)]
    name: Ignored,
    #[deserr(default)]
    created_at: Ignored,
    #[deserr(default)]
    updated_at: Ignored,
}

/// A project as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its name, by which it is addressed.
    pub name: ProjectName,
    /// How its APIs are called; secrets are redacted.
    pub target: Target,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
