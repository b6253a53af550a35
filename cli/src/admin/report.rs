//! What a command of `sundial admin` has to say: one JSON document, or a table.

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use serde::Serialize;

use crate::output::Output;

/// Said under a key. The key itself is printed once, in its table.
pub(super) const SHOWN_ONCE: &str = "The key is shown this once: Sundial keeps only a hash of it.";

/// Prints it; `note` is for people, and empty when there is nothing to add.
pub(super) fn print(
    output: Output,
    answer: &impl Serialize,
    columns: &[&str],
    rows: Vec<Vec<String>>,
    note: &str,
) -> Result<(), String> {
    match output {
        Output::Json => println!("{}", serde_json::to_string(answer).map_err(|error| error.to_string())?),
        Output::Table => {
            let mut table = Table::new();
            table.load_style(UTF8_HORIZONTAL_ONLY).set_header(columns);
            for row in rows {
                table.add_row(row);
            }
            println!("{table}");
            if !note.is_empty() {
                println!("{note}");
            }
        }
    }
    Ok(())
}
