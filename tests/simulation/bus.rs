//! The bus: events arrive late, twice, or never, and invoke functions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sundial_model::event::Event;
use sundial_runtime::bus::{BusError, EventSink};

use crate::world::World;

/// The bus as one invocation sees it.
pub(crate) struct SimulatedBus(pub(crate) Arc<World>);

impl fmt::Debug for SimulatedBus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SimulatedBus")
    }
}

impl EventSink for SimulatedBus {
    fn put_events<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), BusError>> {
        if self.0.draw(|chance, is_troubled| is_troubled && chance.one_in(50)) {
            let count = i32::try_from(events.len()).unwrap_or(i32::MAX);
            return Box::pin(std::future::ready(Err(BusError::Refused(count))));
        }
        for event in events {
            match event {
                Event::JobRun(what, detail) => self.0.told(detail.job_run_id, detail.generation, *what),
                Event::DeliveryExhausted(detail) => self.0.told_exhaustion(detail.job_run_id),
                Event::SingleDeliveryExhausted(detail) => self.0.told_exhaustion(detail.run_id.job_run),
                Event::WorkReady(_) | Event::ScheduleChanged => {}
            }
            let copies = self.0.draw(|chance, is_troubled| match chance.below(20) {
                0 if is_troubled => 0,
                1 if is_troubled => 2,
                _ => 1,
            });
            for _ in 0..copies {
                self.deliver(event.clone());
            }
        }
        // They came through, but the answer may be lost.
        let is_lost = self.0.draw(|chance, is_troubled| is_troubled && chance.one_in(50));
        let answer = if is_lost { Err(BusError::Unavailable("the answer was lost".to_owned())) } else { Ok(()) };
        Box::pin(std::future::ready(answer))
    }
}

impl SimulatedBus {
    fn deliver(&self, event: Event) {
        let world = Arc::clone(&self.0);
        let late = world.draw(|chance, is_troubled| {
            let longest = if is_troubled && chance.one_in(10) { 5_000 } else { 200 };
            Duration::from_millis(chance.below(longest))
        });
        tokio::spawn(async move {
            tokio::time::sleep(late).await;
            match event {
                Event::WorkReady(work) => world.invoke_executor(work).await,
                Event::ScheduleChanged => world.invoke_evaluator(Event::SCHEDULE_CHANGED).await,
                // No rule of ours takes it.
                Event::JobRun(..) | Event::DeliveryExhausted(_) | Event::SingleDeliveryExhausted(_) => {}
            }
        });
    }
}
