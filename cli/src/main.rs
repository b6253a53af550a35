//! The `sundial` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sundial::main()
}
