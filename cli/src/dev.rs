//! `sundial dev`: the embedded cloud, until it is stopped.

use std::path::PathBuf;

use clap::Args;
use sundial_devstack::{DevCloud, DevDescription, DevOptions, Mode, ReachableFunctions, loopback_ranges};
use sundial_model::sink::BucketName;
use sundial_model::target::FunctionArn;
use sundial_runtime::{Settings, clock};

/// What of it runs, and where.
#[derive(Args, Clone)]
pub(crate) struct DevArguments {
    /// The API's port; the next three are those of DynamoDB, S3 and the event bus.
    #[arg(long, default_value_t = 9400)]
    port: u16,
    /// Where everything is kept.
    #[arg(long, default_value = ".sundial")]
    data_dir: PathBuf,
    /// Just DynamoDB, S3 and a bus that appends to events.jsonl: no timer and no functions.
    #[arg(long)]
    storage_only: bool,
    /// A bucket that jobs of the workspace may name as a sink without keys: Sundial's own role writes to it. It is made,
    /// if it is not there. May be given several times.
    #[arg(long, value_name = "BUCKET")]
    allow_sink_bucket: Vec<BucketName>,
    /// The ARN of a Lambda function that projects of the workspace may have as their target. May be given several
    /// times.
    #[arg(long, value_name = "ARN")]
    allow_target_function: Vec<FunctionArn>,
    /// Where those functions are invoked: `cargo lambda watch`, `sam local start-lambda` or another emulator.
    #[arg(long, value_name = "URL", default_value_t = ReachableFunctions::default().url)]
    lambda_url: String,
}

/// Runs it.
pub(crate) async fn run(arguments: DevArguments) -> Result<(), String> {
    let DevArguments { port, data_dir, storage_only, allow_sink_bucket, allow_target_function, lambda_url } = arguments;
    let lease = Settings::lease_from_environment().map_err(|error| error.to_string())?;
    let mode = if storage_only { Mode::StorageOnly } else { Mode::Whole };
    let mut allowed_cidrs = Settings::allowed_cidrs_from_environment().map_err(|error| error.to_string())?;
    allowed_cidrs.extend(loopback_ranges());
    let sink_buckets = Settings::sink_buckets_from_environment().map_err(|error| error.to_string())?;
    let allowed = Settings::target_functions_from_environment().map_err(|error| error.to_string())?;
    let options = DevOptions {
        port,
        data_folder: data_dir.clone(),
        mode,
        lease,
        allowed_cidrs,
        own_sink_buckets: allow_sink_bucket,
        sink_buckets,
        own_target_functions: allow_target_function,
        target_functions: ReachableFunctions { url: lambda_url, allowed },
        external_dynamodb: None,
    };
    let cloud = DevCloud::start(options).await.map_err(|error| error.to_string())?;
    let description = cloud.description();
    println!("Sundial is ready; keys and addresses are in {}", data_dir.join("dev.json").display());
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
