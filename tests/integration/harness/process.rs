//! Processes of the `sundial` command: one that a test can kill, and those that run to their end.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Api;

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sundial-under-test"))
}

/// `sundial dev` as a process of its own, killed when dropped.
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

/// What a command has said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Said {
    /// The JSON document of a command that must have succeeded.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Runs `sundial` with these arguments, to its end.
pub(crate) async fn sundial(arguments: &[&str]) -> Said {
    sundial_in(arguments, &[]).await
}

/// The same, with these variables in its environment, and none of AWS otherwise.
pub(crate) async fn sundial_in(arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut command = command();
    let no_file = PathBuf::from("/nonexistent");
    command.args(arguments).env("AWS_CONFIG_FILE", &no_file).env("AWS_SHARED_CREDENTIALS_FILE", &no_file);
    command.env("AWS_EC2_METADATA_DISABLED", "true").env_remove("AWS_REGION").env_remove("AWS_DEFAULT_REGION");
    command.envs(variables.iter().copied());
    // The cloud that it talks to may be on this very thread.
    let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: ended.status.code().unwrap(), out: text(ended.stdout), error: text(ended.stderr) }
}
