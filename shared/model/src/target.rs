//! How a project's APIs are called.

use std::collections::BTreeMap;

use deserr::Deserr;
use serde::{Deserialize, Serialize};

use crate::invalid::InvalidFields;
use crate::secret::{HasSecrets, SecretPlace, SecretText};
use crate::text::checked_text;

const URL_LENGTH_MAX: usize = 2048;

fn parse_http_url(text: &str) -> Option<url::Url> {
    if text.len() > URL_LENGTH_MAX || text.contains(|character: char| character.is_control() || character == ' ') {
        return None;
    }
    let url = url::Url::parse(text).ok()?;
    let is_plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    (is_plain && url.has_host()).then_some(url)
}

fn is_http_url(text: &str) -> bool {
    parse_http_url(text).is_some()
}

checked_text!(
    /// An http or https URL with a host and without credentials, at most 2,048 bytes.
    HttpUrl, is_http_url,
    "must be an http or https URL with a host and without credentials, at most 2048 bytes"
);

impl HttpUrl {
    /// Where it leads: scheme, host and port.
    pub fn origin(&self) -> String {
        parse_http_url(self.as_str()).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }
}

fn is_base_url(text: &str) -> bool {
    parse_http_url(text).is_some_and(|url| url.query().is_none() && url.fragment().is_none())
}

checked_text!(
    /// An [`HttpUrl`] without query and fragment, to which an API's name is appended.
    BaseUrl, is_base_url,
    "must be an http or https URL with a host, without credentials, query and fragment, at most 2048 bytes"
);

impl BaseUrl {
    /// The URL of an API below it.
    pub fn join(&self, api_name: &str) -> String {
        format!("{}/{api_name}", self.as_str().trim_end_matches('/'))
    }
}

/// Header names of a user that Sundial or the connection sets itself.
fn is_reserved_header(lower_case_name: &str) -> bool {
    const RESERVED: [&str; 12] = [
        "connection",
        "host",
        "idempotency-key",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "traceparent",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    RESERVED.contains(&lower_case_name)
        || lower_case_name.starts_with("webhook-")
        || lower_case_name.starts_with("content-")
}

const HEADERS_MAX: usize = 50;
const HEADER_VALUE_BYTES_MAX: usize = 4096;

/// Headers that a user adds to outgoing requests; their values are secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(pub BTreeMap<String, SecretText>);

impl Headers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values with their places; `destination` says where they are sent.
    pub fn secret_places(&mut self, pointer: &str, destination: &str) -> Vec<SecretPlace<'_>> {
        let place = |(name, text)| {
            let name: &String = name;
            SecretPlace {
                pointer: format!("{pointer}{}", crate::invalid::pointer_segment(name)),
                key: format!("{destination} header {}", name.to_ascii_lowercase()),
                text,
            }
        };
        self.0.iter_mut().map(place).collect()
    }
}

impl Deserr<InvalidFields> for Headers {
    fn deserialize_from_value<V: deserr::IntoValue>(
        value: deserr::Value<V>,
        location: deserr::ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let headers = crate::invalid::read_map::<SecretText, V>(value, location)?;
        let mut errors = InvalidFields::default();
        if headers.len() > HEADERS_MAX {
            errors.extend_below("", InvalidFields::at(location, format!("must be at most {HEADERS_MAX} headers")));
        }
        let mut seen = std::collections::BTreeSet::new();
        for (name, value) in &headers {
            let mut refuse = |message: &str| {
                errors.extend_below("", InvalidFields::at(location.push_key(name), message));
            };
            let lower = name.to_ascii_lowercase();
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
                refuse("is not a valid header name");
            } else if is_reserved_header(&lower) {
                refuse("is a header that cannot be set");
            } else if !seen.insert(lower) {
                refuse("is there twice, in different case");
            }
            let is_visible = |byte: u8| byte == b'\t' || (0x20..0x7f).contains(&byte);
            if value.expose().len() > HEADER_VALUE_BYTES_MAX || !value.expose().bytes().all(is_visible) {
                refuse("must have a value of at most 4096 visible ASCII characters");
            }
        }
        errors.into_result().map(|()| Self(headers))
    }
}

/// What a target gets and gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Deserr)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[deserr(error = InvalidFields, tag = "type", rename_all = camelCase, deny_unknown_fields)]
pub enum Target {
    /// By `POST {baseUrl}/{apiName}`.
    #[deserr(rename_all = camelCase)]
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

impl HasSecrets for Target {
    fn secret_places(&mut self) -> Vec<SecretPlace<'_>> {
        match self {
            Self::Http { base_url, headers, .. } => {
                let origin = parse_http_url(base_url.as_str()).map(|url| url.origin().ascii_serialization());
                headers.secret_places("/target/headers", &format!("target {}", origin.unwrap_or_default()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_plain_web_addresses_are_urls() {
        for good in ["http://localhost:9/x", "https://example.com", "https://example.com/a?b=c", "http://[::1]/"] {
            assert!(is_http_url(good), "{good}");
        }
        for bad in
            ["", "ftp://a", "example.com", "http://", "https://u:p@h/", "https://u@h/", "http://a\nb", "http://a b/"]
        {
            assert!(!is_http_url(bad), "{bad}");
        }
        assert!(!is_base_url("https://example.com/?a=b"));
        assert_eq!("https://h/v1/".parse::<BaseUrl>().expect("a URL").join("a/b"), "https://h/v1/a/b");
    }

    #[test]
    fn headers_cannot_change_the_request() {
        let headers = json!({
            "Host": "x", "Content-Length": "1", "webhook-id": "x", "bad name": "x", "ok": "v\r\nx: y", "fine": "v"
        });
        let errors = InvalidFields::read::<Headers>(headers).expect_err("five faults");
        let pointers: Vec<_> = errors.0.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/Content-Length", "/Host", "/bad name", "/ok", "/webhook-id"]);
    }

    #[test]
    fn a_secret_is_kept_only_for_its_destination() {
        let target = |base_url: &str, value: &str| -> Target {
            InvalidFields::read(json!({ "type": "http", "baseUrl": base_url, "headers": { "X-Key": value } }))
                .expect("a target")
        };
        let stored = target("https://a.example/v1", "hunter2").secret_values();
        assert!(target("https://a.example/v2", "[redacted]").keep_redacted(&stored).is_ok());
        for moved in ["http://a.example/v1", "https://b.example/v1", "https://a.example:8443/v1"] {
            let errors = target(moved, "[redacted]").keep_redacted(&stored).expect_err("another destination");
            assert_eq!(errors.0[0].pointer, "/target/headers/X-Key");
        }
    }
}
