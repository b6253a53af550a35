//! What an embedded cloud remembers, for commands that are not that cloud, be it running or not.
//!
//! Over a folder whose cloud runs they talk to it, like anybody. Over a folder that nobody has,
//! they take it, and serve its DynamoDB to themselves until they are done; a cloud that is started
//! meanwhile says that the folder is in use.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use sundial_model::WorkspaceId;
use sundial_store::Store;
use tokio::net::{TcpListener, TcpStream};

use crate::connection::Connection;
use crate::data_folder::{DataFolder, DevDescription};
use crate::{DevError, storage};

/// Who has the folder may just be starting, or about to be done: this long.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// No worker of ours takes a lease.
const NO_LEASE: Duration = Duration::ZERO;

/// The store of an embedded cloud.
pub struct FolderStore {
    /// Typed reads and writes over its table.
    pub store: Store,
    /// The workspace that was made with it.
    pub workspace_id: WorkspaceId,
    /// Ours as long as this is there, if nobody else had it.
    _folder: Option<DataFolder>,
}

impl FolderStore {
    /// Opens the store of the cloud in `folder`.
    ///
    /// # Errors
    /// When there is none, or whoever has the folder does not answer.
    pub async fn open(folder: &Path) -> Result<Self, DevError> {
        let begun = Instant::now();
        loop {
            let Some(description) = DevDescription::read(folder) else { return Err(no_cloud(folder)) };
            if let Some(taken) = DataFolder::take_if_free(folder)? {
                return Self::of_stopped(taken, description).await;
            }
            if answers(&description).await {
                return Self::over(&description, None);
            }
            if begun.elapsed() > PATIENCE {
                let folder = folder.display();
                return Err(DevError(format!("another sundial has the data folder {folder}, and does not answer")));
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    async fn of_stopped(folder: DataFolder, description: DevDescription) -> Result<Self, DevError> {
        let failed = |error| DevError::while_doing("listening on a port", error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let dynamodb_url = format!("http://{}", listener.local_addr().map_err(failed)?);
        storage::serve_dynamodb(listener, &folder.join("dynamodb.sqlite"))?;
        Self::over(&DevDescription { dynamodb_url, ..description }, Some(folder))
    }

    fn over(description: &DevDescription, folder: Option<DataFolder>) -> Result<Self, DevError> {
        let Connection { clients, .. } = Connection::open(description, NO_LEASE);
        Ok(Self { store: clients.store, workspace_id: description.workspace_id, _folder: folder })
    }
}

fn no_cloud(folder: &Path) -> DevError {
    let folder = folder.display();
    DevError(format!(
        "there is no embedded cloud in {folder}: start one with `sundial dev --data-dir {folder}`, \
         or name the table of a deployment with --table"
    ))
}

/// Whether its DynamoDB is there.
async fn answers(description: &DevDescription) -> bool {
    let address = description.dynamodb_url.trim_start_matches("http://");
    TcpStream::connect(address).await.is_ok()
}
