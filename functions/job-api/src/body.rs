//! Bodies in and out, with their limits.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use deserr::Deserr;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sundial_model::InvalidFields;
use sundial_model::problem::{Problem, ProblemCode};

use crate::problem_response::ApiProblem;

/// A request's body may have this many bytes: what Lambda's 6 MB hold when they are escaped.
pub const BODY_BYTES_MAX: usize = 4_000_000;

/// A page of an answer is closed when it is this large.
pub(crate) const PAGE_BYTES_MAX: usize = 3_500_000;

/// A body that must be JSON.
pub(crate) struct Json(pub(crate) Value);

/// A body that may be left out, whatever its content type says then.
pub(crate) struct OptionalJson(pub(crate) Option<Value>);

impl<S: Sync> FromRequest<S> for Json {
    type Rejection = ApiProblem;
    async fn from_request(request: Request, _: &S) -> Result<Self, ApiProblem> {
        let media_type = media_type(&request);
        let bytes = read(request).await?;
        check_media_type(&media_type)?;
        parse(&bytes).map(Self)
    }
}

impl<S: Sync> FromRequest<S> for OptionalJson {
    type Rejection = ApiProblem;
    async fn from_request(request: Request, _: &S) -> Result<Self, ApiProblem> {
        let media_type = media_type(&request);
        let bytes = read(request).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        check_media_type(&media_type)?;
        parse(&bytes).map(|value| Self(Some(value)))
    }
}

impl OptionalJson {
    /// Reads what it holds; the default when it was left out.
    pub(crate) fn read<T: Deserr<InvalidFields> + Default>(self) -> Result<T, InvalidFields> {
        self.0.map_or_else(|| Ok(T::default()), InvalidFields::read)
    }
}

/// The bytes of a body, if it is not too large.
pub(crate) async fn read(request: Request) -> Result<Bytes, ApiProblem> {
    match Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body must be at most {BODY_BYTES_MAX} bytes");
            Err(Problem::new(ProblemCode::PayloadTooLarge, detail).into())
        }
        Err(_) => Err(Problem::new(ProblemCode::BadRequest, "the body could not be read").into()),
    }
}

/// What a request says that its body is, without parameters and in small letters.
pub(crate) fn media_type(request: &Request) -> String {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a body of this type is JSON.
pub(crate) fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

fn check_media_type(media_type: &str) -> Result<(), ApiProblem> {
    if is_json(media_type) {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::UnsupportedMediaType, "send the body with content-type: application/json").into())
}

/// Reads JSON.
pub(crate) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiProblem> {
    serde_json::from_slice(bytes).map_err(|error| InvalidFields::one("", format!("is not JSON: {error}")).into())
}

/// A page of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl<T: Serialize> Page<T> {
    /// A page of as many of `items` as it can hold, at least one. `cursor_after` makes the cursor
    /// that goes on after an item; `more` is the one for after all of them.
    pub(crate) fn filled(items: Vec<T>, cursor_after: impl Fn(&T) -> String, more: Option<String>) -> Self {
        let mut bytes = 0;
        let fits = |item: &T| {
            bytes += serde_json::to_vec(item).map_or(0, |json| json.len());
            bytes
        };
        let sizes: Vec<usize> = items.iter().map(fits).collect();
        let count = sizes.iter().take_while(|size| **size <= PAGE_BYTES_MAX).count().max(1).min(items.len());
        if count == items.len() {
            return Self { items, next_cursor: more };
        }
        let items: Vec<T> = items.into_iter().take(count).collect();
        let next_cursor = items.last().map(cursor_after);
        Self { items, next_cursor }
    }
}
