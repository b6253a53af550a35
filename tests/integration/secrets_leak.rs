//! Marked secrets go through everything that can happen to them, good and bad, and are then looked
//! for everywhere: they stand in their own place, and nowhere else.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use sundial_devstack::{Connection, DevDescription};

use crate::command::sundial;
use crate::harness::{Answer, Api, Call, Process, Target, items, payloads};

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:1";

fn mark(name: &str) -> String {
    format!("leak-{name}-5f0c2b9e")
}

/// A client of the API that remembers all that it was answered.
struct Witness {
    api: Api,
    answers: Mutex<Vec<(String, String)>>,
}

impl Witness {
    fn note(&self, what: &str, answer: impl Into<String>) {
        self.answers.lock().unwrap().push((what.to_owned(), answer.into()));
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, answer) = self.api.send(method, path, body).await;
        self.note(&format!("{method} {path}"), answer.to_string());
        (status, answer)
    }

    async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.send(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Must be refused.
    async fn bad(&self, method: &str, path: &str, body: Value) {
        let (status, answer) = self.send(method, path, Some(body.clone())).await;
        assert!((400..500).contains(&status), "{method} {path} with {body}: {status} {answer}");
    }

    /// Sends a body as it is, which must be refused.
    async fn bad_text(&self, path: &str, content_type: &str, body: String) {
        let request = self.api.client.post(format!("{}{path}", self.api.base)).header("x-api-key", &self.api.key);
        let answer = request.header("content-type", content_type).body(body).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        let text = format!("{:?} {}", answer.headers().clone(), answer.text().await.unwrap());
        self.note(path, text);
    }
}

fn webhook(url: &str, key: &str) -> Value {
    json!({ "type": "webhook", "url": url, "headers": { "x-key": key } })
}

/// Makes projects and jobs with secrets, and lets their runs succeed and fail in every way.
/// Answers with the secrets.
async fn good_days(witness: &Witness, target: &Target, s3_url: &str) -> Vec<String> {
    let project = |url: &str, key: &str| {
        let headers = json!({ "authorization": key });
        json!({ "target": { "type": "http", "baseUrl": url, "headers": headers } })
    };
    let mut secrets =
        vec![mark("target"), mark("down"), mark("sink"), mark("refused-sink"), mark("s3"), mark("s3-denied")];
    secrets.extend([mark("notified"), mark("not-notified"), mark("replaced")]);
    for (name, url, key) in [("shop", target.url.as_str(), "target"), ("down", NOBODY, "down")] {
        // This once they are shown.
        let made = witness.api.ok("PUT", &format!("/projects/{name}"), Some(project(url, &mark(key)))).await;
        secrets.extend(["signingSecret", "webhookSecret"].map(|field| made[field].as_str().unwrap().to_owned()));
    }
    let hook = format!("{}/hook", target.url);
    let s3 = |endpoint: &str, key: &str| {
        json!({
            "type": "s3", "bucket": "results", "region": "us-east-1", "accessKeyId": "sundial-dev",
            "secretAccessKey": key, "endpoint": endpoint, "forcePathStyle": true
        })
    };
    let notifications = [webhook(&hook, &mark("notified")), webhook(NOBODY, &mark("not-notified"))];
    let configuration = json!({ "retry": { "maximumAttempts": 2, "initialInterval": "10ms" } });
    for (project, id, sink) in [
        ("shop", "good", webhook(&hook, &mark("sink"))),
        ("shop", "refused", webhook(NOBODY, &mark("refused-sink"))),
        ("shop", "s3", s3(NOBODY, &mark("s3"))),
        ("shop", "denied", s3(s3_url, &mark("s3-denied"))),
        ("down", "down", webhook(&hook, &mark("replaced"))),
    ] {
        let mut payload = payloads("a", 2);
        payload[1]["parameters"]["large"] = json!("x".repeat(150_000));
        let job = json!({
            "id": id, "payload": payload, "sink": sink, "notifications": notifications, "configuration": configuration
        });
        let jobs = format!("/projects/{project}/jobs");
        let mut shown = witness.ok("POST", &jobs, Some(job)).await;
        shown["description"] = json!("sent back");
        witness.ok("PUT", &format!("{jobs}/{id}"), Some(shown)).await;
        let run = witness.ok("POST", &format!("{jobs}/{id}/trigger"), None).await;
        let run = format!("{jobs}/{id}/runs/{}", run["id"].as_str().unwrap());
        witness.api.wait_for(&run, |run| run["results"].is_object()).await;
        let first = format!("{run}/payloads/0");
        witness.api.wait_for(&first, |payload| !payload["deliveries"].as_array().unwrap().is_empty()).await;
        for path in [&jobs, &format!("{jobs}/{id}"), &format!("{jobs}/{id}/payload"), &format!("{jobs}/{id}/runs")] {
            witness.ok("GET", path, None).await;
        }
        for path in [format!("{run}/payloads"), format!("{run}/payloads/0"), format!("{run}/payloads/1")] {
            witness.ok("GET", &path, None).await;
        }
        let ended = witness.ok("GET", &run, None).await;
        let export = witness.api.client.get(ended["results"]["signedUrl"].as_str().unwrap()).send().await.unwrap();
        witness.note("export", export.text().await.unwrap());
        if project == "down" {
            assert_eq!(ended["status"], "FAILED");
            witness.ok("POST", &format!("{run}/retry"), None).await;
            witness.api.wait_for(&run, |run| run["generation"] == 2 && run["results"].is_object()).await;
        }
    }
    for path in ["/projects", "/projects/shop", "/projects/shop/runs"] {
        witness.ok("GET", path, None).await;
    }
    let mut shop = witness.api.get("/projects/shop").await;
    shop["target"]["baseUrl"] = json!(NOBODY);
    witness.bad("PUT", "/projects/shop", shop.clone()).await;
    shop["target"]["baseUrl"] = json!(format!("{}/v2", target.url));
    witness.ok("PUT", "/projects/shop", Some(shop)).await;
    secrets
}

