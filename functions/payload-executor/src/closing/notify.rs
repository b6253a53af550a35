//! Notifications: one for each place that the job names, with the retries of a sink.

use futures::future::join_all;
use sundial_engine::sink_delivery::next_delivery;
use sundial_store::{PendingNotification, SigningPurpose};

use super::Closer;

impl Closer {
    /// Tries the notifications that are due.
    pub(super) async fn notify(&mut self) {
        self.context.signing.refresh(&self.context.clients.store).await;
        let now = self.now();
        let count = self.context.definition.notifications.len();
        let new = || (0..count).map(|index| PendingNotification { index, attempts_made: 0, due_at: now }).collect();
        let pending: Vec<PendingNotification> = self.closing.notifications.take().unwrap_or_else(new);
        let tries = pending.into_iter().map(async |pending| self.notify_one(pending).await);
        let left = join_all(tries).await.into_iter().flatten().collect();
        self.closing.notifications = Some(left);
    }

    /// Tries one; answers with what is left to do.
    async fn notify_one(&self, pending: PendingNotification) -> Option<PendingNotification> {
        let (context, now) = (&self.context, self.now());
        if pending.due_at > now || !self.has_time() {
            return Some(pending);
        }
        let notification = context.definition.notifications.get(pending.index)?;
        let secrets = context.signing.valid_at(SigningPurpose::Webhooks, now);
        let (detail, trace) = (&self.closing.detail, &context.trace);
        let outcome = context.clients.outbound.notify(notification, &secrets, detail, trace, now).await;
        let failure = outcome.failure?;
        let attempts_made = pending.attempts_made + 1;
        let since = self.closing.detail.end_time.unwrap_or(now);
        let spread = fastrand::f64() * 2.0 - 1.0;
        let next = next_delivery(&failure, attempts_made, since, self.now(), spread);
        if next.is_none() {
            tracing::warn!(index = pending.index, error = outcome.error, "a notification was given up");
        }
        next.map(|due_at| PendingNotification { attempts_made, due_at, ..pending })
    }
}
