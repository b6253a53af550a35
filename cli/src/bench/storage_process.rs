//! The embedded DynamoDB, S3 and bus in a process of their own, so that what is measured here is
//! ours alone.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sundial_devstack::{Connection, DevDescription};
use tempfile::TempDir;

/// `sundial dev --storage-only` on a data folder that goes with it.
pub(crate) struct StorageProcess {
    child: Child,
    folder: TempDir,
    description: DevDescription,
}

/// It is ready after this long, or never will be.
const READY_AFTER_MAX: Duration = Duration::from_secs(30);

impl StorageProcess {
    /// Starts it, and answers when it is ready.
    pub(crate) async fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("making a folder: {error}"))?;
        let program = std::env::current_exe().map_err(|error| format!("finding this program: {error}"))?;
        let child = Command::new(program)
            .args(["dev", "--storage-only", "--port", "0", "--data-dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("starting the storage: {error}"))?;
        let begun = Instant::now();
        loop {
            let json = std::fs::read(folder.path().join("dev.json"));
            if let Some(description) = json.ok().and_then(|json| serde_json::from_slice(&json).ok()) {
                return Ok(Self { child, folder, description });
            }
            if begun.elapsed() > READY_AFTER_MAX {
                return Err("the storage did not start".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Clients over it.
    pub(crate) fn connect(&self) -> Result<Connection, String> {
        // No worker works here, so that no lease ends.
        Connection::open(&self.description, Duration::from_secs(45)).map_err(|error| error.to_string())
    }

    pub(crate) fn description(&self) -> &DevDescription {
        &self.description
    }

    /// Waits until workers were sent for so many different job runs.
    pub(crate) async fn wait_for_hand_overs(&self, count: usize) -> Result<(), String> {
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        let path = self.folder.path().join("events.jsonl");
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

impl Drop for StorageProcess {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
