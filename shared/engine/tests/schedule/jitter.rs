//! Jitter.

use proptest::prelude::*;
use sundial_model::schedule::Schedule;
use sundial_model::{InvalidFields, JobUuid, Timestamp};

use crate::tries;

proptest! {
    #![proptest_config(tries(64))]

    #[test]
    fn jitter_stays_within_its_bound_and_keeps_the_order(
        every_seconds in prop::collection::vec(1_u64..5_000, 1..4),
        jitter_ms in 0_u64..5_000_000,
        after in 0_i64..4_000_000_000,
    ) {
        let intervals: Vec<_> = every_seconds.iter().map(|every| serde_json::json!({ "every": every * 1000 })).collect();
        let schedule = serde_json::json!({ "intervals": intervals, "jitter": jitter_ms });
        let schedule: Schedule = InvalidFields::read(schedule).expect("a schedule");
        let schedule =
            sundial_engine::schedule::CompiledSchedule::compile(schedule.specification()).expect("a schedule");
        let job = JobUuid::new();
        let mut after = Timestamp::from_seconds(after);
        let mut previous = after;
        for _ in 0..20 {
            let occurrence = schedule.next_occurrence(job, after).expect("an occurrence");
            prop_assert_eq!(schedule.next_nominal(after), Some(occurrence.nominal));
            prop_assert!(occurrence.effective >= occurrence.nominal);
            let delay_ms = occurrence.effective.milliseconds() - occurrence.nominal.milliseconds();
            prop_assert!(delay_ms < i64::try_from(jitter_ms.max(1)).expect("a length"));
            prop_assert!(occurrence.effective > previous);
            (after, previous) = (occurrence.nominal, occurrence.effective);
        }
    }
}
