//! What follows the end of a job run: the event, the notifications, and the export of its results.
//! Each is done at least once; how far it has come stands in an item of its own, so that another
//! worker can go on with it.

mod export;
mod notify;

use std::sync::Arc;
use std::time::Duration;

use sundial_model::event::{Event, WorkReady};
use sundial_model::lifecycle::Lifecycle;
use sundial_model::{JobRunId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::{Closing, Export, StoreError};
use tokio::time::Instant;

use crate::WAIT_MAX;
use crate::context::RunContext;

/// What did not come through is tried again after this long.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// And again after twice as long each time, but no longer than this.
const TRY_AGAIN_WITHIN: Duration = Duration::from_secs(60 * 60);
/// An export that does not come to its end for two days never will.
const EXPORT_FAILURES_MAX: u32 = 54;
/// Nothing is begun when the invocation ends sooner than this.
const STEP_TIME: Duration = Duration::from_secs(45);

/// Does what follows the end of a run's generation, as far as there is time.
pub(crate) async fn work(clients: &Clients, run: JobRunId, generation: u32, end_at: Instant) -> Result<(), StoreError> {
    let Some(partition) = clients.store.run_partition(run).await? else { return Ok(()) };
    let context = RunContext::new(clients, partition.run).await?;
    work_in(&context, generation, end_at).await
}

/// The same, by the worker with which the run has ended.
pub(crate) async fn work_in(context: &Arc<RunContext>, generation: u32, end_at: Instant) -> Result<(), StoreError> {
    let clients = &context.clients;
    let Some(closing) = clients.store.closing(context.id(), generation).await? else { return Ok(()) };
    if closing.is_leased(clients.clock.now()) || closing.is_done() {
        return Ok(());
    }
    let mut closer = Closer { context: Arc::clone(context), closing, renewed_at: Instant::now(), end_at };
    match closer.run().await {
        // Somebody else works on it.
        Err(StoreError::Conflict) => Ok(()),
        result => result,
    }
}

/// Works on a closing. It holds no lease until it first writes how far it has come: most are done
/// before that.
struct Closer {
    context: Arc<RunContext>,
    closing: Closing,
    renewed_at: Instant,
    end_at: Instant,
}

impl Closer {
    /// Does what is to be done, again and again while that is soon.
    async fn run(&mut self) -> Result<(), StoreError> {
        loop {
            let next_at = self.work_once().await?;
            let is_soon = |at: &Timestamp| *at <= self.now() + WAIT_MAX && self.has_time_after(at.since(self.now()));
            match next_at.filter(is_soon) {
                Some(next_at) => self.wait_until(next_at).await?,
                None => return self.leave(next_at).await,
            }
        }
    }

    /// Does once what is to be done; answers with when there is more.
    async fn work_once(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let mut try_again_at = None;
        if !self.closing.is_announced {
            self.closing.is_announced = self.announce().await;
            try_again_at = (!self.closing.is_announced).then(|| self.now() + TRY_AGAIN_AFTER);
        }
        if !self.context.definition.notifications.is_empty() {
            // They take long enough for somebody else to look.
            self.keep().await?;
        }
        self.notify().await;
        if self.has_time() && matches!(self.closing.export, Export::Pending(_)) {
            try_again_at = try_again_at.into_iter().chain(self.try_export().await?).min();
        }
        if !self.has_time() && !self.closing.is_done() {
            try_again_at = Some(self.now());
        }
        let notification_at = self.closing.notifications.iter().flatten().map(|pending| pending.due_at).min();
        Ok(try_again_at.into_iter().chain(notification_at).min())
    }

    /// Waits under its lease, so that nobody else comes.
    async fn wait_until(&mut self, at: Timestamp) -> Result<(), StoreError> {
        self.keep().await?;
        while at > self.now() {
            tokio::time::sleep(at.since(self.now()).min(self.context.clients.settings.lease / 4)).await;
            self.keep_lease().await?;
        }
        Ok(())
    }

    /// Writes how far it has come, and when there is more to do.
    async fn leave(&mut self, next_at: Option<Timestamp>) -> Result<(), StoreError> {
        (self.closing.lease_until, self.closing.next_at) = (None, next_at);
        self.context.clients.store.put_closing(&mut self.closing).await?;
        if next_at.is_some_and(|at| at <= self.now()) {
            let work = WorkReady::closing(self.context.id(), self.closing.generation);
            self.context.clients.bus.hand_over(vec![work]).await;
        }
        Ok(())
    }

    /// Goes on with the export; answers with when it is tried again, if it must be.
    async fn try_export(&mut self) -> Result<Option<Timestamp>, StoreError> {
        match self.export().await {
            Ok(true) => return Ok(None),
            // What a newer version has written is no failure of the export.
            Err(error @ (StoreError::Conflict | StoreError::Newer { .. })) => return Err(error),
            // It has come further, and there is no more time.
            Ok(false) if !self.has_time() => return Ok(None),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the export goes on later"),
        }
        self.closing.failures += 1;
        if self.closing.failures >= EXPORT_FAILURES_MAX {
            tracing::error!(failures = self.closing.failures, "the export is given up");
            self.closing.export = Export::Failed;
            return Ok(None);
        }
        let wait = TRY_AGAIN_AFTER * 2_u32.saturating_pow(self.closing.failures - 1);
        Ok(Some(self.now() + wait.min(TRY_AGAIN_WITHIN)))
    }

    fn now(&self) -> Timestamp {
        self.context.clients.clock.now()
    }

    fn has_time(&self) -> bool {
        self.has_time_after(Duration::ZERO)
    }

    fn has_time_after(&self, wait: Duration) -> bool {
        Instant::now() + wait + STEP_TIME < self.end_at
    }

    /// Tells how the run ended; answers whether that came through.
    async fn announce(&self) -> bool {
        let detail = self.closing.detail.clone();
        let Some(end) = Lifecycle::of_end(detail.status) else { return true };
        let event = Event::JobRun(end, Box::new(detail));
        let told = self.context.clients.bus.publish(&[event]).await;
        told.inspect_err(|error| tracing::warn!(%error, "the end of the run is told again later")).is_ok()
    }

    /// Writes how far it has come, and that somebody works on it.
    async fn keep(&mut self) -> Result<(), StoreError> {
        self.renewed_at = Instant::now();
        self.closing.lease_until = Some(self.now() + self.context.clients.settings.lease);
        self.context.clients.store.put_closing(&mut self.closing).await
    }

    /// The same, if it is time to renew the lease.
    async fn keep_lease(&mut self) -> Result<(), StoreError> {
        if self.renewed_at.elapsed() >= self.context.clients.settings.lease / 3 { self.keep().await } else { Ok(()) }
    }
}
