//! Rotation of the secrets that a project signs with: the new one is shown this once, and the one
//! before stays valid for a day.

use axum::Json as JsonAnswer;
use axum::extract::State;
use serde::Serialize;
use sundial_model::Timestamp;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::secret::SecretText;
use sundial_outbound::signature::new_secret;
use sundial_runtime::Clients;
use sundial_store::{Rotation, SigningPurpose};

use super::FoundProject;
use crate::body::OptionalJson;
use crate::problem_response::ApiProblem;

/// A new secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rotated {
    secret: String,
    previous_valid_until: Timestamp,
}

#[derive(Debug, Default, deserr::Deserr)]
#[deserr(error = sundial_model::InvalidFields, deny_unknown_fields)]
struct RotateBody {}

/// Replaces the secret that signs calls to the target.
pub(crate) async fn rotate_signing(
    State(clients): State<Clients>,
    project: FoundProject,
    body: OptionalJson,
) -> Result<JsonAnswer<Rotated>, ApiProblem> {
    rotate(&clients, project, body, SigningPurpose::Calls).await
}

/// Replaces the secret that signs deliveries and notifications.
pub(crate) async fn rotate_webhook(
    State(clients): State<Clients>,
    project: FoundProject,
    body: OptionalJson,
) -> Result<JsonAnswer<Rotated>, ApiProblem> {
    rotate(&clients, project, body, SigningPurpose::Webhooks).await
}

async fn rotate(
    clients: &Clients,
    FoundProject(project): FoundProject,
    body: OptionalJson,
    purpose: SigningPurpose,
) -> Result<JsonAnswer<Rotated>, ApiProblem> {
    let RotateBody {} = body.read()?;
    let secret = new_secret();
    let rotation =
        clients.store.rotate_secret(&project, purpose, &SecretText::new(secret.as_str()), clients.clock.now()).await?;
    match rotation {
        Rotation::Done { previous_valid_until } => Ok(JsonAnswer(Rotated { secret, previous_valid_until })),
        Rotation::TooOften { next_at } => {
            let detail = format!(
                "the secret was replaced so often within a day that another one would end one before its time; it can \
                 be replaced again at {next_at}"
            );
            Err(Problem::new(ProblemCode::Conflict, detail).into())
        }
        Rotation::Gone => Err(Problem::not_found(format!("project {}", project.name)).into()),
    }
}
