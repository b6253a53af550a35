//! Headers that users add to outgoing requests, and which of them are not theirs to set.

use std::collections::{BTreeMap, BTreeSet};

use deserr::Deserr;
use serde::{Deserialize, Serialize};

use crate::invalid::InvalidFields;
use crate::secret::{SecretPlace, SecretText};

/// Whether Sundial or the connection sets this header itself, so that a user cannot.
///
/// Many servers do not tell `_` from `-`, so neither does this.
pub fn is_reserved_header(name: &str) -> bool {
    const RESERVED: [&str; 12] = [
        "connection",
        "expect",
        "host",
        "http2-settings",
        "idempotency-key",
        "keep-alive",
        "te",
        "traceparent",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    ];
    const RESERVED_BEGINNINGS: [&str; 3] = ["content-", "proxy-", "webhook-"];
    let name = name.to_ascii_lowercase().replace('_', "-");
    RESERVED.contains(&name.as_str()) || RESERVED_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
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
        let mut seen = BTreeSet::new();
        for (name, value) in &headers {
            let mut refuse = |message: &str| {
                errors.extend_below("", InvalidFields::at(location.push_key(name), message));
            };
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
                refuse("is not a valid header name");
            } else if is_reserved_header(name) {
                refuse("is a header that cannot be set");
            } else if !seen.insert(name.to_ascii_lowercase()) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn headers_cannot_change_the_request() {
        let headers = json!({
            "bad name": "x", "a:b": "x", "": "x", "a\r\nHost": "x", "é": "x", "break": "v\r\nx: y", "nul": "a\0b",
            "fine": "v", "X-Host": "v", "authorization": "Bearer v", "cookie": "a=b", "proxied": "v"
        });
        let errors = InvalidFields::read::<Headers>(headers).expect_err("faults");
        let pointers: Vec<_> = errors.0.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/", "/a\r\nHost", "/a:b", "/bad name", "/break", "/nul", "/é"]);
    }

    #[test]
    fn headers_of_ours_and_of_the_connection_cannot_be_set() {
        for name in [
            "Host",
            "Content-Length",
            "content_type",
            "Content-Encoding",
            "Transfer-Encoding",
            "transfer_encoding",
            "TE",
            "Trailer",
            "Upgrade",
            "HTTP2-Settings",
            "Connection",
            "Keep-Alive",
            "Proxy-Authorization",
            "proxy-connection",
            "Expect",
            "Idempotency-Key",
            "idempotency_key",
            "traceparent",
            "webhook-id",
            "Webhook_Signature",
            "webhook-anything",
        ] {
            let errors = InvalidFields::read::<Headers>(json!({ name: "x" })).expect_err(name);
            assert_eq!(errors.0[0].pointer, format!("/{name}"));
        }
    }
}
