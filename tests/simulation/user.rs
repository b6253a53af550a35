//! A user who keeps changing things, over the real API, while everything else goes on.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use sundial_model::Timestamp;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::Story;
use crate::chance::Chance;
use crate::checker::Role;
use crate::world::World;

const API_TIMEOUT: Duration = Duration::from_secs(29);
pub(crate) const JOBS_MAX: u64 = 3;

/// Creates a project and jobs, and goes on changing them as long as there is trouble.
pub(crate) fn start(world: &Arc<World>) -> JoinHandle<()> {
    let mut user = of(world);
    tokio::spawn(async move {
        while user
            .call("PUT", "", Some(json!({ "target": { "type": "http", "baseUrl": "http://target.test" } })))
            .await
            .is_none()
        {}
        if user.world.story == Story::Sessions {
            user.sign_in().await;
        }
        let jobs = 1 + user.chance.below(JOBS_MAX);
        for number in 0..jobs {
            user.create(number).await;
        }
        let story = user.world.story;
        let is_busy = user.chance.one_in(2);
        while user.world.is_troubled() {
            let longest = if is_busy { 8 } else { 60 };
            tokio::time::sleep(user.chance.between(Duration::from_millis(200), Duration::from_secs(longest))).await;
            if user.world.is_out() {
                tokio::time::sleep(Duration::from_secs(60)).await;
                continue;
            }
            let number = user.chance.below(jobs);
            match story {
                Story::Schedules => user.change(number).await,
                Story::Sessions if user.chance.one_in(4) => user.change_session().await,
                Story::Batches | Story::Sessions => user.change_batch(number).await,
            }
        }
    })
}

/// Someone who does as he is told.
pub(crate) fn of(world: &Arc<World>) -> User {
    User { chance: world.draw(|chance, _| chance.fork()), world: Arc::clone(world) }
}

/// Resumes every job, so that everything can come to rest.
pub(crate) async fn resume_all(world: &Arc<World>) {
    let user = of(world);
    for number in 0..JOBS_MAX {
        // Each is done twice: the first call may have died in the middle just before.
        for _ in 0..2 {
            user.resume(number).await;
        }
    }
}

pub(crate) struct User {
    pub(crate) world: Arc<World>,
    pub(crate) chance: Chance,
}

impl User {
    async fn create(&mut self, number: u64) {
        let mut job = match self.world.story {
            Story::Schedules => self.definition(),
            Story::Batches | Story::Sessions => self.batch(),
        };
        job["id"] = json!(format!("job-{number}"));
        if self.chance.one_in(8) {
            job["state"] = json!({ "status": "PAUSED" });
        }
        self.call("POST", "/jobs", Some(job)).await;
    }

    /// Something that a user may do to a job at any time.
    async fn change(&mut self, number: u64) {
        let job = format!("/jobs/job-{number}");
        match self.chance.below(16) {
            0..3 => self.pause(number).await,
            3..7 => self.resume(number).await,
            7..9 => {
                let definition = self.definition();
                self.call("PUT", &job, Some(definition)).await;
            }
            9 => {
                // What was read is put back.
                if let Some(read) = self.call("GET", &job, None).await {
                    self.call("PUT", &job, Some(read)).await;
                }
            }
            10..12 => drop(self.call("POST", &format!("{job}/trigger"), None).await),
            12 => {
                self.world.calls.resumed(&format!("job-{number}"));
                self.call("DELETE", &job, None).await;
                if !self.chance.one_in(3) {
                    self.create(number).await;
                }
            }
            13..15 => self.backfill(&job).await,
            _ => self.terminate(&job).await,
        }
    }

    async fn backfill(&mut self, job: &str) {
        let to = self.world.now() - self.chance.between(Duration::ZERO, Duration::from_secs(120));
        let from = to - self.chance.between(Duration::ZERO, Duration::from_secs(400));
        self.call("POST", &format!("{job}/backfill"), Some(json!({ "from": from, "to": to }))).await;
    }

