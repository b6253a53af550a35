//! Cursors: opaque, versioned, and bound to the list they were made for.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::extract::{FromRequestParts, Query};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use sundial_model::{InvalidFields, Timestamp};

use crate::problem_response::ApiProblem;

const VERSION: u8 = 1;
const NO_CURSOR: &str = "is no cursor of this list; leave it out to begin anew";
const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 500;

#[derive(Serialize, Deserialize)]
struct Content {
    v: u8,
    list: u64,
    after: String,
}

#[derive(Deserialize)]
struct Parameters {
    limit: Option<String>,
    cursor: Option<String>,
    status: Option<String>,
    tag: Option<String>,
}

/// What a list request asks for.
pub(crate) struct ListQuery {
    /// How many items at most.
    pub(crate) limit: usize,
    /// After which item.
    pub(crate) after: Option<String>,
    /// The filter `status`.
    pub(crate) status: Option<String>,
    /// The filter `tag`.
    pub(crate) tag: Option<String>,
    list: u64,
}

impl<S: Sync> FromRequestParts<S> for ListQuery {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiProblem> {
        let Query(parameters) = Query::<Parameters>::try_from_uri(&parts.uri)
            .map_err(|error| InvalidFields::one("", format!("has a query that cannot be read: {error}")))?;
        // A cursor goes with its path and its filters.
        let mut hasher = DefaultHasher::new();
        (parts.uri.path(), &parameters.status, &parameters.tag).hash(&mut hasher);
        let list = hasher.finish();
        let mut errors = InvalidFields::default();
        let limit = match parameters.limit.as_deref().map(str::parse) {
            None => LIMIT_DEFAULT,
            Some(Ok(limit)) if (1..=LIMIT_MAX).contains(&limit) => limit,
            Some(_) => {
                errors.push("/limit", format!("must be a whole number from 1 to {LIMIT_MAX}"));
                LIMIT_DEFAULT
            }
        };
        let after = parameters.cursor.map(|cursor| decode(&cursor, list)).transpose();
        let after = after.unwrap_or_else(|message| {
            errors.push("/cursor", message);
            None
        });
        errors.into_result()?;
        Ok(Self { limit, after, status: parameters.status, tag: parameters.tag, list })
    }
}

impl ListQuery {
    /// The cursor that goes on after an item.
    pub(crate) fn cursor(&self, after: &str) -> String {
        let content = Content { v: VERSION, list: self.list, after: after.to_owned() };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&content).unwrap_or_default())
    }

    /// The index to begin with, in a list by index.
    pub(crate) fn first_index(&self) -> Result<u32, InvalidFields> {
        let Some(after) = &self.after else { return Ok(0) };
        let first = after.parse::<u32>().ok().and_then(|after| after.checked_add(1));
        first.ok_or_else(|| InvalidFields::one("/cursor", NO_CURSOR))
    }

    /// Before which place to begin, in a list by time.
    pub(crate) fn before(&self) -> Result<Option<&str>, InvalidFields> {
        let is_place = |place: &str| place.split_once('#').is_some_and(|(time, _)| time.parse::<Timestamp>().is_ok());
        match self.after.as_deref() {
            Some(place) if !is_place(place) => Err(InvalidFields::one("/cursor", NO_CURSOR)),
            place => Ok(place),
        }
    }

    /// The filter `status`, as one of `all`.
    pub(crate) fn status<T: Serialize + Copy>(&self, all: &[T]) -> Result<Option<T>, InvalidFields> {
        let Some(wanted) = &self.status else { return Ok(None) };
        let name = |status: &T| serde_json::to_value(status).ok().and_then(|name| name.as_str().map(str::to_owned));
        let found = all.iter().find(|status| name(status).as_ref() == Some(wanted));
        let names: Vec<_> = all.iter().filter_map(name).collect();
        let message = format!("must be one of {}", names.join(", "));
        found.copied().map(Some).ok_or_else(|| InvalidFields::one("/status", message))
    }

    /// The filter `tag`, as key and value.
    pub(crate) fn tag(&self) -> Result<Option<(&str, &str)>, InvalidFields> {
        let Some(tag) = &self.tag else { return Ok(None) };
        tag.split_once(':').map(Some).ok_or_else(|| InvalidFields::one("/tag", "must be of the form key:value"))
    }
}

/// Whether this can be a name, an index, or a time and an id.
fn is_position(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn decode(cursor: &str, list: u64) -> Result<String, String> {
    let content = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|json| serde_json::from_slice::<Content>(&json).ok());
    match content {
        Some(content) if content.v == VERSION && content.list == list && is_position(&content.after) => {
            Ok(content.after)
        }
        _ => Err(NO_CURSOR.to_owned()),
    }
}
