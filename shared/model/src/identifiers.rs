//! An id type for each kind of thing, so that one is never taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::text::{checked_text, is_slug};
use crate::timestamp::Timestamp;

macro_rules! uuid_type {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, in the order of creation.
            pub fn new() -> Self {
                Self(crate::fresh_id::fresh_id())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

uuid_type!(/// A tenant.
    WorkspaceId);
uuid_type!(/// A project, for good: its name may be given again after it was deleted, its id is not.
    ProjectId);
uuid_type!(/// One creation of a job. A job that is deleted and created again gets another.
    JobUuid);
uuid_type!(/// An instance of a job.
    JobRunId);
uuid_type!(/// An immutable piece of a job's payload list.
    PayloadPartId);
uuid_type!(/// One creation of an auth session. One that is deleted and created again gets another.
    AuthSessionUuid);
uuid_type!(/// Long work on an auth session.
    OperationId);
uuid_type!(/// One immutable version of the secrets of a job or a target.
    SecretsId);

impl JobRunId {
    /// The id of the run of `job` at the nominal time `scheduled_time`: the same for everyone who
    /// computes it, so that starting twice is starting once.
    pub fn scheduled(job: JobUuid, scheduled_time: Timestamp) -> Self {
        Self(Uuid::new_v5(&job.0, scheduled_time.to_string().as_bytes()))
    }

    /// The id of the CANCELED record that stands for the missed occurrences from `from` on.
    pub fn missed(job: JobUuid, from: Timestamp) -> Self {
        Self(Uuid::new_v5(&job.0, format!("missed {from}").as_bytes()))
    }
}

checked_text!(
    /// The name of a project: `^[A-Za-z0-9_-]{1,128}$`.
    ProjectName, is_slug, "must be 1 to 128 characters out of A-Z, a-z, 0-9, _ and -"
);
checked_text!(
    /// The id of a job, chosen by its user: `^[A-Za-z0-9_-]{1,128}$`.
    JobId, is_slug, "must be 1 to 128 characters out of A-Z, a-z, 0-9, _ and -"
);
checked_text!(
    /// The id of an auth session: `^[A-Za-z0-9_-]{1,128}$`.
    AuthSessionId, is_slug, "must be 1 to 128 characters out of A-Z, a-z, 0-9, _ and -"
);

/// The id of the execution of one payload: it encodes the job run and the payload's index, so
/// that it is found without an index of ours and without a further write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunId {
    /// The job run that the payload belongs to.
    pub job_run: JobRunId,
    /// The payload's index in it, from 0.
    pub payload_index: u32,
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.job_run, self.payload_index)
    }
}

impl FromStr for RunId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once('-').and_then(|(job_run, index)| {
            // A UUID's own last dash would leave too little on the left.
            Some(Self { job_run: job_run.parse().ok()?, payload_index: index.parse().ok()? })
        });
        parsed.filter(|id| id.to_string() == text).ok_or_else(|| format!("{text:?} is not the id of a run"))
    }
}

impl Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_the_same_occurrence_twice_gives_the_same_id() {
        let (job, other) = (JobUuid::new(), JobUuid::new());
        let time = Timestamp::from_seconds(1_700_000_000);
        assert_eq!(JobRunId::scheduled(job, time), JobRunId::scheduled(job, time));
        assert_ne!(JobRunId::scheduled(job, time), JobRunId::scheduled(other, time));
    }

    #[test]
    fn the_id_of_a_run_can_be_read_back() {
        let id = RunId { job_run: JobRunId::new(), payload_index: 4711 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.job_run.to_string().parse::<RunId>().is_err());
        assert!(format!("{}-007", id.job_run).parse::<RunId>().is_err());
    }
}
