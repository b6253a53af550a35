//! The state of the auth session that a run's payloads carry. It is renewed while the run goes on, by this
//! worker or others, so what is known of it is read again now and then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sundial_model::ProjectId;
use sundial_model::job::AuthSessionReference;
use sundial_model::secret::SecretText;
use sundial_model::target::Target;
use sundial_store::{Store, StoreError, StoredAuthSession};
use tokio::time::Instant;

/// A state that others have made, or a user has given, is noticed after this long.
const READ_EVERY: Duration = Duration::from_secs(15);

/// A version of a session's state.
pub(crate) struct SessionState {
    /// The session as it was read.
    pub(crate) session: StoredAuthSession,
    /// Its number.
    pub(crate) version: u32,
    /// JSON.
    pub(crate) state: SecretText,
}

/// The session that a run uses, as it was last read.
pub(crate) struct RunSession {
    project: ProjectId,
    /// Whom the payloads are sent to.
    target: Target,
    /// Which session, and what the job has instead of its settings.
    pub(crate) reference: AuthSessionReference,
    known: Mutex<Known>,
}

struct Known {
    read_at: Instant,
    state: Option<Arc<SessionState>>,
}

impl RunSession {
    pub(crate) async fn read(
        store: &Store,
        project: ProjectId,
        target: &Target,
        reference: AuthSessionReference,
    ) -> Result<Self, StoreError> {
        let read_at = Instant::now();
        let session =
            Self { project, target: target.clone(), reference, known: Mutex::new(Known { read_at, state: None }) };
        session.read_again(store).await?;
        Ok(session)
    }

    /// The session as it is now, if it is there, and for the target of this run.
    pub(crate) async fn stored(&self, store: &Store) -> Result<Option<StoredAuthSession>, StoreError> {
        let session = store.auth_session(self.project, &self.reference.id).await?;
        Ok(session.filter(|session| session.is_for(&self.target)))
    }

    /// The newest state that is known; none when the session has none, or is not there.
    pub(crate) fn current(&self) -> Option<Arc<SessionState>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).state.clone()
    }

    /// The number of that version; 0 when there is none, or it is known to have been refused.
    pub(crate) fn usable_version(&self) -> u32 {
        self.current().map_or(0, |current| current.session.usable_version())
    }

    /// Reads it again.
    pub(crate) async fn read_again(&self, store: &Store) -> Result<(), StoreError> {
        let read_at = Instant::now();
        let state = match self.stored(store).await? {
            Some(session) => self.state_of(store, session).await?,
            None => None,
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known { read_at, state };
        Ok(())
    }

    async fn state_of(
        &self,
        store: &Store,
        session: StoredAuthSession,
    ) -> Result<Option<Arc<SessionState>>, StoreError> {
        let Some(version) = session.state else { return Ok(None) };
        let known = self.current().filter(|known| known.session.state == Some(version));
        let state = match known {
            Some(known) => Some(known.state.clone()),
            None => store.session_state(version.secrets).await?,
        };
        Ok(state.map(|state| Arc::new(SessionState { session, version: version.number, state })))
    }

    /// Reads it again, if that was long ago. Should it fail, the state that is known goes on for the moment:
    /// the target says when it is none any more.
    pub(crate) async fn refresh(&self, store: &Store) {
        let read_at = self.known.lock().unwrap_or_else(PoisonError::into_inner).read_at;
        if read_at.elapsed() < READ_EVERY {
            return;
        }
        if let Err(error) = self.read_again(store).await {
            tracing::warn!(%error, "the auth session is read again later");
        }
    }
}
