//! What a client sends back of a job that it has read says what the job was, wherever it was not changed: so what the
//! client has no words for, or reads as something else, stays as it is.

use serde_json::{Map, Value, json};
use sundial_model::InvalidFields;
use sundial_model::job::Job;

/// What clients read where a payload says nothing of its own, and send back.
const REQUEST_TIMEOUT_READ: u64 = 600;
/// And where a retry policy says nothing of attempts.
const MAXIMUM_ATTEMPTS_READ: u64 = 3;
/// And where a job says nothing of how often a session is tried.
const SESSION_ATTEMPTS_READ: u64 = 3;
/// What no client can name.
const UNKNOWN: [&str; 2] = ["description", "tags"];
const UNKNOWN_OF_CONFIGURATION: [&str; 3] = ["maxDuration", "maxRequestsPerSecond", "pauseAfterFailedRuns"];
const UNKNOWN_OF_RETRY: [&str; 3] = ["initialInterval", "backoffCoefficient", "maximumInterval"];

/// A job that is to be replaced: as it is, and as the client has read it.
#[derive(Debug)]
pub(super) struct Before<'a> {
    /// Its payloads may be those of the beginning only.
    pub(super) job: &'a Job,
    pub(super) shown: &'a Value,
    /// Whether the client knows all names of the newest generation.
    pub(super) knows_newest: bool,
}

impl Before<'_> {
    /// Keeps in a document, which is in our words already, what the client has not changed.
    pub(super) fn keep(&self, document: &mut Value) -> Result<(), InvalidFields> {
        let Value::Object(fields) = document else { return Ok(()) };
        // What it says is seen by what is there.
        fields.remove("payloadTruncated");
        let native = json!(self.job.definition);
        let mut errors = InvalidFields::default();
        self.keep_payload(fields, &mut errors);
        self.keep_schedule(fields, &native["schedule"], &mut errors);
        keep_absent(fields, &native, &UNKNOWN);
        if !self.knows_newest {
            keep_absent(fields, &native, &["notifications"]);
        }
        let configuration = fields.entry("configuration").or_insert_with(|| json!({}));
        if let Value::Object(configuration) = configuration {
            keep_absent(configuration, &native["configuration"], &UNKNOWN_OF_CONFIGURATION);
            if !self.knows_newest {
                keep_absent(configuration, &native["configuration"], &["maxRuns"]);
            }
            if let Value::Object(retry) = configuration.entry("retry").or_insert_with(|| json!({})) {
                keep_absent(retry, &native["configuration"]["retry"], &UNKNOWN_OF_RETRY);
            }
        }
        keep_session(fields, &native["authSession"]);
        keep_own_role(fields, &native["sink"]);
        errors.into_result()
    }

    /// Payloads that are as they were read stay as they are; and so does the list, if all of them are.
    fn keep_payload(&self, fields: &mut Map<String, Value>, errors: &mut InvalidFields) {
        let Some(Value::Array(sent)) = fields.get_mut("payload") else { return };
        let shown = self.shown["payload"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut kept = 0;
        for ((sent, shown), stored) in sent.iter_mut().zip(shown).zip(&self.job.payload) {
            if is_as_read(sent, shown) {
                *sent = json!(stored);
                kept += 1;
            }
        }
        if kept == sent.len() && kept == shown.len() {
            fields.remove("payload");
        } else if shown.len() < self.job.payload_count as usize {
            errors.push("/payload", "are not all of the job's, which are too many to be read here; use the other API");
        }
    }

    fn keep_schedule(&self, fields: &mut Map<String, Value>, stored: &Value, errors: &mut InvalidFields) {
        let Some(sent) = fields.get_mut("schedule").filter(|sent| !sent.is_null()) else { return };
        let shown = &self.shown["schedule"];
        if stored.is_null() {
            return;
        }
        if as_known(sent) == as_known(shown) {
            *sent = stored.clone();
        } else if has_more_than_shown(stored, shown) {
            errors.push("/schedule", "has parts that this API has no words for; change it by the other API");
        }
    }
}

