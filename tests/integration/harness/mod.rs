//! Tests read as stories: start a cloud, act over the API, wait for what is promised, look.

mod external_table;
pub(crate) mod faulty_table;
mod items;
pub(crate) mod lambda;
pub(crate) mod login;
mod process;
mod target;

pub(crate) use items::{Items, items};
pub(crate) use process::Process;
pub(crate) use target::{Answer, Call, Target};

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use lambda_runtime::{Context, LambdaEvent};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sundial_devstack::{DevCloud, DevDescription, DevOptions, Mode, ReachableFunctions, loopback_ranges};
use sundial_runtime::{Clients, Clock, SinkBuckets, clock};
use sundial_store::{DynamoDb, RETENTION_DEFAULT, Store, Table, Write};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tower::ServiceExt as _;

use external_table::ExternalTable;
use faulty_table::{Faults, FaultyTable};

/// Nothing that a test waits for takes longer on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An embedded cloud in this process; its DynamoDB may be an external one.
pub(crate) struct Cloud {
    pub(crate) dev: DevCloud,
    pub(crate) api: Api,
    folder: TempDir,
    _table: Option<ExternalTable>,
}

impl Cloud {
    /// Lets an evaluator come by whose clock is ahead: for it, nobody was there all that time.
    pub(crate) async fn evaluate_after(&self, outage: Duration) {
        let mut clients = self.dev.clients().clone();
        clients.clock = Clock::simulated(Instant::now().into(), clock::now() + outage);
        let mut context = Context::default();
        context.deadline = u64::try_from((clients.clock.now() + Duration::from_secs(8)).milliseconds()).unwrap();
        let tick = serde_json::from_str(include_str!("../../events/eventbridge-tick.json")).unwrap();
        sundial_schedule_evaluator::handle(&clients, LambdaEvent::new(tick, context)).await.unwrap();
    }

    pub(crate) async fn start() -> Self {
        Self::start_in(Mode::Whole).await
    }

    /// Just DynamoDB, S3 and a bus.
    pub(crate) async fn start_storage_only() -> Self {
        Self::start_in(Mode::StorageOnly).await
    }

    async fn start_in(mode: Mode) -> Self {
        Self::start_as(|options| options.mode = mode).await
    }

    /// The same, and its DynamoDB is the embedded one in any case.
    pub(crate) async fn start_embedded_storage_only() -> Self {
        Self::start_over(None, |options| options.mode = Mode::StorageOnly).await
    }

    async fn start_as(change: impl FnOnce(&mut DevOptions)) -> Self {
        Self::start_over(ExternalTable::new(), change).await
    }

    async fn start_over(table: Option<ExternalTable>, change: impl FnOnce(&mut DevOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Self::options(&folder);
        options.external_dynamodb = table.as_ref().map(|table| table.dynamodb().clone());
        change(&mut options);
        let dev = DevCloud::start(options).await.unwrap();
        let api = Api::new(dev.description());
        Self { dev, api, folder, _table: table }
    }

    fn options(folder: &TempDir) -> DevOptions {
        DevOptions {
            port: 0,
            data_folder: folder.path().to_owned(),
            mode: Mode::Whole,
            lease: Duration::from_secs(4),
            allowed_cidrs: loopback_ranges(),
            own_sink_buckets: vec!["own-sink".parse().unwrap()],
            sink_buckets: SinkBuckets::default(),
            own_target_functions: Vec::new(),
            target_functions: ReachableFunctions::default(),
            external_dynamodb: None,
        }
    }

    /// One that calls public addresses only, as in AWS.
    pub(crate) async fn start_for_the_public() -> Self {
        Self::start_as(|options| options.allowed_cidrs = Vec::new()).await
    }

    /// One whose workspace may have these functions as targets, which are invoked there.
    pub(crate) async fn start_invoking(lambda_url: &str, functions: &[&str]) -> Self {
        Self::start_as(|options| {
            options.own_target_functions = functions.iter().map(|arn| arn.parse().unwrap()).collect();
            lambda_url.clone_into(&mut options.target_functions.url);
        })
        .await
    }

    /// Clients of a function some of whose transactions fail.
    pub(crate) fn faulty_clients(&self, faults: Faults) -> Clients {
        let inner = DynamoDb::new(self.dev.dynamodb().clone(), &self.dev.description().table_name);
        let table = Table::over(Arc::new(FaultyTable { inner, faults }));
        Clients { store: Store::new(table, RETENTION_DEFAULT), ..self.dev.clients().clone() }
    }

    /// Clients of a function during whose call something happens: before that of its transactions of a kind that
    /// has this number, from 0. The test needs a runtime of several threads.
    pub(crate) fn interrupted_clients<F: Future<Output = ()>>(
        &self,
        is_it: fn(&[Write]) -> bool,
        number: usize,
        happen: impl Fn(Api) -> F + Send + Sync + 'static,
    ) -> Clients {
        let (api, seen) = (self.api.clone(), AtomicUsize::new(0));
        self.faulty_clients(Box::new(move |writes| {
            if is_it(writes) && seen.fetch_add(1, Ordering::SeqCst) == number {
                tokio::task::block_in_place(|| Handle::current().block_on(happen(api.clone())));
            }
            None
        }))
    }

    /// All that stands in the table.
    pub(crate) async fn items(&self) -> Items {
        items(self.dev.dynamodb(), &self.dev.description().table_name).await
    }

    /// All that stands in the table when nothing goes on any more.
    pub(crate) async fn items_at_rest(&self) -> Items {
        let begun = Instant::now();
        let mut before = self.items().await;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = self.items().await;
            if now == before {
                return now;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not come to rest");
            before = now;
        }
    }

    /// Where all of it is kept.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What was told on the bus that no function takes, in order.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("events.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

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

/// Counters of a run as `[total, pending, running, succeeded, failed, canceled]`.
pub(crate) fn summary(run: &Value) -> [u64; 6] {
    ["total", "pending", "running", "succeeded", "failed", "canceled"]
        .map(|name| run["summary"][name].as_u64().unwrap())
}

/// So many payloads for an API.
pub(crate) fn payloads(api: &str, count: u32) -> Value {
    (0..count).map(|n| json!({ "apiName": api, "parameters": { "n": n } })).collect()
}

/// The fields that a problem document says are at fault, in order.
pub(crate) fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().into_iter().flatten();
    let mut pointers: Vec<_> = errors.filter_map(|error| error["pointer"].as_str()).collect();
    pointers.sort_unstable();
    pointers
}
