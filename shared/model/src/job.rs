//! The job: the template of job runs, as it is sent and as it is answered.

use std::collections::BTreeMap;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::{Deserialize, Serialize};

use crate::auth_session::AuthSessionSettings;
use crate::configuration::Configuration;
use crate::identifiers::{AuthSessionId, JobId, ProjectId};
use crate::invalid::{InvalidFields, json_pointer, read_map};
use crate::number::WholeNumber;
use crate::payload::{Payload, PayloadList};
use crate::redaction::places_of_notifications;
use crate::schedule::Schedule;
use crate::secret::{HasSecrets, SecretPlace, SecretValues, keep};
use crate::sink::{Notification, Sink};
use crate::text::{Description, PauseReason};
use crate::timestamp::Timestamp;

/// Any JSON value, not looked at: a read-only field that may be sent back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored;

impl Deserr<InvalidFields> for Ignored {
    fn deserialize_from_value<V: IntoValue>(_: Value<V>, _: ValuePointerRef<'_>) -> Result<Self, InvalidFields> {
        Ok(Self)
    }
}

/// Labels of a job, to filter lists by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is this one.
    pub fn has(&self, key: &str, value: &str) -> bool {
        self.0.get(key).is_some_and(|stored| stored == value)
    }
}

impl Deserr<InvalidFields> for Tags {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let tags = read_map::<String, V>(value, location)?;
        let mut errors = InvalidFields::default();
        if tags.len() > TAGS_MAX {
            errors.push(json_pointer(location), format!("must be at most {TAGS_MAX} tags"));
        }
        for (key, value) in &tags {
            let mut refuse = |message: String| errors.push(json_pointer(location.push_key(key)), message);
            if key.is_empty() || key.chars().count() > TAG_KEY_LENGTH_MAX || key.contains(':') {
                refuse(format!("must be named by 1 to {TAG_KEY_LENGTH_MAX} characters without a colon"));
            }
            if value.chars().count() > TAG_VALUE_LENGTH_MAX {
                refuse(format!("must be at most {TAG_VALUE_LENGTH_MAX} characters"));
            }
        }
        errors.into_result().map(|()| Self(tags))
    }
}

const TAGS_MAX: usize = 50;
const TAG_KEY_LENGTH_MAX: usize = 128;
const TAG_VALUE_LENGTH_MAX: usize = 256;
const NOTIFICATIONS_MAX: usize = 10;

/// How often something is tried with an auth session.
pub type SessionAttempts = WholeNumber<1, 100>;

/// The auth session that a job's payloads need, and what it overrides of the session's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
pub struct AuthSessionReference {
    /// Which session.
    pub id: AuthSessionId,
    /// How often it is checked before it counts as stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub check_attempts: Option<SessionAttempts>,
    /// How often its renewal is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub create_attempts: Option<SessionAttempts>,
    /// Whether it is renewed when it is stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub auto_recreate: Option<bool>,
}

impl AuthSessionReference {
    /// The session's settings, or what the job has instead of them.
    pub fn over(&self, settings: AuthSessionSettings) -> AuthSessionSettings {
        AuthSessionSettings {
            check_attempts: self.check_attempts.unwrap_or(settings.check_attempts),
            create_attempts: self.create_attempts.unwrap_or(settings.create_attempts),
            auto_recreate: self.auto_recreate.unwrap_or(settings.auto_recreate),
        }
    }
}

/// What a user decides about a job, but for its payloads and its state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobDefinition {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Labels to filter lists by.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// How it is carried out.
    pub configuration: Configuration,
    /// When it runs by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Where results are delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sink: Option<Sink>,
    /// The signed-in state its payloads need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_session: Option<AuthSessionReference>,
    /// Where the end of its runs is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<Notification>,
}

impl HasSecrets for JobDefinition {
    fn secret_places(&mut self) -> Vec<SecretPlace<'_>> {
        let mut places: Vec<_> = self.sink.iter_mut().flat_map(HasSecrets::secret_places).collect();
        for (index, notification) in self.notifications.iter_mut().enumerate() {
            places.extend(notification.secret_places(index));
        }
        places
    }

    fn keep_redacted(&mut self, before: Option<&Self>, stored: &SecretValues) -> Result<(), InvalidFields> {
        let of_sink = self.sink.iter_mut().flat_map(HasSecrets::secret_places);
        let of_sink = of_sink.map(|place| (vec![place.key.clone()], place));
        let before = before.map(|before| before.notifications.as_slice()).unwrap_or_default();
        keep(of_sink.chain(places_of_notifications(&mut self.notifications, before)), stored)
    }
}

/// Whether a job runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[deserr(error = InvalidFields)]
pub enum JobStatus {
    /// By its schedule and when it is triggered.
    #[default]
    #[serde(rename = "ACTIVE")]
    #[deserr(rename = "ACTIVE")]
    Active,
    /// Not at all.
    #[serde(rename = "PAUSED")]
    #[deserr(rename = "PAUSED")]
    Paused,
}

/// Whether a job runs, and why not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
pub struct JobState {
    /// Whether.
    pub status: JobStatus,
    /// Why it is PAUSED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub reason: Option<PauseReason>,
}

