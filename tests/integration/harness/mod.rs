//! Tests read as stories: start a cloud, act over the API, wait for what is promised, look.

mod api;
mod cloud;
mod external_table;
pub(crate) mod faulty_table;
mod items;
pub(crate) mod lambda;
pub(crate) mod login;
mod process;
mod target;

pub(crate) use api::Api;
pub(crate) use cloud::Cloud;
pub(crate) use items::{Items, items};
pub(crate) use process::Process;
pub(crate) use target::{Answer, Call, Target};

use std::time::Duration;

use serde_json::{Value, json};

/// Nothing that a test waits for takes longer on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

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