/// The target: it keeps no sessions, but answers as if it did.
fn answer(call: &Call) -> Answer {
    match call.api.trim_start_matches("v2/") {
        "auth-sessions/create" if call.body["parameters"]["password"] == mark("password") => {
            Answer::Result(json!({ "token": mark("state") }))
        }
        "auth-sessions/create" => Answer::Status(401, json!({ "error": { "code": "wrong", "message": "no" } })),
        "auth-sessions/check" => Answer::Result(json!(true)),
        "signed-out" => Answer::Status(401, json!({ "error": { "code": "auth-session-invalid", "message": "no" } })),
        _ => Answer::Result(call.body["parameters"].clone()),
    }
}

/// Makes auth sessions, good and bad, and lets job runs use them. Answers with the secrets.
async fn signed_in_days(witness: &Witness, target: &Target) -> Vec<String> {
    let sessions = "/projects/shop/auth-sessions";
    let secrets = ["password", "wrong-password", "given"].map(mark);
    for document in [
        json!({ "id": "login", "parameters": { "password": secrets[0] } }),
        json!({ "id": "wrong", "parameters": { "password": secrets[1] } }),
        json!({ "id": "given", "type": "RUNTIME", "state": { "token": secrets[2] } }),
    ] {
        let made = witness.ok("POST", sessions, Some(document)).await;
        if let Some(operation) = made["operationId"].as_str() {
            let path = format!("{sessions}/operations/{operation}");
            witness.api.wait_for(&path, |operation| operation["status"] != "PENDING").await;
            witness.ok("GET", &path, None).await;
        }
    }
    let hook = webhook(&format!("{}/hook", target.url), &mark("sink"));
    for (id, api, session, status) in [
        ("signed-in", "a", "login", "COMPLETED"),
        ("by-hand", "a", "given", "COMPLETED"),
        ("wrong", "a", "wrong", "CANCELED"),
        ("signed-out", "signed-out", "login", "PAUSED"),
        ("given-up", "signed-out", "given", "PAUSED"),
    ] {
        let configuration = json!({ "retry": { "maximumAttempts": 9, "initialInterval": "10ms" } });
        let job = json!({
            "id": id, "payload": payloads(api, 2), "sink": hook, "authSession": { "id": session },
            "configuration": configuration
        });
        let job = witness.ok("POST", "/projects/shop/jobs", Some(job)).await;
        assert_eq!(job["authSession"]["id"], session);
        let run = witness.ok("POST", &format!("/projects/shop/jobs/{id}/trigger"), None).await;
        let run = format!("/projects/shop/jobs/{id}/runs/{}", run["id"].as_str().unwrap());
        witness.api.wait_for_status(&run, status).await;
        if status == "COMPLETED" {
            let ended = witness
                .api
                .wait_for(&run, |run| run["deliveries"]["delivered"] == 2 && run["results"].is_object())
                .await;
            let export = witness.api.client.get(ended["results"]["signedUrl"].as_str().unwrap()).send().await.unwrap();
            witness.note("export", export.text().await.unwrap());
        }
        for path in
            [run.clone(), format!("{run}/payloads"), format!("{run}/payloads/0"), format!("{sessions}/{session}")]
        {
            witness.ok("GET", &path, None).await;
        }
        witness.send("POST", &format!("/projects/shop/jobs/{id}/resume"), None).await;
    }
    witness.ok("GET", sessions, None).await;
    let deliveries = target.calls().into_iter().filter(|call| call.api.ends_with("hook"));
    deliveries.for_each(|delivery| witness.note("a delivery", delivery.text));
    [secrets.to_vec(), vec![mark("state")]].concat()
}