/// A job document as a POST or a PUT carries it. What GET answered can be sent back: the
/// read-only fields are ignored.
#[derive(Clone, Debug, PartialEq, Deserr, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[deserr(validate = check_job -> InvalidFields)]
pub struct JobInput {
    /// Required in a POST; in a PUT it is that of the path.
    #[deserr(default)]
    pub id: Option<JobId>,
    /// Required in a POST; when a PUT leaves it out, the stored ones stay.
    #[deserr(default)]
    pub payload: Option<PayloadList>,
    /// GET said that it did not show all payloads.
    #[deserr(default)]
    pub payload_truncated: bool,
    /// Heeded in a POST, ignored in a PUT.
    #[deserr(default)]
    pub state: Option<JobState>,
    #[deserr(default)]
    description: Option<Description>,
    #[deserr(default)]
    tags: Option<Tags>,
    #[deserr(default)]
    configuration: Option<Configuration>,
    #[deserr(default)]
    schedule: Option<Schedule>,
    #[deserr(default)]
    sink: Option<Sink>,
    #[deserr(default)]
    auth_session: Option<AuthSessionReference>,
    #[deserr(default)]
    notifications: Option<Vec<Notification>>,
    #[deserr(default)]
    payload_count: Ignored,
    #[deserr(default)]
    created_at: Ignored,
    #[deserr(default)]
    next_run_time: Ignored,
    #[deserr(default)]
    last_run_time: Ignored,
    #[deserr(default)]
    project_id: Ignored,
}

fn check_job(job: JobInput, location: ValuePointerRef<'_>) -> Result<JobInput, InvalidFields> {
    let mut errors = InvalidFields::default();
    let here = json_pointer(location);
    if job.notifications.as_ref().is_some_and(|list| list.len() > NOTIFICATIONS_MAX) {
        errors.push(format!("{here}/notifications"), format!("must be at most {NOTIFICATIONS_MAX} notifications"));
    }
    errors.into_result().map(|()| job)
}

impl JobInput {
    /// Parts it: what is decided about the job, and its payloads.
    pub fn into_definition(self) -> (JobDefinition, Option<Vec<Payload>>) {
        let definition = JobDefinition {
            description: self.description,
            tags: self.tags.unwrap_or_default(),
            configuration: self.configuration.unwrap_or_default(),
            schedule: self.schedule,
            sink: self.sink,
            auth_session: self.auth_session,
            notifications: self.notifications.unwrap_or_default(),
        };
        (definition, self.payload.map(|list| list.0))
    }
}

/// A job as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Chosen by its user, unique in its project.
    pub id: JobId,
    /// The initial payloads, from the first on.
    pub payload: Vec<Payload>,
    /// Whether there are more payloads than are shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub payload_truncated: bool,
    /// How many initial payloads it has.
    pub payload_count: u32,
    /// What its user decided about it; secrets are redacted.
    #[serde(flatten)]
    pub definition: JobDefinition,
    /// When it was created.
    pub created_at: Timestamp,
    /// The effective time of its next scheduled run.
    pub next_run_time: Option<Timestamp>,
    /// The start of its newest run that was not CANCELED.
    pub last_run_time: Option<Timestamp>,
    /// Whether it runs.
    pub state: JobState,
    /// Its project.
    pub project_id: ProjectId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_job_says_of_its_auth_session_goes_over_the_sessions_own() {
        let own = AuthSessionSettings::default();
        let reference = |document| InvalidFields::read::<AuthSessionReference>(document).expect("a reference");
        assert_eq!(reference(json!({ "id": "a" })).over(own), own);
        let settings = reference(json!({ "id": "a", "createAttempts": 7, "autoRecreate": false })).over(own);
        assert_eq!((settings.check_attempts, settings.create_attempts.get()), (own.check_attempts, 7));
        assert!(!settings.auto_recreate);
    }

    #[test]
    fn a_job_needs_only_an_id_and_payloads() {
        let job: JobInput =
            InvalidFields::read(json!({ "id": "nightly", "payload": [{ "apiName": "a" }] })).expect("a job");
        let (definition, payloads) = job.into_definition();
        assert_eq!(definition.configuration, Configuration::default());
        assert_eq!(payloads.map(|list| list.len()), Some(1));
    }

    #[test]
    fn nulls_stand_for_absent_parts() {
        let job = json!({
            "id": "a", "payload": [{ "apiName": "a", "parameters": null, "retry": null }], "schedule": null,
            "sink": null, "authSession": null, "notifications": null, "configuration": null, "description": null
        });
        InvalidFields::read::<JobInput>(job).expect("a job");
    }

    #[test]
    fn all_faults_of_a_job_are_named_at_once() {
        let job = json!({
            "id": "no spaces", "payload": [{ "apiName": "a/../b" }, { "api": "x" }],
            "configuration": { "runMode": "Ordered", "maxConcurrentRequests": 0, "retry": { "initialInterval": "1x" } },
            "schedule": { "intervals": [{ "every": "0.5s" }], "calendars": [{ "hour": 24 }] },
            "sink": { "type": "fax" }, "colour": "red"
        });
        let errors = InvalidFields::read::<JobInput>(job).expect_err("many faults");
        let mut pointers: Vec<_> = errors.0.iter().map(|error| error.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(
            pointers,
            [
                "/colour",
                "/configuration/maxConcurrentRequests",
                "/configuration/retry/initialInterval",
                "/configuration/runMode",
                "/id",
                "/payload/0/apiName",
                "/payload/1/api",
                "/payload/1/apiName",
                "/schedule/calendars/0/hour",
                "/schedule/intervals/0/every",
                "/sink/type",
            ]
        );
    }
}
