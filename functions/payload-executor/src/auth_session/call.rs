//! The two APIs that a target has for auth sessions.

use std::time::Duration;

use sundial_engine::attempt::judge;
use sundial_engine::auth_session::{Answer, Phase, read_answer};
use sundial_model::secret::{HasSecrets, SecretText};
use sundial_model::target::Target;
use sundial_outbound::target::{CallContext, CallParameters, CallSession, TargetCall};
use sundial_runtime::Clients;
use sundial_store::{SessionWork, SigningPurpose, SigningSecrets, StoreError, StoredAuthSession, StoredProject};

/// Makes a state out of parameters.
const CREATE: &str = "auth-sessions/create";
/// Answers whether a state is good.
const CHECK: &str = "auth-sessions/check";

/// A call may take this long.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(600);

/// Whether a call carries the state, rather than the parameters.
pub(super) fn carries_state(phase: Phase) -> bool {
    match phase {
        Phase::Check | Phase::CheckAgain => true,
        Phase::Create => false,
    }
}

/// The target of a session's project.
pub(super) struct SessionTarget {
    target: Target,
    signing: SigningSecrets,
}

impl SessionTarget {
    /// Reads it; none when the project is gone, or its target has moved: what a session is made of is for the
    /// target that it was made for.
    pub(super) async fn read(clients: &Clients, session: &StoredAuthSession) -> Result<Option<Self>, StoreError> {
        let store = &clients.store;
        let project = store.project(session.workspace_id, &session.project_name).await?;
        let is_its = |project: &StoredProject| project.id == session.project_id && session.is_for(&project.target);
        let Some(project) = project.filter(is_its) else { return Ok(None) };
        let secrets = store.secret_values(Some(project.secrets)).await?;
        let mut target = project.target;
        let missing = |place: String| StoreError::Corrupt(format!("project {} has no secret for {place}", project.id));
        target.fill_in(&secrets).map_err(missing)?;
        Ok(Some(Self { target, signing: store.signing_secrets(session.project_id).await? }))
    }

    /// Makes the call that is next.
    pub(super) async fn call(
        &self,
        clients: &Clients,
        session: &StoredAuthSession,
        work: &SessionWork,
        secret: &SecretText,
        timeout: Duration,
    ) -> Answer {
        let (phase, now) = (work.procedure.phase, clients.clock.now());
        let context = CallContext {
            workspace_id: session.workspace_id,
            project_id: session.project_id,
            job_id: None,
            job_run_id: None,
            run_id: work.operation.to_string(),
            payload_index: 0,
            generation: 1,
            attempt: work.procedure.calls_made + 1,
            scheduled_time: None,
        };
        let carries_state = carries_state(phase);
        let call = TargetCall {
            trace: &work.operation.into(),
            target: &self.target,
            signing_secrets: &self.signing.valid_at(SigningPurpose::Calls, now),
            api: if carries_state { CHECK } else { CREATE },
            parameters: Some(if carries_state { CallParameters::Nothing {} } else { CallParameters::Secret(secret) }),
            auth_session: carries_state.then_some(CallSession { id: &session.id, state: secret }),
            context: &context,
            timeout,
        };
        read_answer(phase, judge(clients.outbound.call_target(call, now).await.result, self.target.format()))
    }
}
