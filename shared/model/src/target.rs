//! How a project's APIs are called.

use deserr::Deserr;
use serde::{Deserialize, Serialize};

use crate::invalid::InvalidFields;
use crate::secret::{HasSecrets, SecretPlace};

pub use crate::headers::{Headers, is_reserved_header};
pub use crate::http_url::{BaseUrl, HttpUrl};

/// What a target gets and gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase)]
pub enum TargetFormat {
    /// An object around parameters and result.
    #[default]
    Envelope,
    /// Just the parameters, just the result.
    Plain,
}

/// How a project's APIs are called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[deserr(error = InvalidFields, tag = "type", rename_all = camelCase, deny_unknown_fields)]
pub enum Target {
    /// By `POST {baseUrl}/{apiName}`.
    #[deserr(rename_all = camelCase)]
    #[schema(rename_all = "camelCase")]
    Http {
        /// What the API's name is appended to.
        base_url: BaseUrl,
        /// Sent with every call.
        #[serde(default, skip_serializing_if = "Headers::is_empty")]
        #[deserr(default)]
        headers: Headers,
        /// The shape of requests and answers.
        #[serde(default)]
        #[deserr(default)]
        format: TargetFormat,
    },
}

impl Target {
    /// Who is called: scheme, host and port.
    pub fn origin(&self) -> String {
        match self {
            Self::Http { base_url, .. } => base_url.origin(),
        }
    }
}

impl HasSecrets for Target {
    fn secret_places(&mut self) -> Vec<SecretPlace<'_>> {
        let destination = format!("target {}", self.origin());
        match self {
            Self::Http { headers, .. } => headers.secret_places("/target/headers", &destination),
        }
    }
}
