//! `sundial bench tick`.

use std::time::{Duration, Instant};

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use futures::StreamExt as _;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use sundial_engine::overlap::Admission;
use sundial_engine::schedule::Occurrence;
use sundial_model::job::{JobDefinition, JobInput, JobState};
use sundial_model::{InvalidFields, JobId, JobUuid, PayloadPartId, Timestamp};
use sundial_runtime::{Clients, clock};
use sundial_schedule_evaluator::WRITERS_MAX;
use sundial_store::{
    Backend, DueJob, DynamoDb, NewItem, NewJobRun, NewRecords, NextOccurrence, PayloadPart, StoredJob, StoredProject,
    keys,
};

use super::process_figures;
use super::storage_process::StorageProcess;

#[derive(Args)]
pub(crate) struct Tick {
    /// How many jobs are due in the same second.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=16_000))]
    jobs: u32,
    /// How often that is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// How many jobs are spread over a minute to see how late they start; 0 leaves that out.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    spread: u32,
}

/// One invocation has this long, as in `template.yaml`.
const TIMEOUT: Duration = Duration::from_secs(180);

pub(crate) async fn run(options: &Tick) -> Result<(), String> {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["round", "jobs", "tick", "transactions alone", "ratio", "jobs per second", "memory of the tick"]);
    for round in 1..=options.rounds {
        // Each on a table of its own; which is first changes, in case that is an advantage.
        let (alone, tick) = if round % 2 == 1 {
            let alone = Bench::start().await?.write_alone(options.jobs).await?;
            (alone, Bench::start().await?.tick(options.jobs).await?)
        } else {
            let tick = Bench::start().await?.tick(options.jobs).await?;
            (Bench::start().await?.write_alone(options.jobs).await?, tick)
        };
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        table.add_row([
            round.to_string(),
            options.jobs.to_string(),
            seconds(tick.took),
            seconds(alone),
            format!("{:.2}", tick.took.as_secs_f64() / alone.as_secs_f64()),
            format!("{:.0}", f64::from(options.jobs) / tick.took.as_secs_f64()),
            tick.memory,
        ]);
    }
    println!("{table}");
    if options.spread > 0 {
        let bench = Bench::start().await?;
        let mut late = bench.lateness(options.spread).await?;
        late.sort_unstable();
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize].as_millis();
        println!(
            "{} jobs spread over a minute were decided on this long after their second, in ms: median {}, p90 {}, p99 {}, most {}",
            late.len(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0)
        );
    }
    Ok(())
}

/// A table with a project in it.
struct Bench {
    storage: StorageProcess,
    clients: Clients,
    table: DynamoDb,
    project: StoredProject,
}

struct Ticked {
    took: Duration,
    memory: String,
}

impl Bench {
    async fn start() -> Result<Self, String> {
        let storage = StorageProcess::start().await?;
        let (connection, description) = (storage.connect(), storage.description());
        let table = DynamoDb::new(connection.dynamodb, &description.table_name);
        let name = description.project_name.parse()?;
        let found = connection.clients.store.project(description.workspace_id, &name).await;
        let project = found.map_err(|error| error.to_string())?.ok_or("the storage has no project")?;
        Ok(Self { clients: connection.clients, table, project, storage })
    }

    /// Makes jobs with one payload, each due at the time that `due` says.
    async fn make_jobs(&self, prefix: &str, count: u32, due: impl Fn(u32) -> Timestamp) -> Result<Vec<JobId>, String> {
        let (mut ids, mut items) = (Vec::new(), Vec::new());
        for number in 0..count {
            let at = due(number);
            let id: JobId = format!("{prefix}-{number}").parse()?;
            let definition = definition(at)?;
            let mut job =
                StoredJob::new(&self.project, JobUuid::new(), id.clone(), definition, JobState::default(), at);
            job.parts = vec![PayloadPart { id: PayloadPartId::new(), count: 1, bytes: 0 }];
            job.next = Some(NextOccurrence { nominal: at, effective: at });
            let item = NewItem::new(keys::job(self.project.id, &id), &job).map_err(|error| error.to_string())?;
            items.push(item.waking(job.wake_at()));
            ids.push(id);
        }
        self.table.put_unseen(items).await.map_err(|error| error.to_string())?;
        Ok(ids)
    }

    async fn read(&self, ids: &[JobId]) -> Result<Vec<DueJob>, String> {
        let mut jobs = Vec::new();
        for some in ids.chunks(100) {
            let some = some.iter().map(|id| (self.project.id, id.clone())).collect();
            let read = self.clients.store.due_jobs(some).await.map_err(|error| error.to_string())?;
            jobs.extend(read.into_values());
        }
        Ok(jobs)
    }

