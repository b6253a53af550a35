//! Progress of job runs: a bar for each in a terminal, lines otherwise.

use std::collections::HashMap;
use std::io::IsTerminal as _;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

/// Shows how far job runs are.
pub(crate) struct Progress {
    /// None when nobody watches a terminal.
    bars: Option<MultiProgress>,
    shown: HashMap<String, ProgressBar>,
    said: HashMap<String, String>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, shown: HashMap::new(), said: HashMap::new() }
    }

    /// Shows job runs as they are now, oldest first.
    pub(crate) fn show(&mut self, runs: &[Value]) {
        for run in runs {
            match &self.bars {
                Some(bars) => {
                    let id = run["id"].as_str().unwrap_or_default().to_owned();
                    let bar = self.shown.entry(id).or_insert_with(|| add_bar(bars, run));
                    update(bar, run);
                }
                None => self.say(run),
            }
        }
    }

    fn say(&mut self, run: &Value) {
        let id = run["id"].as_str().unwrap_or_default();
        let status = run["status"].as_str().unwrap_or_default();
        if self.said.get(id).is_none_or(|said| said != status) {
            println!("{}  {:<13} {}", short_time(run), run["jobId"].as_str().unwrap_or_default(), in_words(run));
            self.said.insert(id.to_owned(), status.to_owned());
        }
    }

    pub(crate) fn finish(&mut self) {
        self.shown.values().for_each(|bar| {
            if !bar.is_finished() {
                bar.abandon();
            }
        });
    }
}

fn add_bar(bars: &MultiProgress, run: &Value) -> ProgressBar {
    // Added before anything is set: each change draws, and only together they know their places.
    let bar = bars.add(ProgressBar::new(run["summary"]["total"].as_u64().unwrap_or(0)));
    if let Ok(style) = ProgressStyle::with_template("{prefix}  [{bar:30}] {pos:>3}/{len}  {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(format!("{}  {:<13}", short_time(run), run["jobId"].as_str().unwrap_or_default()));
    bar
}

fn update(bar: &ProgressBar, run: &Value) {
    let count = |group: &str, name: &str| run[group][name].as_u64().unwrap_or(0);
    bar.set_position(count("summary", "succeeded") + count("summary", "failed"));
    bar.set_message(in_words(run));
    let is_over = run["endTime"].is_string() && count("deliveries", "pending") == 0;
    if is_over && !bar.is_finished() {
        bar.abandon();
    }
}

/// Hours, minutes and seconds of the time a run was due at.
pub(crate) fn short_time(run: &Value) -> &str {
    let time = run["scheduledTime"].as_str().or(run["createdAt"].as_str()).unwrap_or_default();
    time.get(11..19).unwrap_or(time)
}

fn in_words(run: &Value) -> String {
    let status = run["status"].as_str().unwrap_or_default();
    match run["reason"]["type"].as_str() {
        Some(reason) => format!("{status} ({reason})"),
        None => format!("{status}, {} delivered", run["deliveries"]["delivered"]),
    }
}
