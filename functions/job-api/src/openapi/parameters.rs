//! What the operations take beside a body: parts of the path, of the query, and headers.

use serde_json::{Value, json};

use super::operation::{Extra, Operation};
use super::schemas::reference;
use crate::cursor::CURSOR_LENGTH_MAX;
use crate::idempotency::{IDEMPOTENCY_KEY, KEY_LENGTH_MAX};
use crate::list_query::{LIMIT_DEFAULT, LIMIT_MAX};

pub(super) fn of(operation: &Operation) -> Value {
    let mut parameters = Vec::new();
    if operation.is_open() {
        return json!(parameters);
    }
    let in_path = |name: &str, schema: Value, description: &str| json!({ "name": name, "in": "path", "required": true, "schema": schema, "description": description });
    let optional = |place: &str, name: &str, schema: Value, description: &str| json!({ "name": name, "in": place, "required": false, "schema": schema, "description": description });
    parameters.push(in_path("workspace", reference("WorkspaceId"), "The workspace of the key."));
    for (name, schema, description) in [
        ("project", reference("ProjectName"), "The name of a project."),
        ("job", reference("JobId"), "The id of a job."),
        ("run", reference("JobRunId"), "The id of a job run."),
        ("single", reference("RunId"), "The id of a single run."),
        ("session", reference("AuthSessionId"), "The id of an auth session."),
        ("operation", reference("OperationId"), "The id of an operation."),
        ("index", json!({ "type": "integer", "minimum": 0, "maximum": 999_999 }), "The index of a payload, from 0."),
    ] {
        if operation.path.contains(&format!("{{{name}}}")) {
            parameters.push(in_path(name, schema, description));
        }
    }
    if operation.is_list() {
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT });
        parameters.push(optional(
            "query",
            "limit",
            limit,
            "How many items at most; a page that is full may have fewer.",
        ));
        let cursor = json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": CURSOR_LENGTH_MAX });
        parameters.push(optional(
            "query",
            "cursor",
            cursor,
            "The `nextCursor` of the page before, with the same filters.",
        ));
    }
    if operation.takes_key() {
        let key = json!({ "type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": KEY_LENGTH_MAX });
        let description = "Made up by the caller: for 24 hours the same call has its effect once.";
        parameters.push(optional("header", IDEMPOTENCY_KEY.as_str(), key, description));
    }
    let tags = || json!({ "type": "string", "pattern": r#"^(?:\*|(?:W/)?"[!#-~]*"(?:, ?(?:W/)?"[!#-~]*")*)$"# });
    for extra in operation.extras {
        parameters.extend(match extra {
            Extra::Status(schema) => {
                vec![optional("query", "status", reference(schema), "Just those with this status.")]
            }
            Extra::Tag => {
                let tag = json!({ "type": "string", "pattern": "^[^:]*:.*$" });
                vec![optional("query", "tag", tag, "Just those with this tag, `key:value`.")]
            }
            Extra::Occurrences => vec![
                optional("query", "after", reference("Timestamp"), "Strictly after this; now when absent."),
                optional(
                    "query",
                    "count",
                    json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 10 }),
                    "How many at most.",
                ),
            ],
            Extra::IfMatch => {
                vec![optional("header", "if-match", tags(), "Only if the job is at one of these versions; else 412.")]
            }
            Extra::Tagged => Vec::new(),
        });
    }
    json!(parameters)
}
