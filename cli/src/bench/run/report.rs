//! What was measured, for people and for programs.

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use serde::Serialize;
use serde_json::json;
use sundial_devstack::FunctionUsage;

use super::bill::{self, Line, PRICES_SINCE};
use super::round::Figures;

pub(super) fn print_tables(rounds: &[Figures]) {
    println!("{}", speed(rounds));
    // The rounds differ in speed, and hardly in what they use: the last stands for all of them.
    let Some(last) = rounds.last() else { return };
    println!("\nCalls of AWS and their capacity units, for each payload:");
    println!("{}", calls(last));
    let bill = bill_of(last);
    println!("\nA million such payloads on AWS, in USD (list prices of us-east-1 since {PRICES_SINCE}):");
    println!("{}", bill_table(&bill));
}

pub(super) fn print_json(rounds: &[Figures]) -> Result<(), String> {
    #[derive(Serialize)]
    struct Round<'a> {
        #[serde(flatten)]
        figures: &'a Figures,
        bill: Vec<Line>,
    }
    let median = median(rounds.iter().map(|round| round.payloads_per_second).collect());
    let rounds: Vec<_> = rounds.iter().map(|figures| Round { figures, bill: bill_of(figures) }).collect();
    let report = json!({ "medianPayloadsPerSecond": median, "pricesSince": PRICES_SINCE, "rounds": rounds });
    let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
    println!("{text}");
    Ok(())
}

fn bill_of(figures: &Figures) -> Vec<Line> {
    bill::of_a_million(figures.payloads, &figures.job_api, &figures.executor)
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    let middle = of.len() / 2;
    if of.len() % 2 == 1 { of[middle] } else { f64::midpoint(of[middle - 1], of[middle]) }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(header);
    table
}

fn speed(rounds: &[Figures]) -> Table {
    let mut table = table(&[
        "round",
        "payloads",
        "at once",
        "storing them",
        "the run",
        "payloads per second",
        "processor time",
        "peak memory",
    ]);
    for (round, figures) in rounds.iter().enumerate() {
        table.add_row([
            (round + 1).to_string(),
            figures.payloads.to_string(),
            figures.concurrency.to_string(),
            format!("{:.2} s", figures.storing_seconds),
            format!("{:.2} s", figures.run_seconds),
            format!("{:.0}", figures.payloads_per_second),
            figures.processor_seconds.map_or("unknown".to_owned(), |seconds| format!("{seconds:.2} s")),
            figures.peak_memory_mib.map_or("unknown".to_owned(), |mib| format!("{mib} MiB")),
        ]);
    }
    table
}

fn calls(figures: &Figures) -> Table {
    let mut table =
        table(&["function", "call", "calls", "failed", "read units", "write units", "of these the index's"]);
    let each = |count: f64| format!("{:.5}", count / f64::from(figures.payloads));
    for (function, usage) in [("payload-executor", &figures.executor), ("job-api", &figures.job_api)] {
        let FunctionUsage { calls, .. } = usage;
        for (call, usage) in calls {
            table.add_row([
                function.to_owned(),
                call.clone(),
                each(usage.calls as f64),
                each(usage.failed as f64),
                each(usage.read_units),
                each(usage.write_units),
                each(usage.index_write_units),
            ]);
        }
    }
    table
}

fn bill_table(bill: &[Line]) -> Table {
    let mut table = table(&["item", "quantity", "USD"]);
    for line in bill {
        table.add_row([line.item.clone(), format!("{:.0}", line.quantity), format!("{:.4}", line.usd)]);
    }
    let sum: f64 = bill.iter().map(|line| line.usd).sum();
    table.add_row(["together".to_owned(), String::new(), format!("{sum:.4}")]);
    table
}
