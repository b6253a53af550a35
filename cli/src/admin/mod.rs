//! `sundial admin`: workspaces and their API keys, for those who run a deployment. It talks to the
//! table itself, so that the API needs no key that opens everything.

mod key;
mod place;
mod report;
mod workspace;

use clap::{Args, Subcommand};

use crate::output::Output;
use place::PlaceArguments;

#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// Workspaces: each a tenant of its own.
    #[command(subcommand)]
    Workspace(workspace::WorkspaceCommand),
    /// API keys: each opens one workspace.
    #[command(subcommand)]
    Key(key::KeyCommand),
}

/// What all of them take.
#[derive(Args)]
pub(crate) struct Common {
    #[command(flatten)]
    place: PlaceArguments,
    /// A table for people, or JSON.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Runs it.
pub(crate) async fn run(command: &AdminCommand) -> Result<(), String> {
    match command {
        AdminCommand::Workspace(command) => workspace::run(command).await,
        AdminCommand::Key(command) => key::run(command).await,
    }
}
