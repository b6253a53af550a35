//! `sundial admin workspace`.

use clap::Subcommand;
use serde::Serialize;
use sundial_model::WorkspaceId;
use sundial_model::text::KeyName;
use sundial_runtime::clock;

use super::{Common, report};

#[derive(Subcommand)]
pub(crate) enum WorkspaceCommand {
    /// Make a workspace, and its first API key, which is shown this once.
    Create {
        /// What the key is for, for people.
        #[arg(long)]
        key_name: Option<KeyName>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    workspace_id: WorkspaceId,
    api_key: String,
}

pub(super) async fn run(command: &WorkspaceCommand) -> Result<(), String> {
    let WorkspaceCommand::Create { key_name, common } = command;
    let place = common.place.open().await?;
    let workspace_id = WorkspaceId::new();
    let created = place.store.create_api_key(workspace_id, key_name.clone(), clock::now()).await;
    let created = created.map_err(|error| place.failed(&error))?;
    let row = vec![workspace_id.to_string(), created.key_id, created.api_key.clone()];
    let answer = Created { workspace_id, api_key: created.api_key };
    report::print(common.output, &answer, &["workspace", "key", "API key"], vec![row], report::SHOWN_ONCE)
}
