//! `sundial demo`: two scheduled jobs, one for each kind of sink, from their creation to the
//! last delivery.

mod progress;
mod report;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sundial_devstack::demo_services::RECEIVER_PATH;
use sundial_devstack::{DevCloud, DevOptions, Mode, loopback_ranges};
use sundial_runtime::SinkBuckets;

use crate::api::Api;
use progress::Progress;

/// Results are to arrive at least from so many runs of each job.
const RUNS: usize = 2;
const PAYLOADS: usize = 20;
/// The demo takes a few seconds; after this long something is wrong.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const BUCKET: &str = "demo-sink";
const JOBS: [&str; 2] = ["to-a-webhook", "to-a-bucket"];

/// Runs it.
pub(crate) async fn run() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no room for the demo's data: {error}"))?;
    let options = DevOptions {
        port: 0,
        data_folder: folder.path().to_owned(),
        mode: Mode::Whole,
        lease: Duration::from_secs(45),
        allowed_cidrs: loopback_ranges(),
        own_sink_buckets: Vec::new(),
        sink_buckets: SinkBuckets::default(),
    };
    let cloud = DevCloud::start(options).await.map_err(|error| error.to_string())?;
    let description = cloud.description();
    println!("The embedded cloud is up: API, functions, DynamoDB, S3 and event bus in this process.");
    cloud.make_bucket(BUCKET).await.map_err(|error| error.to_string())?;
    let api = Api::new(description);
    let webhook = json!({ "type": "webhook", "url": format!("{}{RECEIVER_PATH}", description.api_url) });
    let bucket = json!({
        "type": "s3", "bucket": BUCKET, "region": description.region, "endpoint": description.s3_url,
        "accessKeyId": description.access_key_id, "secretAccessKey": description.secret_access_key,
        "forcePathStyle": true, "prefix": "results/"
    });
    for (id, sink) in JOBS.into_iter().zip([webhook, bucket]) {
        api.post("jobs", &job(id, sink)).await?;
        println!("Created the job {id}: {PAYLOADS} payloads every 2 seconds, results go {}.", id.replace('-', " "));
    }
    println!("Its target fails now and then, so some payloads are tried again.\n");
    let runs = watch(&api).await?;
    report::print(&api, &runs).await?;
    let objects = cloud.objects(BUCKET, "results/").await.map_err(|error| error.to_string())?;
    let (at_webhook, in_bucket) = (cloud.received().count(), objects.len());
    println!("Deliveries that arrived: {at_webhook} at the webhook, {in_bucket} in the bucket.");
    report::print_what_next();
    Ok(())
}

fn job(id: &str, sink: Value) -> Value {
    let payload: Vec<_> = (0..PAYLOADS).map(|n| json!({ "apiName": "flaky", "parameters": { "n": n } })).collect();
    json!({
        "id": id,
        "payload": payload,
        "schedule": { "intervals": [{ "every": "2s" }] },
        "configuration": {
            "maxConcurrentRequests": 4,
            "retry": { "maximumAttempts": 4, "initialInterval": "200ms", "backoffCoefficient": 2 }
        },
        "sink": sink
    })
}

/// Watches until enough runs of each job have ended and all their deliveries have arrived; the
/// jobs are then paused. Answers with all runs, oldest first.
async fn watch(api: &Api) -> Result<Vec<Value>, String> {
    let begun = Instant::now();
    let mut progress = Progress::new();
    let mut are_paused = false;
    loop {
        let mut runs = api.get("runs?limit=100").await?["items"].as_array().cloned().unwrap_or_default();
        runs.reverse();
        progress.show(&runs);
        let done = |id: &str| runs.iter().filter(|run| run["jobId"] == id && is_delivered(run)).count();
        if !are_paused && JOBS.iter().all(|id| done(id) >= RUNS) {
            for id in JOBS {
                api.post(&format!("jobs/{id}/pause"), &json!({ "reason": "the demo has seen enough" })).await?;
            }
            are_paused = true;
        }
        if are_paused && runs.iter().all(has_come_to_rest) {
            progress.finish();
            return Ok(runs);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("the demo has not come to an end after {} s", PATIENCE.as_secs()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_delivered(run: &Value) -> bool {
    run["status"] == "COMPLETED" && run["deliveries"]["delivered"] == run["summary"]["total"]
}

/// A run that the end of the demo has caught in the middle is PAUSED with its job.
fn has_come_to_rest(run: &Value) -> bool {
    matches!(run["status"].as_str(), Some("CANCELED" | "PAUSED" | "TERMINATED" | "FAILED")) || is_delivered(run)
}
