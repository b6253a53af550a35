//! The `sundial` command, as a library, so that a test starts the very same program.
#![expect(clippy::print_stdout, reason = "a command speaks on standard output")]
#![expect(clippy::print_stderr, reason = "and says on standard error what went wrong")]

mod admin;
mod api;
mod bench;
mod demo;
mod dev;
mod output;
mod schedule;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sundial_model::sink::BucketName;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Runs batch jobs on a schedule, in your own AWS account or on this machine.
#[derive(Parser)]
#[command(name = "sundial", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show what it does: two scheduled jobs, start to end, in a cloud of their own.
    Demo,
    /// Run the embedded cloud until it is stopped: the API, the functions and their storage. What is
    /// told on the bus of job runs is appended to events.jsonl in the data folder.
    Dev {
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
    },
    /// Make workspaces and API keys, and revoke keys.
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Measure.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Look at schedules.
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
}

/// The program: reads its arguments, and answers with its exit code.
#[tokio::main]
pub async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Command::Demo => {
            start_log(Level::ERROR);
            demo::run().await
        }
        Command::Dev { port, data_dir, storage_only, allow_sink_bucket } => {
            start_log(Level::INFO);
            dev::run(*port, data_dir.clone(), *storage_only, allow_sink_bucket.clone()).await
        }
        Command::Admin(command) => {
            start_log(Level::ERROR);
            admin::run(command).await
        }
        Command::Bench(command) => {
            start_log(Level::ERROR);
            bench::run(command).await
        }
        Command::Schedule(command) => schedule::run(command),
    };
    match result {
        // What people write themselves has an exit code of its own.
        Err(message) if matches!(arguments.command, Command::Schedule(_)) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The log on standard error: from `default` on, or from the level in `SUNDIAL_LOG`.
fn start_log(default: Level) {
    let level = std::env::var("SUNDIAL_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let targets = sundial_runtime::logging::our_targets(level).with_default(Level::ERROR);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(targets).with(lines).init();
}
