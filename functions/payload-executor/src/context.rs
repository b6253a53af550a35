//! What all attempts and deliveries of a worker share: the run, with its secrets in place.

use std::sync::Arc;

use sundial_model::job::JobDefinition;
use sundial_model::secret::HasSecrets;
use sundial_model::target::Target;
use sundial_runtime::Clients;
use sundial_store::projects::{SIGNING_SECRET, WEBHOOK_SECRET};
use sundial_store::{StoreError, StoredJobRun};

/// The run that a worker works on.
pub(crate) struct RunContext {
    pub(crate) clients: Clients,
    pub(crate) run: StoredJobRun,
    /// The target, with its secrets.
    pub(crate) target: Target,
    /// The job, with the secrets of its sink.
    pub(crate) definition: JobDefinition,
    /// Signs calls.
    pub(crate) signing_secret: String,
    /// Signs deliveries.
    pub(crate) webhook_secret: String,
}

impl RunContext {
    /// Reads the secrets of a run.
    pub(crate) async fn new(clients: &Clients, run: StoredJobRun) -> Result<Arc<Self>, StoreError> {
        let of_project = clients.store.secret_values(Some(run.project_secrets)).await?;
        let of_job = clients.store.secret_values(run.secrets).await?;
        let (mut target, mut definition) = (run.target.clone(), run.definition.clone());
        target.fill_in(&of_project);
        definition.fill_in(&of_job);
        let own = |name: &str| of_project.expose().get(name).cloned().unwrap_or_default();
        let (signing_secret, webhook_secret) = (own(SIGNING_SECRET), own(WEBHOOK_SECRET));
        Ok(Arc::new(Self { clients: clients.clone(), run, target, definition, signing_secret, webhook_secret }))
    }
}
