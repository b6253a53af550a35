//! What all attempts and deliveries of a worker share: the run, with its secrets in place.

use std::sync::Arc;

use sundial_model::JobRunId;
use sundial_model::job::JobDefinition;
use sundial_model::secret::HasSecrets;
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
    pub(crate) signing_secret: String,
    /// Signs deliveries.
    pub(crate) webhook_secret: String,
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
        target.fill_in(&of_project);
        definition.fill_in(&of_job);
        let own = |name: &str| of_project.expose().get(name).cloned().unwrap_or_default();
        let (signing_secret, webhook_secret) = (own(SIGNING_SECRET), own(WEBHOOK_SECRET));
        let clients = clients.clone();
        Ok(Arc::new(Self { clients, run, snapshot, target, definition, signing_secret, webhook_secret }))
    }

    pub(crate) fn id(&self) -> JobRunId {
        self.run.id
    }
}
