//! `simulate --seeds N [--from S]`: runs so many histories, on all cores, and tells the first
//! violation.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use sundial_simulation::{Statistics, Story, run_on_model};

/// Histories are made of small things that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs simulated histories of schedules, evaluators and executors.
#[derive(Parser)]
struct Arguments {
    /// How many.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// What they are about: jobs with schedules, job runs of many payloads, or such that need an auth session.
    #[arg(long, default_value = "schedules", value_parser = ["schedules", "batches", "sessions"])]
    story: String,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]
fn main() -> ExitCode {
    let Arguments { seeds, from, story } = Arguments::parse();
    let story = match story.as_str() {
        "batches" => Story::Batches,
        "sessions" => Story::Sessions,
        _ => Story::Schedules,
    };
    let (next, total, failed) = (AtomicU64::new(from), Mutex::new(Statistics::default()), AtomicU64::new(0));
    let begun = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while failed.load(Ordering::Relaxed) == 0 {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    match run_on_model(story, seed) {
                        Ok(statistics) => {
                            let mut total = total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                            *total += statistics;
                        }
                        Err(violation) => {
                            failed.fetch_add(1, Ordering::Relaxed);
                            eprintln!("{violation}");
                        }
                    }
                }
            });
        }
    });
    let total = *total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    println!(
        "{seeds} histories from seed {from}: {} transactions checked, {} job runs ({} skipped, {} superseded, {} released, \
         {} stretches missed), {} single runs, {} payloads ended ({} were extensions, {} lost their workers), {} deaths, {} logins, \
         {} refusals, {:.1} s, \
         violations: {}",
        total.transactions,
        total.runs,
        total.skipped,
        total.superseded,
        total.released,
        total.missed,
        total.single_runs,
        total.ended,
        total.extended,
        total.lost,
        total.crashes,
        total.logins,
        total.refusals,
        begun.elapsed().as_secs_f64(),
        failed.load(Ordering::Relaxed)
    );
    if failed.load(Ordering::Relaxed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
