//! Marked secrets go through everything that can happen to them, good and bad, and are then looked
//! for everywhere: they stand in their own place, and nowhere else.

mod bad_days;
mod good_days;
mod signed_in_days;

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use sundial_devstack::{Connection, DevDescription};

use crate::command::sundial;
use crate::harness::{Api, Process, Target, items};
use bad_days::bad_days;
use good_days::good_days;
use signed_in_days::{answer, signed_in_days};

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
    let connection = Connection::open(&description, Duration::from_secs(4));
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

    secrets.extend([misplaced, key_secret, mark("bare-state")]);
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