    pub(crate) async fn pause(&mut self, number: u64) {
        if self.call("POST", &format!("/jobs/job-{number}/pause"), None).await.is_some() {
            self.world.calls.paused(&format!("job-{number}"), self.world.now());
        }
    }

    pub(crate) async fn resume(&self, number: u64) {
        // Whether it is answered or not.
        self.world.calls.resumed(&format!("job-{number}"));
        self.call("POST", &format!("/jobs/job-{number}/resume"), None).await;
    }

    pub(crate) fn limited(&self, job: &str, limit: Option<u32>) {
        self.world.calls.limited(job, limit.map(|limit| (limit, self.world.now())));
    }

    pub(crate) async fn terminate(&mut self, job: &str) {
        let Some(id) = self.any_run(job).await else { return };
        self.call("POST", &format!("{job}/runs/{id}/terminate"), None).await;
    }

    /// One of a job's newest runs.
    pub(crate) async fn any_run(&mut self, job: &str) -> Option<String> {
        let runs = self.call("GET", &format!("{job}/runs?limit=5"), None).await?;
        let ids: Vec<_> = runs["items"].as_array().into_iter().flatten().filter_map(|run| run["id"].as_str()).collect();
        if ids.is_empty() { None } else { Some((*self.chance.pick(&ids)).to_owned()) }
    }

    fn definition(&mut self) -> Value {
        json!({
            "payload": [{ "apiName": "work" }],
            "configuration": { "retry": { "maximumAttempts": 2 }, "requestTimeout": 60 },
            "schedule": self.schedule()
        })
    }

    fn schedule(&mut self) -> Value {
        let chance = &mut self.chance;
        let mut schedule = match chance.below(5) {
            0 => json!({ "intervals": [{ "every": *chance.pick(&["5s", "20s", "1m", "90s"]) }] }),
            1 => json!({ "intervals": [{ "every": "1m", "offset": "7s" }, { "every": "45s" }] }),
            2 => {
                json!({ "cron": ["*/15 * * * * *"], "exclusions": [{ "minute": { "start": 0, "end": 59, "step": 3 } }] })
            }
            3 => json!({
                "calendars": [{ "hour": "*", "minute": "*", "second": [0, 30] }, { "hour": 2, "minute": "*" }],
                "timezone": "Europe/Berlin"
            }),
            _ => {
                let end = self.world.now() + chance.between(Duration::from_secs(10), Duration::from_secs(300));
                json!({ "intervals": [{ "every": "10s" }], "endAt": end })
            }
        };
        schedule["overlap"] = json!(chance.pick(&["skip", "allow", "bufferOne", "terminateRunning"]));
        if chance.one_in(2) {
            schedule["catchUp"] = json!({
                "policy": chance.pick(&["latest", "all", "none"]),
                "window": chance.pick(&["3m", "10m", "24h"]),
                "limit": *chance.pick(&[3, 20, 100])
            });
        }
        if chance.one_in(3) {
            schedule["jitter"] = json!(chance.pick(&["3s", "40s"]));
        }
        if chance.one_in(6) {
            let start: Timestamp = self.world.now() + chance.between(Duration::ZERO, Duration::from_secs(60));
            if schedule.get("endAt").is_none() {
                schedule["startAt"] = json!(start);
            }
        }
        schedule
    }

    /// Calls the API below the project; `None` when it died, refused, or found nothing.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Option<Value> {
        let world = &self.world;
        let key = world.api_key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let uri = format!("/v1/workspaces/{}/projects/p{path}", world.workspace);
        let request = Request::builder().method(method).uri(uri).header("x-api-key", key);
        let request = request.header("content-type", "application/json");
        let request = request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).ok()?;
        let answer = world
            .invoke(Role::Api, API_TIMEOUT, async |clients| World::api(clients).oneshot(request).await.ok())
            .await??;
        if answer.status() == StatusCode::INTERNAL_SERVER_ERROR {
            world.object(format!("{method} {path} was answered with {}", answer.status()));
        }
        if !answer.status().is_success() {
            return None;
        }
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.ok()?;
        Some(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}
