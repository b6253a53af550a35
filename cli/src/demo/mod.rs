//! `sundial demo`: three scheduled jobs, one for each kind of sink and one that uses an auth session, from their
//! creation to the last delivery.

mod progress;
mod report;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sundial_devstack::demo_services::{CALLS_PER_TOKEN, PASSWORD, RECEIVER_PATH};
use sundial_devstack::{DevCloud, DevOptions, Mode, ReachableFunctions, loopback_ranges};
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
/// The jobs, and where their results go.
const JOBS: [(&str, &str); 3] =
    [("to-a-webhook", "to a webhook"), ("to-a-bucket", "to a bucket"), (SIGNED_IN, "to a webhook")];
const SIGNED_IN: &str = "signed-in";
const SESSION: &str = "members";

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
        own_target_functions: Vec::new(),
        target_functions: ReachableFunctions::default(),
        external_dynamodb: None,
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
    let session = json!({ "id": SESSION, "parameters": { "password": PASSWORD } });
    api.post("auth-sessions", &session).await?;
    println!("Created the auth session {SESSION}: its target issues tokens that are good for {CALLS_PER_TOKEN} calls.");
    for (id, receiver) in JOBS {
        let sink = if receiver == "to a bucket" { &bucket } else { &webhook };
        api.post("jobs", &job(id, sink)).await?;
        println!("Created the job {id}: {PAYLOADS} payloads every 2 seconds, results go {receiver}.");
    }
    println!("Their target fails now and then, so some payloads are tried again; and tokens run out in mid-run.\n");
    let runs = watch(&api).await?;
    report::print(&api, &runs).await?;
    let objects = cloud.objects(BUCKET, "results/").await.map_err(|error| error.to_string())?;
    let (at_webhook, in_bucket) = (cloud.seen().deliveries(), objects.len());
    println!("Deliveries that arrived: {at_webhook} at the webhook, {in_bucket} in the bucket.");
    println!("The target was signed in to {} times.", cloud.seen().tokens());
    report::print_what_next();
    Ok(())
}

fn job(id: &str, sink: &Value) -> Value {
    let api = if id == SIGNED_IN { "members" } else { "flaky" };
    let payload: Vec<_> = (0..PAYLOADS).map(|n| json!({ "apiName": api, "parameters": { "n": n } })).collect();
    let mut job = json!({
        "id": id,
        "payload": payload,
        "schedule": { "intervals": [{ "every": "2s" }] },
        "configuration": {
            "maxConcurrentRequests": 4,
            "retry": { "maximumAttempts": 4, "initialInterval": "200ms", "backoffCoefficient": 2 }
        },
        "sink": sink
    });
    if id == SIGNED_IN {
        job["authSession"] = json!({ "id": SESSION });
    }
    job
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
        if !are_paused && JOBS.iter().all(|(id, _)| done(id) >= RUNS) {
            for (id, _) in JOBS {
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
