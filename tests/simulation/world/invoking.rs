//! How functions are invoked in a history: with clocks and clients of their own, and for as long as they live.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use sundial_model::event::{Event, WorkReady};
use sundial_outbound::{OutboundClient, ResultsBucket, TargetFunctions};
use sundial_runtime::{Clients, Clock, EventBus, Settings, SinkBuckets};
use sundial_store::{Store, Table};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{SKEW_MAX, World};
use crate::bus::SimulatedBus;
use crate::checker::{Caller, Role};
use crate::faults::Faults;
use crate::faulty_bucket::FaultyBucket;
use crate::faulty_table::FaultyTable;
use crate::freeze::{Freeze, frozen};
use crate::outside::Outside;

/// As in `template.yaml`.
const EVALUATOR_TIMEOUT: Duration = Duration::from_secs(180);
const EVENT_AGE_MAX: Duration = Duration::from_secs(60);

impl World {
    /// Runs something of ours that may die, with clients of its own.
    pub(crate) async fn invoke<T>(
        self: &Arc<Self>,
        role: Role,
        timeout: Duration,
        act: impl AsyncFnOnce(Clients) -> T,
    ) -> Option<T> {
        let death = Arc::new(Notify::new());
        let freeze = self.draw(Freeze::draw);
        let clients = self.clients(role, &death, freeze);
        tokio::select! {
            biased;
            () = death.notified() => {
                self.crashes.fetch_add(1, Ordering::Relaxed);
                None
            }
            done = frozen(freeze, act(clients)) => Some(done),
            () = tokio::time::sleep(timeout) => None,
        }
    }

    fn clients(self: &Arc<Self>, role: Role, death: &Arc<Notify>, freeze: Option<Freeze>) -> Clients {
        let skew = self.draw(|chance, _| chance.between(Duration::ZERO, SKEW_MAX * 2));
        let faults = || Faults::new(Arc::clone(self), Arc::clone(death), freeze);
        let caller = Caller { role, begun: self.now() };
        let table = FaultyTable { world: Arc::clone(self), caller, faults: faults() };
        let bucket = FaultyBucket { world: Arc::clone(self), faults: faults() };
        Clients {
            clock: Clock::simulated(self.begun, self.begun_at + skew - SKEW_MAX),
            store: Store::new(Table::over(Arc::new(table)), SETTINGS.retention),
            bus: EventBus::to(Arc::new(SimulatedBus(Arc::clone(self)))),
            outbound: OutboundClient::over(Arc::new(Outside {
                world: Arc::clone(self),
                death: Arc::clone(death),
                freeze,
            })),
            results: ResultsBucket::over(Arc::new(bucket)),
            own_role: None,
            settings: SETTINGS.clone(),
        }
    }

    /// The job API as one invocation of it.
    pub(crate) fn api(clients: Clients) -> Router {
        sundial_job_api::router::router(clients)
    }

    pub(crate) async fn invoke_evaluator(self: &Arc<Self>, detail_type: &str) {
        let turn = tokio::time::timeout(EVENT_AGE_MAX, self.evaluators.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return };
        if self.is_out() {
            return;
        }
        let event = self.event(detail_type, &json!({}));
        self.invoke(Role::Evaluator, EVALUATOR_TIMEOUT, async |clients| {
            let context = deadline(&clients, EVALUATOR_TIMEOUT);
            let Ok(event) = serde_json::from_value(event) else { return };
            // A failed invocation is what the next tick is for.
            let _ = sundial_schedule_evaluator::handle(&clients, LambdaEvent::new(event, context)).await;
        })
        .await;
    }

    pub(crate) async fn invoke_executor(self: &Arc<Self>, work: WorkReady) {
        if self.is_out() {
            return;
        }
        let event = self.event(Event::WORK_READY, &Event::WorkReady(work).detail());
        let begun = Instant::now();
        self.invoke(Role::Executor, self.executor_timeout, async |clients| {
            let context = deadline(&clients, self.executor_timeout);
            let Ok(event) = serde_json::from_value(event) else { return };
            // A failed invocation is what wake times are for; but not every failure is one of the table's.
            if let Err(error) = sundial_payload_executor::handle(&clients, LambdaEvent::new(event, context)).await {
                let text = error.to_string();
                if !(text.contains("throttled") || text.contains("answer was lost") || text.contains("lease")) {
                    self.object(format!("the executor failed: {text}"));
                }
            }
        })
        .await;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.executor_ms.fetch_add(took, Ordering::Relaxed);
    }

    fn event(&self, detail_type: &str, detail: &Value) -> Value {
        json!({
            "version": "0", "id": "0", "detail-type": detail_type, "source": "simulation", "account": "0",
            "time": self.now(), "region": "none", "resources": [], "detail": detail
        })
    }
}

fn deadline(clients: &Clients, timeout: Duration) -> Context {
    let mut context = Context::default();
    context.deadline = u64::try_from((clients.clock.now() + timeout).milliseconds()).unwrap_or(0);
    context
}

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings {
    table: "simulated".to_owned(),
    bus: "simulated".to_owned(),
    results_bucket: "simulated".to_owned(),
    retention: Duration::from_secs(90 * 86_400),
    lease: Duration::from_secs(45),
    allowed_cidrs: Vec::new(),
    sink_buckets: SinkBuckets::default(),
    target_functions: TargetFunctions::default(),
});
