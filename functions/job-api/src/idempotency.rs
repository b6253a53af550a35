//! `Idempotency-Key`: a POST that is sent again has its effect once, and is answered again.
//!
//! A handler says what it will answer before it acts, and acts with the clients that it gets for that: so the
//! effect and the answer are written together (`store/src/idempotency.rs`). What is kept of an answer is its
//! status and what it is about, never a document; so no secret can come back by it.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_runtime::Clients;
use sundial_store::{Claim, Claimed, KeyedCall};

use crate::body::read;
use crate::entity_tag::IfMatch;
use crate::first_answer::{FirstAnswer, Subject, again};
use crate::problem_response::ApiProblem;
use crate::routes::Workspace;

/// The header with the key.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Is `true` in the answer to a call that was carried out before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// A key has so many characters at most.
pub(crate) const KEY_LENGTH_MAX: usize = 255;

/// A call that has claimed its key, and what it has said that it will answer.
#[derive(Clone)]
struct Keyed {
    claim: Claim,
    announced: Arc<Mutex<Option<FirstAnswer>>>,
}

/// The clients of a handler, whose effect is to happen once.
pub(crate) struct Once {
    pub(crate) clients: Clients,
    keyed: Option<Keyed>,
}

impl FromRequestParts<Clients> for Once {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, clients: &Clients) -> Result<Self, ApiProblem> {
        Ok(Self { clients: clients.clone(), keyed: parts.extensions.get().cloned() })
    }
}

impl Once {
    /// The clients for an effect that will be answered like this.
    pub(crate) fn answering(&self, answer: FirstAnswer) -> Clients {
        self.fulfilling(answer, true)
    }

    /// The same where the effect is a part of all that the call asks for.
    pub(crate) fn answering_so_far(&self, answer: FirstAnswer) -> Clients {
        self.fulfilling(answer, false)
    }

    fn fulfilling(&self, answer: FirstAnswer, is_whole: bool) -> Clients {
        let Some(Keyed { claim, announced }) = &self.keyed else { return self.clients.clone() };
        let store = self.clients.store.fulfilling(claim, answer.to_value(), is_whole);
        *announced.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        Clients { store, ..self.clients.clone() }
    }

    /// How many a try of this call before that was cut off had requested of the same. What it has requested of
    /// a namesake that is gone does not count.
    pub(crate) fn progress(&self, subject: &Subject) -> usize {
        let progress = self.keyed.as_ref().and_then(|keyed| keyed.claim.progress());
        match progress.and_then(FirstAnswer::from_value) {
            Some(FirstAnswer::Requested { requested, of }) if of.as_ref().is_none_or(|of| of == subject) => requested,
            _ => 0,
        }
    }
}

/// A POST that has an effect, and has it once for each key.
pub(crate) fn post_once<T, H>(clients: &Clients, handler: H) -> MethodRouter<Clients>
where
    H: Handler<T, Clients>,
    T: 'static,
{
    // What no handler takes claims no key.
    post(handler).route_layer(from_fn_with_state(clients.clone(), carry_out_once))
}

/// Carries a call with a key out if it was not, and answers it again if it was.
async fn carry_out_once(
    State(clients): State<Clients>,
    workspace: Workspace,
    request: Request,
    next: Next,
) -> Result<Response, ApiProblem> {
    let Some(key) = key(request.headers())? else { return Ok(next.run(request).await) };
    let (mut parts, body) = request.into_parts();
    let body = read(Request::new(body)).await?;
    let call = KeyedCall { workspace_id: workspace.id, path: parts.uri.path(), key: &key, body: &body };
    let reused = |detail: &str| Err(Problem::new(ProblemCode::IdempotencyKeyReused, detail).into());
    match clients.store.claim_key(&call, clients.clock.now()).await? {
        Claimed::OtherBody => reused("the idempotency key came with another body before; use a new one"),
        Claimed::UnderWay => reused("the call with this idempotency key is under way; try again"),
        Claimed::Before(answer) => {
            // A condition was looked at the first time; one that cannot be read is refused every time.
            IfMatch::from_request_parts(&mut parts, &()).await?;
            Ok(replay(&clients, answer).await)
        }
        Claimed::Now(claim) => {
            let keyed = Keyed { claim, announced: Arc::default() };
            parts.extensions.insert(keyed.clone());
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            settle(&clients, &keyed, response.status()).await;
            Ok(response)
        }
    }
}

/// The key of a call.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let lines: Vec<_> = headers.get_all(&IDEMPOTENCY_KEY).iter().map(HeaderValue::as_bytes).collect();
    let is_key = |key: &[u8]| (1..=KEY_LENGTH_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    match lines.as_slice() {
        [] => Ok(None),
        [key] if is_key(key) => Ok(Some(String::from_utf8_lossy(key).into_owned())),
        _ => {
            let detail = format!("the header {IDEMPOTENCY_KEY} must be 1 to {KEY_LENGTH_MAX} visible ASCII characters");
            Err(Problem::new(ProblemCode::BadRequest, detail))
        }
    }
}

async fn replay(clients: &Clients, answer: Value) -> Response {
    let again = match FirstAnswer::from_value(answer) {
        Some(answer) => again(clients, answer).await,
        None => Err(ApiProblem::internal(&"an answer on record cannot be read")),
    };
    let mut response = again.into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Notes how a call has ended whose effect did not note it.
async fn settle(clients: &Clients, Keyed { claim, announced }: &Keyed, status: StatusCode) {
    if claim.is_fulfilled() {
        return;
    }
    let noted = if status.is_success() {
        let announced = announced.lock().unwrap_or_else(PoisonError::into_inner).take();
        debug_assert!(announced.is_some(), "a POST does not say what it will answer");
        clients.store.note_answer(claim, announced.unwrap_or(FirstAnswer::Untold).to_value()).await
    } else {
        clients.store.release_key(claim, clients.clock.now()).await
    };
    if let Err(error) = noted {
        // The claim runs out by itself.
        tracing::warn!(%error, "how a call with an idempotency key has ended was not noted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&[u8]], is_key: bool) {
        let lines = lines.iter().map(|line| (IDEMPOTENCY_KEY, HeaderValue::from_bytes(line).expect("a header")));
        assert_eq!(key(&lines.collect()).is_ok_and(|key| key.is_some()), is_key);
    }

    #[test]
    fn a_key_is_one_line_of_visible_characters() {
        for good in [b"a".as_slice(), b"5d1c3b84-\"quoted\"~!", &[b'x'; 255]] {
            check(&[good], true);
        }
        for bad in [b"".as_slice(), b" ", b"a b", "\u{e9}".as_bytes(), b"\xff", &[b'x'; 256]] {
            check(&[bad], false);
        }
        check(&[b"a", b"a"], false);
        assert_eq!(key(&HeaderMap::new()), Ok(None));
    }
}
