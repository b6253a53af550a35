//! The next occurrence is the first of all that there are.

use proptest::prelude::*;
use sundial_model::Timestamp;

use crate::generated::{Question, questions};
use crate::oracle::Oracle;
use crate::specification::following;
use crate::tries;

proptest! {
    #![proptest_config(tries(600))]

    #[test]
    fn occurrences_are_those_that_a_walk_through_time_finds(question in questions(1_500)) {
        let Question { specification, after, until, grain } = question;
        let expected = Oracle::new(&specification, after, until).all(after, until, grain);
        match specification.compile() {
            Err(errors) => {
                prop_assert!(errors.0.iter().all(|error| error.message.contains("never fire")), "{:?}", errors);
                prop_assert!(expected.is_empty(), "refused although {:?}", expected);
            }
            Ok(schedule) => {
                let found = following(&schedule, after, expected.len() + 1);
                let found: Vec<_> = found.into_iter().filter(|second| *second <= until).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn the_next_is_later_and_the_same_from_every_instant_before_it(
        question in questions(1_500),
        fractions in prop::collection::vec(0.0_f64..1.0, 8),
    ) {
        let after = Timestamp::from_seconds(question.after);
        let Ok(schedule) = question.specification.compile() else { return Ok(()) };
        let Some(next) = schedule.next_nominal(after) else { return Ok(()) };
        prop_assert!(next > after);
        let milliseconds = (next.milliseconds() - after.milliseconds()) as f64;
        for fraction in fractions {
            let between = Timestamp::from_milliseconds(after.milliseconds() + (milliseconds * fraction) as i64);
            prop_assert_eq!(schedule.next_nominal(between), Some(next), "from {}", between);
        }
    }
}
