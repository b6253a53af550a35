//! How much of answers is held in memory at once: one budget for all calls of a process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The budget of a process, unless it is given another: 64 MiB, which leaves room for the rest of a
/// worker of 256 MiB or more.
pub const ANSWER_MEMORY_BYTES: usize = 64 * 1024 * 1024;
/// So many bytes of every answer are not counted: most answers never wait.
pub const UNCOUNTED_BYTES: usize = 64 * 1024;

/// The budget is counted in units of so many bytes.
const UNIT_BYTES: usize = 1024;
/// Who waits longer than this is worth a line in the log.
const LONG_WAIT: Duration = Duration::from_secs(5);

/// A budget for the bodies of answers; its clones are the same budget.
///
/// All calls together hold at most its bytes, [`UNCOUNTED_BYTES`] for each of them, and what their
/// connections have read ahead (up to 400 KiB each). While an answer is judged, there is a copy of
/// its result as well.
///
/// Nobody waits for ever: an answer takes all it will need at once, and never more than there is in
/// all; they get it in the order in which they came; and whoever has it needs nothing else of the
/// budget to get done. So whoever holds memory must not wait for another answer before giving it back.
#[derive(Clone, Debug)]
pub struct AnswerMemory {
    units: Arc<Semaphore>,
    units_in_all: u32,
}

impl Default for AnswerMemory {
    fn default() -> Self {
        Self::of_bytes(ANSWER_MEMORY_BYTES)
    }
}

impl AnswerMemory {
    /// A budget of so many bytes. An answer that is larger takes all of it, so that it should be
    /// several times the largest one.
    pub fn of_bytes(bytes: usize) -> Self {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let units_in_all = u32::try_from(bytes / UNIT_BYTES).unwrap_or(most).clamp(1, most);
        Self { units: Arc::new(Semaphore::new(units_in_all as usize)), units_in_all }
    }

    /// How many bytes nobody holds.
    pub fn free_bytes(&self) -> usize {
        self.units.available_permits() * UNIT_BYTES
    }

    /// Waits for the memory of a body of so many bytes; also answers how long that took.
    pub(crate) async fn hold(&self, body_bytes: usize) -> (HeldMemory, Duration) {
        let begun = Instant::now();
        let units = units(body_bytes).min(self.units_in_all);
        // The semaphore is never closed.
        let permit = Arc::clone(&self.units).acquire_many_owned(units).await.ok();
        let waited = begun.elapsed();
        if waited >= LONG_WAIT {
            tracing::warn!(waited_ms = waited.as_millis(), body_bytes, "an answer waited for memory");
        }
        (HeldMemory(permit), waited)
    }
}

/// A part of the budget, until it is dropped. By default, nothing.
#[derive(Debug, Default)]
#[must_use = "what is dropped is given back"]
pub struct HeldMemory(Option<OwnedSemaphorePermit>);

impl HeldMemory {
    /// Gives back what is not needed for a body, or what was made of it, of so many bytes.
    pub fn shrink_to(&mut self, body_bytes: usize) {
        if let Some(permit) = &mut self.0 {
            let surplus = permit.num_permits().saturating_sub(units(body_bytes) as usize);
            drop(permit.split(surplus));
        }
    }

    /// How many bytes of the budget these are.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * UNIT_BYTES
    }
}

/// The units that a body takes of a budget.
fn units(body_bytes: usize) -> u32 {
    u32::try_from(body_bytes.saturating_sub(UNCOUNTED_BYTES).div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    const MIB: usize = 1024 * 1024;

    #[tokio::test]
    async fn what_is_held_comes_back_as_a_whole() {
        let memory = AnswerMemory::of_bytes(2 * MIB);
        let (mut one, _) = memory.hold(MIB + UNCOUNTED_BYTES).await;
        assert_eq!((one.bytes(), memory.free_bytes()), (MIB, MIB));
        assert!(memory.hold(2 * MIB).now_or_never().is_none(), "there is no room");
        one.shrink_to(UNCOUNTED_BYTES + 1);
        assert_eq!((one.bytes(), memory.free_bytes()), (1024, 2 * MIB - 1024));
        one.shrink_to(MIB);
        assert_eq!(one.bytes(), 1024, "it does not grow again");
        drop(one);
        assert_eq!(memory.free_bytes(), 2 * MIB);
    }

    #[tokio::test]
    async fn what_is_larger_than_the_budget_takes_all_of_it() {
        let memory = AnswerMemory::of_bytes(MIB);
        let (held, _) = memory.hold(usize::MAX).await;
        assert_eq!((held.bytes(), memory.free_bytes()), (MIB, 0));
        let small = memory.hold(UNCOUNTED_BYTES).now_or_never();
        assert_eq!(small.map(|(held, _)| held.bytes()), Some(0), "what is small never waits");
    }

    #[tokio::test]
    async fn those_who_wait_get_their_turn_in_order() {
        let memory = AnswerMemory::of_bytes(MIB);
        let (held, _) = memory.hold(MIB).await;
        let mut large = Box::pin(memory.hold(MIB));
        assert!(large.as_mut().now_or_never().is_none());
        assert!(memory.hold(MIB / 2).now_or_never().is_none(), "the smaller one does not overtake");
        drop(held);
        assert!(large.now_or_never().is_some());
    }
}
