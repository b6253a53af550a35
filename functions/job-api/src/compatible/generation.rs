//! Which generation of the published clients is calling.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::USER_AGENT;
use http::request::Parts;

/// A generation of the clients, by the version of the description that they were made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// Version 0.0.1, of July 2024: a job's state is an object, the list of runs is an array, an error is a code.
    First,
    /// Version 0.0.2 and whoever is unknown.
    Later,
}

/// The clients of the first generation say this as the fourth word of their user agent.
const FIRST_VERSION: &str = "0.0.1";
const VERSION_PLACE: usize = 3;

impl Generation {
    fn of(user_agent: &str) -> Self {
        let version = user_agent.split_ascii_whitespace().nth(VERSION_PLACE);
        if version == Some(FIRST_VERSION) { Self::First } else { Self::Later }
    }
}

impl<S: Sync> FromRequestParts<S> for Generation {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(user_agent.map_or(Self::Later, Self::of))
    }
}

/// Whether a client knows all names of the newest generation: that of Python does, and those of TypeScript do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnowsNewest(pub(super) bool);

impl<S: Sync> FromRequestParts<S> for KnowsNewest {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self(!user_agent.is_some_and(|user_agent| user_agent.starts_with("speakeasy-sdk/"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_word_of_the_user_agent_tells_the_generation() {
        for (user_agent, generation) in [
            ("speakeasy-sdk/typescript 0.7.0 2.377.1 0.0.1 @intuned/client", Generation::First),
            ("speakeasy-sdk/typescript 0.5.2 2.788.7 0.0.2 @intuned/client", Generation::Later),
            ("python-httpx/0.28.1", Generation::Later),
            ("curl/8.5.0", Generation::Later),
            ("0.0.1", Generation::Later),
            ("", Generation::Later),
        ] {
            assert_eq!(Generation::of(user_agent), generation, "{user_agent}");
        }
    }
}
