//! How late occurrences are, as CloudWatch is told.

use std::time::Duration;

use metrics::{counter, histogram};
use sundial_runtime::metrics::{OCCURRENCE_LAG, OCCURRENCES_LATE, OCCURRENCES_ON_TIME};

/// An occurrence that is on record by then is on time. Most are within a second; ten thousand jobs that are due at
/// once take longer.
const ON_TIME_WITHIN: Duration = Duration::from_secs(10);

/// How late the occurrences of an invocation were.
#[derive(Default)]
pub(crate) struct Promptness {
    worst: Option<Duration>,
}

impl Promptness {
    /// Counts occurrences that are on record so long after their time.
    pub(crate) fn note(&mut self, lags: &[Duration]) {
        let late = lags.iter().filter(|lag| **lag > ON_TIME_WITHIN).count();
        counter!(OCCURRENCES_LATE).increment(late as u64);
        counter!(OCCURRENCES_ON_TIME).increment((lags.len() - late) as u64);
        self.worst = self.worst.into_iter().chain(lags.iter().copied()).max();
    }
}

impl Drop for Promptness {
    /// However the invocation ends. One number tells how late its latest occurrence was, however many there were:
    /// a line of the log takes a hundred.
    fn drop(&mut self) {
        if let Some(worst) = self.worst {
            histogram!(OCCURRENCE_LAG).record(worst.as_millis() as f64);
        }
    }
}
