//! A user whose jobs need an auth session, for histories of how it is kept.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::sessions::SESSION;
use crate::user::{JOBS_MAX, User, of};
use crate::world::World;

/// Somebody who looks after jobs comes by this often.
const MEND_EVERY: Duration = Duration::from_secs(60);

impl User {
    /// Makes the session.
    pub(crate) async fn sign_in(&self) {
        let session = json!({ "id": SESSION, "parameters": { "password": "secret" } });
        while self.call("GET", &format!("/auth-sessions/{SESSION}"), None).await.is_none() {
            self.call("POST", "/auth-sessions", Some(session.clone())).await;
        }
    }

    /// Something that a user may do to the session.
    pub(crate) async fn change_session(&mut self) {
        let session = format!("/auth-sessions/{SESSION}");
        match self.chance.below(4) {
            0 => drop(self.call("PUT", &session, Some(json!({ "parameters": { "password": "other" } }))).await),
            1 => {
                let attempts = 1 + self.chance.below(3);
                self.call("PUT", &session, Some(json!({ "createAttempts": attempts }))).await;
            }
            _ => drop(self.call("POST", &format!("{session}/validate"), None).await),
        }
    }

    /// What a job says of the session.
    pub(crate) fn session_reference(&mut self) -> Value {
        let chance = &mut self.chance;
        let mut reference = json!({ "id": SESSION });
        if chance.one_in(3) {
            reference["createAttempts"] = json!(1 + chance.below(4));
        }
        if chance.one_in(8) {
            reference["autoRecreate"] = json!(false);
        }
        reference
    }
}

/// Mends what no fault of ours has stopped: jobs that are paused because their session was lost.
pub(crate) fn look_after_jobs(world: &Arc<World>) {
    let user = of(world);
    tokio::spawn(async move {
        loop {
            for number in 0..JOBS_MAX {
                let job = user.call("GET", &format!("/jobs/job-{number}"), None).await.unwrap_or_default();
                if job["state"]["status"] == "PAUSED" {
                    user.call("POST", &format!("/auth-sessions/{SESSION}/validate"), None).await;
                    tokio::time::sleep(Duration::from_secs(10)).await;
                    user.resume(number).await;
                }
            }
            tokio::time::sleep(MEND_EVERY).await;
        }
    });
}
