//! The world outside, as one invocation reaches it: a target that does what its payloads say, in
//! its own time or not at all, and a sink that fails now and then. It notices what must not happen.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use sundial_engine::attempt::CallResult;
use sundial_outbound::OutboundAnswer;
use sundial_outbound::client::{OutboundRequest, Transport};
use tokio::sync::Notify;

use crate::calls::Call;
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
    /// The target: what it does stands in the payload's parameters.
    async fn carry_out(&self, body: &Value, timeout: Duration) -> CallResult {
        let _under_way = Call::read(body).map(|call| self.world.calls.start(&self.world, call));
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
        match kind {
            "poison" => {
                self.death.notify_one();
                std::future::pending().await
            }
            "fails" => answer(500, None, &json!({})),
            "refuses" => answer(400, None, &json!({})),
            "holds" if is_bad => answer(429, Some(takes * 3), &json!({})),
            "large" if !is_bad => answer(200, None, &json!({ "result": "x".repeat(LARGE_RESULT_BYTES) })),
            "extends" if is_bad => answer(503, None, &json!({})),
            "extends" => answer(200, None, &json!({ "result": 1, "extendedPayloads": body["parameters"]["by"] })),
            _ if is_bad => answer(503, None, &json!({})),
            _ => answer(200, None, &json!({ "result": body["parameters"] })),
        }
    }

    /// A sink, or whoever a notification goes to.
    async fn take(&self, _: &OutboundRequest) -> CallResult {
        let (takes, fails) = self
            .world
            .draw(|chance, is_troubled| (Duration::from_millis(chance.below(3_000)), is_troubled && chance.one_in(4)));
        tokio::time::sleep(takes).await;
        answer(if fails { 500 } else { 204 }, None, &json!({}))
    }
}

fn answer(status: u16, retry_after: Option<Duration>, body: &Value) -> CallResult {
    CallResult::Answer { status, is_json: true, retry_after, body: body.to_string().into_bytes() }
}
