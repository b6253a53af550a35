//! The world outside: a target that answers in its own time, or not at all.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sundial_engine::attempt::CallResult;
use sundial_outbound::OutboundAnswer;
use sundial_outbound::client::{OutboundRequest, Transport};

use crate::world::World;

/// Carries requests to the simulated target.
pub(crate) struct Outside(pub(crate) Arc<World>);

impl fmt::Debug for Outside {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Outside")
    }
}

impl Transport for Outside {
    fn send(&self, _: OutboundRequest) -> BoxFuture<'_, OutboundAnswer> {
        let (takes, status) = self.0.draw(|chance, is_troubled| {
            let longest = match chance.below(4) {
                _ if !is_troubled => 50,
                0 => 30_000,
                1 => 8_000,
                _ => 500,
            };
            let status = if is_troubled && chance.one_in(10) { 503 } else { 200 };
            (Duration::from_millis(chance.below(longest)), status)
        });
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            CallResult::Answer { status, is_json: true, retry_after: None, body: br#"{"result":1}"#.to_vec() }.into()
        })
    }
}
