//! What became of payloads: outcomes, failed attempts and deliveries, as they are kept.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sundial_model::run::{DeliveryAttempt, FailedAttempt, RunError};
use sundial_model::{JobRunId, Timestamp};

use crate::item::as_json;
use crate::keys;
use crate::lane::PayloadRange;

/// Where a result is kept that is too large to stand in the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutcomeLocation {
    /// The key in the results bucket.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// How a payload ended. Its field names in storage are short: they are paid for a million times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The payload.
    #[serde(rename = "i")]
    pub index: u32,
    /// How many attempts it took.
    #[serde(rename = "a")]
    pub attempts: u32,
    /// When the last attempt began.
    #[serde(rename = "s", with = "milliseconds")]
    pub start_time: Timestamp,
    /// When it ended.
    #[serde(rename = "e", with = "milliseconds")]
    pub end_time: Timestamp,
    /// Why it failed; it succeeded when absent.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
    /// Its attempts ran out, rather than the error being final.
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    pub attempts_ran_out: bool,
    /// Its result, when that is small.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Box<RawValue>>,
    /// Where its result is, when that is large.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub location: Option<OutcomeLocation>,
    /// The payloads that its result extended the run by.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<PayloadRange>,
}

impl Outcome {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let result = self.result.as_ref().map_or(0, |result| result.get().len());
        100 + result + self.error.as_ref().map_or(0, json_bytes)
    }

    /// About how many bytes it takes to deliver it.
    pub fn delivered_bytes(&self) -> usize {
        let in_bucket = self.location.as_ref().map_or(0, |location| location.size);
        self.bytes() + usize::try_from(in_bucket).unwrap_or(usize::MAX)
    }

    /// Whether it ended well.
    pub fn has_succeeded(&self) -> bool {
        self.error.is_none()
    }
}

/// Times as numbers, which are half as long as text.
mod milliseconds {
    use serde::{Deserialize, Deserializer, Serializer};
    use sundial_model::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.milliseconds())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_milliseconds)
    }
}

/// An attempt of a payload that failed and is followed by another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptRecord {
    /// The payload.
    pub index: u32,
    /// The next attempt is not made before this.
    pub next_attempt_at: Timestamp,
    /// The attempt; its number is how many were made.
    pub failed: FailedAttempt,
}

/// Deliveries of one segment that are due at the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DueDeliveries {
    /// When.
    pub due_at: Timestamp,
    /// When they were first.
    pub since: Timestamp,
    /// In which generation the payloads ended.
    pub generation: u32,
    /// How often they were requested again.
    #[serde(default)]
    pub round: u32,
    /// How many attempts were made before.
    pub attempts_made: u32,
    /// About how many bytes are to be delivered.
    #[serde(default)]
    pub bytes: usize,
    /// The payloads, in order.
    #[serde(with = "as_json")]
    pub indices: Vec<u32>,
}

impl DueDeliveries {
    pub(crate) fn key(&self, run: JobRunId, lane: u32) -> keys::Key {
        keys::due(run, lane, self.due_at, self.generation, self.indices.first().copied().unwrap_or(0))
    }
}

/// A delivery attempt of a payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// The payload.
    pub index: u32,
    /// In which generation it ended.
    #[serde(default)]
    pub generation: u32,
    /// How often its delivery had been requested again.
    #[serde(default)]
    pub round: u32,
    /// The attempt.
    #[serde(flatten)]
    pub attempt: DeliveryAttempt,
}

/// How many bytes a value takes as JSON.
pub fn json_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).map_or(0, |()| count.0)
}
