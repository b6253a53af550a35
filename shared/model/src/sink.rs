//! Where each run's result is delivered, and where the end of a job run is told.

use deserr::{Deserr, ValuePointerRef};
use serde::{Deserialize, Serialize};

use crate::invalid::{InvalidFields, json_pointer};
use crate::payload::ApiName;
use crate::secret::{HasSecrets, SecretPlace, SecretText};
use crate::target::{Headers, HttpUrl};
use crate::text::checked_text;

fn is_bucket(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let is_edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (3..=63).contains(&text.len())
        && text.bytes().all(is_plain)
        && is_edge(text.bytes().next())
        && is_edge(text.bytes().last())
        && !text.contains("..")
}

checked_text!(
    /// The name of an S3 bucket.
    BucketName, is_bucket,
    "must be the name of a bucket: 3 to 63 characters out of a-z, 0-9, . and -, beginning and ending with a letter or digit"
);

fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

checked_text!(
    /// The name of an AWS region, or what another store takes for one.
    Region, is_region, "must be the name of a region such as eu-central-1"
);

fn is_prefix(text: &str) -> bool {
    // Those segments are taken out of a URL on its way, so that its signature is none any more.
    let is_plain = !text.split('/').any(|segment| matches!(segment, "." | ".."));
    is_plain && text.len() <= 512 && !text.chars().any(char::is_control)
}

checked_text!(
    /// What comes before an object's key, as it is: a folder ends with its own slash.
    KeyPrefix, is_prefix, "must be at most 512 bytes without control characters and without the segments . and .."
);

/// A sink: one delivery for each run, as soon as it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[deserr(error = InvalidFields, tag = "type", rename_all = camelCase, deny_unknown_fields)]
#[deserr(validate = check_sink -> InvalidFields)]
pub enum Sink {
    /// A POST to a URL.
    #[deserr(rename_all = camelCase)]
    #[schema(rename_all = "camelCase")]
    Webhook {
        /// Where to.
        url: HttpUrl,
        /// Sent with every delivery.
        #[serde(default, skip_serializing_if = "Headers::is_empty")]
        #[deserr(default)]
        headers: Headers,
        /// Whether failed runs are left out.
        #[serde(default)]
        #[deserr(default)]
        skip_on_fail: bool,
        /// The APIs whose results are delivered; all of them when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[deserr(default)]
        apis_to_send: Option<Vec<ApiName>>,
    },
    /// An object in a bucket.
    #[deserr(rename_all = camelCase)]
    #[schema(rename_all = "camelCase")]
    S3 {
        /// The bucket's name.
        bucket: BucketName,
        /// Its region.
        region: Region,
        /// Before every key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[deserr(default)]
        prefix: Option<KeyPrefix>,
        /// Whether failed runs are left out.
        #[serde(default)]
        #[deserr(default)]
        skip_on_fail: bool,
        /// The APIs whose results are delivered; all of them when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[deserr(default)]
        apis_to_send: Option<Vec<ApiName>>,
        /// The user's key; Sundial's own role writes when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[deserr(default)]
        access_key_id: Option<String>,
        /// The secret part of the user's key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[deserr(default)]
        secret_access_key: Option<SecretText>,
        /// Another S3-compatible store; AWS when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[deserr(default)]
        endpoint: Option<HttpUrl>,
        /// Whether the bucket stands in the path instead of the host name.
        #[serde(default)]
        #[deserr(default)]
        force_path_style: bool,
    },
}

fn check_sink(sink: Sink, location: ValuePointerRef<'_>) -> Result<Sink, InvalidFields> {
    let mut errors = InvalidFields::default();
    let here = json_pointer(location);
    match &sink {
        Sink::Webhook { .. } => {}
        Sink::S3 { access_key_id, secret_access_key, endpoint, .. } => {
            match (access_key_id, secret_access_key) {
                (Some(_), None) => errors.push(format!("{here}/secretAccessKey"), "is required with accessKeyId"),
                (None, Some(_)) => errors.push(format!("{here}/accessKeyId"), "is required with secretAccessKey"),
                // Sundial's own role must not sign requests to somebody else's store.
                (None, None) if endpoint.is_some() => {
                    errors.push(format!("{here}/accessKeyId"), "is required with endpoint");
                }
                _ => {}
            }
            if access_key_id.as_ref().is_some_and(|id| !(1..=128).contains(&id.len())) {
                errors.push(format!("{here}/accessKeyId"), "must be 1 to 128 characters");
            }
        }
    }
    errors.into_result().map(|()| sink)
}

impl Sink {
    /// Whether the result of this API, ended this way, is delivered here.
    pub fn wants(&self, api_name: &ApiName, succeeded: bool) -> bool {
        let (Self::Webhook { skip_on_fail, apis_to_send, .. } | Self::S3 { skip_on_fail, apis_to_send, .. }) = self;
        (succeeded || !skip_on_fail) && apis_to_send.as_ref().is_none_or(|names| names.contains(api_name))
    }
}