    /// Writes the transactions that a tick would, and nothing else.
    async fn write_alone(&self, count: u32) -> Result<Duration, String> {
        let now = clock::now();
        // Not due for the evaluator.
        let later = now + Duration::from_secs(24 * 60 * 60);
        let ids = self.make_jobs("alone", count, |_| later).await?;
        let jobs = self.read(&ids).await?;
        let begun = Instant::now();
        let writes = jobs.into_iter().map(async |DueJob { job, project }| {
            let occurrence = Occurrence { nominal: now, effective: now };
            let run = NewJobRun::of_occurrence(&job, occurrence, Admission::Start);
            let records = NewRecords { runs: vec![run], missed: None };
            self.clients.store.record_job_runs(&project, job, records, now).await.map(drop)
        });
        let written: Vec<_> = futures::stream::iter(writes).buffer_unordered(WRITERS_MAX).collect().await;
        let took = begun.elapsed();
        written.into_iter().collect::<Result<(), _>>().map_err(|error| error.to_string())?;
        Ok(took)
    }

    /// One tick that finds `count` jobs of the same second.
    async fn tick(&self, count: u32) -> Result<Ticked, String> {
        let due = Timestamp::from_seconds(clock::now().seconds());
        let ids = self.make_jobs("tick", count, |_| due).await?;
        let memory_before = process_figures::forget_peak_memory(std::process::id());
        let begun = Instant::now();
        self.evaluate_until_handed_over(ids.len()).await?;
        let took = begun.elapsed();
        let memory = memory_since(memory_before);
        let recorded = self.read(&ids).await?.iter().filter(|due| due.job.active_runs.len() == 1).count();
        if recorded != ids.len() {
            return Err(format!("of {count} jobs {recorded} were recorded"));
        }
        Ok(Ticked { took, memory })
    }

    /// How late each of `count` jobs was recorded that were due over a minute.
    async fn lateness(&self, count: u32) -> Result<Vec<Duration>, String> {
        let begin = clock::now().seconds() + 5;
        let second = |number: u32| i64::from(number) * 60 / i64::from(count);
        let ids = self.make_jobs("spread", count, |number| Timestamp::from_seconds(begin + second(number))).await?;
        self.evaluate_until_handed_over(ids.len()).await?;
        let mut late = Vec::new();
        for DueJob { job, .. } in self.read(&ids).await? {
            let page = self.clients.store.job_runs(job.uuid, None, None, 1).await.map_err(|error| error.to_string())?;
            let run = page.runs.first().ok_or_else(|| format!("job {} has no run", job.id))?;
            let run = &run.partition.run;
            late.push(run.created_at.since(run.effective_time.unwrap_or(run.created_at)));
        }
        Ok(late)
    }

    /// One invocation of the evaluator, until workers were sent for so many job runs.
    async fn evaluate_until_handed_over(&self, runs: usize) -> Result<(), String> {
        const ARRIVAL_TIME: Duration = Duration::from_secs(5);
        let handed_over = self.storage.wait_for_hand_overs(runs);
        tokio::pin!(handed_over);
        tokio::select! {
            // It may stay to see whether workers come, which there are none of here.
            all = &mut handed_over => all,
            ended = self.evaluate() => {
                ended?;
                let all = tokio::time::timeout(ARRIVAL_TIME, handed_over).await;
                all.map_err(|_| "the evaluator ended before it was done".to_owned())?
            }
        }
    }

    /// One invocation of the evaluator.
    async fn evaluate(&self) -> Result<(), String> {
        let mut context = Context::default();
        context.deadline = u64::try_from((clock::now() + TIMEOUT).milliseconds()).unwrap_or(0);
        let event = json!({
            "version": "0", "id": "0", "detail-type": "Scheduled Event", "source": "aws.events", "account": "0",
            "time": clock::now(), "region": "us-east-1", "resources": [], "detail": {}
        });
        let event: EventBridgeEvent<Value> = serde_json::from_value(event).map_err(|error| error.to_string())?;
        let handled = sundial_schedule_evaluator::handle(&self.clients, LambdaEvent::new(event, context)).await;
        handled.map_err(|error| error.to_string())
    }
}

/// A job that is due every day at this time.
fn definition(due: Timestamp) -> Result<JobDefinition, String> {
    let offset = format!("{}s", due.seconds() % 86_400);
    let input: JobInput = InvalidFields::read(json!({
        "id": "bench", "payload": [{ "apiName": "prices/fetch", "parameters": { "sku": 1 } }],
        "schedule": { "intervals": [{ "every": "1d", "offset": offset }] },
        "sink": { "type": "webhook", "url": "https://example.com/results" }
    }))
    .map_err(|error| error.to_string())?;
    Ok(input.into_definition().0)
}

/// The peak of memory since it was last forgotten, in words.
fn memory_since(before: Option<u64>) -> String {
    match (before, process_figures::peak_memory(std::process::id())) {
        (Some(before), Some(peak)) => {
            format!("{} MiB, {} MiB more than before", peak / 1024, peak.saturating_sub(before) / 1024)
        }
        _ => "unknown".to_owned(),
    }
}
