//! The API's own description: OpenAPI 3.1, made of the types of the wire and of tables of operations. It
//! is made when it is first asked for, so that no cold start waits for it.

mod answers;
mod examples;
mod operation;
mod operations;
mod parameters;
mod schemas;

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use operation::{Body, Operation};
use operations::BY_TAG;

/// What all routes but two begin with.
const BASE: &str = "/v1/workspaces/{workspace}";

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

/// Answers with the document.
pub(crate) async fn serve() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}

/// The document.
fn document() -> Value {
    let tags = BY_TAG.map(|(tag, _)| json!({ "name": tag }));
    let mut paths = Map::new();
    for (tag, operation) in operations() {
        let base = if operation.is_open() { "" } else { BASE };
        let item = paths.entry(format!("{base}{}", operation.path)).or_insert_with(|| json!({}));
        item[operation.method] = described(tag, operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sundial",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Batch jobs on a schedule. Times are RFC 3339 in UTC; every problem is RFC 9457.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "servers": [{ "url": "/" }],
        "security": [{ "apiKey": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": {
                    "type": "apiKey", "in": "header", "name": "x-api-key", "description": "A key of the workspace."
                }
            },
            "schemas": schemas::all()
        }
    })
}

/// All operations, each with its tag.
fn operations() -> impl Iterator<Item = (&'static str, &'static Operation)> {
    BY_TAG.into_iter().flat_map(|(tag, operations)| operations.iter().map(move |operation| (tag, operation)))
}

fn described(tag: &str, operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [tag],
        "summary": operation.summary,
        "parameters": parameters::of(operation),
        "responses": answers::of(operation)
    });
    if operation.is_open() {
        described["security"] = json!([]);
    }
    if let Some(body) = body(operation) {
        described["requestBody"] = body;
    }
    described
}

/// The description of a request's body.
fn body(operation: &Operation) -> Option<Value> {
    let json = |schema: &str, examples: &[fn() -> Value]| {
        let examples = examples
            .iter()
            .enumerate()
            .map(|(number, example)| (format!("example-{}", number + 1), json!({ "value": example() })));
        json!({ "schema": schemas::reference(schema), "examples": Value::Object(examples.collect()) })
    };
    match operation.body {
        Body::None => None,
        Body::Json(schema, examples) => {
            Some(json!({ "required": true, "content": { "application/json": json(schema, examples) } }))
        }
        Body::Optional(schema, examples) => {
            Some(json!({ "required": false, "content": { "application/json": json(schema, examples) } }))
        }
        Body::PayloadPage(examples) => {
            let lines = "One payload in each line; blank lines do not count.";
            let example = "{\"apiName\":\"prices/fetch\",\"parameters\":{\"sku\":3}}\n{\"apiName\":\"prices/fetch\"}\n";
            Some(json!({ "required": true, "content": {
                "application/json": json("PayloadList", examples),
                "application/x-ndjson": { "schema": { "type": "string", "description": lines }, "example": example }
            } }))
        }
    }
}

#[cfg(test)]
mod tests;
