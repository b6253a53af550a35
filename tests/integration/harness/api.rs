//! The job API as a client calls it.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sundial_devstack::DevDescription;
use sundial_runtime::Clients;
use tower::ServiceExt as _;

use super::{PATIENCE, Target};

/// The API, below one workspace.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) client: reqwest::Client,
    pub(crate) base: String,
    pub(crate) key: String,
}

impl Api {
    pub(crate) fn new(description: &DevDescription) -> Self {
        sundial_outbound::client::install_tls_provider();
        Self {
            client: reqwest::Client::new(),
            base: format!("{}/v1/workspaces/{}", description.api_url, description.workspace_id),
            key: description.api_key.clone(),
        }
    }

    /// The same API, below another workspace, with a key of it.
    pub(crate) fn of_workspace(&self, id: &str, key: &str) -> Self {
        let (workspaces, _) = self.base.rsplit_once('/').unwrap();
        Self { base: format!("{workspaces}/{id}"), key: key.to_owned(), client: self.client.clone() }
    }

    /// The API of a process that has written its `dev.json`.
    pub(crate) fn of_folder(folder: &Path) -> Option<Self> {
        let json = std::fs::read(folder.join("dev.json")).ok()?;
        Some(Self::new(&serde_json::from_slice(&json).ok()?))
    }

    /// Sends a request with a JSON body, if there is one.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, _, answer) = self.send_with(method, path, &[], body).await;
        (status, answer)
    }

    /// The same with headers, and with those of the answer.
    pub(crate) async fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, HeaderMap, Value) {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.base));
        let request = request.header("x-api-key", &self.key);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        (status, headers, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The same to a function over these clients.
    pub(crate) async fn send_to(
        &self,
        clients: Clients,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, HeaderMap, Value) {
        let (_, base) = self.base.split_once("/v1/").unwrap();
        let request = Request::builder().method(method).uri(format!("/v1/{base}{path}"));
        let request = request.header("x-api-key", &self.key).header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let answer = sundial_job_api::router::router(clients).oneshot(request.body(body).unwrap()).await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, headers, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// What a request answers that must succeed.
    pub(crate) async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.send(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ok("GET", path, None).await
    }

    /// Makes the project `shop` with this target.
    pub(crate) async fn make_project(&self, target: &Target) -> Value {
        let target = json!({ "type": "http", "baseUrl": target.url });
        self.ok("PUT", "/projects/shop", Some(json!({ "target": target }))).await
    }

    /// Creates a job in the project `shop`.
    pub(crate) async fn create_job(&self, job: Value) -> Value {
        self.ok("POST", "/projects/shop/jobs", Some(job)).await
    }

    /// Triggers a job of the project `shop`; answers with the path of its run.
    pub(crate) async fn trigger(&self, job: &str) -> String {
        let run = self.ok("POST", &format!("/projects/shop/jobs/{job}/trigger"), None).await;
        format!("/projects/shop/jobs/{job}/runs/{}", run["id"].as_str().unwrap())
    }

    /// Waits until what a path answers is as it should be.
    pub(crate) async fn wait_for(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.wait_for_within(PATIENCE, path, is_so).await
    }

    /// Waits so long until what a path answers is as it should be.
    pub(crate) async fn wait_for_within(
        &self,
        patience: Duration,
        path: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.get(path).await;
            if is_so(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < patience, "waited in vain; {path} is {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a run has this status.
    pub(crate) async fn wait_for_status(&self, run: &str, status: &str) -> Value {
        self.wait_for(run, |run| run["status"] == status).await
    }

    /// All pages of a list.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        let separator = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.get(&format!("{path}{separator}limit=500{cursor}")).await;
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}
