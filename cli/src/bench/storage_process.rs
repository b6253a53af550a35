//! The embedded DynamoDB, S3 and bus in a process of their own, so that what is measured here is
//! ours alone.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::Duration;

use serde_json::Value;
use sundial_devstack::{Connection, DevDescription};

use super::dev_process::DevProcess;

/// `sundial dev --storage-only`.
pub(crate) struct StorageProcess(DevProcess);

impl StorageProcess {
    /// Starts it, and answers when it is ready.
    pub(crate) async fn start() -> Result<Self, String> {
        Ok(Self(DevProcess::start(&["--storage-only"]).await?))
    }

    /// Clients over it.
    pub(crate) fn connect(&self) -> Connection {
        // No worker works here, so that no lease ends.
        Connection::open(self.description(), Duration::from_secs(45))
    }

    pub(crate) fn description(&self) -> &DevDescription {
        self.0.description()
    }

    /// Waits until workers were sent for so many different job runs.
    pub(crate) async fn wait_for_hand_overs(&self, count: usize) -> Result<(), String> {
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        let path = self.0.folder().join("events.jsonl");
        let (mut runs, mut rest, mut read) = (HashSet::new(), String::new(), 0);
        while runs.len() < count {
            tokio::time::sleep(LOOK_EVERY).await;
            let Ok(mut file) = File::open(&path) else { continue };
            // Only what has come since the last look.
            let seen = file.seek(SeekFrom::Start(read)).and_then(|_| file.read_to_string(&mut rest));
            read += seen.map_err(|error| format!("reading events: {error}"))? as u64;
            let whole = rest.rfind('\n').map_or(0, |end| end + 1);
            for line in rest[..whole].lines() {
                let event: Value = serde_json::from_str(line).map_err(|error| format!("reading events: {error}"))?;
                if let Some(run) = event["detail"]["jobRunId"].as_str() {
                    runs.insert(run.to_owned());
                }
            }
            rest.drain(..whole);
        }
        Ok(())
    }
}
