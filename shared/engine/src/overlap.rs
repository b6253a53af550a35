//! What becomes of a job run that is due while others of its job are active or waiting.

use sundial_model::schedule::Overlap;

/// The most job runs of one job that may be active at once under `allow`.
pub const ACTIVE_RUNS_MAX: usize = 100;

/// The job runs of a job that have not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// How many may be worked on.
    pub active: usize,
    /// How many are recorded and wait until others have ended.
    pub waiting: usize,
}

/// Why a job run is to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Its occurrence has come, or a user asks for it now.
    Present,
    /// Its occurrence is in the past: catch-up `all`, or a backfill. It is never skipped, and never
    /// ends others.
    MadeUp,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It starts.
    Start,
    /// It starts, and the active ones end.
    Supersede,
    /// It is recorded and starts when others have ended.
    Wait,
    /// It does not run.
    Skip,
}

impl Occupancy {
    /// Decides on the next job run, and counts it.
    pub fn admit(&mut self, overlap: Overlap, origin: Origin) -> Admission {
        let admission = self.decide(overlap, origin);
        match admission {
            Admission::Start => self.active += 1,
            Admission::Supersede => self.active = 1,
            Admission::Wait => self.waiting += 1,
            Admission::Skip => {}
        }
        admission
    }

    fn decide(self, overlap: Overlap, origin: Origin) -> Admission {
        match (overlap, origin) {
            (Overlap::Allow, _) if self.active < ACTIVE_RUNS_MAX => Admission::Start,
            _ if self.active == 0 && self.waiting == 0 => Admission::Start,
            (_, Origin::MadeUp) => Admission::Wait,
            (Overlap::Skip | Overlap::Allow, Origin::Present) => Admission::Skip,
            (Overlap::BufferOne, Origin::Present) if self.waiting == 0 => Admission::Wait,
            (Overlap::BufferOne, Origin::Present) => Admission::Skip,
            (Overlap::TerminateRunning, Origin::Present) => Admission::Supersede,
        }
    }

    /// How many of the waiting ones may start now.
    pub fn releasable(self, overlap: Overlap) -> usize {
        let room = match overlap {
            Overlap::Allow => ACTIVE_RUNS_MAX.saturating_sub(self.active),
            _ => usize::from(self.active == 0),
        };
        room.min(self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Overlap; 4] = [Overlap::Skip, Overlap::Allow, Overlap::BufferOne, Overlap::TerminateRunning];

    fn decide(overlap: Overlap, origin: Origin, active: usize, waiting: usize) -> Admission {
        Occupancy { active, waiting }.admit(overlap, origin)
    }

    #[test]
    fn an_idle_job_runs_whatever_its_policy() {
        for overlap in ALL {
            for origin in [Origin::Present, Origin::MadeUp] {
                assert_eq!(decide(overlap, origin, 0, 0), Admission::Start);
            }
        }
    }

    #[test]
    fn the_policy_decides_while_another_run_is_active() {
        assert_eq!(
            ALL.map(|overlap| decide(overlap, Origin::Present, 1, 0)),
            [Admission::Skip, Admission::Start, Admission::Wait, Admission::Supersede]
        );
        assert_eq!(decide(Overlap::BufferOne, Origin::Present, 1, 1), Admission::Skip);
        assert_eq!(decide(Overlap::Allow, Origin::Present, ACTIVE_RUNS_MAX, 0), Admission::Skip);
    }

    #[test]
    fn what_is_made_up_takes_its_turn() {
        assert_eq!(
            ALL.map(|overlap| decide(overlap, Origin::MadeUp, 1, 5)),
            [Admission::Wait, Admission::Start, Admission::Wait, Admission::Wait]
        );
        assert_eq!(decide(Overlap::Allow, Origin::MadeUp, ACTIVE_RUNS_MAX, 0), Admission::Wait);
    }

    #[test]
    fn each_decision_counts_for_the_next() {
        let mut occupancy = Occupancy::default();
        let admissions = [Origin::Present; 3].map(|origin| occupancy.admit(Overlap::BufferOne, origin));
        assert_eq!(admissions, [Admission::Start, Admission::Wait, Admission::Skip]);
        assert_eq!(occupancy, Occupancy { active: 1, waiting: 1 });
        assert_eq!(occupancy.admit(Overlap::TerminateRunning, Origin::Present), Admission::Supersede);
        assert_eq!(occupancy, Occupancy { active: 1, waiting: 1 });
    }

    #[test]
    fn one_is_released_when_none_is_active_and_under_allow_as_many_as_may_be() {
        let releasable = |overlap, active| Occupancy { active, waiting: 7 }.releasable(overlap);
        assert_eq!((releasable(Overlap::Skip, 0), releasable(Overlap::Skip, 1)), (1, 0));
        assert_eq!((releasable(Overlap::Allow, 0), releasable(Overlap::Allow, ACTIVE_RUNS_MAX - 2)), (7, 2));
        assert_eq!(Occupancy::default().releasable(Overlap::Skip), 0);
    }
}
