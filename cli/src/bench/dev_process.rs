//! `sundial dev` in a process of its own, on a data folder that goes with it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sundial_devstack::DevDescription;
use tempfile::TempDir;

/// It runs until this is dropped.
pub(crate) struct DevProcess {
    child: Child,
    folder: TempDir,
    description: DevDescription,
}

/// It is ready after this long, or never will be.
const READY_AFTER_MAX: Duration = Duration::from_secs(30);

impl DevProcess {
    /// Starts it with these arguments besides its port and folder, and answers when it is ready.
    pub(crate) async fn start(arguments: &[&str]) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("making a folder: {error}"))?;
        let program = std::env::current_exe().map_err(|error| format!("finding this program: {error}"))?;
        let child = Command::new(program)
            .args(["dev", "--port", "0", "--data-dir"])
            .arg(folder.path())
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("starting the dev stack: {error}"))?;
        let begun = Instant::now();
        loop {
            let json = std::fs::read(folder.path().join("dev.json"));
            if let Some(description) = json.ok().and_then(|json| serde_json::from_slice(&json).ok()) {
                return Ok(Self { child, folder, description });
            }
            if begun.elapsed() > READY_AFTER_MAX {
                return Err("the dev stack did not start".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where everything is.
    pub(crate) fn description(&self) -> &DevDescription {
        &self.description
    }

    /// Where it keeps its data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for DevProcess {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