/// Copies what is absent.
fn keep_absent(fields: &mut Map<String, Value>, stored: &Value, names: &[&str]) {
    for name in names {
        let value = &stored[*name];
        if !value.is_null() && fields.get(*name).is_none_or(Value::is_null) {
            fields.insert((*name).to_owned(), value.clone());
        }
    }
}

/// Whether a payload was sent as it was shown, whatever defaults the client has filled in.
fn is_as_read(sent: &Value, shown: &Value) -> bool {
    let mut sent = as_read(sent);
    let is_filled_in = sent["retry"]["maximumAttempts"] == MAXIMUM_ATTEMPTS_READ
        && shown["retry"].is_object()
        && shown["retry"]["maximumAttempts"].is_null();
    if let Value::Object(fields) = &mut sent
        && is_filled_in
    {
        fields.remove("retry");
    }
    sent == as_read(shown)
}

/// A payload as clients see it, whether they have filled in their defaults or not.
fn as_read(payload: &Value) -> Value {
    let mut read = payload.clone();
    if let Value::Object(fields) = &mut read {
        fields.retain(|_, value| !value.is_null());
        if fields.get("requestTimeout").and_then(Value::as_u64) == Some(REQUEST_TIMEOUT_READ) {
            fields.remove("requestTimeout");
        }
        if let Some(Value::Object(retry)) = fields.get_mut("retry") {
            retry.retain(|name, _| name == "maximumAttempts");
            if retry.is_empty() {
                fields.remove("retry");
            }
        }
        fields.entry("parameters").or_insert_with(|| json!({}));
    }
    read
}

/// What all clients know of a schedule.
fn as_known(schedule: &Value) -> Value {
    let list = |name: &str| schedule[name].as_array().cloned().unwrap_or_default();
    let intervals: Vec<_> = list("intervals").iter().map(|interval| interval["every"].clone()).collect();
    let without_nulls = |mut entry: Value| {
        if let Value::Object(fields) = &mut entry {
            fields.retain(|_, value| !value.is_null());
        }
        entry
    };
    let calendars: Vec<_> = list("calendars").into_iter().map(without_nulls).collect();
    json!({ "jitter": schedule["jitter"], "intervals": intervals, "calendars": calendars })
}

fn has_more_than_shown(stored: &Value, shown: &Value) -> bool {
    let known = ["jitter", "intervals", "calendars"];
    let fields = stored.as_object().into_iter().flatten();
    let length = |schedule: &Value, name: &str| schedule[name].as_array().map_or(0, Vec::len);
    fields.filter(|(_, value)| !value.is_null()).any(|(name, _)| !known.contains(&name.as_str()))
        || length(stored, "calendars") != length(shown, "calendars")
        || stored["intervals"].as_array().into_iter().flatten().any(|interval| !interval["offset"].is_null())
}

/// What is said of the same session, but for what clients cannot name or have filled in.
fn keep_session(fields: &mut Map<String, Value>, stored: &Value) {
    let Some(Value::Object(session)) = fields.get_mut("authSession") else { return };
    if stored.is_null() || session.get("id") != Some(&stored["id"]) {
        return;
    }
    keep_absent(session, stored, &["autoRecreate"]);
    for name in ["checkAttempts", "createAttempts"] {
        let is_filled_in = session.get(name).and_then(Value::as_u64) == Some(SESSION_ATTEMPTS_READ);
        if is_filled_in && stored[name].is_null() {
            session.remove(name);
        }
    }
}

/// Where Sundial's own role writes, clients have read empty keys.
fn keep_own_role(fields: &mut Map<String, Value>, stored: &Value) {
    let Some(Value::Object(sink)) = fields.get_mut("sink") else { return };
    let is_empty = |sink: &Map<String, Value>, name: &str| sink.get(name).and_then(Value::as_str) == Some("");
    let is_own_role = stored["type"] == "s3" && stored["accessKeyId"].is_null();
    if is_own_role && is_empty(sink, "accessKeyId") && is_empty(sink, "secretAccessKey") {
        sink.remove("accessKeyId");
        sink.remove("secretAccessKey");
    }
}
