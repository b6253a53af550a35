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
use std::process::ExitCode;

use clap::{Parser, Subcommand};
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
    Dev(dev::DevArguments),
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
        Command::Dev(arguments) => {
            start_log(Level::INFO);
            dev::run(arguments.clone()).await
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
