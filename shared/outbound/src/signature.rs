//! Signatures by the Standard Webhooks rules: <https://www.standardwebhooks.com>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};
use sundial_model::Timestamp;
use sundial_model::secret::SecretText;
use uuid::Uuid;

/// A new secret to sign with, `whsec_…`: 32 bytes.
pub fn new_secret() -> String {
    let bytes = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    format!("whsec_{}", STANDARD.encode(bytes))
}

/// Adds the three headers that sign `body` by each of these secrets; none when there is no secret to sign with.
pub(crate) fn sign(headers: &mut HeaderMap, secrets: &[SecretText], message_id: &str, now: Timestamp, body: &[u8]) {
    let sign = |secret: &SecretText| Webhook::new(secret.expose())?.sign(message_id, now.seconds(), body);
    let signatures: Vec<String> = secrets.iter().filter_map(|secret| sign(secret).ok()).collect();
    if signatures.len() < secrets.len() || signatures.is_empty() {
        tracing::error!(message_id, "a secret to sign with cannot be read");
    }
    if signatures.is_empty() {
        return;
    }
    let signature = signatures.join(" ");
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
        let (secrets, mut headers) = ([new_secret(), new_secret()], HeaderMap::new());
        let now = Timestamp::from(chrono::Utc::now());
        sign(&mut headers, &secrets.clone().map(SecretText::new), "run_1", now, b"body");
        for secret in &secrets {
            let webhook = Webhook::new(secret).expect("a secret");
            assert!(webhook.verify(b"body", &headers).is_ok());
            assert!(webhook.verify(b"another body", &headers).is_err());
        }
        assert!(Webhook::new(&new_secret()).expect("a secret").verify(b"body", &headers).is_err());
    }
}
