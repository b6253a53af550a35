//! What all attempts and deliveries of a worker share: the run, with its secrets in place.

use std::sync::Arc;

use sundial_model::JobRunId;
use sundial_model::job::JobDefinition;
use sundial_model::secret::{HasSecrets, SecretText, SecretValues};
use sundial_model::target::Target;
use sundial_runtime::Clients;
use sundial_store::projects::{SIGNING_SECRET, WEBHOOK_SECRET};
use sundial_store::{Snapshot, StoreError, StoredJobRun};

/// The run that a worker works on.
pub(crate) struct RunContext {
    pub(crate) clients: Clients,
    /// The run as it was taken up; its status changes without us.
    pub(crate) run: StoredJobRun,
    pub(crate) snapshot: Snapshot,
    /// The target, with its secrets.
    pub(crate) target: Target,
    /// The job, with the secrets of its sink and its notifications.
    pub(crate) definition: JobDefinition,
    /// Signs calls.
    pub(crate) signing_secret: SecretText,
    /// Signs deliveries.
    pub(crate) webhook_secret: SecretText,
}

impl RunContext {
    /// Reads what a run is an instance of, and its secrets.
    pub(crate) async fn new(clients: &Clients, run: StoredJobRun) -> Result<Arc<Self>, StoreError> {
        let store = &clients.store;
        let snapshot = store.snapshot(run.id).await?;
        let (of_project, of_job) = futures::future::try_join(
            store.secret_values(Some(snapshot.project_secrets)),
            store.secret_values(snapshot.secrets),
        )
        .await?;
        let (mut target, mut definition) = (snapshot.target.clone(), snapshot.definition.clone());
        let missing = |place: String| StoreError::Corrupt(format!("job run {} has no secret for {place}", run.id));
        target.fill_in(&of_project).map_err(missing)?;
        definition.fill_in(&of_job).map_err(missing)?;
        let signing_secret = own(&of_project, SIGNING_SECRET).map_err(missing)?;
        let webhook_secret = own(&of_project, WEBHOOK_SECRET).map_err(missing)?;
        let clients = clients.clone();
        Ok(Arc::new(Self { clients, run, snapshot, target, definition, signing_secret, webhook_secret }))
    }

    pub(crate) fn id(&self) -> JobRunId {
        self.run.id
    }
}

/// One of the secrets that a project signs with.
fn own(of_project: &SecretValues, name: &str) -> Result<SecretText, String> {
    of_project.expose().get(name).map(SecretText::new).ok_or_else(|| name.to_owned())
}
