//! `sundial bench`: how fast it is on this machine, with everything in place that a deployment has,
//! but for the network.

mod dev_process;
mod payloads;
mod process_figures;
mod run;
mod storage_process;
mod target;
mod target_process;
mod tick;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum BenchCommand {
    /// Many jobs that are due in the same second, in one tick of the evaluator, beside the same
    /// transactions written alone; and how late many jobs start that are spread over a minute.
    Tick(tick::Tick),
    /// One run of a job with many payloads, from its trigger to its end: how fast, what it takes of
    /// this machine, and what it would cost on AWS.
    Run(run::Run),
    /// A target that does nothing but answer. Prints its URL, and serves until it is stopped.
    #[command(hide = true)]
    Target(target::Target),
    /// Prints the payloads of `bench run`, a line each.
    #[command(hide = true)]
    Payloads {
        /// How many.
        count: u32,
    },
}

/// Runs it.
pub(crate) async fn run(command: &BenchCommand) -> Result<(), String> {
    match command {
        BenchCommand::Tick(tick) => tick::run(tick).await,
        BenchCommand::Run(run) => run::run(run).await,
        BenchCommand::Target(target) => target::run(*target).await,
        BenchCommand::Payloads { count } => {
            payloads::pages(*count).for_each(|page| print!("{}", payloads::lines(&page)));
            Ok(())
        }
    }
}
