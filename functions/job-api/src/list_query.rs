//! What a list is asked for: how much, which of it, and from where on.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use serde::{Deserialize, Serialize};
use sundial_model::InvalidFields;
use sundial_model::payload::PAYLOADS_MAX;
use sundial_store::keys;

use crate::cursor::List;
use crate::problem_response::ApiProblem;
use crate::routes::Workspace;

const NO_CURSOR: &str = "is no cursor of this list; leave it out to begin anew";
/// A page has so many items, unless the caller says how many.
pub(crate) const LIMIT_DEFAULT: usize = 50;
/// And so many at most.
pub(crate) const LIMIT_MAX: usize = 500;

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
    /// The filter `status`.
    pub(crate) status: Option<String>,
    /// The filter `tag`.
    pub(crate) tag: Option<String>,
    after: Option<String>,
    list: List,
}

impl<S: Sync> FromRequestParts<S> for ListQuery {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiProblem> {
        let Query(parameters) = Query::<Parameters>::try_from_uri(&parts.uri)
            .map_err(|error| InvalidFields::one("", format!("has a query that cannot be read: {error}")))?;
        let workspace = Workspace::from_request_parts(parts, state).await?.id;
        let list = List::new(workspace, parts.uri.path(), &[&parameters.status, &parameters.tag]);
        let mut errors = InvalidFields::default();
        let limit = match parameters.limit.as_deref().map(str::parse) {
            None => LIMIT_DEFAULT,
            Some(Ok(limit)) if (1..=LIMIT_MAX).contains(&limit) => limit,
            Some(_) => {
                errors.push("/limit", format!("must be a whole number from 1 to {LIMIT_MAX}"));
                LIMIT_DEFAULT
            }
        };
        let after = parameters.cursor.as_deref().map(|cursor| list.position(cursor));
        if after == Some(None) {
            errors.push("/cursor", NO_CURSOR);
        }
        errors.into_result()?;
        Ok(Self { limit, after: after.flatten(), status: parameters.status, tag: parameters.tag, list })
    }
}

impl ListQuery {
    /// The cursor that goes on after an item.
    pub(crate) fn cursor(&self, after: &str) -> String {
        self.list.cursor(after)
    }

    /// After which item, in a list by name or id.
    pub(crate) fn after<T: FromStr>(&self) -> Result<Option<T>, InvalidFields> {
        let after = self.after.as_ref().map(|after| after.parse());
        after.transpose().map_err(|_| InvalidFields::one("/cursor", NO_CURSOR))
    }

    /// The index to begin with, in a list by index.
    pub(crate) fn first_index(&self) -> Result<u32, InvalidFields> {
        let after = self.after::<u32>()?;
        let first = after.map_or(Some(0), |after| (after < PAYLOADS_MAX).then_some(after + 1));
        first.ok_or_else(|| InvalidFields::one("/cursor", NO_CURSOR))
    }

    /// Before which place to begin, in a list by time.
    pub(crate) fn before(&self) -> Result<Option<&str>, InvalidFields> {
        match self.after.as_deref() {
            Some(place) if !keys::is_place_of_run(place) => Err(InvalidFields::one("/cursor", NO_CURSOR)),
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
