//! `sundial bench`: how fast it is on this machine, with everything in place that a deployment has,
//! but for the network.

mod storage_process;
mod tick;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum BenchCommand {
    /// Many jobs that are due in the same second, in one tick of the evaluator, beside the same
    /// transactions written alone; and how late many jobs start that are spread over a minute.
    Tick(tick::Tick),
}

/// Runs it.
pub(crate) async fn run(command: &BenchCommand) -> Result<(), String> {
    match command {
        BenchCommand::Tick(tick) => tick::run(tick).await,
    }
}
