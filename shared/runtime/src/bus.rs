//! The event bus, outbound.

use aws_sdk_eventbridge::error::DisplayErrorContext;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use sundial_model::event::{Event, SOURCE, WorkReady};

/// One call takes so many events: a limit of EventBridge.
const EVENTS_PER_CALL_MAX: usize = 10;

/// The event bus.
#[derive(Clone, Debug)]
pub struct EventBus {
    client: aws_sdk_eventbridge::Client,
    name: String,
}

impl EventBus {
    /// The bus `name`, through `client`.
    pub fn new(client: aws_sdk_eventbridge::Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Sends for workers.
    pub async fn hand_over(&self, work: Vec<WorkReady>) {
        let events: Vec<_> = work.into_iter().map(Event::WorkReady).collect();
        self.put(&events).await;
    }

    /// Puts events on the bus.
    ///
    /// What they tell of is on record before, and is found again by its wake time. So an event
    /// that is lost costs time and nothing else: it is logged, and the caller goes on.
    pub async fn put(&self, events: &[Event]) {
        for events in events.chunks(EVENTS_PER_CALL_MAX) {
            let entries = events.iter().map(|event| {
                PutEventsRequestEntry::builder()
                    .event_bus_name(&self.name)
                    .source(SOURCE)
                    .detail_type(event.detail_type())
                    .detail(event.detail().to_string())
                    .build()
            });
            let request = self.client.put_events().set_entries(Some(entries.collect()));
            match request.send().await {
                Ok(answer) if answer.failed_entry_count() == 0 => {}
                Ok(answer) => tracing::warn!(failed = answer.failed_entry_count(), "the bus refused events"),
                Err(error) => tracing::warn!(error = %DisplayErrorContext(error), "the bus cannot be reached"),
            }
        }
    }
}
