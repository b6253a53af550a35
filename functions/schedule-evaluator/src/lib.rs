//! The evaluator, woken by the timer: it looks at every item whose wake time has come.
//!
//! The tick carries no data. What is due, is read; what is done, is decided on the item itself.
//! So a lost, late or doubled tick changes nothing but latency.

mod agenda;
mod job;
mod lane;

use std::time::{Duration, Instant};

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use sundial_engine::due::LOOK_AHEAD;
use sundial_model::Timestamp;
use sundial_model::event::Event;
use sundial_runtime::{Clients, clock};
use sundial_store::{StoreError, Wake};

use agenda::Agenda;

/// An invocation ends this long before Lambda ends it.
const DEADLINE_MARGIN: Duration = Duration::from_secs(5);
/// What became due since the last look at the index is found after this long.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// So many items are worked on at once.
const AT_ONCE: usize = 16;

/// The function: takes a tick, or an event that a job is due before the next one.
///
/// # Errors
/// When the index cannot be read; what is due is then found at the next tick.
pub async fn handle(clients: &Clients, event: LambdaEvent<EventBridgeEvent<Value>>) -> Result<(), Error> {
    let left = event.context.deadline().duration_since(std::time::SystemTime::now()).unwrap_or_default();
    let give_up_at = Instant::now() + left.saturating_sub(DEADLINE_MARGIN);
    // The index may not know yet what an event has just told of; a tick is followed by another.
    let is_told = event.payload.detail_type == Event::SCHEDULE_CHANGED;
    let looks_min = if is_told { 2 } else { 1 };
    Ok(evaluate(clients, clock::now() + LOOK_AHEAD, give_up_at, looks_min).await?)
}

/// Works off everything that is due until `horizon`, each at its time.
async fn evaluate(
    clients: &Clients,
    horizon: Timestamp,
    give_up_at: Instant,
    looks_min: u32,
) -> Result<(), StoreError> {
    let mut agenda = Agenda::new(horizon);
    let (mut look_again_at, mut looks) = (Instant::now(), 0);
    while Instant::now() < give_up_at {
        if Instant::now() >= look_again_at {
            match clients.store.wakes_until(horizon).await {
                Ok(wakes) => wakes.into_iter().for_each(|(wake_at, wake)| agenda.add(wake, wake_at)),
                // What is on the agenda is still to be done.
                Err(error) if agenda.next_at().is_some() => tracing::warn!(%error, "the index could not be read"),
                Err(error) => return Err(error),
            }
            (look_again_at, looks) = (Instant::now() + LOOK_EVERY, looks + 1);
        }
        let Some(next_at) = agenda.next_at() else {
            if looks >= looks_min {
                return Ok(());
            }
            tokio::time::sleep_until(look_again_at.into()).await;
            continue;
        };
        let due = agenda.take_due(clock::now(), AT_ONCE);
        if due.is_empty() {
            let wait = next_at.since(clock::now()).min(look_again_at.saturating_duration_since(Instant::now()));
            // A millisecond more, because instants in storage are whole milliseconds.
            tokio::time::sleep(wait + Duration::from_millis(1)).await;
            continue;
        }
        let attended = due.into_iter().map(async |wake| (attend(clients, &wake).await, wake));
        for (again_at, wake) in futures::future::join_all(attended).await {
            agenda.done(wake, again_at);
        }
    }
    Ok(())
}

/// An item that could not be worked on is tried again after this long.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Does what an item asks for. Answers with when it must be looked at again.
async fn attend(clients: &Clients, wake: &Wake) -> Option<Timestamp> {
    let result = match wake {
        Wake::Job { project, id } => job::attend(clients, *project, id).await,
        Wake::Lane { run, lane } => lane::attend(clients, *run, *lane).await,
        Wake::Sweep { note } => clients.store.sweep(*note, clock::now()).await.map(|()| None),
    };
    result.unwrap_or_else(|error| {
        tracing::warn!(?wake, %error, "an item that is due could not be worked on");
        Some(clock::now() + TRY_AGAIN_AFTER)
    })
}
