//! A world without faults, for what must hold of time: here that can be said exactly, however busy
//! the machine is.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sundial_model::Timestamp;
use sundial_model::fresh_id::simulated::seed_ids;
use sundial_store::table::model::ModelTable;

use crate::user::{self, User};
use crate::world::World;
use crate::{Violation, in_virtual_time, timer};

/// The index is behind by this much.
const LAG: Duration = Duration::from_millis(300);

/// Nothing takes longer than this.
const PATIENCE: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// A world without faults, and someone who uses it.
pub struct CalmWorld {
    world: Arc<World>,
    user: User,
}

/// Plays a script in a world without faults, in which an invocation of the executor has so long.
///
/// # Errors
/// The first violation of an invariant.
pub fn in_calm_world<T>(
    executor_timeout: Duration,
    script: impl AsyncFnOnce(&CalmWorld) -> T,
) -> Result<T, Box<Violation>> {
    in_virtual_time(async {
        fastrand::seed(1);
        seed_ids(1);
        let table = Arc::new(ModelTable::new(Box::new(|| LAG)));
        let world = World::calm(table, executor_timeout);
        world.prepare().await;
        timer::start(&world);
        let user = user::of(&world);
        let calm = CalmWorld { world: Arc::clone(&world), user };
        calm.api("PUT", "", Some(json!({ "target": { "type": "http", "baseUrl": "http://target.test" } }))).await;
        let result = script(&calm).await;
        world.verdict()?;
        Ok(result)
    })
}

impl CalmWorld {
    /// Calls the API below the project; null when it has refused.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.user.call(method, path, body).await.unwrap_or(Value::Null)
    }

    /// Creates a job, and starts a run of it. Answers with the run's path.
    pub async fn start(&self, mut job: Value) -> String {
        job["id"] = json!("job");
        self.api("POST", "/jobs", Some(job)).await;
        let run = self.api("POST", "/jobs/job/trigger", None).await;
        format!("/jobs/job/runs/{}", run["id"].as_str().unwrap_or_default())
    }

    /// Looks at something every `interval` until it is as wanted; answers with it.
    ///
    /// # Panics
    /// When an invariant was violated, or it is not so after days.
    pub async fn wait_for(&self, path: &str, interval: Duration, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = self.world.now();
        loop {
            let seen = self.api("GET", path, None).await;
            if is_so(&seen) {
                return seen;
            }
            let violation = self.world.verdict().err();
            assert!(violation.is_none(), "{}", violation.map(|it| it.to_string()).unwrap_or_default());
            assert!(begun + PATIENCE > self.world.now(), "waited in vain; {path} is {seen}");
            tokio::time::sleep(interval).await;
        }
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// How long executors were there, all in all.
    pub fn executor_time(&self) -> Duration {
        self.world.executor_time()
    }

    /// How many requests are under way.
    pub fn requests_at_once(&self) -> usize {
        self.world.calls.count()
    }
}
