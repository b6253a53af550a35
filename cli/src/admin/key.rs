//! `sundial admin key`.

use clap::{Args, Subcommand};
use serde::Serialize;
use sundial_model::text::KeyName;
use sundial_model::{Timestamp, WorkspaceId};
use sundial_runtime::clock;
use sundial_store::ListedApiKey;

use super::place::Place;
use super::{Common, report};

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make another API key for a workspace; it is shown this once.
    Create {
        /// What the key is for, for people.
        #[arg(long)]
        name: Option<KeyName>,
        #[command(flatten)]
        of: OfWorkspace,
    },
    /// List the API keys of a workspace: when they were made, last used and revoked, not the keys
    /// themselves, which nobody has but those who were given them.
    List {
        #[command(flatten)]
        of: OfWorkspace,
    },
    /// Revoke an API key, at once and for good.
    Revoke {
        /// The key's id, as `list` shows it.
        key_id: String,
        #[command(flatten)]
        of: OfWorkspace,
    },
}

#[derive(Args)]
pub(crate) struct OfWorkspace {
    /// The workspace; with a data folder that of `sundial dev` when absent.
    #[arg(long, alias = "workspace-id")]
    workspace: Option<WorkspaceId>,
    #[command(flatten)]
    common: Common,
}

impl OfWorkspace {
    async fn open(&self) -> Result<(Place, WorkspaceId), String> {
        let place = self.common.place.open().await?;
        let workspace = place.workspace(self.workspace).await?;
        Ok((place, workspace))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    key_id: String,
    api_key: String,
}

pub(super) async fn run(command: &KeyCommand) -> Result<(), String> {
    match command {
        KeyCommand::Create { name, of } => create(name.clone(), of).await,
        KeyCommand::List { of } => list(of).await,
        KeyCommand::Revoke { key_id, of } => revoke(key_id, of).await,
    }
}

async fn create(name: Option<KeyName>, of: &OfWorkspace) -> Result<(), String> {
    let (place, workspace) = of.open().await?;
    let created = place.store.create_api_key(workspace, name, clock::now()).await;
    let created = created.map_err(|error| place.failed(&error))?;
    let row = vec![created.key_id.clone(), created.api_key.clone()];
    let answer = Created { key_id: created.key_id, api_key: created.api_key };
    report::print(of.common.output, &answer, &["key", "API key"], vec![row], report::SHOWN_ONCE)
}

async fn list(of: &OfWorkspace) -> Result<(), String> {
    let (place, workspace) = of.open().await?;
    let keys = place.store.api_keys(workspace).await.map_err(|error| place.failed(&error))?;
    report::print(of.common.output, &keys, &COLUMNS, keys.iter().map(row).collect(), "")
}

async fn revoke(key_id: &str, of: &OfWorkspace) -> Result<(), String> {
    let (place, workspace) = of.open().await?;
    let revoked = place.store.revoke_api_key(workspace, key_id, clock::now()).await;
    let Some(revoked) = revoked.map_err(|error| place.failed(&error))? else {
        return Err(format!(
            "workspace {workspace} has no such key; `sundial admin key list` shows the ids of its keys"
        ));
    };
    let keys = place.store.api_keys(workspace).await.map_err(|error| place.failed(&error))?;
    let is_open = keys.iter().any(|key| key.revoked_at.is_none());
    let note = if is_open { "" } else { "The workspace has no other key; `sundial admin key create` makes one." };
    report::print(of.common.output, &revoked, &COLUMNS, vec![row(&revoked)], note)
}

const COLUMNS: [&str; 5] = ["key", "name", "made", "last used", "revoked"];

fn row(key: &ListedApiKey) -> Vec<String> {
    // A use is known to within an hour.
    let day = |time: Timestamp| format!("{} UTC", time.to_string().get(..16).unwrap_or_default().replace('T', " "));
    vec![
        key.key_id.clone(),
        key.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        day(key.created_at),
        key.last_used_at.map_or_else(|| "never".to_owned(), day),
        key.revoked_at.map(day).unwrap_or_default(),
    ]
}
