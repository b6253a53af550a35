//! What happened, in a table.

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use serde_json::Value;
use sundial_model::Timestamp;

use super::JOBS;
use super::progress::short_time;
use crate::api::Api;

/// Prints a line for each job run.
pub(crate) async fn print(api: &Api, runs: &[Value]) -> Result<(), String> {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["job", "due at", "status", "succeeded", "failed", "attempts", "retried", "took", "delivered"]);
    for run in runs {
        let (attempts, retried) = attempts(api, run).await?;
        let text = |field: &str| run[field].as_str().unwrap_or_default().to_owned();
        table.add_row([
            text("jobId"),
            short_time(run).to_owned(),
            run["reason"]["type"]
                .as_str()
                .map_or_else(|| text("status"), |reason| format!("{}: {reason}", text("status"))),
            run["summary"]["succeeded"].to_string(),
            run["summary"]["failed"].to_string(),
            attempts.to_string(),
            retried.to_string(),
            took(run),
            format!("{} {}", run["deliveries"]["delivered"], receiver(&text("jobId"))),
        ]);
    }
    println!("\n{table}\n");
    Ok(())
}

/// Where the results of a job go.
fn receiver(job: &str) -> &'static str {
    JOBS.iter().find(|(id, _)| *id == job).map_or("", |(_, receiver)| receiver)
}

/// How many attempts a run made, and how many of its payloads needed more than one.
async fn attempts(api: &Api, run: &Value) -> Result<(u64, usize), String> {
    let path = format!(
        "jobs/{}/runs/{}/payloads?limit=500",
        run["jobId"].as_str().unwrap_or_default(),
        run["id"].as_str().unwrap_or_default()
    );
    let page = api.get(&path).await?;
    let attempts: Vec<u64> =
        page["items"].as_array().into_iter().flatten().filter_map(|payload| payload["attempts"].as_u64()).collect();
    Ok((attempts.iter().sum(), attempts.iter().filter(|attempts| **attempts > 1).count()))
}

fn took(run: &Value) -> String {
    let time = |field: &str| run[field].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    match time("startTime").zip(time("endTime")) {
        Some((start, end)) => format!("{:.1} s", end.since(start).as_secs_f64()),
        None => "-".to_owned(),
    }
}

/// Says where to go from here.
pub(crate) fn print_what_next() {
    println!("\nWhat to try next:");
    println!("  cargo run -- dev          the same cloud, to keep; it prints a curl line to begin with");
    println!("  README.md                 a tour of five minutes, and how to deploy to AWS");
}
