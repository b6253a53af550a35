//! What CloudWatch is told in numbers: lines in the embedded metric format, which it takes out of the log.
//!
//! Whoever has something to count calls `metrics::counter!` with a name from here. Outside of Lambda nobody listens,
//! and that costs next to nothing. What has not happened is not told, so that a deployment with nothing to do has
//! no metrics, and pays for none.

use std::io::Write;
use std::time::Duration;

use metrics::Unit;
use metrics_cloudwatch_embedded::{Builder, Collector};

/// Occurrences that were attended to in time.
pub const OCCURRENCES_ON_TIME: &str = "OccurrencesOnTime";
/// Occurrences that were attended to late.
pub const OCCURRENCES_LATE: &str = "OccurrencesLate";
/// How late the latest occurrence of an invocation was, in milliseconds.
pub const OCCURRENCE_LAG: &str = "OccurrenceLag";
/// Payloads that have succeeded.
pub const PAYLOADS_SUCCEEDED: &str = "PayloadsSucceeded";
/// Payloads that have failed for good.
pub const PAYLOADS_FAILED: &str = "PayloadsFailed";
/// Attempts that have failed and are made again.
pub const ATTEMPTS_RETRIED: &str = "AttemptsRetried";
/// Calls of a target that one worker has under way, seen every few seconds.
pub const SLOTS_USED: &str = "SlotsUsed";
/// Deliveries that a sink has taken.
pub const DELIVERIES_SUCCEEDED: &str = "DeliveriesSucceeded";
/// Tries to deliver that have failed and are made again.
pub const DELIVERIES_RETRIED: &str = "DeliveriesRetried";
/// Deliveries that were given up.
pub const DELIVERIES_EXHAUSTED: &str = "DeliveriesExhausted";

/// The namespace of all of them.
pub const NAMESPACE: &str = "Sundial";
/// Their one dimension: the name that the function has in its deployment.
pub const DIMENSION: &str = "FunctionName";

/// A worker goes on for up to 15 minutes, and is not silent for longer than this.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// What has been counted in this process, and not told yet.
#[derive(Clone, Copy)]
pub struct Metrics(Option<&'static Collector>);

impl Metrics {
    /// Starts counting, in Lambda; must be called within the runtime of the process.
    pub fn start() -> Self {
        let Ok(function) = std::env::var("AWS_LAMBDA_FUNCTION_NAME") else { return Self(None) };
        let builder = Builder::new().cloudwatch_namespace(NAMESPACE).with_dimension(DIMENSION, function);
        let collector = builder.with_auto_flush_writer(TELL_EVERY, WholeLines::default).init();
        let collector = collector.inspect_err(|error| tracing::warn!(%error, "there are no metrics")).ok();
        describe();
        Self(collector)
    }

    /// Carries out an invocation, and tells at its end what was counted: after that the process may be frozen.
    pub async fn around<T>(self, invocation: impl Future<Output = T>) -> T {
        let result = invocation.await;
        self.tell();
        result
    }

    fn tell(self) {
        if let Some(Err(error)) = self.0.map(|collector| collector.flush(WholeLines::default())) {
            tracing::warn!(%error, "the metrics cannot be written");
        }
    }
}

/// Writes what it was given at once, in the end: it comes in pieces, and another line of the log must not come between
/// them.
#[derive(Default)]
struct WholeLines(Vec<u8>);

impl Write for WholeLines {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.0.write(piece)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for WholeLines {
    fn drop(&mut self) {
        let mut stdout = std::io::stdout().lock();
        // Nobody is left to be told.
        let _ = stdout.write_all(&self.0).and_then(|()| stdout.flush());
    }
}

fn describe() {
    const COUNTERS: [&str; 8] = [
        OCCURRENCES_ON_TIME,
        OCCURRENCES_LATE,
        PAYLOADS_SUCCEEDED,
        PAYLOADS_FAILED,
        ATTEMPTS_RETRIED,
        DELIVERIES_SUCCEEDED,
        DELIVERIES_RETRIED,
        DELIVERIES_EXHAUSTED,
    ];
    for name in COUNTERS {
        metrics::describe_counter!(name, Unit::Count, "");
    }
    metrics::describe_histogram!(SLOTS_USED, Unit::Count, "");
    metrics::describe_histogram!(OCCURRENCE_LAG, Unit::Milliseconds, "");
}
