//! What befalls the calls of one invocation: they take their time, are refused or lose their
//! answer, for a while none comes through, and the invocation may die before or after any of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::chance::Chance;
use crate::freeze::{Freeze, thawed};
use crate::world::World;

/// A write that its caller has given up arrives within this time.
pub(crate) const LATE_MAX: Duration = Duration::from_secs(90);

/// The faults of one invocation's way to something.
pub(crate) struct Faults {
    world: Arc<World>,
    chance: Mutex<Chance>,
    /// Ends the invocation.
    death: Arc<Notify>,
    freeze: Option<Freeze>,
    /// So much more often than usual calls take long.
    slowness: u64,
    /// From when until when nothing comes through.
    cut: Option<(Instant, Instant)>,
}

/// What befalls a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Refused,
    AnswerLost,
    DeathBefore,
    DeathAfter,
}

impl Faults {
    pub(crate) fn new(world: Arc<World>, death: Arc<Notify>, freeze: Option<Freeze>) -> Self {
        let mut chance = world.draw(|chance, _| chance.fork());
        let slowness = if chance.one_in(12) { 20 } else { 1 };
        let cut = chance.one_in(40).then(|| {
            let from = Instant::now() + chance.between(Duration::ZERO, Duration::from_secs(60));
            (from, from + chance.between(Duration::from_secs(10), Duration::from_secs(120)))
        });
        Self { world, chance: Mutex::new(chance), death, freeze, slowness, cut }
    }

    fn is_cut(&self) -> bool {
        let now = Instant::now();
        self.world.is_troubled() && self.cut.is_some_and(|(from, until)| (from..until).contains(&now))
    }

    fn draw(&self) -> (Fate, Duration) {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.world.is_troubled() {
            return (Fate::Fine, Duration::from_millis(1 + chance.below(10)));
        }
        let fate = match chance.below(400) {
            0 => Fate::DeathBefore,
            1 | 2 => Fate::DeathAfter,
            3..6 => Fate::Refused,
            6..9 => Fate::AnswerLost,
            _ => Fate::Fine,
        };
        let longest = match chance.below(600 / self.slowness) {
            0 => 30_000,
            1..10 => 4_000,
            _ => 30,
        };
        (fate, Duration::from_millis(1 + chance.below(longest)))
    }

    /// Whether a call that takes no time of its own is refused.
    pub(crate) fn is_next_refused(&self) -> bool {
        self.draw().0 == Fate::Refused
    }

    /// Whether a write arrives only after this long, when its caller has given up.
    pub(crate) fn arrives_late(&self) -> Option<Duration> {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        let is_late = self.world.is_troubled() && chance.one_in(400);
        is_late.then(|| chance.between(Duration::from_secs(1), LATE_MAX))
    }

    /// Acts, unless something comes between.
    pub(crate) async fn call<T, E>(
        &self,
        unavailable: fn(String) -> E,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let (fate, takes) = self.draw();
        if self.is_cut() {
            tokio::time::sleep(takes).await;
            return Err(unavailable("throttled".to_owned()));
        }
        let on_the_way = takes / 2;
        tokio::time::sleep(on_the_way).await;
        // What an invocation has begun beside its main task stands still as well.
        thawed(self.freeze).await;
        match fate {
            Fate::DeathBefore => self.die().await,
            Fate::Refused => return Err(unavailable("throttled".to_owned())),
            Fate::Fine | Fate::AnswerLost | Fate::DeathAfter => {}
        }
        let result = act.await;
        tokio::time::sleep(takes - on_the_way).await;
        thawed(self.freeze).await;
        match fate {
            Fate::DeathAfter => self.die().await,
            Fate::AnswerLost => return Err(unavailable("the answer was lost".to_owned())),
            Fate::Fine | Fate::Refused | Fate::DeathBefore => {}
        }
        result
    }

    async fn die(&self) {
        self.death.notify_one();
        std::future::pending::<()>().await;
    }
}
