//! `sundial schedule next`: the occurrences of a schedule document.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::schedule::Schedule;
use sundial_model::{InvalidFields, Timestamp};
use sundial_runtime::clock;

use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Print the next occurrences of a schedule, as a job document has it in its field `schedule`.
    Next(Next),
}

#[derive(Args)]
pub(crate) struct Next {
    /// Occurrences strictly after this RFC 3339 instant; now when absent.
    #[arg(long)]
    after: Option<Timestamp>,
    /// How many, at most.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
    /// A table for people, or one JSON array of instants.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The document; `-` is standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
}

/// Runs it. The error says, line by line, what is wrong with the schedule.
pub(crate) fn run(command: &ScheduleCommand) -> Result<(), String> {
    let ScheduleCommand::Next(next) = command;
    let schedule = read(&next.file)?;
    let compiled = CompiledSchedule::compile(schedule.specification()).map_err(|errors| lines(&errors))?;
    let after = next.after.unwrap_or_else(clock::now);
    let times = std::iter::successors(compiled.next_nominal(after), |time| compiled.next_nominal(*time));
    let times: Vec<_> = times.take(next.count as usize).collect();
    match next.output {
        Output::Json => println!("{}", serde_json::to_string(&times).map_err(|error| error.to_string())?),
        Output::Table => {
            println!("{}", compiled.in_words(schedule.specification()));
            print_table(after, &times);
        }
    }
    Ok(())
}

fn read(file: &PathBuf) -> Result<Schedule, String> {
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(file).map(|read| text = read)
    };
    read.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let document = serde_json::from_str(&text).map_err(|error| format!("the document is not JSON: {error}"))?;
    InvalidFields::read(document).map_err(|errors| lines(&errors))
}

fn lines(errors: &InvalidFields) -> String {
    let line = |error: &sundial_model::FieldError| match error.pointer.as_str() {
        "" => format!("the schedule {}", error.message),
        pointer => format!("{pointer} {}", error.message),
    };
    errors.0.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn print_table(after: Timestamp, times: &[Timestamp]) {
    if times.is_empty() {
        println!("There is no occurrence after {after}.");
        return;
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(["", "occurrence (UTC)", "after the one before"]);
    let mut before: Option<Timestamp> = None;
    for (number, time) in (1..).zip(times) {
        let gap = before.map(|before| {
            let seconds = time.since(before).as_secs();
            let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
            format!("{days}d {hours:02}:{minutes:02}:{:02}", seconds % 60)
        });
        table.add_row([number.to_string(), time.to_string(), gap.unwrap_or_default()]);
        before = Some(*time);
    }
    println!("{table}");
}
