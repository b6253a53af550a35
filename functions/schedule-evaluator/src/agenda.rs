//! What one invocation still has to look at, and when.

use std::collections::HashMap;

use sundial_model::Timestamp;
use sundial_store::Wake;

/// Items with their wake times, up to a horizon.
pub(crate) struct Agenda {
    horizon: Timestamp,
    items: HashMap<Wake, Timestamp>,
    /// When items were worked on that need no further look: what the lagging index still says
    /// of them is old.
    done: HashMap<Wake, Timestamp>,
}

impl Agenda {
    /// An empty one.
    pub(crate) fn new(horizon: Timestamp) -> Self {
        Self { horizon, items: HashMap::new(), done: HashMap::new() }
    }

    /// Notes what the index says. An earlier time than the one that is known may be new or old;
    /// looking at the item tells.
    pub(crate) fn add(&mut self, wake: Wake, wake_at: Timestamp) {
        if self.done.get(&wake).is_none_or(|seen| *seen < wake_at) {
            let known = self.items.entry(wake).or_insert(wake_at);
            *known = wake_at.min(*known);
        }
    }

    /// Notes when an item must be looked at again.
    pub(crate) fn done(&mut self, wake: Wake, again_at: Option<Timestamp>) {
        match again_at.filter(|again_at| *again_at <= self.horizon) {
            Some(again_at) => {
                self.items.insert(wake, again_at);
            }
            None => {
                self.done.insert(wake, sundial_runtime::clock::now());
            }
        }
    }

    /// The time of the earliest item.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.items.values().min().copied()
    }

    /// Takes up to `limit` items that are due, the earliest first.
    pub(crate) fn take_due(&mut self, now: Timestamp, limit: usize) -> Vec<Wake> {
        let mut due: Vec<_> =
            self.items.iter().filter(|(_, at)| **at <= now).map(|(wake, at)| (*at, wake.clone())).collect();
        due.sort_by_key(|(at, _)| *at);
        due.truncate(limit);
        due.into_iter()
            .map(|(_, wake)| {
                self.items.remove(&wake);
                wake
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn items_come_out_when_they_are_due_and_in_order() {
        let at = Timestamp::from_seconds;
        let (one, two) = (Wake::Sweep { note: Uuid::new_v4() }, Wake::Sweep { note: Uuid::new_v4() });
        let mut agenda = Agenda::new(at(100));
        agenda.add(one.clone(), at(20));
        agenda.add(two.clone(), at(10));
        assert_eq!(agenda.take_due(at(9), 10), []);
        assert_eq!(agenda.next_at(), Some(at(10)));
        assert_eq!(agenda.take_due(at(30), 1), std::slice::from_ref(&two));
        agenda.done(two.clone(), Some(at(50)));
        agenda.add(two.clone(), at(60));
        assert_eq!(agenda.take_due(at(49), 10), [one]);
        agenda.add(two.clone(), at(40));
        assert_eq!(agenda.take_due(at(49), 10), std::slice::from_ref(&two), "it may have become due earlier");
        agenda.done(two.clone(), Some(at(101)));
        assert_eq!(agenda.take_due(at(200), 10), [], "beyond the horizon is another invocation's");
    }
}
