//! The log: JSON lines on standard output, which Lambda takes to CloudWatch.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts the log of a function: our own lines from the level in `SUNDIAL_LOG` (default `info`)
/// on, those of libraries from `warn` on.
pub fn start() {
    let level = std::env::var("SUNDIAL_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or(Level::INFO);
    let filter = our_targets(level);
    // What a line is about stands in its `span`: `correlationId` above all.
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_ansi(false);
    // Another log may have been started by a test; then that one stays.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

/// Our own lines from `level` on, those of libraries from `warn` on.
pub fn our_targets(level: Level) -> Targets {
    const OURS: [&str; 8] = [
        "sundial_devstack",
        "sundial_engine",
        "sundial_job_api",
        "sundial_outbound",
        "sundial_payload_executor",
        "sundial_runtime",
        "sundial_schedule_evaluator",
        "sundial_store",
    ];
    OURS.into_iter().fold(Targets::new().with_default(Level::WARN), |targets, ours| targets.with_target(ours, level))
}
