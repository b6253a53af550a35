//! Notifications: the end of a job run, told to whom the job names.

use std::time::Instant;

use serde::Serialize;
use sundial_model::Timestamp;
use sundial_model::lifecycle::JobRunDetail;
use sundial_model::secret::SecretText;
use sundial_model::sink::Notification;
use sundial_model::trace::Trace;

use crate::client::{OutboundClient, OutboundRequest};
use crate::delivery::{DeliveryOutcome, Message, signed_post};

/// The one type of notification there is: a run has ended. How, is said by the status in its data.
const RUN_ENDED: &str = "job-run.completed";

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    notification_type: &'static str,
    /// When it happened, not when it is sent, so that every try has the same body.
    timestamp: Timestamp,
    data: &'a JobRunDetail,
}

impl OutboundClient {
    /// Tries to tell of a job run's end, by a notification that has its secrets in place. It is tried
    /// again like a delivery to a sink: see [`sundial_engine::sink_delivery::next_delivery`].
    pub async fn notify(
        &self,
        notification: &Notification,
        webhook_secrets: &[SecretText],
        detail: &JobRunDetail,
        trace: &Trace,
        now: Timestamp,
    ) -> DeliveryOutcome {
        let begun = Instant::now();
        self.try_to_deliver(notification_request(notification, webhook_secrets, detail, trace, now), begun).await
    }
}

fn notification_request(
    notification: &Notification,
    webhook_secrets: &[SecretText],
    detail: &JobRunDetail,
    trace: &Trace,
    now: Timestamp,
) -> Result<OutboundRequest, String> {
    let timestamp = detail.end_time.unwrap_or(now);
    let body = Body { notification_type: RUN_ENDED, timestamp, data: detail };
    let body = serde_json::to_vec(&body).map_err(|error| format!("the body cannot be written: {error}"))?;
    let Notification::Webhook { url, headers } = notification;
    let message_id = format!("{}_{}", detail.job_run_id, detail.generation);
    Ok(signed_post(url, headers, webhook_secrets, Message { id: &message_id, trace, body }, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OutboundAnswer;
    use crate::client::Transport;
    use crate::signature::new_secret;
    use futures::future::BoxFuture;
    use serde_json::json;
    use std::sync::{Arc, Mutex};
    use sundial_engine::attempt::CallResult;
    use sundial_model::InvalidFields;

    /// Takes what is sent, and answers with a status.
    #[derive(Debug)]
    struct Receiver(u16, Mutex<Vec<OutboundRequest>>);

    impl Transport for Receiver {
        fn send(&self, request: OutboundRequest) -> BoxFuture<'_, OutboundAnswer> {
            self.1.lock().expect("a lock").push(request);
            let (status, body) = (self.0, b"read".to_vec());
            let answer = CallResult::Answer { status, is_json: false, retry_after: None, body };
            Box::pin(std::future::ready(answer.into()))
        }
    }

    fn detail(status: &str, end_time: Option<&str>) -> JobRunDetail {
        serde_json::from_value(json!({
            "workspaceId": "0198c5a0-0000-7000-8000-000000000001", "projectId": "0198c5a0-0000-7000-8000-000000000002",
            "projectName": "shop", "jobId": "nightly", "jobRunId": "0198c5a0-0000-7000-8000-000000000003",
            "type": "MANUAL", "generation": 2, "status": status, "startTime": null, "endTime": end_time,
            "summary": { "total": 1, "pending": 0, "running": 0, "succeeded": 1, "failed": 0, "canceled": 0 }
        }))
        .expect("a detail")
    }

    async fn notify(
        status: u16,
        secret: &str,
        detail: &JobRunDetail,
        now: Timestamp,
    ) -> (DeliveryOutcome, Vec<OutboundRequest>) {
        let receiver = Arc::new(Receiver(status, Mutex::default()));
        let notification = json!({ "type": "webhook", "url": "https://example.com/hook", "headers": { "X-Key": "k" } });
        let notification: Notification = InvalidFields::read(notification).expect("a notification");
        let client = OutboundClient::over(Arc::clone(&receiver) as Arc<dyn Transport>);
        let outcome =
            client.notify(&notification, &[SecretText::new(secret)], detail, &detail.job_run_id.into(), now).await;
        (outcome, std::mem::take(&mut *receiver.1.lock().expect("a lock")))
    }

    #[tokio::test]
    async fn the_end_of_a_run_is_told_by_a_signed_post() {
        let (secret, now) = (new_secret(), Timestamp::from(chrono::Utc::now()));
        let ended = detail("COMPLETED", Some("2026-01-31T09:05:00.000Z"));
        let (outcome, requests) = notify(204, &secret, &ended, now).await;
        assert_eq!((outcome.failure, outcome.status_code), (None, Some(204)));
        let [request] = &*requests else { panic!("{requests:?}") };
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://example.com/hook"));
        assert_eq!(
            String::from_utf8_lossy(&request.body),
            concat!(
                r#"{"type":"job-run.completed","timestamp":"2026-01-31T09:05:00.000Z","data":{"#,
                r#""workspaceId":"0198c5a0-0000-7000-8000-000000000001","projectId":"0198c5a0-0000-7000-8000-000000000002","#,
                r#""projectName":"shop","jobId":"nightly","jobRunId":"0198c5a0-0000-7000-8000-000000000003","#,
                r#""type":"MANUAL","generation":2,"status":"COMPLETED","startTime":null,"endTime":"2026-01-31T09:05:00.000Z","#,
                r#""summary":{"total":1,"pending":0,"running":0,"succeeded":1,"failed":0,"canceled":0}}}"#
            )
        );
        assert_eq!(request.headers["webhook-id"], "0198c5a0-0000-7000-8000-000000000003_2");
        assert_eq!(
            (&request.headers["x-key"], &request.headers["content-type"]),
            (&"k".parse().expect("a value"), &"application/json".parse().expect("a value"))
        );
        let verifier = standardwebhooks::Webhook::new(&secret).expect("a secret");
        verifier.verify(&request.body, &request.headers).expect("a good signature");
    }

    #[tokio::test]
    async fn a_receiver_that_refuses_is_on_record() {
        let (outcome, _) = notify(503, &new_secret(), &detail("FAILED", None), Timestamp::EPOCH).await;
        assert_eq!(outcome.failure.and_then(|failure| failure.status_code), Some(503));
        assert_eq!(outcome.error.as_deref(), Some("the receiver answered with status 503"));
        assert_eq!(outcome.response.as_deref(), Some("read"));
    }
}
