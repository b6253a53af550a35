//! The calls of the target that are under way, and what must hold of them whenever one starts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sundial_model::{JobRunId, RunId, Timestamp};

use crate::terms::Terms;
use crate::world::{SKEW_MAX, World};

/// After the answer of a pause no attempt starts later than this.
const PAUSE_TIME: Duration = Duration::from_secs(5);
/// The limit on requests per second is looked at over so long.
const RATE_WINDOW: Duration = Duration::from_secs(10);
/// All workers know of a hold so long after it is on record.
const HELD_WITHIN: Duration = Duration::from_secs(5);
/// A limit that a user was told of applies within this time.
const LIMITED_WITHIN: Duration = Duration::from_secs(10);

/// A call of the target.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) run: JobRunId,
    /// Its job; a single run has none.
    pub(crate) job: Option<String>,
    pub(crate) index: u32,
    pub(crate) generation: u32,
    pub(crate) attempt: u32,
    pub(crate) parameters: Value,
    pub(crate) terms: Terms,
}

/// The target asked to be left alone until then, by its answer to this call.
struct Hold {
    call: Call,
    until: Timestamp,
}

impl Call {
    /// Reads a call from its body.
    pub(crate) fn read(body: &Value) -> Option<Self> {
        let context = &body["context"];
        let number = |name: &str| u32::try_from(context[name].as_u64()?).ok();
        let id: RunId = context["runId"].as_str()?.parse().ok()?;
        let job_run = context["jobRunId"].as_str().map(str::parse::<JobRunId>);
        let job = context["jobId"].as_str().map(str::to_owned);
        let is_whole = job_run.is_some() == job.is_some() && job_run.is_none_or(|run| run == Ok(id.job_run));
        is_whole.then_some(())?;
        Some(Self {
            run: id.job_run,
            job,
            index: number("payloadIndex")?,
            generation: number("generation")?,
            attempt: number("attempt")?,
            parameters: body["parameters"].clone(),
            terms: Terms::read(&body["parameters"]),
        })
    }
}

/// The calls under way.
#[derive(Default)]
pub(crate) struct Calls(Mutex<State>);

#[derive(Default)]
struct State {
    under_way: BTreeSet<(JobRunId, u32)>,
    started: BTreeMap<JobRunId, VecDeque<Timestamp>>,
    /// Jobs that were paused by their user, and when that was answered.
    paused: BTreeMap<String, Timestamp>,
    /// Limits of jobs that their user was told of, and when.
    limits: BTreeMap<String, (u32, Timestamp)>,
    holds: BTreeMap<JobRunId, Vec<Hold>>,
}

impl Calls {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are under way.
    pub(crate) fn count(&self) -> usize {
        self.state().under_way.len()
    }

    /// A pause was answered.
    pub(crate) fn paused(&self, job: &str, at: Timestamp) {
        self.state().paused.entry(job.to_owned()).or_insert(at);
    }

    /// A job is no longer known to be paused.
    pub(crate) fn resumed(&self, job: &str) {
        self.state().paused.remove(job);
    }

    /// A job has this limit from now on; none, if that is not known.
    pub(crate) fn limited(&self, job: &str, limit: Option<(u32, Timestamp)>) {
        let limits = &mut self.state().limits;
        match limit {
            Some(limit) => limits.insert(job.to_owned(), limit),
            None => limits.remove(job),
        };
    }

    /// The target answers a call, and asks to be left alone until then.
    pub(crate) fn held(&self, call: &Call, until: Timestamp) {
        self.state().holds.entry(call.run).or_default().push(Hold { call: call.clone(), until });
    }

    /// A call starts; it is under way as long as the answer lives.
    pub(crate) fn start(&self, world: &Arc<World>, call: &Call) -> UnderWay {
        if let Err(violation) = self.state().check(world, call) {
            world.object(format!("{violation} (payload {} of job run {})", call.index, call.run));
        }
        UnderWay { world: Arc::clone(world), key: (call.run, call.index) }
    }
}

impl State {
    fn check(&mut self, world: &World, call: &Call) -> Result<(), String> {
        let now = world.now();
        if !self.under_way.insert((call.run, call.index)) {
            return Err("two live workers carry out the same payload".to_owned());
        }
        let begin = (call.run, 0);
        let count = self.under_way.range(begin..=(call.run, u32::MAX)).count();
        let limit = world.limit(call.run, now);
        if count > limit as usize {
            return Err(format!("{count} requests are under way of {limit}"));
        }
        let job = call.job.as_ref();
        if let Some((limit, at)) = job.and_then(|job| self.limits.get(job))
            && count > *limit as usize
            && *at + LIMITED_WITHIN < now
        {
            return Err(format!("{count} requests are under way, of {limit} since {at}"));
        }
        world.check_start(call, now)?;
        self.check_holds(world, call, now)?;
        if job.and_then(|job| self.paused.get(job)).is_some_and(|at| *at + PAUSE_TIME < now) {
            return Err("an attempt starts long after its job was paused".to_owned());
        }
        if let Some(at) = world.ended_at(call.run).filter(|at| *at + PAUSE_TIME + SKEW_MAX < now) {
            return Err(format!("an attempt starts at {now}, and its run has ended at {at}"));
        }
        let started = self.started.entry(call.run).or_default();
        started.push_back(now);
        while started.front().is_some_and(|at| *at + RATE_WINDOW < now) {
            started.pop_front();
        }
        // Clocks differ, so that reserved times overlap; and a reservation is good for a second.
        let slack = (SKEW_MAX * 2 + Duration::from_secs(1)).as_secs() + 1;
        let most = call.terms.rate.map(|rate| (RATE_WINDOW.as_secs() + slack) * rate + 1);
        match most {
            Some(most) if started.len() as u64 > most => Err(format!(
                "{} requests have started in {RATE_WINDOW:?}, at {:?} a second",
                started.len(),
                call.terms.rate
            )),
            _ => Ok(()),
        }
    }

    /// Once it is on record that the target asked for time, it is left alone.
    fn check_holds(&mut self, world: &World, call: &Call, now: Timestamp) -> Result<(), String> {
        let Some(holds) = self.holds.get_mut(&call.run) else { return Ok(()) };
        holds.retain(|hold| hold.until > now + SKEW_MAX * 2 && hold.call.generation == call.generation);
        let is_known = |hold: &&Hold| {
            let Hold { call: Call { run, generation, index, attempt, .. }, .. } = hold;
            world.recorded_at(*run, *generation, *index, *attempt).is_some_and(|at| at + HELD_WITHIN < now)
        };
        match holds.iter().find(is_known) {
            Some(hold) => Err(format!("an attempt starts, but the target is to be left alone until {}", hold.until)),
            None => Ok(()),
        }
    }
}

/// A call that is under way.
pub(crate) struct UnderWay {
    world: Arc<World>,
    key: (JobRunId, u32),
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.world.calls.state().under_way.remove(&self.key);
    }
}
