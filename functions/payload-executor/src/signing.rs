//! The secrets that calls and deliveries are signed with. They may be replaced while a run goes on, so
//! a worker reads them again now and then, and not for every request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sundial_model::secret::SecretText;
use sundial_model::{ProjectId, Timestamp};
use sundial_store::{SigningPurpose, SigningSecrets, Store, StoreError};
use tokio::time::Instant;

/// A secret that was replaced is noticed after this long.
const READ_EVERY: Duration = Duration::from_secs(30);

/// What the run's project signs with, as it was last read.
pub(crate) struct SigningKeys {
    project: ProjectId,
    known: Mutex<(Instant, SigningSecrets)>,
}

impl SigningKeys {
    pub(crate) async fn read(store: &Store, project: ProjectId) -> Result<Self, StoreError> {
        let begun = Instant::now();
        let secrets = store.signing_secrets(project).await?;
        Ok(Self { project, known: Mutex::new((begun, secrets)) })
    }

    /// The secrets that sign at `now`, newest first.
    pub(crate) fn valid_at(&self, purpose: SigningPurpose, now: Timestamp) -> Vec<SecretText> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).1.valid_at(purpose, now)
    }

    fn read_at(&self) -> Instant {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Reads them again, if that was long ago. Should it fail, those that are known go on for the moment:
    /// what was replaced is valid for long.
    pub(crate) async fn refresh(&self, store: &Store) {
        let begun = Instant::now();
        if begun.duration_since(self.read_at()) < READ_EVERY {
            return;
        }
        match store.signing_secrets(self.project).await {
            Ok(secrets) => *self.known.lock().unwrap_or_else(PoisonError::into_inner) = (begun, secrets),
            Err(error) => tracing::warn!(%error, "what the project signs with is read again later"),
        }
    }
}
