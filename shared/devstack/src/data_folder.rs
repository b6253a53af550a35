//! The data folder: who has it, and what it says about the cloud in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sundial_model::WorkspaceId;

use crate::DevError;

/// `dev.json`: where everything is, and the keys to it. It cannot be logged.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DevDescription {
    /// The API's origin, without a trailing slash.
    pub api_url: String,
    /// The workspace that was made for you.
    pub workspace_id: WorkspaceId,
    /// The project that was made for you.
    pub project_name: String,
    /// The key to the workspace.
    pub api_key: String,
    /// DynamoDB's endpoint.
    pub dynamodb_url: String,
    /// S3's endpoint.
    pub s3_url: String,
    /// EventBridge's endpoint.
    pub events_url: String,
    /// The table.
    pub table_name: String,
    /// The bus.
    pub bus_name: String,
    /// The bucket for large results.
    pub results_bucket: String,
    /// For all of these endpoints.
    pub access_key_id: String,
    /// For all of these endpoints.
    pub secret_access_key: String,
    /// For all of these endpoints.
    pub region: String,
}

impl DevDescription {
    /// What the last start over this folder wrote, if there was one.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join("dev.json")).ok()?).ok()
    }
}

fn doing(path: &Path) -> String {
    format!("taking the data folder {}", path.display())
}

/// A data folder that is ours until this is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is missing, and takes it.
    pub(crate) fn take(path: &Path) -> Result<Self, DevError> {
        let taken = Self::take_if_free(path)?;
        taken.ok_or_else(|| DevError(format!("{}: another sundial is at work in it", doing(path))))
    }

    /// The same; `None` when somebody else has it.
    pub(crate) fn take_if_free(path: &Path) -> Result<Option<Self>, DevError> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        // What is stored in it, secrets included, is its owner's.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(|error| DevError::while_doing(doing(path), error))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(|error| DevError::while_doing(doing(path), error))?;
        // The operating system lets go of it when the process ends, even when it is killed.
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { path: path.to_owned(), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(DevError::while_doing(doing(path), error)),
        }
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What the last start wrote, if there was one.
    pub(crate) fn description(&self) -> Option<DevDescription> {
        DevDescription::read(&self.path)
    }

    /// Writes `dev.json`, readable by its owner only: it holds keys.
    pub(crate) fn describe(&self, description: &DevDescription) -> Result<(), DevError> {
        let doing = "writing dev.json";
        let json = serde_json::to_vec_pretty(description).map_err(|error| DevError::while_doing(doing, error))?;
        let new = self.join("dev.json.new");
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&new).and_then(|mut file| file.write_all(&json).and_then(|()| file.sync_all()));
        // Whoever waits for the file sees all of it.
        let renamed = written.and_then(|()| std::fs::rename(&new, self.join("dev.json")));
        renamed.map_err(|error| DevError::while_doing(doing, error))
    }
}
