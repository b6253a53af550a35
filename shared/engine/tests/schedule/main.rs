//! Schedules against an oracle that knows nothing of the engine, as properties of generated ones.

mod cron_strings;
mod exclusions;
mod from_afar;
mod generated;
mod jitter;
mod next;
mod oracle;
mod specification;

use proptest::test_runner::Config;

/// How often a property is tried, without files of past failures.
fn tries(cases: u32) -> Config {
    Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() }
}
