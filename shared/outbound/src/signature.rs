//! Signatures by the Standard Webhooks rules: <https://www.standardwebhooks.com>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};
use sundial_model::Timestamp;
use uuid::Uuid;

/// A new secret to sign with, `whsec_…`: 32 bytes.
pub fn new_secret() -> String {
    let bytes = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    format!("whsec_{}", STANDARD.encode(bytes))
}

/// Adds the three headers that sign `body`; none when there is no secret to sign with.
pub(crate) fn sign(headers: &mut HeaderMap, secret: &str, message_id: &str, now: Timestamp, body: &[u8]) {
    let signature = Webhook::new(secret).and_then(|webhook| webhook.sign(message_id, now.seconds(), body));
    let Ok(signature) = signature else {
        tracing::error!(message_id, "the secret to sign with cannot be read");
        return;
    };
    let timestamp = now.seconds().to_string();
    for (name, value) in [
        (HEADER_WEBHOOK_ID, message_id),
        (HEADER_WEBHOOK_TIMESTAMP, timestamp.as_str()),
        (HEADER_WEBHOOK_SIGNATURE, signature.as_str()),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_sign_can_be_verified() {
        let (secret, mut headers) = (new_secret(), HeaderMap::new());
        let now = Timestamp::from(chrono::Utc::now());
        sign(&mut headers, &secret, "run_1", now, b"body");
        let webhook = Webhook::new(&secret).expect("a secret");
        assert!(webhook.verify(b"body", &headers).is_ok());
        assert!(webhook.verify(b"another body", &headers).is_err());
    }
}
