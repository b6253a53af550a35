//! The schemas of the document: those that the types of the wire give of themselves, and a few of this door.

use serde_json::{Map, Value, json};
use sundial_model::auth_session::{AUTH_SESSION_BYTES_MAX, AuthSession, Operation};
use sundial_model::job::{Job, JobInput};
use sundial_model::job_run::{JobRun, JobRunStatus};
use sundial_model::problem::ProblemCode;
use sundial_model::project::{Project, ProjectInput};
use sundial_model::run::{Run, RunStatus};
use sundial_model::single_run::{SingleRun, SingleRunInput};
use sundial_model::{FieldError, JobId, JobRunId, OperationId, ProjectName, RunId, Timestamp, WorkspaceId};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// What requests carry, which may have no other fields than these, and must have those that are named here;
/// what is required of answers is not required of requests.
const REQUESTS: [(&str, &[&str]); 17] = [
    ("AuthSessionReference", &["id"]),
    ("Calendar", &[]),
    ("CatchUp", &[]),
    ("Configuration", &[]),
    ("DaylightSaving", &[]),
    ("Interval", &["every"]),
    ("JobInput", &[]),
    ("JobState", &["status"]),
    ("Notification", &[]),
    ("Payload", &["apiName"]),
    ("ProjectInput", &["target"]),
    ("RetryOverride", &[]),
    ("RetryPolicy", &[]),
    ("Schedule", &[]),
    ("SingleRunInput", &["apiName"]),
    ("Sink", &[]),
    ("Target", &[]),
];

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A page of a list.
pub(super) fn page(of: &str) -> Value {
    json!({
        "type": "object",
        "properties": {
            "items": { "type": "array", "items": reference(of), "maxItems": crate::list_query::LIMIT_MAX },
            "nextCursor": { "type": "string", "description": "There when there may be more." }
        },
        "required": ["items"],
        "additionalProperties": false
    })
}

/// A problem with one of these codes.
pub(super) fn problem(codes: &[&str]) -> Value {
    json!({ "allOf": [reference("Problem"), { "type": "object", "properties": { "code": { "enum": codes } } }] })
}

fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

/// All of them, by name.
pub(super) fn all() -> Value {
    let mut described = Vec::new();
    add::<Job>(&mut described);
    add::<JobInput>(&mut described);
    add::<JobRun>(&mut described);
    add::<JobRunStatus>(&mut described);
    add::<Run>(&mut described);
    add::<RunStatus>(&mut described);
    add::<RunId>(&mut described);
    add::<SingleRun>(&mut described);
    add::<SingleRunInput>(&mut described);
    add::<Project>(&mut described);
    add::<ProjectInput>(&mut described);
    add::<AuthSession>(&mut described);
    add::<Operation>(&mut described);
    add::<OperationId>(&mut described);
    add::<FieldError>(&mut described);
    add::<WorkspaceId>(&mut described);
    add::<ProjectName>(&mut described);
    add::<JobId>(&mut described);
    add::<JobRunId>(&mut described);
    add::<Timestamp>(&mut described);
    let json = |(name, schema): (String, RefOr<Schema>)| (name, serde_json::to_value(schema).unwrap_or_default());
    let mut schemas: Map<String, Value> = described.into_iter().map(json).collect();
    for (name, required) in REQUESTS {
        if let Some(schema) = schemas.get_mut(name) {
            close(schema, required);
        }
    }
    for (name, bound) in [("intervals", 100), ("calendars", 500), ("cron", 500), ("exclusions", 500)] {
        schemas["Schedule"]["properties"][name]["maxItems"] = json!(bound);
    }
    schemas["Calendar"]["properties"]["comment"]["maxLength"] = json!(200);
    // Not made of a payload and more: a payload has no other fields.
    let mut indexed = schemas["Payload"].clone();
    indexed["properties"]["index"] = json!({ "type": "integer", "minimum": 0, "description": "From 0." });
    indexed["required"] = json!(["index", "apiName"]);
    indexed["description"] = json!("A payload with its place in its list.");
    schemas.insert("IndexedPayload".to_owned(), indexed);
    let mut new_job = schemas["JobInput"].clone();
    new_job["required"] = json!(["id", "payload"]);
    new_job["description"] = json!("A job that is to be created.");
    schemas.insert("NewJob".to_owned(), new_job);
    schemas.extend(of_this_door());
    schemas.sort_keys();
    Value::Object(schemas)
}

