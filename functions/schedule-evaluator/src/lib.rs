//! The evaluator, woken by the timer: it looks at every item whose wake time has come.
//!
//! The tick carries no data. What is due, is read; what is done, is decided on the item itself.
//! So a lost, late or doubled tick changes nothing but latency.

mod agenda;
mod batch;
mod job;
mod lane;

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use sundial_engine::due::LOOK_AHEAD;
use sundial_model::Timestamp;
use sundial_model::event::Event;
use sundial_runtime::Clients;
use sundial_store::{StoreError, Wake};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use agenda::Agenda;
pub use batch::WRITERS_MAX;

/// An invocation ends this long before Lambda ends it.
const DEADLINE_MARGIN: Duration = Duration::from_secs(5);
/// What became due since the last look at the index is found after this long.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The index may not know yet what an event has just told of: then the second look comes sooner.
const LOOK_FOR_TOLD_AFTER: Duration = Duration::from_secs(1);
/// And this long after a look that could not see everything, because there is so much of it.
const LOOK_FURTHER_AFTER: Duration = Duration::from_millis(200);
/// An item that could not be worked on is tried again after this long.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// The function: takes a tick, or an event that a job is due before the next one.
///
/// # Errors
/// When the index cannot be read; what is due is then found at the next tick.
pub async fn handle(clients: &Clients, event: LambdaEvent<EventBridgeEvent<Value>>) -> Result<(), Error> {
    let left = clients.clock.left_until(event.context.deadline);
    let give_up_at = Instant::now() + left.saturating_sub(DEADLINE_MARGIN);
    let is_told = event.payload.detail_type == Event::SCHEDULE_CHANGED;
    Ok(Evaluation::new(clients, give_up_at, is_told).run().await?)
}

/// One invocation: works off everything that is due until its horizon, each at its time.
struct Evaluation<'a> {
    clients: &'a Clients,
    horizon: Timestamp,
    give_up_at: Instant,
    /// When it looks at the index again, as long as it has something to wait for.
    look_again_at: Instant,
    /// There is more to see, whatever is on the agenda.
    must_look_again: bool,
    /// An event has told of something that the first look may not have seen.
    is_told: bool,
    agenda: Agenda,
    /// Dropping it ends what is under way.
    batches: JoinSet<Vec<(Wake, Option<Timestamp>)>>,
    writers: Arc<Semaphore>,
}

impl<'a> Evaluation<'a> {
    fn new(clients: &'a Clients, give_up_at: Instant, is_told: bool) -> Self {
        let horizon = clients.clock.now() + LOOK_AHEAD;
        Self {
            clients,
            horizon,
            give_up_at,
            look_again_at: Instant::now(),
            must_look_again: true,
            is_told,
            agenda: Agenda::new(horizon),
            batches: JoinSet::new(),
            writers: Arc::new(Semaphore::new(batch::WRITERS_MAX)),
        }
    }

    async fn run(mut self) -> Result<(), StoreError> {
        while Instant::now() < self.give_up_at {
            if Instant::now() >= self.look_again_at {
                self.look().await?;
            }
            self.start_batches();
            let is_over = self.agenda.next_at().is_none() && self.batches.is_empty();
            if is_over && !self.must_look_again {
                return Ok(());
            }
            self.wait().await;
        }
        Ok(())
    }

    /// Notes on the agenda what the index says.
    async fn look(&mut self) -> Result<(), StoreError> {
        let is_first_of_told = std::mem::take(&mut self.is_told);
        let mut again_after = if is_first_of_told { LOOK_FOR_TOLD_AFTER } else { LOOK_EVERY };
        self.must_look_again = is_first_of_told;
        match self.clients.store.wakes_until(self.horizon).await {
            Ok(wakes) => {
                if !wakes.is_complete {
                    // Those further back may be as overdue as the ones that were seen.
                    (again_after, self.must_look_again) = (LOOK_FURTHER_AFTER, true);
                }
                wakes.items.into_iter().for_each(|(wake_at, wake)| self.agenda.add(wake, wake_at));
            }
            // What is on the agenda is still to be done.
            Err(error) if self.agenda.next_at().is_some() || !self.batches.is_empty() => {
                tracing::warn!(%error, "the index could not be read");
            }
            Err(error) => return Err(error),
        }
        self.look_again_at = Instant::now() + again_after;
        Ok(())
    }

    /// Starts on what is due, as far as there is room.
    fn start_batches(&mut self) {
        while self.batches.len() < batch::BATCHES_MAX {
            let due = self.agenda.take_due(self.clients.clock.now(), batch::ITEMS_MAX);
            if due.is_empty() {
                return;
            }
            self.batches.spawn(batch::attend(self.clients.clone(), due, Arc::clone(&self.writers)));
        }
    }

    /// Waits for the next item, the next look, or the end of a batch, whichever comes first.
    async fn wait(&mut self) {
        let has_room = self.batches.len() < batch::BATCHES_MAX;
        let next_at = self.agenda.next_at().filter(|_| has_room);
        // A millisecond more, because instants in storage are whole milliseconds.
        let until_next = |at: Timestamp| at.since(self.clients.clock.now()) + Duration::from_millis(1);
        let next_at = next_at.map(|at| Instant::now() + until_next(at));
        let until = next_at.into_iter().fold(self.look_again_at.min(self.give_up_at), Instant::min);
        tokio::select! {
            biased;
            Some(attended) = self.batches.join_next() => match attended {
                Ok(attended) => {
                    let now = self.clients.clock.now();
                    attended.into_iter().for_each(|(wake, again_at)| self.agenda.done(wake, again_at, now));
                }
                // Its items stay under way here; the next tick finds them.
                Err(error) => tracing::error!(%error, "a batch broke off"),
            },
            () = tokio::time::sleep_until(until) => {}
        }
    }
}
