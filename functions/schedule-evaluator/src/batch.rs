//! Items that are due at the same time: read together, worked on side by side, and what they need
//! workers for handed over in full calls. So ten thousand jobs of the same second cost little more
//! than the transactions that record them.

use std::sync::Arc;
use std::time::Duration;

use sundial_model::Timestamp;
use sundial_model::event::WorkReady;
use sundial_runtime::Clients;
use sundial_runtime::bus::EVENTS_PER_CALL_MAX;
use sundial_store::{DueJob, StoreError, Wake};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attended::Attended;
use crate::{TRY_AGAIN_AFTER, job, set_aside, work};

/// So many items are a batch: one BatchGetItem reads as many.
pub(crate) const ITEMS_MAX: usize = 100;
/// So many batches are under way at once.
pub(crate) const BATCHES_MAX: usize = 4;
/// So many items are worked on at once.
pub const WRITERS_MAX: usize = 64;

/// What needs workers waits this long for more, to go in one call.
const HAND_OVER_AFTER: Duration = Duration::from_millis(20);

/// Where a batch says of each item that it is done, as soon as it is.
pub(crate) type Done = UnboundedSender<ItemDone>;

/// An item that was worked on.
pub(crate) struct ItemDone {
    pub(crate) wake: Wake,
    /// When it must be looked at again.
    pub(crate) again_at: Option<Timestamp>,
    /// How late its occurrences were.
    pub(crate) lags: Vec<Duration>,
}

/// Works on some items.
pub(crate) async fn attend(clients: Clients, due: Vec<Wake>, writers: Arc<Semaphore>, done: Done) {
    let mut items = read(&clients, due).await;
    let (mut under_way, mut hand_overs) = (JoinSet::new(), JoinSet::new());
    let mut work: Vec<WorkReady> = Vec::new();
    let mut send_at = Instant::now();
    loop {
        // One item at a time waits for its turn, so that a batch never holds all of them.
        tokio::select! {
            biased;
            Some(result) = under_way.join_next() => {
                let Ok((wake, result)) = result else { continue };
                let Attended { again_at, work: more, lags } = settle(&clients, &wake, result);
                if work.is_empty() {
                    send_at = Instant::now() + HAND_OVER_AFTER;
                }
                work.extend(more);
                while work.len() >= EVENTS_PER_CALL_MAX {
                    hand_overs.spawn(hand_over(&clients, work.drain(..EVENTS_PER_CALL_MAX).collect()));
                }
                // Nobody is there to listen when the invocation is over.
                let _ = done.send(ItemDone { wake, again_at, lags });
            }
            // A slow one must not keep what is recorded from being started.
            () = tokio::time::sleep_until(send_at), if !work.is_empty() => {
                hand_overs.spawn(hand_over(&clients, std::mem::take(&mut work)));
            }
            Ok(turn) = Arc::clone(&writers).acquire_owned(), if !items.is_empty() => {
                let Some(item) = items.pop() else { continue };
                let clients = clients.clone();
                under_way.spawn(set_aside::working_on(item.wake().clone(), async move {
                    let result = item.attend(&clients).await;
                    drop(turn);
                    result
                }));
            }
            else => break,
        }
    }
    hand_over(&clients, work).await;
    while hand_overs.join_next().await.is_some() {}
}

fn hand_over(clients: &Clients, work: Vec<WorkReady>) -> impl Future<Output = ()> + use<> {
    let bus = clients.bus.clone();
    async move { bus.hand_over(work).await }
}

/// An item with what was read of it.
enum Item {
    Job(Wake, Box<DueJob>),
    Other(Wake),
    /// It could not be read.
    Failed(Wake, StoreError),
}

impl Item {
    fn wake(&self) -> &Wake {
        let (Self::Job(wake, _) | Self::Other(wake) | Self::Failed(wake, _)) = self;
        wake
    }

    async fn attend(self, clients: &Clients) -> (Wake, Result<Attended, StoreError>) {
        match self {
            Self::Job(wake, due) => (wake, job::attend(clients, *due).await),
            Self::Other(wake) => {
                let result = match &wake {
                    Wake::Lane { run, lane } => work::attend(clients, *run, *lane).await,
                    Wake::Closing { run, generation } => work::attend_closing(clients, *run, *generation).await,
                    Wake::AuthSession { project, id } => work::attend_auth_session(clients, *project, id).await,
                    Wake::Sweep { note } => {
                        clients.store.sweep(*note, clients.clock.now()).await.map(|()| Attended::default())
                    }
                    Wake::Run { run } => {
                        let ended = clients.store.end_if_over(*run, clients.clock.now()).await;
                        ended.map(|(again_at, work)| Attended { again_at, work, ..Attended::default() })
                    }
                    // It is gone, or cannot be read.
                    Wake::Job { .. } => Ok(Attended::default()),
                };
                (wake, result)
            }
            Self::Failed(wake, error) => (wake, Err(error)),
        }
    }
}

/// Reads the jobs among the items at once. The items come out last first.
async fn read(clients: &Clients, due: Vec<Wake>) -> Vec<Item> {
    let ids = due.iter().filter_map(|wake| match wake {
        Wake::Job { project, id } => Some((*project, id.clone())),
        _ => None,
    });
    let mut jobs = clients.store.due_jobs(ids.collect()).await;
    let item = |wake: Wake| match (&wake, &mut jobs) {
        (Wake::Job { project, id }, Ok(jobs)) => match jobs.remove(&(*project, id.clone())) {
            Some(due) => Item::Job(wake, Box::new(due)),
            None => Item::Other(wake),
        },
        (Wake::Job { .. }, Err(error)) => {
            let error = StoreError::Unavailable(error.to_string());
            Item::Failed(wake, error)
        }
        _ => Item::Other(wake),
    };
    due.into_iter().rev().map(item).collect()
}

/// What a failure comes to: another try soon, or one at the next tick where soon would not help.
fn settle(clients: &Clients, wake: &Wake, result: Result<Attended, StoreError>) -> Attended {
    result.unwrap_or_else(|error| {
        tracing::warn!(?wake, %error, "an item that is due could not be worked on");
        let is_passing = error.is_passing() || matches!(error, StoreError::Conflict);
        let again_at = is_passing.then(|| clients.clock.now() + TRY_AGAIN_AFTER);
        Attended { again_at, ..Attended::default() }
    })
}
