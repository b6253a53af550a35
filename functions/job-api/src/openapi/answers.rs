//! What the operations answer: good answers, and every problem by its status.

use serde_json::{Map, Value, json};
use sundial_model::problem::ProblemCode;

use super::operation::{Body, Content, Extra, Operation};
use super::schemas::{page, problem, reference};
use crate::idempotency::REPLAYED;
use crate::problem_response::{REQUEST_ID, retry_after};

pub(super) fn of(operation: &Operation) -> Value {
    let mut answers = Map::new();
    for (status, content) in operation.answers {
        answers.insert(status.to_string(), good(operation, *status, *content));
    }
    let problems = problems(operation);
    let mut statuses: Vec<u16> = problems.iter().map(|problem| problem.status()).collect();
    statuses.dedup();
    for status in statuses {
        let codes: Vec<_> = problems.iter().filter(|problem| problem.status() == status).copied().collect();
        answers.insert(status.to_string(), bad(operation, &codes));
    }
    Value::Object(answers)
}

fn text(description: &str) -> Value {
    json!({ "schema": { "type": "string" }, "description": description })
}

fn replayed(operation: &Operation) -> Option<(String, Value)> {
    let description = "`true` when the call with this idempotency key was carried out before.";
    operation.takes_key().then(|| (REPLAYED.to_string(), text(description)))
}

fn good(operation: &Operation, status: u16, content: Content) -> Value {
    let mut headers = Map::new();
    headers.insert(REQUEST_ID.to_string(), text("The id of the request."));
    if operation.extras.contains(&Extra::Tagged) {
        headers.insert("etag".to_owned(), text("The version of the job, as its user sees it."));
    }
    headers.extend(replayed(operation));
    let description = match status {
        201 => "It was created.",
        202 => "It was recorded.",
        204 => "It is gone.",
        _ => "As asked for.",
    };
    let mut answer = json!({ "description": description, "headers": headers });
    let json = |schema: Value| json!({ "application/json": { "schema": schema } });
    match content {
        Content::Empty => {}
        Content::Text => answer["content"] = json!({ "text/plain": { "schema": { "type": "string" } } }),
        Content::Any => answer["content"] = json(json!({ "type": "object" })),
        Content::One(schema) => answer["content"] = json(reference(schema)),
        Content::Page(schema) => answer["content"] = json(page(schema)),
    }
    answer
}

/// How an operation can go wrong, in the order of the table of problems.
fn problems(operation: &Operation) -> Vec<ProblemCode> {
    use ProblemCode::{
        BadRequest, IdempotencyKeyReused, InternalServerError, NotFound, PayloadTooLarge, PreconditionFailed,
        TooManyRequests, Unauthorized, Unavailable, UnsupportedMediaType,
    };
    if operation.is_open() {
        return vec![InternalServerError];
    }
    let is_post = operation.method == "post";
    let has_body = !matches!(operation.body, Body::None);
    let is_conditional = operation.extras.contains(&Extra::IfMatch);
    let takes_values =
        operation.is_list() || is_post || has_body || is_conditional || operation.extras.contains(&Extra::Occurrences);
    let may_be = |problem: &ProblemCode| match problem {
        Unauthorized | NotFound | TooManyRequests | InternalServerError | Unavailable => true,
        BadRequest => takes_values,
        IdempotencyKeyReused => operation.takes_key(),
        PreconditionFailed => is_conditional,
        PayloadTooLarge | UnsupportedMediaType => has_body,
        other => operation.problems.contains(other),
    };
    ProblemCode::ALL.into_iter().filter(may_be).collect()
}

fn bad(operation: &Operation, problems: &[ProblemCode]) -> Value {
    let titles: Vec<_> = problems.iter().map(|problem| format!("{} (`{}`)", problem.title(), problem.code())).collect();
    let codes: Vec<_> = problems.iter().map(|problem| problem.code()).collect();
    let mut headers = Map::new();
    headers.insert(REQUEST_ID.to_string(), text("The id of the request, which is the problem's correlationId."));
    headers.extend(replayed(operation));
    if problems.iter().any(|problem| retry_after(*problem).is_some()) {
        let seconds = json!({ "schema": { "type": "integer", "minimum": 1 }, "description": "Seconds." });
        headers.insert("retry-after".to_owned(), seconds);
    }
    let content = json!({ "application/problem+json": { "schema": problem(&codes) } });
    json!({ "description": titles.join("; "), "headers": headers, "content": content })
}
