//! A user with large and difficult payload lists, for histories of how they are carried out.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Story;
use crate::chance::Chance;
use crate::terms::Terms;
use crate::user::User;

/// What payloads are like.
const KINDS: [&str; 9] = ["any", "any", "any", "slow", "fails", "refuses", "holds", "extends", "late"];

impl User {
    /// Something that a user may do to a job that is carried out.
    pub(crate) async fn change_batch(&mut self, number: u64) {
        let job = format!("/jobs/job-{number}");
        match self.chance.below(26) {
            0..3 => self.pause(number).await,
            3..7 => self.resume(number).await,
            7..10 => {
                let limit = *self.chance.pick(&LIMITS);
                self.limit(&job, limit).await;
            }
            10 => self.terminate(&job).await,
            11..14 => self.retry(&job).await,
            14..17 => self.redeliver(&job).await,
            17 => {
                let page: Vec<Value> = (0..3).map(|_| payload(&mut self.chance, &Terms::default(), 1)).collect();
                self.call("POST", &format!("{job}/payload"), Some(json!(page))).await;
            }
            18..20 => self.start_single_run().await,
            20 => self.meddle_with_single_run().await,
            _ => drop(self.call("POST", &format!("{job}/trigger"), None).await),
        }
    }

    async fn start_single_run(&mut self) {
        let is_signed_in = self.world.story == Story::Sessions && !self.chance.one_in(3);
        let reference = is_signed_in.then(|| self.session_reference());
        let (attempts, wait) = (1 + self.chance.below(4), *self.chance.pick(&[0, 1, 10, 45]));
        let terms = Terms {
            attempts: Some(attempts),
            wait: Some(Duration::from_secs(wait)),
            delivers: Some(self.chance.one_in(2)),
            signed_in: is_signed_in,
            ..Terms::default()
        };
        let mut run = payload(&mut self.chance, &terms, 1);
        if self.chance.one_in(12) {
            run["parameters"]["kind"] = json!("poison");
        }
        if run.get("retry").is_none() {
            run["retry"] = json!({ "maximumAttempts": attempts, "initialInterval": format!("{wait}s") });
        }
        if terms.delivers == Some(true) {
            run["sink"] = json!({ "type": "webhook", "url": "http://sink.test/" });
        }
        if let Some(reference) = reference {
            run["authSession"] = reference;
        }
        self.call("POST", "/single-runs", Some(run)).await;
    }

    /// Ends one, or wants its result once more.
    async fn meddle_with_single_run(&mut self) {
        let Some(page) = self.call("GET", "/single-runs?limit=5", None).await else { return };
        let ids: Vec<String> =
            page["items"].as_array().into_iter().flatten().map(|run| run["id"].to_string()).collect();
        if ids.is_empty() {
            return;
        }
        let id = self.chance.pick(&ids).trim_matches('"').to_owned();
        let what = if self.chance.one_in(2) { "terminate" } else { "redeliver" };
        self.call("POST", &format!("/single-runs/{id}/{what}"), None).await;
    }

    async fn limit(&mut self, path: &str, limit: u32) {
        let Some(mut read) = self.call("GET", path, None).await else { return };
        let is_other = read["configuration"]["maxConcurrentRequests"] != json!(limit);
        read["configuration"]["maxConcurrentRequests"] = json!(limit);
        let job = path.trim_start_matches("/jobs/");
        // Whether it is answered or not.
        self.limited(job, None);
        // What changes nothing is not written, so that an earlier change may still come after it.
        if self.call("PUT", path, Some(read)).await.is_some() && is_other {
            self.limited(job, Some(limit));
        }
    }

    async fn retry(&mut self, job: &str) {
        let Some(id) = self.any_run(job).await else { return };
        self.call("POST", &format!("{job}/runs/{id}/retry"), None).await;
    }

    /// Wants something delivered once more: all that was given up, or a payload, whatever became of it.
    async fn redeliver(&mut self, job: &str) {
        let Some(id) = self.any_run(job).await else { return };
        let what = if self.chance.one_in(2) { String::new() } else { format!("/payloads/{}", self.chance.below(12)) };
        self.call("POST", &format!("{job}/runs/{id}{what}/redeliver"), None).await;
    }

