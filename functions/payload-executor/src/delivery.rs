//! Deliveries: a batch is tried as a whole, beside the payloads and never in their way.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use serde_json::value::RawValue;
use sundial_engine::sink_health::{SinkAdmission, SinkHealth};
use sundial_model::Timestamp;
use sundial_model::payload::Payload;
use sundial_model::sink::Sink;
use sundial_outbound::sink::{DeliveredOutcome, Delivery, DeliveryOutcome, DeliverySigners};
use sundial_store::{DueDeliveries, Outcome, SigningPurpose, StoreError, keys};
use tokio::time::Instant;

use crate::context::RunContext;
use crate::delivery_end::{TriedDeliveries, Try, judge};

/// So many requests of one batch are under way at once.
const AT_ONCE: usize = 8;

/// A try may take this long: none starts when the invocation would end before.
const TRY_TIME_MAX: Duration = Duration::from_secs(35);

/// A batch that is due.
pub(crate) struct DeliveryBatch {
    pub(crate) due: DueDeliveries,
    /// What is to be delivered, when it is at hand; it is read otherwise.
    pub(crate) items: Option<Vec<(Payload, Outcome)>>,
    pub(crate) extent: Extent,
}

/// How much of a batch is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it, as long as the sink is not dead.
    All,
    /// One delivery of it, to see whether the sink is still dead.
    Probe,
    /// All of it, for the last time if the sink is still dead.
    Last,
}

/// What the lane's deliveries under way know of their sink.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedHealth(Arc<Mutex<SinkHealth>>);

impl SharedHealth {
    pub(crate) fn new(health: SinkHealth) -> Self {
        Self(Arc::new(Mutex::new(health)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, SinkHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a batch.
pub(crate) enum Delivered {
    /// It was tried.
    Tried(TriedDeliveries),
    /// It could not be read; it is still due.
    Unread(DueDeliveries),
}

/// Reads what a batch is to deliver.
async fn load(context: &RunContext, due: &DueDeliveries) -> Result<Vec<(Payload, Outcome)>, StoreError> {
    let (Some(first), Some(last)) = (due.indices.first().copied(), due.indices.last().copied()) else {
        return Ok(Vec::new());
    };
    let wanted: HashSet<u32> = due.indices.iter().copied().collect();
    let store = &context.clients.store;
    let mut outcomes = store.outcomes(context.id(), keys::segment_of(first), due.generation).await?;
    let count = (last - first + 1) as usize;
    let payloads = store.run_payloads_within(&context.snapshot, first, count, usize::MAX).await?;
    let wanted = payloads.into_iter().filter(|indexed| wanted.contains(&indexed.index));
    let found = wanted.filter_map(|indexed| {
        let outcome = outcomes.take(indexed.index, due.generation)?;
        Some((indexed.payload, outcome))
    });
    Ok(found.collect())
}

/// Tries a batch, as far as there is time until `end_at`, and the sink is not dead.
pub(crate) async fn attempt(
    context: Arc<RunContext>,
    batch: DeliveryBatch,
    health: SharedHealth,
    end_at: Instant,
) -> Delivered {
    let DeliveryBatch { due, items, extent } = batch;
    let items = match items {
        Some(items) => items,
        None => match load(&context, &due).await {
            Ok(items) => items,
            Err(error) => {
                tracing::warn!(%error, "deliveries that are due could not be read");
                return Delivered::Unread(due);
            }
        },
    };
    let Some(sink) = context.definition.sink.clone().map(Arc::new) else { return Delivered::Unread(due) };
    let generation = due.generation;
    let tries = items.into_iter().enumerate().map(|(place, (payload, outcome))| {
        let (context, sink, health) = (Arc::clone(&context), Arc::clone(&sink), health.clone());
        async move {
            let waits = match extent {
                Extent::All => health.lock().is_dead(),
                Extent::Probe => place > 0,
                Extent::Last => false,
            };
            if waits || Instant::now() + TRY_TIME_MAX >= end_at {
                return (outcome.index, Try::Waits);
            }
            let time = context.clients.clock.now();
            let tried = deliver(&context, &sink, &payload, &outcome, generation, time).await;
            let Some(tried) = tried else { return (outcome.index, Try::Unread(time)) };
            if tried.concerns_receiver {
                health.lock().note(tried.failure.as_ref(), context.clients.clock.now());
            }
            (outcome.index, Try::Made(time, tried))
        }
    });
    let tried: Vec<_> = futures::stream::iter(tries).buffer_unordered(AT_ONCE).collect().await;
    let now = context.clients.clock.now();
    // Unless it was back meanwhile.
    let gives_up = extent == Extent::Last && health.lock().admits(due.since, now) == SinkAdmission::Last;
    Delivered::Tried(judge(due, tried, gives_up, now))
}

/// Tries one delivery; answers with nothing when its result cannot be read.
async fn deliver(
    context: &RunContext,
    sink: &Sink,
    payload: &Payload,
    outcome: &Outcome,
    generation: u32,
    now: Timestamp,
) -> Option<DeliveryOutcome> {
    // It was allowed when the job was saved; the deployment may have changed since.
    let may_write = |bucket| context.clients.settings.may_write(context.run.workspace_id, bucket);
    if sink.bucket_of_own_role().is_some_and(|bucket| !may_write(bucket)) {
        let why = "this deployment does not let Sundial's own role write to the bucket";
        return Some(DeliveryOutcome::not_sent(why));
    }
    let from_bucket = match &outcome.location {
        None => None,
        Some(location) => Some(result_at(context, &location.key).await?),
    };
    let delivered = match (&outcome.error, from_bucket.as_ref().or(outcome.result.as_ref())) {
        (Some(error), _) => DeliveredOutcome::Failed(error, outcome.attempts_ran_out),
        (None, Some(result)) => DeliveredOutcome::Succeeded(result),
        (None, None) => DeliveredOutcome::Succeeded(RawValue::NULL),
    };
    let run = &context.run;
    let delivery = Delivery {
        workspace_id: run.workspace_id,
        project_id: run.project_id,
        project_name: &run.project_name,
        auth_session: context.definition.auth_session.as_ref().map(|reference| &reference.id),
        job_id: run.job_id(),
        job_run_id: run.id,
        generation,
        payload_index: outcome.index,
        api_name: &payload.api_name,
        parameters: payload.parameters.as_ref(),
        outcome: delivered,
        trace: &context.trace,
    };
    let secrets = context.signing.valid_at(SigningPurpose::Webhooks, now);
    let signers = DeliverySigners { webhook_secrets: &secrets, own_role: context.clients.own_role.as_ref() };
    Some(context.clients.outbound.deliver(sink, signers, &delivery, now).await)
}

/// A result that is kept in the bucket.
async fn result_at(context: &RunContext, key: &str) -> Option<Box<RawValue>> {
    let json = match context.clients.results.get(key).await {
        Ok(json) => RawValue::from_string(json).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    json.inspect_err(|error| tracing::warn!(error, "a result could not be read for its delivery")).ok()
}
