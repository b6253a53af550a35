//! The world outside, as one invocation reaches it: a target that does what its payloads say, in
//! its own time or not at all, and a sink that fails now and then. It notices what must not happen.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use sundial_engine::attempt::CallResult;
use sundial_model::{JobRunId, Timestamp};
use sundial_outbound::OutboundAnswer;
use sundial_outbound::client::{OutboundRequest, Transport};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::calls::Call;
use crate::checker::Reception;
use crate::freeze::{Freeze, unless_frozen};
use crate::world::World;

/// A result of this size does not stand in the table.
const LARGE_RESULT_BYTES: usize = 120_000;

/// One invocation's way outside.
pub(crate) struct Outside {
    pub(crate) world: Arc<World>,
    /// Ends the invocation.
    pub(crate) death: Arc<Notify>,
    pub(crate) freeze: Option<Freeze>,
}

impl fmt::Debug for Outside {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Outside")
    }
}

impl Transport for Outside {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, OutboundAnswer> {
        Box::pin(async move {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            if body["api"].as_str().is_some_and(|api| api.starts_with("auth-sessions/")) {
                return self.serve(body, request.timeout).await.into();
            }
            let call = async {
                if request.url.starts_with("http://target.test/") {
                    self.carry_out(&body, request.timeout).await
                } else {
                    self.take(&request).await
                }
            };
            let result = unless_frozen(self.freeze, call).await;
            result.unwrap_or_else(|| CallResult::ConnectionError("the connection was lost".to_owned())).into()
        })
    }
}

impl Outside {
    /// The target, asked about sessions. It is a task of its own, so that it notices that the caller is frozen.
    async fn serve(&self, body: Value, timeout: Duration) -> CallResult {
        let (world, freeze, mut served) = (Arc::clone(&self.world), self.freeze, JoinSet::new());
        served.spawn(async move { unless_frozen(freeze, world.sessions.serve(&world, &body, timeout)).await });
        let result = served.join_next().await.and_then(Result::ok).flatten();
        result.unwrap_or_else(|| CallResult::ConnectionError("the connection was lost".to_owned()))
    }

    /// The target: what it does stands in the payload's parameters.
    async fn carry_out(&self, body: &Value, timeout: Duration) -> CallResult {
        let call = Call::read(body);
        let signed_in = call.as_ref().filter(|call| call.terms.signed_in);
        if let Some(Err(violation)) = signed_in.map(|call| self.world.sessions.check_start(&self.world, call, body)) {
            self.world.object(violation);
        }
        let _under_way = call.as_ref().map(|call| self.world.calls.start(&self.world, call));
        let longest = call.as_ref().and_then(|call| call.terms.timeout);
        if longest.is_some_and(|longest| timeout > longest) {
            self.world.object(format!("an attempt may take {timeout:?}, not {longest:?}"));
        }
        let kind = body["parameters"]["kind"].as_str().unwrap_or("any");
        let (takes, is_bad) = self.world.draw(|chance, is_troubled| {
            let longest = match chance.below(4) {
                _ if !is_troubled => 50,
                0 => 30_000,
                1 => 8_000,
                _ => 500,
            };
            (Duration::from_millis(chance.below(longest)), chance.one_in(if is_troubled { 4 } else { 12 }))
        });
        let takes = if kind == "slow" { takes * 4 } else { takes };
        // In a calm world what it does is known beforehand.
        let scripted = body["parameters"]["takesMs"].as_u64().map(Duration::from_millis);
        let (takes, is_bad) = scripted.map_or((takes, is_bad), |takes| {
            let failures = body["parameters"]["failures"].as_u64();
            (takes, failures >= body["context"]["attempt"].as_u64())
        });
        if takes >= timeout {
            tokio::time::sleep(timeout).await;
            return CallResult::Timeout;
        }
        tokio::time::sleep(takes).await;
        if let Some(refusal) = signed_in.and_then(|_| self.world.sessions.refusal(&self.world, body)) {
            return refusal;
        }
        match kind {
            "poison" => {
                self.death.notify_one();
                std::future::pending().await
            }
            "fails" => answer(500, None, &json!({})),
            "refuses" => answer(400, None, &json!({})),
            "holds" if is_bad => {
                let until = self.world.now() + takes * 3;
                call.iter().for_each(|call| self.world.calls.held(call, until));
                answer(429, Some(takes * 3), &json!({}))
            }
            "large" if !is_bad => answer(200, None, &json!({ "result": "x".repeat(LARGE_RESULT_BYTES) })),
            "extends" if is_bad => answer(503, None, &json!({})),
            "extends" => {
                let by = &body["parameters"]["by"];
                call.iter().for_each(|call| self.world.extends(call, by));
                answer(200, None, &json!({ "result": 1, "extendedPayloads": by }))
            }
            _ if is_bad => answer(503, None, &json!({})),
            _ => answer(200, None, &json!({ "result": body["parameters"] })),
        }
    }

    /// A sink, or whoever a notification goes to.
    async fn take(&self, request: &OutboundRequest) -> CallResult {
        let is_dead = self.world.sink_is_dead();
        let (takes, status) = self.world.draw(|chance, is_troubled| {
            let status = match chance.below(40) {
                _ if is_dead => 500,
                0 if is_troubled => 410,
                1..10 if is_troubled => 500,
                _ => 204,
            };
            (Duration::from_millis(chance.below(3_000)), status)
        });
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        // In a calm world what it does is known beforehand.
        let refused_until = body["apiInfo"]["parameters"]["refusedUntil"].as_str().and_then(|time| time.parse().ok());
        let is_refused = refused_until.is_some_and(|until: Timestamp| self.world.now() < until);
        let status = if is_refused { 500 } else { status };
        tokio::time::sleep(takes).await;
        let reception = match status {
            410 => Reception::Unwanted,
            500 => Reception::Failed,
            _ => Reception::Taken,
        };
        let (result, parameters) = (&body["apiInfo"]["result"]["result"], &body["apiInfo"]["parameters"]);
        // The target answers with an object only if that is what it was called with.
        if result.is_object() && result != parameters {
            self.world.object(format!("a delivery has the result of another: {result}"));
        }
        let id = request.headers.get("webhook-id").and_then(|id| id.to_str().ok());
        match id.and_then(sent) {
            Some((run, index, generation)) => self.world.arrived(run, generation, index, reception),
            None => self.world.object(format!("something arrived with the id {id:?}")),
        }
        let retry_after = body["apiInfo"]["parameters"]["retryAfterHours"].as_u64().filter(|_| is_refused);
        answer(status, retry_after.map(|hours| Duration::from_secs(hours * 60 * 60)), &json!({}))
    }
}

/// What was sent under this id: a payload's result, or that a generation of a run has ended.
fn sent(id: &str) -> Option<(JobRunId, Option<u32>, u32)> {
    let (what, generation) = id.rsplit_once('_')?;
    let generation = generation.parse().ok()?;
    if let Ok(run) = what.parse() {
        return Some((run, None, generation));
    }
    let (run, index) = what.rsplit_once('-')?;
    Some((run.parse().ok()?, Some(index.parse().ok()?), generation))
}

pub(crate) fn answer(status: u16, retry_after: Option<Duration>, body: &Value) -> CallResult {
    CallResult::Answer { status, is_json: true, retry_after, body: body.to_string().into_bytes() }
}
