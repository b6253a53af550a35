//! `sundial bench run`: a job with many payloads, carried out by the whole embedded cloud over a
//! target in a process of its own.

mod bill;
mod check;
mod report;
mod round;

use clap::{Args, ValueEnum};

use super::target::Target;
use super::target_process::TargetProcess;

#[derive(Args)]
pub(crate) struct Run {
    /// How many payloads the job has.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    payloads: u32,
    /// How many of them may be in flight at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    concurrency: u32,
    #[command(flatten)]
    target: Target,
    /// How often that is measured, each time in a new cloud.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// How to show what was measured.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// A running `sundial bench target` to be called, rather than one of its own.
    #[arg(long, hide = true)]
    target_url: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

pub(crate) async fn run(options: &Run) -> Result<(), String> {
    let target = match &options.target_url {
        Some(url) => TargetProcess::at(url),
        None => TargetProcess::start(options.target)?,
    };
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        rounds.push(round::measure(options, &target).await?);
    }
    match options.output {
        Output::Table => report::print_tables(&rounds),
        Output::Json => report::print_json(&rounds)?,
    }
    Ok(())
}
