//! The evaluator, woken by the timer: it looks at every item whose wake time has come.
//!
//! The tick carries no data. What is due, is read; what is done, is decided on the item itself.
//! So a lost, late or doubled tick changes nothing but latency.

mod agenda;
mod attended;
mod batch;
mod job;
mod promptness;
pub mod set_aside;
mod work;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use sundial_engine::due::{LOOK_AHEAD, NEXT_TICK_AFTER};
use sundial_model::Timestamp;
use sundial_model::event::Event;
use sundial_runtime::Clients;
use sundial_store::{StoreError, Wake, Wakes};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use agenda::Agenda;
use batch::ItemDone;
pub use batch::WRITERS_MAX;
use promptness::Promptness;

/// An invocation ends this long before Lambda ends it.
const DEADLINE_MARGIN: Duration = Duration::from_secs(5);
/// What became due since the last look at the index is found after this long.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The index may not know yet what an event has just told of: then further looks come sooner.
const LOOKS_FOR_TOLD: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(1)];
/// A look follows another after this long at the earliest.
const LOOK_AFTER_MIN: Duration = Duration::from_secs(1);
/// An item that could not be worked on is tried again after this long, and so is a look.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// The function: takes a tick, or an event that a job is due before the next one.
///
/// # Errors
/// When the index cannot be read; what is due is then found at the next tick. At the end, when there were items that are
/// [set aside](set_aside): somebody has to look at them.
pub async fn handle(clients: &Clients, event: LambdaEvent<EventBridgeEvent<Value>>) -> Result<(), Error> {
    let left = clients.clock.left_until(event.context.deadline);
    let give_up_at = Instant::now() + left.saturating_sub(DEADLINE_MARGIN);
    let is_told = event.payload.detail_type == Event::SCHEDULE_CHANGED;
    // Who was told goes home when the next tick is there: there are only so many invocations at once,
    // and a tick that has to wait for too long is dropped.
    let (look_ahead, extra_looks) =
        if is_told { (NEXT_TICK_AFTER, LOOKS_FOR_TOLD.to_vec()) } else { (LOOK_AHEAD, Vec::new()) };
    Ok(Evaluation::new(clients, give_up_at, look_ahead, extra_looks).run().await?)
}

/// One invocation: works off everything that is due until its horizon, each at its time.
struct Evaluation<'a> {
    clients: &'a Clients,
    horizon: Timestamp,
    give_up_at: Instant,
    agenda: Agenda,
    /// When it looks at the index again, as long as it has something to wait for.
    look_again_at: Instant,
    /// Where it begins: behind what the look before has seen, when there was too much of it.
    look_from: Timestamp,
    /// There is more to see, whatever is on the agenda.
    must_look_again: bool,
    /// After how long further looks follow that must be, the last one first.
    extra_looks: Vec<Duration>,
    looks: JoinSet<Result<Wakes, StoreError>>,
    /// Dropping it ends what is under way.
    batches: JoinSet<()>,
    writers: Arc<Semaphore>,
    done: (batch::Done, UnboundedReceiver<ItemDone>),
    /// What is due and left alone.
    left_alone: BTreeSet<Wake>,
    promptness: Promptness,
}

impl<'a> Evaluation<'a> {
    fn new(clients: &'a Clients, give_up_at: Instant, look_ahead: Duration, extra_looks: Vec<Duration>) -> Self {
        let now = clients.clock.now();
        let horizon = now + look_ahead;
        Self {
            clients,
            horizon,
            give_up_at,
            agenda: Agenda::new(now + NEXT_TICK_AFTER, horizon),
            look_again_at: Instant::now(),
            look_from: Timestamp::EPOCH,
            must_look_again: true,
            extra_looks,
            looks: JoinSet::new(),
            batches: JoinSet::new(),
            writers: Arc::new(Semaphore::new(batch::WRITERS_MAX)),
            done: unbounded_channel(),
            left_alone: BTreeSet::new(),
            promptness: Promptness::default(),
        }
    }