impl Sink {
    /// The bucket that Sundial's own role has to write to, because there are no keys for it.
    pub fn bucket_of_own_role(&self) -> Option<&BucketName> {
        match self {
            Self::S3 { bucket, access_key_id: None, secret_access_key: None, .. } => Some(bucket),
            _ => None,
        }
    }
}

impl HasSecrets for Sink {
    fn secret_places(&mut self) -> Vec<SecretPlace<'_>> {
        match self {
            Self::Webhook { url, headers, .. } => {
                headers.secret_places("/sink/headers", &format!("sink {}", url.origin()))
            }
            Self::S3 { bucket, access_key_id, secret_access_key, endpoint, .. } => {
                let endpoint = endpoint.as_ref().map(HttpUrl::canonical).unwrap_or_default();
                let endpoint = endpoint.trim_end_matches('/');
                let key_id = access_key_id.clone().unwrap_or_default();
                let key = format!("sink s3 {endpoint} {bucket} {key_id}");
                let place = |text| SecretPlace { pointer: "/sink/secretAccessKey".to_owned(), key, text };
                secret_access_key.as_mut().map(place).into_iter().collect()
            }
        }
    }
}

/// Where the end of a job run is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[deserr(error = InvalidFields, tag = "type", rename_all = camelCase, deny_unknown_fields)]
pub enum Notification {
    /// A POST to a URL.
    #[deserr(rename_all = camelCase)]
    #[schema(rename_all = "camelCase")]
    Webhook {
        /// Where to.
        url: HttpUrl,
        /// Sent with it.
        #[serde(default, skip_serializing_if = "Headers::is_empty")]
        #[deserr(default)]
        headers: Headers,
    },
}

impl Notification {
    /// Its secrets; `index` is its place in the job's list.
    pub fn secret_places(&mut self, index: usize) -> Vec<SecretPlace<'_>> {
        let destination = self.destination(index);
        let Self::Webhook { headers, .. } = self;
        headers.secret_places(&format!("/notifications/{index}/headers"), &destination)
    }

    /// What the keys of its stored secrets begin with where it is the one at `index`.
    pub(crate) fn destination(&self, index: usize) -> String {
        format!("notification {index} {}", self.url().origin())
    }

    pub(crate) fn url(&self) -> &HttpUrl {
        let Self::Webhook { url, .. } = self;
        url
    }

    pub(crate) fn headers(&self) -> &Headers {
        let Self::Webhook { headers, .. } = self;
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(sink: serde_json::Value, pointers: &[&str]) {
        let result = InvalidFields::read::<Sink>(sink.clone());
        let mut found: Vec<_> = result.err().unwrap_or_default().0.into_iter().map(|error| error.pointer).collect();
        found.sort();
        assert_eq!(found, pointers, "{sink}");
    }

    #[test]
    fn sinks_are_refused_field_by_field() {
        check(json!({ "type": "webhook", "url": "https://example.com/hook" }), &[]);
        check(json!({ "type": "s3", "bucket": "results", "region": "eu-central-1", "prefix": "a/" }), &[]);
        for prefix in [".", "..", "./", "../", "a/../b/", "a/.", "a/./", "/.."] {
            let sink = json!({ "type": "s3", "bucket": "results", "region": "eu-central-1", "prefix": prefix });
            check(sink, &["/prefix"]);
        }
        for prefix in ["", "/", "//", ".a/", "..a", "a./", ".../", "a..b/", "v1.2/"] {
            let sink = json!({ "type": "s3", "bucket": "results", "region": "eu-central-1", "prefix": prefix });
            check(sink, &[]);
        }
        check(json!({ "type": "webhook", "url": "nowhere", "colour": "red" }), &["/colour", "/url"]);
        check(json!({ "type": "s3", "bucket": "No", "region": "", "accessKeyId": "A" }), &["/bucket", "/region"]);
        check(json!({ "type": "s3", "bucket": "abc", "region": "x", "accessKeyId": "A" }), &["/secretAccessKey"]);
        check(
            json!({ "type": "s3", "bucket": "abc", "region": "x", "endpoint": "https://x.example" }),
            &["/accessKeyId"],
        );
        check(json!({ "type": "queue" }), &["/type"]);
        check(json!({ "url": "https://example.com" }), &["/type"]);
    }

    #[test]
    fn a_sink_takes_what_it_asked_for() {
        let sink: Sink = InvalidFields::read(json!({
            "type": "webhook", "url": "https://example.com", "skipOnFail": true, "apisToSend": ["a"]
        }))
        .expect("a sink");
        let (a, b) = ("a".parse().expect("a name"), "b".parse().expect("a name"));
        assert!(sink.wants(&a, true) && !sink.wants(&a, false) && !sink.wants(&b, true));
    }
}
