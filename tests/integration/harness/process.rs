//! A process that a test can kill.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Api;

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sundial-under-test"))
}

/// `sundial dev` as a process of its own, killed when dropped. It is the whole of it, so its DynamoDB is always the
/// embedded one.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it over a data folder, and waits until it is ready.
    pub(crate) async fn start(folder: &Path) -> (Self, Api) {
        Self::start_with(folder, &[]).await
    }

    /// The same, with these variables in its environment as well.
    pub(crate) async fn start_with(folder: &Path, variables: &[(&str, &str)]) -> (Self, Api) {
        Self::start_as(folder, command().envs(variables.iter().copied()).stdout(Stdio::null())).await
    }

    /// Starts it so that it logs all it can, and what it writes on either output is appended to `log`.
    pub(crate) async fn start_verbose(folder: &Path, log: &Path) -> (Self, Api) {
        let file = || File::options().create(true).append(true).open(log).unwrap();
        Self::start_as(folder, command().env("SUNDIAL_LOG", "trace").stdout(file()).stderr(file())).await
    }

    async fn start_as(folder: &Path, command: &mut Command) -> (Self, Api) {
        let before = std::fs::metadata(folder.join("dev.json")).and_then(|file| file.modified()).ok();
        let process = command
            .args(["dev", "--port", "0", "--data-dir"])
            .arg(folder)
            .env("SUNDIAL_LEASE_SECONDS", "2")
            .spawn()
            .map(Self)
            .unwrap();
        let begun = Instant::now();
        loop {
            let written = std::fs::metadata(folder.join("dev.json")).and_then(|file| file.modified()).ok();
            if written.is_some() && written != before {
                return (process, Api::of_folder(folder).unwrap());
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the process does not get ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// SIGKILL: the process gets no chance to say goodbye.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
