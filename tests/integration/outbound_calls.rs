//! Calls of all kinds, to targets, webhooks, notifications and buckets: they go to allowed addresses, follow
//! no redirects and use no proxies. The servers that must not be reached would notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Answer, Api, Cloud, Process, Target, payloads};

/// A server that counts who comes, by whatever method and path, and answers all the same way.
struct Door {
    port: u16,
    visits: Arc<AtomicUsize>,
}

impl Door {
    async fn open(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Self {
        let visits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&visits);
        let app = Router::new().fallback(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            async move { answer }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { port, visits }
    }

    fn at(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }

    async fn wait_for_visits(&self, count: usize) {
        let begun = Instant::now();
        while self.visits() < count {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain for {count} visits");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The two kinds of sink, at this place.
fn sinks(place: &str) -> [(&'static str, Value); 2] {
    let bucket = json!({
        "type": "s3", "bucket": "results", "region": "us-east-1", "endpoint": place, "forcePathStyle": true,
        "accessKeyId": "A", "secretAccessKey": "B"
    });
    [("webhook", json!({ "type": "webhook", "url": format!("{place}/hook") })), ("bucket", bucket)]
}

/// Runs a job with a payload; answers with the path of its run and what it was when it ended.
async fn run_one(api: &Api, project: &str, job: &str, parts: Value) -> (String, Value) {
    let mut document = json!({ "id": job, "payload": payloads("a", 1) });
    document.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    api.ok("POST", &format!("/projects/{project}/jobs"), Some(document)).await;
    let run = api.ok("POST", &format!("/projects/{project}/jobs/{job}/trigger"), None).await;
    let path = format!("/projects/{project}/jobs/{job}/runs/{}", run["id"].as_str().unwrap());
    let ended = api.wait_for(&path, |run| run["endTime"].is_string()).await;
    (path, ended)
}

/// What is on record of the first try to deliver.
async fn first_try(api: &Api, run: &str) -> Value {
    let path = format!("{run}/payloads/0");
    api.wait_for(&path, |payload| payload["deliveries"][0].is_object()).await["deliveries"][0].clone()
}

#[tokio::test]
async fn an_address_is_checked_when_it_is_called_whether_a_name_leads_there_or_it_was_saved_before() {
    let cloud = Cloud::start_for_the_public().await;
    let door = Door::open(StatusCode::OK).await;
    // That of the project `demo` is 127.0.0.1, written into the table as by a deployment that had it opened.
    let place = door.at("localhost");
    let target = json!({ "target": { "type": "http", "baseUrl": place } });
    cloud.api.ok("PUT", "/projects/shop", Some(target)).await;
    for (project, message) in [
        ("shop", "localhost leads to an address that must not be called"),
        ("demo", "127.0.0.1 is a loopback address, which must not be called"),
    ] {
        for (job, sink) in sinks(&place) {
            let notifications = json!([{ "type": "webhook", "url": place }]);
            let parts = json!({ "sink": sink, "notifications": notifications });
            let (path, ended) = run_one(&cloud.api, project, job, parts).await;
            assert_eq!(ended["status"], "FAILED");
            let payload = cloud.api.get(&format!("{path}/payloads/0")).await;
            assert_eq!(payload["error"], json!({ "code": "blocked-address", "message": message }));
            assert_eq!(payload["attempts"], 1, "another attempt would do no better");
            let tried = first_try(&cloud.api, &path).await;
            assert_eq!((&tried["status"], tried.get("statusCode")), (&json!("retrying"), None), "{tried}");
            assert_eq!(tried["error"], "localhost leads to an address that must not be called");
            // The export comes after the notification was tried.
            cloud.api.wait_for(&path, |run| run["results"].is_object()).await;
        }
    }
    assert_eq!(door.visits(), 0);
}

#[tokio::test]
async fn redirects_are_answers_like_others_and_are_not_followed() {
    let (cloud, inside) = (Cloud::start().await, Door::open(axum::Json(json!({ "result": 1 }))).await);
    for status in [300_u16, 301, 302, 303, 307, 308] {
        let status = StatusCode::from_u16(status).unwrap();
        let door = Door::open((status, [(LOCATION, inside.at("127.0.0.1"))])).await;
        let place = door.at("127.0.0.1");
        let project = format!("redirected-{}", status.as_u16());
        let target = json!({ "target": { "type": "http", "baseUrl": place } });
        cloud.api.ok("PUT", &format!("/projects/{project}"), Some(target)).await;
        for (job, sink) in sinks(&place) {
            let notifications = json!([{ "type": "webhook", "url": place }]);
            let before = door.visits();
            let parts = json!({ "sink": sink, "notifications": notifications });
            let (path, ended) = run_one(&cloud.api, &project, job, parts).await;
            assert_eq!(ended["status"], "FAILED");
            let payload = cloud.api.get(&format!("{path}/payloads/0")).await;
            assert_eq!(payload["error"]["code"], format!("http-{}", status.as_u16()));
            assert_eq!((&payload["error"]["statusCode"], &payload["attempts"]), (&json!(status.as_u16()), &json!(1)));
            let tried = first_try(&cloud.api, &path).await;
            assert_eq!((&tried["status"], &tried["statusCode"]), (&json!("retrying"), &json!(status.as_u16())));
            // The export comes after the notification was tried.
            cloud.api.wait_for(&path, |run| run["results"].is_object()).await;
            assert!(door.visits() >= before + 3, "by the target, the sink and who is notified");
        }
    }
    assert_eq!(inside.visits(), 0);
}

#[tokio::test]
async fn proxies_of_the_environment_are_not_used() {
    let proxy = Door::open(StatusCode::BAD_GATEWAY).await;
    let target = Target::start(|call| Answer::Result(call.body["parameters"].clone())).await;
    let receiver = Door::open(StatusCode::OK).await;
    let place = proxy.at("127.0.0.1");
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let mut variables: Vec<_> = names.iter().map(|name| (*name, place.as_str())).collect();
    variables.extend([("NO_PROXY", ""), ("no_proxy", "")]);
    let folder = tempfile::tempdir().unwrap();
    let (_process, api) = Process::start_with(folder.path(), &variables).await;
    api.make_project(&target).await;
    for (job, sink) in sinks(&receiver.at("127.0.0.1")) {
        let notifications = json!([{ "type": "webhook", "url": receiver.at("localhost") }]);
        let before = receiver.visits();
        let parts = json!({ "sink": sink, "notifications": notifications });
        let (path, ended) = run_one(&api, "shop", job, parts).await;
        assert_eq!(ended["status"], "COMPLETED");
        api.wait_for(&path, |run| run["deliveries"]["delivered"] == 1).await;
        receiver.wait_for_visits(before + 2).await;
    }
    assert_eq!((target.count(), proxy.visits()), (2, 0));
}
