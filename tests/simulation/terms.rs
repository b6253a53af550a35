//! What payloads repeat of their job's settings, so that whoever is called can tell whether these are
//! kept without asking those who must keep them.

use std::time::Duration;

use serde_json::{Value, json};

/// The settings under which a payload is carried out; nothing is known of those that are absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// Requests per second.
    pub(crate) rate: Option<u64>,
    /// How many attempts there are at most.
    pub(crate) attempts: Option<u64>,
    /// How long the next attempt waits.
    pub(crate) wait: Option<Duration>,
    /// How long an attempt may take.
    pub(crate) timeout: Option<Duration>,
    /// How long its run may take.
    pub(crate) lasts: Option<Duration>,
    /// Whether all results go to a sink.
    pub(crate) delivers: Option<bool>,
    /// Whether somebody is told of the end.
    pub(crate) notifies: Option<bool>,
    /// Whether the job has an auth session.
    pub(crate) signed_in: bool,
}

impl Terms {
    /// Reads them from a payload's parameters.
    pub(crate) fn read(parameters: &Value) -> Self {
        let terms = &parameters["terms"];
        Self {
            rate: terms["rate"].as_u64(),
            attempts: terms["attempts"].as_u64(),
            wait: terms["wait"].as_u64().map(Duration::from_millis),
            timeout: terms["timeout"].as_u64().map(Duration::from_millis),
            lasts: terms["lasts"].as_u64().map(Duration::from_millis),
            delivers: terms["delivers"].as_bool(),
            notifies: terms["notifies"].as_bool(),
            signed_in: terms["signedIn"] == true,
        }
    }

    /// As a payload repeats them.
    pub(crate) fn to_json(&self) -> Value {
        let milliseconds = |time: Option<Duration>| time.map(|time| time.as_millis() as u64);
        json!({
            "rate": self.rate,
            "attempts": self.attempts,
            "wait": milliseconds(self.wait),
            "timeout": milliseconds(self.timeout),
            "lasts": milliseconds(self.lasts),
            "delivers": self.delivers,
            "notifies": self.notifies,
            "signedIn": self.signed_in
        })
    }
}
