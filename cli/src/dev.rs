//! `sundial dev`: the embedded cloud, until it is stopped.

use std::path::PathBuf;

use sundial_devstack::{DevCloud, DevDescription, DevOptions, Mode, loopback_ranges};
use sundial_model::sink::BucketName;
use sundial_runtime::{Settings, clock};

/// Runs it.
pub(crate) async fn run(
    port: u16,
    data_folder: PathBuf,
    storage_only: bool,
    own_sink_buckets: Vec<BucketName>,
) -> Result<(), String> {
    let lease = Settings::lease_from_environment().map_err(|error| error.to_string())?;
    let mode = if storage_only { Mode::StorageOnly } else { Mode::Whole };
    let mut allowed_cidrs = Settings::allowed_cidrs_from_environment().map_err(|error| error.to_string())?;
    allowed_cidrs.extend(loopback_ranges());
    let sink_buckets = Settings::sink_buckets_from_environment().map_err(|error| error.to_string())?;
    let data_dir = data_folder.clone();
    let options =
        DevOptions { port, data_folder: data_dir, mode, lease, allowed_cidrs, own_sink_buckets, sink_buckets };
    let cloud = DevCloud::start(options).await.map_err(|error| error.to_string())?;
    let description = cloud.description();
    println!("Sundial is ready; keys and addresses are in {}", data_folder.join("dev.json").display());
    match mode {
        Mode::Whole => greet(description),
        Mode::StorageOnly => {
            println!("  DynamoDB  {}", description.dynamodb_url);
            println!("  S3        {}", description.s3_url);
            println!("  bus       {}  (appends to events.jsonl)", description.events_url);
        }
    }
    println!("Stop it with Ctrl-C; killing it loses nothing.");
    tokio::signal::ctrl_c().await.map_err(|error| error.to_string())
}

fn greet(description: &DevDescription) {
    let DevDescription { api_url, workspace_id, project_name, api_key, .. } = description;
    println!("  API       {api_url}/v1/workspaces/{workspace_id}");
    println!("  key       {api_key}");
    println!();
    println!("Create a job that runs every ten seconds:");
    println!();
    let id = format!("hello-{}", clock::now().seconds());
    let job = format!(
        r#"{{"id":"{id}","payload":[{{"apiName":"echo","parameters":{{"n":1}}}},{{"apiName":"flaky"}}],"schedule":{{"intervals":[{{"every":"10s"}}]}}}}"#
    );
    // One line, to be copied as it is.
    println!(
        "curl -s -X POST {api_url}/v1/workspaces/{workspace_id}/projects/{project_name}/jobs -H 'x-api-key: {api_key}' \
         -H 'content-type: application/json' -d '{job}'"
    );
    println!();
}
