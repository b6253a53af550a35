//! What is measured only once: the size in memory of a compiled schedule, beside the crates `cron`,
//! `croner` and `saffron`, and the first use of a time zone. Printed as tables.

#![expect(clippy::print_stdout, reason = "the tables are the result")]

#[path = "schedule/cases.rs"]
mod cases;

use std::alloc::System;
use std::hint::black_box;
use std::time::Instant;

use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use sundial_engine::schedule::CompiledSchedule;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The bytes of a value and of what it holds on the heap.
fn size_bytes<T>(make: impl Fn() -> T) -> usize {
    // What is made the first time may set up more than the value.
    drop(make());
    let region = Region::new(ALLOCATOR);
    let value = make();
    let change = region.change();
    size_of_val(black_box(&value)) + change.bytes_allocated - change.bytes_deallocated
}

fn sizes() {
    println!("\n| size in bytes | sundial | cron | croner | saffron |\n| --- | --- | --- | --- | --- |");
    for case in cases::all() {
        let saffron = case.without_seconds().map(|_| size_bytes(|| case.saffron().expect("a cron string")));
        println!(
            "| {} | {} | {} | {} | {} |",
            case.name,
            size_bytes(|| case.sundial("Europe/Berlin")),
            size_bytes(|| case.cron()),
            size_bytes(|| case.croner()),
            saffron.map_or("-".to_owned(), |bytes| bytes.to_string())
        );
    }
}

fn first_uses() {
    println!("\n| compilation with the first use of a time zone | |\n| --- | --- |");
    for timezone in ["America/New_York", "Africa/Casablanca", "Pacific/Apia", "Asia/Tokyo"] {
        let schedule = cases::read(&json!({ "calendars": [{ "hour": 9 }], "timezone": timezone }));
        let start = Instant::now();
        let compiled = CompiledSchedule::compile(black_box(schedule.specification()));
        println!("| {timezone} | {:?} |", start.elapsed());
        assert!(compiled.is_ok());
    }
}

fn main() {
    sizes();
    first_uses();
}