    async fn run(mut self) -> Result<(), StoreError> {
        while Instant::now() < self.give_up_at {
            self.note_done();
            if Instant::now() >= self.look_again_at && self.looks.is_empty() {
                let (store, from, horizon) = (self.clients.store.clone(), self.look_from, self.horizon);
                self.must_look_again = false;
                self.looks.spawn(async move { store.wakes(from, horizon).await });
            }
            self.start_batches();
            if self.is_idle() && self.looks.is_empty() && !self.must_look_again {
                break;
            }
            self.wait().await?;
        }
        // What batches have recorded in the last moment counts, too.
        self.note_done();
        match self.left_alone.first() {
            None => Ok(()),
            Some(_) => Err(StoreError::Corrupt(format!("this function died of {:?}", self.left_alone))),
        }
    }

    fn is_idle(&self) -> bool {
        self.agenda.next_at().is_none() && self.batches.is_empty()
    }

    /// Notes on the agenda what the index says.
    fn note_look(&mut self, look: Result<Wakes, StoreError>) -> Result<(), StoreError> {
        let extra = self.extra_looks.pop();
        self.must_look_again |= extra.is_some();
        let mut again_after = extra.unwrap_or(LOOK_EVERY);
        match look {
            Ok(Wakes { items, complete_until }) => {
                if complete_until < self.horizon {
                    // Those further back are seen in time, whatever becomes of these.
                    let until_unseen = complete_until.since(self.clients.clock.now()).max(LOOK_AFTER_MIN);
                    again_after = again_after.min(until_unseen);
                    self.must_look_again = true;
                    self.look_from = complete_until.max(self.look_from + Duration::from_millis(1));
                } else {
                    self.must_look_again |= self.look_from > Timestamp::EPOCH;
                    self.look_from = Timestamp::EPOCH;
                }
                let now = self.clients.clock.now();
                for (wake_at, wake) in items {
                    if set_aside::is_set_aside(&wake, now) {
                        self.left_alone.insert(wake);
                    } else {
                        self.agenda.add(wake, wake_at);
                    }
                }
            }
            Err(error) if self.is_idle() => return Err(error),
            Err(error) => {
                // What is on the agenda is still to be done.
                tracing::warn!(%error, "the index could not be read");
                again_after = again_after.min(TRY_AGAIN_AFTER);
                self.must_look_again = true;
            }
        }
        self.look_again_at = Instant::now() + again_after;
        Ok(())
    }

    /// Notes what batches have done.
    fn note_done(&mut self) {
        while let Ok(done) = self.done.1.try_recv() {
            self.note(done);
        }
    }

    fn note(&mut self, ItemDone { wake, again_at, lags }: ItemDone) {
        self.promptness.note(&lags);
        self.agenda.done(wake, again_at);
    }

    /// Starts on what is due, as far as there is room.
    fn start_batches(&mut self) {
        while self.batches.len() < batch::BATCHES_MAX {
            let due = self.agenda.take_due(self.clients.clock.now(), batch::ITEMS_MAX);
            if due.is_empty() {
                return;
            }
            let (clients, writers, done) = (self.clients.clone(), Arc::clone(&self.writers), self.done.0.clone());
            self.batches.spawn(batch::attend(clients, due, writers, done));
        }
    }

    /// Waits until something is due or done.
    async fn wait(&mut self) -> Result<(), StoreError> {
        let has_room = self.batches.len() < batch::BATCHES_MAX;
        let next_at = self.agenda.next_at().filter(|_| has_room);
        // A millisecond more, because instants in storage are whole milliseconds.
        let until_next = |at: Timestamp| at.since(self.clients.clock.now()) + Duration::from_millis(1);
        let next_at = next_at.map(|at| Instant::now() + until_next(at));
        let look_at = self.looks.is_empty().then_some(self.look_again_at);
        let until = next_at.into_iter().chain(look_at).fold(self.give_up_at, Instant::min);
        tokio::select! {
            biased;
            Some(done) = self.done.1.recv() => self.note(done),
            Some(look) = self.looks.join_next() => {
                let broken = |error| StoreError::Refused(format!("a look at the index broke off: {error}"));
                self.note_look(look.map_err(broken)?)?;
            }
            Some(ended) = self.batches.join_next() => {
                if let Err(error) = ended {
                    // Its items stay under way here; the next tick finds them.
                    tracing::error!(%error, "a batch broke off");
                }
            }
            () = tokio::time::sleep_until(until) => {}
        }
        Ok(())
    }
}