/// Refuses unknown fields, in each variant where there are variants.
fn close(schema: &mut Value, required: &[&str]) {
    if let Some(variants) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        for variant in variants {
            variant["additionalProperties"] = json!(false);
        }
        return;
    }
    schema["additionalProperties"] = json!(false);
    schema["required"] = json!(required);
}

/// What is made here and nowhere else.
fn of_this_door() -> [(String, Value); 15] {
    let object = |properties: Value, required: &[&str]| json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    let codes: Vec<_> = ProblemCode::ALL.iter().map(|code| code.code()).collect();
    let text = || json!({ "type": "string" });
    let time = || reference("Timestamp");
    let count = || json!({ "type": "integer", "minimum": 0 });
    let secret = |what: &str| json!({ "type": "string", "pattern": "^whsec_", "description": what });
    let project = json!({ "allOf": [reference("Project"), { "type": "object", "properties": {
        "signingSecret": secret("Signs calls to the target; shown when the project is created."),
        "webhookSecret": secret("Signs deliveries and notifications; shown when the project is created.")
    } }] });
    let attempts = || {
        json!({ "oneOf": [
        { "type": "integer", "minimum": 1, "maximum": 100, "default": 3 }, { "type": "null" }
    ] })
    };
    // What GET answered can be sent back.
    let session = || {
        json!({
            "id": reference("AuthSessionId"),
            "type": { "oneOf": [reference("AuthSessionType"), { "type": "null" }] },
            "parameters": {
                "type": ["object", "array", "null"], "writeOnly": true,
                "description": format!("Of CREDENTIALS: what the state is made out of, up to {AUTH_SESSION_BYTES_MAX} bytes of JSON.")
            },
            "state": {
                "writeOnly": true,
                "description": format!("Of RUNTIME: the state, anything up to {AUTH_SESSION_BYTES_MAX} bytes of JSON.")
            },
            "checkAttempts": attempts(), "createAttempts": attempts(),
            "autoRecreate": { "type": ["boolean", "null"], "default": true },
            "status": {}, "createdAt": {}, "checkedAt": {}, "usedAt": {}
        })
    };
    let many = || json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 10 });
    [
        ("Problem", object(json!({
            "type": { "type": "string", "format": "uri-reference" }, "title": text(),
            "status": { "type": "integer", "minimum": 400, "maximum": 599 }, "detail": text(),
            "code": { "type": "string", "enum": codes }, "correlationId": text(),
            "errors": { "type": "array", "items": reference("FieldError"), "maxItems": 100 }
        }), &["type", "title", "status", "detail", "code", "correlationId"])),
        ("ProjectAnswer", project),
        ("Rotated", object(json!({
            "secret": secret("Shown this once; not when the call is answered again."), "previousValidUntil": time()
        }), &["previousValidUntil"])),
        ("Nothing", object(json!({}), &[])),
        ("Pause", object(json!({ "reason": { "oneOf": [reference("PauseReason"), { "type": "null" }] } }), &[])),
        ("Trigger", object(json!({ "payload": { "oneOf": [reference("PayloadList"), { "type": "null" }] } }), &[])),
        ("Backfill", object(json!({ "from": time(), "to": time() }), &["from", "to"])),
        ("Requested", object(json!({ "requested": count() }), &["requested"])),
        ("Appended", object(json!({ "appended": count(), "payloadCount": count() }), &["appended", "payloadCount"])),
        ("PreviewInput", object(json!({
            "schedule": reference("Schedule"), "after": { "oneOf": [time(), { "type": "null" }] }, "count": many()
        }), &["schedule"])),
        ("Preview", object(json!({
            "description": text(), "occurrences": { "type": "array", "items": time(), "maxItems": 1000 }
        }), &["description", "occurrences"])),
        ("NewAuthSession", object(session(), &["id"])),
        ("AuthSessionInput", object(session(), &[])),
        ("AuthSessionRequested", object(json!({
            "id": reference("AuthSessionId"), "type": reference("AuthSessionType"),
            "status": reference("AuthSessionStatus"), "operationId": reference("OperationId")
        }), &["id", "type", "status"])),
        ("PauseReason", json!({ "type": "string", "maxLength": 500 })),
    ].map(|(name, schema)| (name.to_owned(), schema))
}
