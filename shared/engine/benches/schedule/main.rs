//! Schedules beside the crates `cron`, `croner` and `saffron`, in one run: `cargo bench -p sundial-engine`.
//!
//! A group is a case, and a function in it a crate. Ratios within a group matter, not the times. A
//! crate that cannot express a case is not in its group.

mod cases;
mod compilation;
mod exclusions;
mod next;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = next::one, next::only_in_gaps, next::a_thousand, exclusions::next, compilation::compile, compilation::refuse
}
criterion_main!(benches);