/// Sends a secret in every place where it does not belong. Answers with the secret.
async fn bad_days(witness: &Witness) -> String {
    let secret = mark("misplaced");
    let m = secret.as_str();
    let spaced = format!("{m} with spaces");
    let long = m.repeat(300);
    let with_sink = |sink: Value| json!({ "id": "new", "payload": payloads("a", 1), "sink": sink });
    let hook = "https://example.com/hook";
    for sink in [
        json!(m),
        json!({ "type": m, "url": hook }),
        json!({ "type": "webhook", "url": hook, "token": m }),
        json!({ "type": "webhook", "url": hook, "secretAccessKey": m }),
        json!({ "type": "webhook", "url": hook, "headers": m }),
        json!({ "type": "webhook", "url": hook, "headers": [m] }),
        json!({ "type": "webhook", "url": hook, "headers": { "x-key": [m] } }),
        json!({ "type": "webhook", "url": hook, "headers": { "x-key": { "value": m } } }),
        json!({ "type": "webhook", "url": hook, "headers": { "x-key": format!("{m}\n") } }),
        json!({ "type": "webhook", "url": hook, "headers": { "x-key": long } }),
        json!({ "type": "webhook", "url": hook, "headers": { "host": m, "bad name": m, "webhook-id": m } }),
        json!({ "type": "webhook", "url": hook, "headers": { "x-key": m, "X-KEY": m } }),
        json!({ "type": "webhook", "url": m }),
        json!({ "type": "webhook", "url": format!("https://user:{m}@example.com/") }),
        json!({ "type": "webhook", "url": format!("ftp://example.com/?token={m}") }),
        json!({ "type": "webhook", "url": hook, "apisToSend": [format!("../{m}")] }),
        json!({ "type": "webhook", "url": hook, "skipOnFail": m }),
        json!({ "type": "s3", "bucket": spaced, "region": spaced, "prefix": format!("{m}\n") }),
        json!({ "type": "s3", "bucket": "abc", "region": "x", "secretAccessKey": m }),
        json!({ "type": "s3", "bucket": "abc", "region": "x", "accessKeyId": m }),
        json!({ "type": "s3", "bucket": "abc", "region": "x", "accessKeyId": long, "secretAccessKey": m }),
        json!({ "type": "s3", "bucket": "abc", "region": "x", "accessKeyId": "A", "secretAccessKey": [m] }),
        json!({ "type": "s3", "bucket": "abc", "region": "x", "accessKeyId": "A", "secretAccessKey": m, "endpoint": m }),
    ] {
        witness.bad("POST", "/projects/shop/jobs", with_sink(sink)).await;
    }
    for (part, value) in [
        ("id", json!(spaced)),
        ("payload", json!(m)),
        ("payload", json!([m])),
        ("payload", json!([{ "apiName": format!("../{m}"), "parameters": m }])),
        ("description", json!(long)),
        ("tags", json!({ "key": long })),
        ("configuration", json!({ "runMode": m, "maxConcurrentRequests": m, "requestTimeout": m, "maxDuration": m })),
        ("configuration", json!({ "retry": { "initialInterval": m, "backoffCoefficient": m, "maximumAttempts": m } })),
        ("schedule", json!({ "timezone": m, "cron": [m] })),
        ("schedule", json!({ "calendars": [{ "hour": m, "dayOfMonth": m, "dayOfWeek": { "start": m, "nth": m } }] })),
        ("schedule", json!({ "intervals": [{ "every": m, "offset": m }], "jitter": m, "startAt": m, "overlap": m })),
        ("schedule", json!({ "cron": ["* * * * * *"], "dst": { "gap": m }, "catchUp": { "policy": m, "window": m } })),
        ("state", json!({ "status": m })),
        ("authSession", json!({ "id": spaced, "autoRecreate": m })),
        ("notifications", json!([m])),
        ("notifications", json!([{ "type": m }, { "type": "webhook", "url": m, "headers": m }])),
        ("password", json!(m)),
    ] {
        let mut job = json!({ "id": "new", "payload": payloads("a", 1) });
        job[part] = value;
        witness.bad("POST", "/projects/shop/jobs", job).await;
    }
    for target in [
        json!(m),
        json!({ "type": m }),
        json!({ "type": "http", "baseUrl": m }),
        json!({ "type": "http", "baseUrl": format!("https://example.com/?token={m}") }),
        json!({ "type": "http", "baseUrl": format!("https://{m}@example.com/") }),
        json!({ "type": "http", "baseUrl": "https://example.com", "format": m }),
        json!({ "type": "http", "baseUrl": "https://example.com", "headers": { "x": [m] }, "apiKey": m }),
    ] {
        witness.bad("PUT", "/projects/shop", json!({ "target": target })).await;
    }
    witness.bad("PUT", "/projects/shop", json!({ "signingSecret": m, "target": {} })).await;
    for session in [
        json!(m),
        json!({ "id": "new", "parameters": m }),
        json!({ "id": "new", "parameters": { "password": "x".repeat(256_000), "more": m } }),
        json!({ "id": "new", "type": m, "state": m }),
        json!({ "id": "new", "state": m, "parameters": { "password": m } }),
        json!({ "id": spaced, "parameters": [m], "checkAttempts": m, "autoRecreate": m, "password": m }),
    ] {
        witness.bad("POST", "/projects/shop/auth-sessions", session).await;
    }
    witness.bad("PUT", "/projects/shop/auth-sessions/login", json!({ "state": m })).await;
    witness.bad("PUT", "/projects/shop/auth-sessions/given", json!({ "parameters": [m] })).await;
    let job = "/projects/shop/jobs/good";
    for (path, body) in [
        (format!("{job}/pause"), json!({ "reason": long, "token": m })),
        (format!("{job}/trigger"), json!({ "payload": m, "token": m })),
        (format!("{job}/backfill"), json!({ "from": m, "to": m })),
        (format!("{job}/payload"), json!([{ "apiName": format!("../{m}") }, m])),
        ("/schedules/preview".to_owned(), json!({ "schedule": { "cron": [m] }, "after": m, "count": m })),
    ] {
        witness.bad("POST", &path, body).await;
    }
    witness.bad_text("/projects/shop/jobs", "application/json", format!("{{\"sink\": {m}")).await;
    witness.bad_text("/projects/shop/jobs", "application/json", format!("\"{m}\"")).await;
    witness.bad_text("/projects/shop/jobs", &format!("text/{m}"), m.to_owned()).await;
    witness.bad_text(&format!("{job}/payload"), "application/x-ndjson", format!("{m}\n{{\"apiName\": \"{m}")).await;
    for query in [
        format!("{job}/runs?status={m}"),
        format!("{job}/runs?limit={m}"),
        format!("{job}/runs?cursor={m}"),
        format!("/projects/shop/jobs?tag={m}"),
        format!("{job}/runs?limit=1&limit={m}"),
        format!("{job}/schedule?after={m}&count={m}"),
    ] {
        let (status, answer) = witness.send("GET", &query, None).await;
        assert!((400..500).contains(&status), "{query}: {status} {answer}");
    }
    let wrong_key = Api { key: m.to_owned(), ..witness.api.clone() };
    witness.note("a wrong key", wrong_key.send("GET", "/projects", None).await.1.to_string());
    secret
}

