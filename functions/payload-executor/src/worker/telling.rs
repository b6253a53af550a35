//! Telling the world what became of the run: the lane keeps what is to be told until it was.

use std::time::Duration;

use sundial_store::Announcement;
use tokio::time::Instant;

use super::Worker;
use crate::lifecycle;

/// What could not be told is told again after this long.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Worker {
    /// Tells what is to be told. That it was told is written with whatever the lane is written for
    /// next; if that never comes, it is told once more.
    pub(super) async fn tell(&mut self) {
        if self.lane.announce.is_empty() || Instant::now() < self.tell_at {
            return;
        }
        let now = self.context.clients.clock.now();
        let events: Vec<_> = self.lane.announce.iter().filter_map(|what| self.event(*what, now)).collect();
        match self.context.clients.bus.publish(&events).await {
            Ok(()) => self.lane.announce.clear(),
            Err(error) => {
                tracing::warn!(%error, "lifecycle events are told again later");
                self.tell_at = Instant::now() + TELL_AGAIN_AFTER;
            }
        }
    }

    fn event(&self, what: Announcement, now: sundial_model::Timestamp) -> Option<sundial_model::event::Event> {
        let mut partition = self.seen.clone();
        partition.queue = self.queue;
        if let Some(lane) = partition.lanes.iter_mut().find(|lane| lane.number == self.lane.number) {
            *lane = self.lane.clone();
        }
        lifecycle::announced(what, &partition, now)
    }
}