    /// A job that runs when it is triggered.
    pub(crate) fn batch(&mut self) -> Value {
        let is_signed_in = self.world.story == Story::Sessions && !self.chance.one_in(6);
        let reference = is_signed_in.then(|| self.session_reference());
        let chance = &mut self.chance;
        let (attempts, wait) = (1 + chance.below(4), *chance.pick(&[0, 1, 10, 45]));
        let timeout = *chance.pick(&[20, 60, 600]);
        let mut terms = Terms {
            rate: chance.one_in(4).then(|| *chance.pick(&[1, 3, 20])),
            attempts: Some(attempts),
            wait: Some(Duration::from_secs(wait)),
            timeout: Some(Duration::from_secs(timeout)),
            lasts: chance.one_in(12).then_some(Duration::from_secs(120)),
            delivers: Some(chance.one_in(2)),
            notifies: Some(chance.one_in(3)),
            signed_in: is_signed_in,
        };
        let count = match chance.below(60) {
            0..10 => 1,
            10..20 => 130 + chance.below(150),
            20 => 1_000 + chance.below(1_500),
            _ => 2 + chance.below(40),
        };
        if count >= 1_000 {
            // One a second, and with extensions, would not be done within the hour.
            terms.rate = terms.rate.map(|_| 20);
        }
        let has_poison = chance.one_in(6);
        let mut payloads: Vec<Value> = (0..count).map(|_| payload(chance, &terms, 2)).collect();
        if chance.one_in(if count > 130 { 4 } else { 10 }) {
            // Few of them, and now and then so many that their export is uploaded in parts.
            let every = if count > 130 && chance.one_in(2) { 1 } else { 1 + chance.below(count) as usize };
            payloads.iter_mut().step_by(every).for_each(|payload| payload["parameters"]["kind"] = json!("large"));
        }
        if has_poison {
            let place = chance.below(count) as usize;
            payloads[place] =
                json!({ "apiName": "work", "parameters": { "kind": "poison", "terms": terms.to_json() } });
        }
        for (place, payload) in payloads.iter_mut().enumerate() {
            payload["parameters"]["place"] = json!(place);
        }
        let mut configuration = json!({
            "maxConcurrentRequests": *chance.pick(&LIMITS),
            "requestTimeout": timeout,
            "retry": { "maximumAttempts": attempts, "initialInterval": format!("{wait}s") }
        });
        if let Some(rate) = terms.rate {
            configuration["maxRequestsPerSecond"] = json!(rate);
        }
        if chance.one_in(8) {
            configuration["maxRuns"] = json!(1 + chance.below(20));
        }
        if terms.lasts.is_some() {
            configuration["maxDuration"] = json!("2m");
        }
        if chance.one_in(8) {
            configuration["pauseAfterFailedRuns"] = json!(1 + chance.below(2));
        }
        let mut job = json!({ "payload": payloads, "configuration": configuration });
        if let Some(reference) = reference {
            job["authSession"] = reference;
        }
        if terms.delivers == Some(true) {
            job["sink"] = json!({ "type": "webhook", "url": "http://sink.test/" });
        }
        if terms.notifies == Some(true) {
            job["notifications"] = json!([{ "type": "webhook", "url": "http://told.test/" }]);
        }
        job
    }
}

const LIMITS: [u32; 7] = [1, 2, 5, 10, 40, 130, 250];

/// A payload that may extend its run `depth` times.
fn payload(chance: &mut Chance, terms: &Terms, depth: u32) -> Value {
    let mut payload = json!({ "apiName": "work", "parameters": parameters(chance, terms, depth) });
    if payload["parameters"]["kind"] == "late" {
        let wait = chance.between(Duration::from_secs(5), Duration::from_secs(150));
        let own = Terms { attempts: Some(3), wait: Some(wait), ..terms.clone() };
        payload["retry"] = json!({ "initialInterval": wait.as_millis() as u64, "maximumAttempts": 3 });
        payload["parameters"]["terms"] = own.to_json();
    }
    payload
}

fn parameters(chance: &mut Chance, terms: &Terms, depth: u32) -> Value {
    let kind = *chance.pick(&KINDS);
    let mut parameters = json!({ "kind": kind, "terms": terms.to_json() });
    if kind == "extends" {
        let count = if depth == 0 { 0 } else { chance.below(4) };
        // What comes later has the job's settings, and none of its own.
        let by = (0..count).map(|_| json!({ "api": "work", "parameters": self::parameters(chance, terms, depth - 1) }));
        parameters["by"] = by.collect();
    }
    parameters
}
