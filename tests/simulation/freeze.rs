//! An invocation that is frozen for a while, as Lambda and laptops do it, and goes on as if nothing
//! had happened.

use std::time::Duration;

use tokio::time::Instant;

use crate::chance::Chance;

/// From when until when.
#[derive(Clone, Copy)]
pub(crate) struct Freeze {
    from: Instant,
    until: Instant,
}

impl Freeze {
    /// Whether and when an invocation is frozen that begins now.
    pub(crate) fn draw(chance: &mut Chance, is_troubled: bool) -> Option<Self> {
        if !is_troubled || !chance.one_in(40) {
            return None;
        }
        let from = Instant::now() + chance.between(Duration::ZERO, Duration::from_secs(40));
        Some(Self { from, until: from + chance.between(Duration::from_secs(3), Duration::from_secs(90)) })
    }
}

/// Waits while it is frozen.
pub(crate) async fn thawed(freeze: Option<Freeze>) {
    if let Some(Freeze { until, .. }) = freeze.filter(|freeze| Instant::now() >= freeze.from) {
        tokio::time::sleep_until(until).await;
    }
}

/// Acts, and stands still while it is frozen.
pub(crate) async fn frozen<T>(freeze: Option<Freeze>, act: impl Future<Output = T>) -> T {
    tokio::pin!(act);
    if let Some(Freeze { from, until }) = freeze {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(from) => {}
            done = &mut act => return done,
        }
        tokio::time::sleep_until(until).await;
    }
    act.await
}

/// A call to the world outside, which is there only while it is not frozen: `None` when its
/// connection was lost.
pub(crate) async fn unless_frozen<T>(freeze: Option<Freeze>, call: impl Future<Output = T>) -> Option<T> {
    let Some(Freeze { from, until }) = freeze.filter(|freeze| Instant::now() < freeze.until) else {
        return Some(call.await);
    };
    tokio::select! {
        biased;
        () = tokio::time::sleep_until(from) => {}
        done = call => return Some(done),
    }
    tokio::time::sleep_until(until).await;
    None
}
