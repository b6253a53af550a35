//! The `sundial` command under a name of its own, for tests that start it and kill it.

use std::process::ExitCode;

fn main() -> ExitCode {
    sundial::main()
}
