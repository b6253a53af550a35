//! What all attempts and deliveries of a worker share: the run, with its secrets in place.

use std::sync::Arc;

use sundial_model::JobRunId;
use sundial_model::job::JobDefinition;
use sundial_model::secret::HasSecrets;
use sundial_model::target::Target;
use sundial_model::trace::Trace;
use sundial_runtime::Clients;
use sundial_store::{Snapshot, StoreError, StoredJobRun};

use crate::session_state::RunSession;
use crate::signing::SigningKeys;

/// The run that a worker works on.
pub(crate) struct RunContext {
    pub(crate) clients: Clients,
    /// The run as it was taken up; its status changes without us.
    pub(crate) run: StoredJobRun,
    /// What its calls belong to.
    pub(crate) trace: Trace,
    pub(crate) snapshot: Snapshot,
    /// The target, with its secrets.
    pub(crate) target: Target,
    /// The job, with the secrets of its sink and its notifications.
    pub(crate) definition: JobDefinition,
    /// Sign calls and deliveries.
    pub(crate) signing: SigningKeys,
    /// The auth session whose state the attempts carry.
    pub(crate) session: Option<RunSession>,
}

impl RunContext {
    /// Reads what a run is an instance of, and its secrets.
    pub(crate) async fn new(clients: &Clients, run: StoredJobRun) -> Result<Arc<Self>, StoreError> {
        let store = &clients.store;
        let snapshot = store.snapshot(run.id).await?;
        let (of_target, of_job, signing) = futures::future::try_join3(
            store.secret_values(Some(snapshot.project_secrets)),
            store.secret_values(snapshot.secrets),
            SigningKeys::read(store, run.project_id),
        )
        .await?;
        let (mut target, mut definition) = (snapshot.target.clone(), snapshot.definition.clone());
        let missing = |place: String| StoreError::Corrupt(format!("job run {} has no secret for {place}", run.id));
        target.fill_in(&of_target).map_err(missing)?;
        definition.fill_in(&of_job).map_err(missing)?;
        let session = match definition.auth_session.clone().filter(|_| !run.status.is_terminal()) {
            Some(reference) => Some(RunSession::read(store, run.project_id, &snapshot.target, reference).await?),
            None => None,
        };
        let clients = clients.clone();
        let trace = run.trace();
        // Whoever works on the run says so in each line of the log.
        tracing::Span::current().record("correlationId", run.correlation_id());
        Ok(Arc::new(Self { clients, run, trace, snapshot, target, definition, signing, session }))
    }

    pub(crate) fn id(&self) -> JobRunId {
        self.run.id
    }
}
