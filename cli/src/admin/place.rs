//! Where the workspaces are: in the data folder of an embedded cloud, or in a deployment's table.

use std::path::{Path, PathBuf};

use clap::Args;
use sundial_devstack::FolderStore;
use sundial_model::WorkspaceId;
use sundial_runtime::clients::store_in_aws;
use sundial_store::{Store, StoreError};

#[derive(Args)]
pub(crate) struct PlaceArguments {
    /// The data folder of `sundial dev`, be that running or not.
    #[arg(long, default_value = ".sundial")]
    data_dir: PathBuf,
    /// The table of a deployment instead, with the credentials and the region that the AWS command
    /// line would take, from the environment or a profile.
    #[arg(long, conflicts_with = "data_dir")]
    table: Option<String>,
}

/// A place that was opened.
pub(super) struct Place {
    pub(super) store: Store,
    name: String,
    /// The workspace that is meant when none is named.
    default_workspace: Option<WorkspaceId>,
    /// Holds the data folder as long as it is needed.
    _folder: Option<FolderStore>,
}

impl PlaceArguments {
    /// Opens it.
    pub(super) async fn open(&self) -> Result<Place, String> {
        match &self.table {
            Some(table) => of_table(table).await,
            None => of_folder(&self.data_dir).await,
        }
    }
}

async fn of_folder(path: &Path) -> Result<Place, String> {
    let folder = FolderStore::open(path).await.map_err(|error| error.to_string())?;
    let (store, default_workspace) = (folder.store.clone(), Some(folder.workspace_id));
    Ok(Place { store, name: path.display().to_string(), default_workspace, _folder: Some(folder) })
}

async fn of_table(name: &str) -> Result<Place, String> {
    let store = store_in_aws(name).await;
    let store = store.ok_or("there is no AWS region: set AWS_REGION, or AWS_PROFILE to a profile that has one")?;
    Ok(Place { store, name: format!("the table {name}"), default_workspace: None, _folder: None })
}

impl Place {
    /// The workspace that is meant; it is there.
    pub(super) async fn workspace(&self, named: Option<WorkspaceId>) -> Result<WorkspaceId, String> {
        let Some(id) = named.or(self.default_workspace) else {
            return Err("say which workspace is meant, with --workspace".to_owned());
        };
        if self.store.is_workspace(id).await.map_err(|error| self.failed(&error))? {
            return Ok(id);
        }
        Err(format!("there is no workspace {id} in {}; `sundial admin workspace create` makes one", self.name))
    }

    /// What to say when the table cannot be reached.
    pub(super) fn failed(&self, error: &StoreError) -> String {
        let advice = match error {
            StoreError::Newer { .. } => "use the newer version of this command",
            StoreError::Unavailable(_) => "check the network, and that the credentials are still valid",
            StoreError::Refused(_) => "check the table's name, the region, and what the credentials allow",
            StoreError::Throttled(_) => "wait for a moment, and try again",
            StoreError::Conflict | StoreError::ClaimLost | StoreError::Corrupt(_) => "try again",
        };
        format!("{}: {error}\n{advice}", self.name)
    }
}
