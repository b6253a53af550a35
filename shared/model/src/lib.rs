//! What things are: the words of Sundial as types.
//!
//! These are the only types that go over the wire or into storage. A value of one of them has
//! been checked: bad input ends in [`InvalidFields`], which names every field at fault. There is
//! no AWS here, no clock and no I/O.

pub mod auth_session;
pub mod configuration;
pub mod duration;
pub mod event;
pub mod fresh_id;
pub mod headers;
pub mod http_url;
pub mod identifiers;
pub mod invalid;
pub mod job;
pub mod job_run;
pub mod lifecycle;
pub mod number;
pub mod payload;
pub mod problem;
pub mod project;
mod redaction;
pub mod run;
pub mod schedule;
mod schema;
pub mod secret;
pub mod single_run;
pub mod sink;
pub mod target;
pub mod text;
pub mod timestamp;
pub mod trace;

pub use identifiers::{
    AuthSessionId, AuthSessionUuid, JobId, JobRunId, JobUuid, OperationId, PayloadPartId, ProjectId, ProjectName,
    RunId, SecretsId, WorkspaceId,
};
pub use invalid::{FieldError, InvalidFields};
pub use timestamp::Timestamp;
