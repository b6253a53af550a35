//! How a command says what it has found.

use clap::ValueEnum;

/// For whom.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Output {
    /// For programs.
    Json,
    /// For people.
    Table,
}
