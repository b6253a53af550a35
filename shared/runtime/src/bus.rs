//! The event bus, outbound.

use std::fmt::Debug;
use std::sync::Arc;

use aws_sdk_eventbridge::error::DisplayErrorContext;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use futures::future::BoxFuture;
use sundial_model::event::{Event, SOURCE, WorkReady};

/// One call takes so many events: a limit of EventBridge.
pub const EVENTS_PER_CALL_MAX: usize = 10;

/// Something that takes events: EventBridge, or a simulation of it.
pub trait EventSink: Debug + Send + Sync {
    /// Takes up to [`EVENTS_PER_CALL_MAX`] events.
    fn put_events<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), BusError>>;
}

/// Events may not have come through.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The bus took some of them and refused the others.
    #[error("the bus refused {0} events")]
    Refused(i32),
    /// There was no answer, or none that says what happened.
    #[error("the bus cannot be reached: {0}")]
    Unavailable(String),
}

/// The event bus.
#[derive(Clone, Debug)]
pub struct EventBus(Arc<dyn EventSink>);

impl EventBus {
    /// The bus `name` of EventBridge, through `client`.
    pub fn new(client: aws_sdk_eventbridge::Client, name: impl Into<String>) -> Self {
        Self::to(Arc::new(EventBridge { client, name: name.into() }))
    }

    /// A bus whose events go to `sink`.
    pub fn to(sink: Arc<dyn EventSink>) -> Self {
        Self(sink)
    }

    /// Sends for workers.
    pub async fn hand_over(&self, work: Vec<WorkReady>) {
        let events: Vec<_> = work.into_iter().map(Event::WorkReady).collect();
        self.put(&events).await;
    }

    /// Puts events on the bus, and says whether they came through.
    ///
    /// # Errors
    /// When some of them may not have.
    pub async fn publish(&self, events: &[Event]) -> Result<(), BusError> {
        for events in events.chunks(EVENTS_PER_CALL_MAX) {
            self.0.put_events(events).await?;
        }
        Ok(())
    }

    /// Puts events on the bus.
    ///
    /// What they tell of is on record before, and is found again by its wake time. So an event
    /// that is lost costs time and nothing else: it is logged, and the caller goes on.
    pub async fn put(&self, events: &[Event]) {
        for events in events.chunks(EVENTS_PER_CALL_MAX) {
            if let Err(error) = self.0.put_events(events).await {
                tracing::warn!(%error, "events may be lost");
            }
        }
    }
}

#[derive(Debug)]
struct EventBridge {
    client: aws_sdk_eventbridge::Client,
    name: String,
}

impl EventSink for EventBridge {
    fn put_events<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), BusError>> {
        let entries = events.iter().map(|event| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&self.name)
                .source(SOURCE)
                .detail_type(event.detail_type())
                .detail(event.detail().to_string())
                .build()
        });
        let request = self.client.put_events().set_entries(Some(entries.collect()));
        Box::pin(async move {
            match request.send().await {
                Ok(answer) if answer.failed_entry_count() == 0 => Ok(()),
                Ok(answer) => Err(BusError::Refused(answer.failed_entry_count())),
                Err(error) => Err(BusError::Unavailable(DisplayErrorContext(error).to_string())),
            }
        })
    }
}
