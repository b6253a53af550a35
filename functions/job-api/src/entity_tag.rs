//! Entity tags of jobs (RFC 9110, 8.8.3 and 13.1): which version of a job its user has seen.
//!
//! A tag stands for what a user decides about a job: document, payloads and state. A run that starts or
//! ends moves `nextRunTime` and `lastRunTime` and no tag, or a job that runs every minute could never be
//! changed under `If-Match`. A job that was created again has other tags than its namesake.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponseParts, ResponseParts};
use http::header::{ETAG, IF_MATCH};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use sundial_model::problem::{Problem, ProblemCode};
use sundial_store::StoredJob;

use crate::problem_response::ApiProblem;

/// The tag of a job, in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(String);

impl EntityTag {
    pub(crate) fn of(job: &StoredJob) -> Self {
        Self(format!("\"{}-{}\"", job.uuid.0.simple(), job.document_version()))
    }
}

impl IntoResponseParts for EntityTag {
    type Error = Infallible;
    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            parts.headers_mut().insert(ETAG, value);
        }
        Ok(parts)
    }
}

/// What a header that names tags holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever is there.
    Any,
    /// Some tags, in quotes, and whether each is a weak one.
    Some(Vec<(bool, String)>),
}

/// The version that a change may be made to; any, when the caller does not say.
#[derive(Clone, Debug)]
pub(crate) struct IfMatch(Option<Tags>);

impl IfMatch {
    /// Refuses a job that is at another version. Belongs before each try of the change, whose write then
    /// expects the job as it was looked at.
    pub(crate) fn check(&self, job: &StoredJob) -> Result<(), Problem> {
        let is_met = match &self.0 {
            None | Some(Tags::Any) => true,
            // Weak tags never match here: they do not promise that it is the same.
            Some(Tags::Some(tags)) => tags.contains(&(false, EntityTag::of(job).0)),
        };
        if is_met { Ok(()) } else { Err(Self::failed()) }
    }

    /// What is answered when a job is at another version.
    pub(crate) fn failed() -> Problem {
        Problem::new(ProblemCode::PreconditionFailed, "the job has changed since; get it again, with its etag")
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiProblem> {
        tags(parts, &IF_MATCH).map(Self)
    }
}

fn tags(parts: &Parts, name: &HeaderName) -> Result<Option<Tags>, ApiProblem> {
    let lines: Result<Vec<_>, _> = parts.headers.get_all(name).iter().map(HeaderValue::to_str).collect();
    let malformed = || {
        let detail = format!("the header {name} must be * or a list of entity tags, each in double quotes");
        Problem::new(ProblemCode::BadRequest, detail)
    };
    match lines {
        Ok(lines) if lines.is_empty() => Ok(None),
        Ok(lines) => Ok(Some(parse(&lines.join(",")).ok_or_else(malformed)?)),
        Err(_) => Err(malformed().into()),
    }
}

/// Reads `*`, or `"a", W/"b"`: a tag may hold commas. Empty elements of the list do not count.
fn parse(text: &str) -> Option<Tags> {
    if text.trim() == "*" {
        return Some(Tags::Any);
    }
    let (mut rest, mut tags) = (text, Vec::new());
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return (!tags.is_empty()).then_some(Tags::Some(tags));
        }
        let weak = rest.strip_prefix("W/");
        let (inside, after) = weak.unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        if !inside.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        tags.push((weak.is_some(), format!("\"{inside}\"")));
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(tags: &[(bool, &str)]) -> Option<Tags> {
        Some(Tags::Some(tags.iter().map(|(weak, tag)| (*weak, (*tag).to_owned())).collect()))
    }

    #[test]
    fn a_list_of_tags_is_read_as_the_standard_has_it() {
        assert_eq!(parse(" * "), Some(Tags::Any));
        assert_eq!(parse(r#""a""#), some(&[(false, r#""a""#)]));
        assert_eq!(parse(r#""a,b" ,, W/"c""#), some(&[(false, r#""a,b""#), (true, r#""c""#)]));
        assert_eq!(parse(r#""""#), some(&[(false, r#""""#)]));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        for text in
            ["", " ", ",", "a", r#""a"#, r#"a""#, r#""a" "b""#, r#"w/"a""#, r#"*, "a""#, r#""a", *"#, r#""a b""#]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