/// All files below a folder, but for those of the database.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        match path.is_dir() {
            true => files(&path, found),
            false if name.contains("dynamodb.sqlite") => {}
            false => found.push((name, std::fs::read(&path).unwrap())),
        }
    }
}

#[tokio::test]
async fn secrets_are_found_in_their_own_place_and_nowhere_else() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, log) = (folder.path().join("data"), outside.path().join("log"));
    let (process, dev) = Process::start_verbose(&data, &log).await;
    let description: DevDescription = serde_json::from_slice(&std::fs::read(data.join("dev.json")).unwrap()).unwrap();
    let folder_argument = data.to_str().unwrap();
    let made =
        sundial(&["admin", "workspace", "create", "--data-dir", folder_argument, "--output", "json"]).await.json();
    let key = made["apiKey"].as_str().unwrap();
    let api = dev.of_workspace(made["workspaceId"].as_str().unwrap(), key);
    let witness = Witness { api, answers: Mutex::default() };
    let target = Target::start(answer).await;
    let mut secrets = good_days(&witness, &target, &description.s3_url).await;
    let of_sessions = signed_in_days(&witness, &target).await;
    let misplaced = bad_days(&witness).await;
    let key_secret = key.rsplit('_').next().unwrap().to_owned();

    // They were in use, so that they could have been seen.
    let sent: Vec<_> = target.calls().iter().map(|call| format!("{:?}", call.headers)).collect();
    for mark in ["target", "sink", "notified", "replaced"].map(mark) {
        assert!(sent.iter().any(|headers| headers.contains(&mark)), "nobody was sent {mark}");
    }
    let connection = Connection::open(&description, Duration::from_secs(4)).unwrap();
    let items = items(&connection.dynamodb, &description.table_name).await;
    let (own_place, elsewhere): (Vec<_>, Vec<_>) = items.iter().partition(|((pk, _), _)| pk.starts_with("SECRETS#"));
    let bodies: Vec<_> = target.calls().into_iter().filter(|call| call.api != "hook").map(|call| call.text).collect();
    for secret in &of_sessions {
        assert!(bodies.iter().any(|body| body.contains(secret)), "the target was not sent {secret}");
    }
    secrets.extend(of_sessions);
    for secret in &secrets {
        assert!(own_place.iter().any(|(_, item)| format!("{item:?}").contains(secret)), "nobody keeps {secret}");
    }
    assert!(own_place.iter().all(|(_, item)| !format!("{item:?}").contains(&misplaced)), "what is refused is not kept");

    secrets.extend([misplaced, key_secret]);
    let mut places: Vec<(String, Vec<u8>)> = Vec::new();
    places.extend(elsewhere.iter().map(|(key, item)| (format!("item {key:?}"), format!("{item:?}").into_bytes())));
    let answers = witness.answers.lock().unwrap();
    places.extend(answers.iter().map(|(what, answer)| (format!("answer to {what}"), answer.clone().into_bytes())));
    files(&data, &mut places);
    let logged = std::fs::read(&log).unwrap();
    // This much of it is there to be found.
    let logged_text = String::from_utf8_lossy(&logged);
    assert!(logged_text.contains("the job run has ended"), "{logged_text}");
    assert!(places.iter().any(|(name, _)| name.ends_with("events.jsonl")));
    assert!(places.iter().filter(|(name, _)| name.contains("/s3/")).count() > 5);
    places.push(("the log".to_owned(), logged));
    for (name, content) in &places {
        let text = String::from_utf8_lossy(content);
        // Without its path: what is asked for is the asker's own.
        let shown: String = text.chars().take(2_000).collect();
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} in {}: {shown}", name.split('?').next().unwrap());
        }
    }
    // The key that `sundial dev` made for its user is in its greeting and in dev.json, and nowhere else.
    let dev_secret = dev.key.rsplit('_').next().unwrap();
    for (name, content) in places.iter().filter(|(name, _)| !name.ends_with("dev.json")) {
        let lines = String::from_utf8_lossy(content).lines().filter(|line| line.contains(dev_secret)).count();
        let greeted = if name == "the log" { 2 } else { 0 };
        assert_eq!(lines, greeted, "{name}");
    }
    drop(process);
}
