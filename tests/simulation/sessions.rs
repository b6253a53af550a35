//! The target's own book of who is signed in: it issues tokens, lets them expire, and accepts calls that carry
//! one that is good. It notices what must not happen.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use sundial_engine::attempt::CallResult;
use sundial_model::Timestamp;

use crate::calls::Call;
use crate::outside::answer;
use crate::world::World;

/// The auth session of all jobs.
pub(crate) const SESSION: &str = "login";

/// A run starts so long after its session was last found to be good, at most before the run was recorded: it may
/// have joined a check that had just been answered.
const CHECKED_WITHIN: Duration = Duration::from_secs(60);

/// What the target knows of tokens.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Book>);

#[derive(Default)]
struct Book {
    /// Tokens are numbers: these were issued and are good.
    good: Range<u64>,
    /// When one was last said to be good.
    checked_at: Option<Timestamp>,
    /// The operations that calls are under way of. An operation that its user has replaced may still have one.
    under_way: BTreeSet<String>,
    refusals: u64,
}

/// A call about sessions that is under way.
struct UnderWay {
    world: Arc<World>,
    operation: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.world.sessions.book().under_way.remove(&self.operation);
    }
}

impl Sessions {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tokens were issued, and how many calls refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let book = self.book();
        (book.good.end, book.refusals)
    }

    /// Checks what an attempt carries that starts now.
    pub(crate) fn check_start(&self, world: &World, call: &Call, body: &Value) -> Result<(), String> {
        let (carried, book) = (&body["authSession"], self.book());
        if carried["id"] != SESSION || carried["state"]["token"].as_u64().is_none_or(|token| token >= book.good.end) {
            return Err(format!("an attempt carries {carried}, which is no state of the session"));
        }
        let recorded_at = world.recorded_run_at(call.run);
        let is_checked = recorded_at.is_none_or(|at| book.checked_at.is_some_and(|good| good + CHECKED_WITHIN > at));
        if is_checked { Ok(()) } else { Err("a run has started, and nobody has checked its session".to_owned()) }
    }

    /// Why a payload's call is not carried out: its token is not good, or not any more.
    pub(crate) fn refusal(&self, world: &World, body: &Value) -> Option<CallResult> {
        let (expires, refuses) =
            world.draw(|chance, is_troubled| (is_troubled && chance.one_in(60), is_troubled && chance.one_in(150)));
        let mut book = self.book();
        if expires {
            book.expire();
        }
        let is_good = book.is_good(body) && !refuses;
        book.refusals += u64::from(!is_good);
        (!is_good).then(|| refused("auth-session-invalid"))
    }

    /// Makes a token, or says whether one is good; or fails, as targets do.
    pub(crate) async fn serve(&self, world: &Arc<World>, body: &Value, timeout: Duration) -> CallResult {
        let operation = body["context"]["runId"].as_str().unwrap_or_default().to_owned();
        if !self.book().under_way.insert(operation.clone()) {
            world.object(format!("two live workers do what operation {operation} says"));
        }
        let _under_way = UnderWay { world: Arc::clone(world), operation };
        let (takes, fails, refuses) = world.draw(|chance, is_troubled| {
            let longest = if is_troubled && chance.one_in(4) { 40_000 } else { 400 };
            let takes = Duration::from_millis(chance.below(longest));
            (takes, is_troubled && chance.one_in(5), is_troubled && chance.one_in(12))
        });
        tokio::time::sleep(takes.min(timeout)).await;
        if takes >= timeout {
            return CallResult::Timeout;
        }
        let mut book = self.book();
        match (fails, body["api"] == "auth-sessions/check") {
            (true, _) => answer(503, None, &json!({})),
            (false, true) => {
                let is_good = book.is_good(body);
                if is_good {
                    book.checked_at = Some(world.now());
                }
                answer(200, None, &json!({ "result": is_good }))
            }
            (false, false) if refuses => refused("wrong-password"),
            (false, false) => {
                // Who signs in is signed out elsewhere.
                book.expire();
                book.good.end += 1;
                answer(200, None, &json!({ "result": { "token": book.good.end - 1 } }))
            }
        }
    }
}

impl Book {
    fn is_good(&self, body: &Value) -> bool {
        body["authSession"]["state"]["token"].as_u64().is_some_and(|token| self.good.contains(&token))
    }

    fn expire(&mut self) {
        self.good.start = self.good.end;
    }
}

fn refused(code: &str) -> CallResult {
    answer(401, None, &json!({ "error": { "code": code, "message": "no" } }))
}
