//! What one invocation still has to look at, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sundial_model::Timestamp;
use sundial_store::Wake;

/// A backup looks at an item this long after its time.
const BACKUP_DELAY: Duration = Duration::from_secs(1);

/// Items with the times at which they are looked at, up to a horizon, the most overdue first.
///
/// What comes late in the horizon is on the agenda of the tick after this one, too. Here it is looked
/// at a moment later: as a rule it is done by then, and was paid for once.
pub(crate) struct Agenda {
    horizon: Timestamp,
    backup_from: Timestamp,
    order: BTreeSet<(Timestamp, Wake)>,
    times: BTreeMap<Wake, Timestamp>,
    under_way: BTreeMap<Wake, UnderWay>,
    /// When items were last looked at: what the lagging index says of a time before is old.
    seen: BTreeMap<Wake, Timestamp>,
}

/// An item that somebody works on.
struct UnderWay {
    /// Since when: it is read after that.
    since: Timestamp,
    /// A later wake time that the index has told of meanwhile.
    heard: Option<Timestamp>,
}

impl Agenda {
    /// An empty one, a mere backup for what wakes after `backup_from`.
    pub(crate) fn new(backup_from: Timestamp, horizon: Timestamp) -> Self {
        Self {
            horizon,
            backup_from,
            order: BTreeSet::new(),
            times: BTreeMap::new(),
            under_way: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Notes what the index says. An earlier time than the one that is known may be new or old;
    /// looking at the item tells.
    pub(crate) fn add(&mut self, wake: Wake, wake_at: Timestamp) {
        if let Some(under_way) = self.under_way.get_mut(&wake) {
            if wake_at > under_way.since {
                let heard = under_way.heard.get_or_insert(wake_at);
                *heard = wake_at.min(*heard);
            }
            return;
        }
        let is_old = self.seen.get(&wake).is_some_and(|seen| *seen >= wake_at);
        let look_at = self.look_at(wake_at);
        let is_later = self.times.get(&wake).is_some_and(|known| *known <= look_at);
        if !is_old && !is_later {
            self.set(wake, look_at);
        }
    }

    /// Notes that work on an item has ended, and when it must be looked at again.
    pub(crate) fn done(&mut self, wake: Wake, again_at: Option<Timestamp>) {
        let under_way = self.under_way.remove(&wake);
        if let Some(UnderWay { since, .. }) = &under_way {
            self.seen.insert(wake.clone(), *since);
        }
        let heard = under_way.and_then(|under_way| under_way.heard);
        let next = again_at.into_iter().chain(heard).min();
        if let Some(next) = next.filter(|next| *next <= self.horizon) {
            self.set(wake, self.look_at(next));
        }
    }

    fn look_at(&self, wake_at: Timestamp) -> Timestamp {
        if wake_at > self.backup_from { wake_at + BACKUP_DELAY } else { wake_at }
    }

    fn set(&mut self, wake: Wake, at: Timestamp) {
        if let Some(before) = self.times.insert(wake.clone(), at) {
            self.order.remove(&(before, wake.clone()));
        }
        self.order.insert((at, wake));
    }

    /// The time of the earliest item that nobody works on.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes up to `limit` items that are due, the earliest first; they are under way until they
    /// are [`Agenda::done`].
    pub(crate) fn take_due(&mut self, now: Timestamp, limit: usize) -> Vec<Wake> {
        let mut due = Vec::new();
        while due.len() < limit && self.next_at().is_some_and(|at| at <= now) {
            let Some((_, wake)) = self.order.pop_first() else { break };
            self.times.remove(&wake);
            self.under_way.insert(wake.clone(), UnderWay { since: now, heard: None });
            due.push(wake);
        }
        due
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
        let mut agenda = Agenda::new(at(100), at(100));
        agenda.add(one.clone(), at(20));
        agenda.add(two.clone(), at(10));
        assert_eq!(agenda.take_due(at(9), 10), []);
        assert_eq!(agenda.next_at(), Some(at(10)));
        assert_eq!(agenda.take_due(at(30), 1), std::slice::from_ref(&two));
        agenda.add(two.clone(), at(10));
        assert_eq!(agenda.take_due(at(30), 10), std::slice::from_ref(&one), "one of them is under way");
        agenda.done(one.clone(), None);
        agenda.add(one, at(25));
        assert_eq!(agenda.next_at(), None, "that was done");
        agenda.done(two.clone(), Some(at(50)));
        agenda.add(two.clone(), at(10));
        assert_eq!(agenda.next_at(), Some(at(50)), "what the index says is older than the look");
        agenda.add(two.clone(), at(60));
        assert_eq!(agenda.take_due(at(49), 10), []);
        agenda.add(two.clone(), at(40));
        assert_eq!(agenda.take_due(at(49), 10), std::slice::from_ref(&two), "it may have become due earlier");
        agenda.add(two.clone(), at(60));
        agenda.done(two.clone(), Some(at(101)));
        assert_eq!(agenda.take_due(at(60), 10), std::slice::from_ref(&two), "the index told of it meanwhile");
        agenda.done(two, Some(at(101)));
        assert_eq!(agenda.take_due(at(200), 10), [], "beyond the horizon is another invocation's");
    }

    #[test]
    fn a_backup_looks_a_moment_later() {
        let at = Timestamp::from_seconds;
        let (one, two) = (Wake::Sweep { note: Uuid::new_v4() }, Wake::Sweep { note: Uuid::new_v4() });
        let mut agenda = Agenda::new(at(75), at(130));
        agenda.add(one.clone(), at(75));
        agenda.add(two.clone(), at(76));
        assert_eq!(agenda.take_due(at(76), 10), [one]);
        agenda.add(two.clone(), at(76));
        assert_eq!(agenda.next_at(), Some(at(77)), "however often the index says so");
        assert_eq!(agenda.take_due(at(77), 10), [two]);
    }
}
