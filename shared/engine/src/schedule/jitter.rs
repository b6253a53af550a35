//! Jitter: a hash of who and when, never a die, so that everyone computes the same delay.

use std::time::Duration;

use sha2::{Digest, Sha256};
use sundial_model::{JobUuid, Timestamp};

/// A delay in [0, `bound_ms`).
pub(super) fn delay(job: JobUuid, nominal: Timestamp, bound_ms: u64) -> Duration {
    let digest = Sha256::new().chain_update(job.0.as_bytes()).chain_update(nominal.milliseconds().to_be_bytes());
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(digest.finalize());
    Duration::from_millis(u64::from_be_bytes([a, b, c, d, e, f, g, h]) % bound_ms.max(1))
}
