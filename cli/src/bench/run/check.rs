//! Whether a run did what it was to do. What is fast and wrong is not measured.

use serde_json::Value;

use crate::api::Api;
use crate::bench::payloads;

/// All payloads succeeded, says the run.
pub(super) fn counters(run: &Value, payloads: u32) -> Result<(), String> {
    let summary = &run["summary"];
    let expected = [("total", payloads), ("succeeded", payloads), ("pending", 0), ("running", 0), ("failed", 0)];
    match expected.iter().find(|(counter, expected)| summary[counter] != *expected) {
        Some((counter, expected)) => Err(format!("`{counter}` must be {expected}: {summary}")),
        None => Ok(()),
    }
}

/// Every payload has its result on record.
pub(super) async fn results(api: &Api, path: &str, payloads: u32, result_bytes: usize) -> Result<(), String> {
    let (mut next, mut cursor) = (0, String::new());
    loop {
        let page = api.get(&format!("{path}?limit=500{cursor}")).await?;
        for run in page["items"].as_array().into_iter().flatten() {
            let expected: Value =
                serde_json::from_str(&payloads::result(next, result_bytes)).map_err(|error| error.to_string())?;
            // A large one is in the bucket.
            let has_result = run["result"] == expected || run["resultLocation"].is_object();
            if run["payloadIndex"] != next || run["status"] != "SUCCEEDED" || !has_result {
                return Err(format!("payload {next} is not as it should be: {run}"));
            }
            next += 1;
        }
        match page["nextCursor"].as_str() {
            Some(after) => cursor = format!("&cursor={after}"),
            None if next == payloads => return Ok(()),
            None => return Err(format!("of {payloads} payloads {next} are listed")),
        }
    }
}
