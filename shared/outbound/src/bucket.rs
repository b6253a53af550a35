//! The way to a sink that is a bucket: what its request is signed with, and what its answer says.

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::presigning::PresigningConfig;
use http::{HeaderMap, HeaderName, HeaderValue};
use sundial_model::sink::Sink;

use crate::delivery::DELIVERY_TIMEOUT;
use crate::own_role::OwnRole;

/// No code of an error is longer.
const ERROR_CODE_BYTES_MAX: usize = 64;

/// The URL that puts an object. The SDK signs; the guarded client sends.
pub(crate) async fn presign_put(
    sink: &Sink,
    own_role: Option<&OwnRole>,
    key: &str,
    headers: &mut HeaderMap,
) -> Result<String, String> {
    let Sink::S3 { bucket, region, access_key_id, secret_access_key, endpoint, force_path_style, .. } = sink else {
        return Err("the sink is no bucket".to_owned());
    };
    let client = match (access_key_id, secret_access_key, endpoint, own_role) {
        (Some(key_id), Some(secret), ..) => {
            let mut config = aws_sdk_s3::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(region.as_str().to_owned()))
                .credentials_provider(Credentials::new(key_id, secret.expose(), None, None, "sink"))
                .force_path_style(*force_path_style)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
            config.set_endpoint_url(endpoint.as_ref().map(|endpoint| endpoint.as_str().to_owned()));
            aws_sdk_s3::Client::from_conf(config.build())
        }
        (None, None, None, Some(own_role)) => own_role.client_in(region.as_str()),
        _ => return Err("the sink has no access key".to_owned()),
    };
    let expiry = PresigningConfig::expires_in(DELIVERY_TIMEOUT * 2).map_err(|error| error.to_string())?;
    let request = client.put_object().bucket(bucket.as_str()).key(key);
    let request = request.content_type("application/json").presigned(expiry).await;
    let request = request.map_err(|error| format!("the request cannot be signed: {error}"))?;
    for (name, value) in request.headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    Ok(request.uri().to_owned())
}

/// The code of an error that S3 answers with, and nothing else of it.
pub(crate) fn error_code_of_bucket(answer: &str) -> Option<String> {
    let (code, _) = answer.split_once("<Code>")?.1.split_once("</Code>")?;
    let is_code = code.len() <= ERROR_CODE_BYTES_MAX && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_code.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::BoxFuture;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};
    use sundial_engine::attempt::CallResult;
    use sundial_model::{InvalidFields, Timestamp};

    use super::*;
    use crate::OutboundAnswer;
    use crate::client::{OutboundClient, OutboundRequest, Transport};
    use crate::sink::{DeliveredOutcome, DeliveryOutcome, DeliverySigners, example_delivery};

    const DENIED: &str = concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>User: ",
        "arn:aws:sts::123456789012:assumed-role/executor is not authorized</Message><Token-0>secret</Token-0></Error>"
    );

    /// S3, as it answers a role that may not write.
    #[derive(Debug)]
    struct Denying;

    impl Transport for Denying {
        fn send(&self, _: OutboundRequest) -> BoxFuture<'_, OutboundAnswer> {
            let body = DENIED.as_bytes().to_vec();
            let answer = CallResult::Answer { status: 403, is_json: false, retry_after: None, body };
            Box::pin(std::future::ready(answer.into()))
        }
    }

    async fn deliver(more: Value, own_role: Option<&OwnRole>) -> DeliveryOutcome {
        let mut sink = json!({ "type": "s3", "bucket": "results", "region": "eu-central-1" });
        sink.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let sink: Sink = InvalidFields::read(sink).expect("a sink");
        let delivery = example_delivery(DeliveredOutcome::Succeeded(RawValue::NULL));
        let signers = DeliverySigners { webhook_secrets: &[], own_role };
        OutboundClient::over(Arc::new(Denying)).deliver(&sink, signers, &delivery, Timestamp::EPOCH).await
    }

    fn own_role() -> OwnRole {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("id", "key", Some("token".to_owned()), None, "test"));
        OwnRole::new(aws_sdk_s3::Client::from_conf(config.build()))
    }

    #[tokio::test]
    async fn of_an_answer_to_the_own_role_just_the_code_is_shown_and_to_keys_of_the_user_all_of_it() {
        let denied = deliver(json!({}), Some(&own_role())).await;
        assert_eq!((denied.status_code, denied.response.as_deref()), (Some(403), Some("AccessDenied")));
        assert!(denied.concerns_receiver);
        let denied = deliver(json!({ "accessKeyId": "id", "secretAccessKey": "key" }), None).await;
        assert_eq!(denied.response.as_deref(), Some(DENIED));
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_signed_says_nothing_of_the_bucket() {
        let unsigned = deliver(json!({}), None).await;
        assert_eq!(unsigned.error.as_deref(), Some("the sink has no access key"));
        assert!(unsigned.failure.is_some() && !unsigned.concerns_receiver);
    }

    #[test]
    fn what_is_no_code_is_not_shown() {
        assert_eq!(error_code_of_bucket("<Code>NoSuchBucket</Code>").as_deref(), Some("NoSuchBucket"));
        for answer in ["", "<Code>", "<Code>an arn:aws:iam</Code>", "<html>Code</html>"] {
            assert_eq!(error_code_of_bucket(answer), None, "{answer}");
        }
    }
}
