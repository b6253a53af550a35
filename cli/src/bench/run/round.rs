//! One measurement: a new cloud, a job, a run of it.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};
use sundial_devstack::{FunctionUsage, USAGE_PATH, Usage};

use super::{Run, check};
use crate::api::Api;
use crate::bench::dev_process::DevProcess;
use crate::bench::target_process::TargetProcess;
use crate::bench::{payloads, process_figures};

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    pub(super) payloads: u32,
    pub(super) concurrency: u32,
    /// From the job's first request to the answer to its last.
    pub(super) storing_seconds: f64,
    /// From the trigger until the run is seen COMPLETED.
    pub(super) run_seconds: f64,
    pub(super) payloads_per_second: f64,
    /// Of the process that the whole cloud is in.
    pub(super) peak_memory_mib: Option<u64>,
    /// The same, during the run.
    pub(super) processor_seconds: Option<f64>,
    /// What storing the payloads and the trigger used, in the job API.
    pub(super) job_api: FunctionUsage,
    /// What the run used, in the payload executor.
    pub(super) executor: FunctionUsage,
}

/// The projects' and jobs' names.
const NAME: &str = "bench";
/// Seldom enough to disturb little.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// A run that takes longer will not come to its end.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

pub(super) async fn measure(options: &Run, target: &TargetProcess) -> Result<Figures, String> {
    let cloud = DevProcess::start(&[]).await?;
    let api = Api::of_project(cloud.description(), NAME);
    api.put_project(&json!({ "target": { "type": "http", "baseUrl": target.url() } })).await?;
    let (calls_before, used_before) = (target.calls().await?, usage(&cloud).await?);
    let begun = Instant::now();
    store_job(options, &api).await?;
    let storing_seconds = begun.elapsed().as_secs_f64();

    process_figures::forget_peak_memory(cloud.id());
    let processor_before = process_figures::processor_time(cloud.id());
    let begun = Instant::now();
    let run = api.post(&format!("jobs/{NAME}/trigger"), &json!({})).await?;
    let used_to_start = usage(&cloud).await?;
    let run = wait_for_end(&api, &run, begun + PATIENCE).await?;
    let run_seconds = begun.elapsed().as_secs_f64();
    let processor = process_figures::processor_time(cloud.id());
    let peak_memory = process_figures::peak_memory(cloud.id());
    let used = wait_for_workers(&cloud).await?;

    let calls = target.calls().await? - calls_before;
    if calls != u64::from(options.payloads) {
        return Err(format!("the target was called {calls} times for {} payloads", options.payloads));
    }
    check::counters(&run, options.payloads)?;
    let path = format!("jobs/{NAME}/runs/{}/payloads", run["id"].as_str().unwrap_or_default());
    check::results(&api, &path, options.payloads, options.target.result_bytes as usize).await?;
    Ok(Figures {
        payloads: options.payloads,
        concurrency: options.concurrency,
        storing_seconds,
        run_seconds,
        payloads_per_second: f64::from(options.payloads) / run_seconds,
        peak_memory_mib: peak_memory.map(|kib| kib / 1024),
        processor_seconds: processor.zip(processor_before).map(|(after, before)| (after - before).as_secs_f64()),
        job_api: of(&used_to_start, "job-api").since(&of(&used_before, "job-api")),
        executor: of(&used, "payload-executor").since(&of(&used_before, "payload-executor")),
    })
}

/// Creates the job with the first page of its payloads, and appends the others.
async fn store_job(options: &Run, api: &Api) -> Result<(), String> {
    let mut pages = payloads::pages(options.payloads);
    let job = json!({
        "id": NAME,
        "payload": pages.next().unwrap_or_default(),
        "configuration": { "maxConcurrentRequests": options.concurrency }
    });
    api.post("jobs", &job).await?;
    for page in pages {
        api.post_lines(&format!("jobs/{NAME}/payload"), payloads::lines(&page)).await?;
    }
    Ok(())
}

async fn wait_for_end(api: &Api, run: &Value, until: Instant) -> Result<Value, String> {
    let path = format!("jobs/{NAME}/runs/{}", run["id"].as_str().unwrap_or_default());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let run = api.get(&path).await?;
        match run["status"].as_str().unwrap_or_default() {
            "COMPLETED" => return Ok(run),
            "PENDING" | "RUNNING" if Instant::now() < until => {}
            status => return Err(format!("the run is {status}: {run}")),
        }
    }
}

/// Waits until the workers have gone home, so that all they used is counted.
async fn wait_for_workers(cloud: &DevProcess) -> Result<Usage, String> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let usage = usage(cloud).await?;
        if of(&usage, "payload-executor").running == 0 {
            return Ok(usage);
        }
        if Instant::now() > until {
            return Err("the run has ended, and workers go on".to_owned());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn usage(cloud: &DevProcess) -> Result<Usage, String> {
    let doing = |error: reqwest::Error| format!("asking for what is used: {error}");
    let url = format!("{}{USAGE_PATH}", cloud.description().api_url);
    reqwest::get(url).await.map_err(doing)?.json().await.map_err(doing)
}

fn of(usage: &Usage, function: &str) -> FunctionUsage {
    usage.get(function).cloned().unwrap_or_default()
}
