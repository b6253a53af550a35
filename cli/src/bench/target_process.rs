//! The target of `bench run`, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::target::{CALLS_PATH, Target};

/// `sundial bench target`, or one that was there before.
pub(crate) struct TargetProcess {
    child: Option<Child>,
    url: String,
}

impl TargetProcess {
    /// Starts it, and answers when it is ready.
    pub(crate) fn start(answers: Target) -> Result<Self, String> {
        let doing = |error: std::io::Error| format!("starting the target: {error}");
        let mut child = Command::new(std::env::current_exe().map_err(doing)?)
            .args(["bench", "target", "--latency-ms", &answers.latency_ms.to_string()])
            .args(["--result-bytes", &answers.result_bytes.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(doing)?;
        let output = child.stdout.take();
        // From here on it ends with this.
        let mut target = Self { child: Some(child), url: String::new() };
        if let Some(output) = output {
            BufReader::new(output).read_line(&mut target.url).map_err(doing)?;
        }
        target.url = target.url.trim().to_owned();
        if target.url.is_empty() { Err("the target did not start".to_owned()) } else { Ok(target) }
    }

    /// One that is there, and stays.
    pub(crate) fn at(url: &str) -> Self {
        Self { child: None, url: url.to_owned() }
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How often it was called so far.
    pub(crate) async fn calls(&self) -> Result<u64, String> {
        let doing = |error: reqwest::Error| format!("asking the target for its calls: {error}");
        let answer = reqwest::get(format!("{}{CALLS_PATH}", self.url)).await.map_err(doing)?;
        answer.text().await.map_err(doing)?.parse().map_err(|error| format!("the target does not count: {error}"))
    }
}

impl Drop for TargetProcess {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
