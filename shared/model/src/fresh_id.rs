//! New ids: UUIDs in the order of their creation, or, in a simulation, the same for the same seed.

use uuid::Uuid;

/// A new id.
pub fn fresh_id() -> Uuid {
    #[cfg(feature = "simulation")]
    if let Some(id) = simulated::next() {
        return id;
    }
    Uuid::now_v7()
}

/// Ids of a simulation.
#[cfg(feature = "simulation")]
pub mod simulated {
    use std::cell::Cell;
    use std::hash::{DefaultHasher, Hash, Hasher};

    use uuid::Uuid;

    thread_local! {
        static SEQUENCE: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    }

    /// From here on, ids that are made on this thread follow from `seed`.
    pub fn seed_ids(seed: u64) {
        SEQUENCE.set(Some((seed, 0)));
    }

    pub(super) fn next() -> Option<Uuid> {
        let (seed, number) = SEQUENCE.get()?;
        SEQUENCE.set(Some((seed, number + 1)));
        let mut hasher = DefaultHasher::new();
        (seed, number).hash(&mut hasher);
        // In order, and spread.
        Some(Uuid::from_u64_pair(number, hasher.finish()))
    }
}
