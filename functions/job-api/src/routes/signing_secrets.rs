//! Rotation of the secrets that a project signs with: the new one is shown this once, and the one
//! before stays valid for a day.

use axum::Json as JsonAnswer;
use serde::Serialize;
use sundial_model::Timestamp;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::secret::SecretText;
use sundial_outbound::signature::new_secret;
use sundial_store::{REPLACED_SECRET_VALID_FOR, Rotation, SigningPurpose};

use super::FoundProject;
use crate::body::OptionalJson;
use crate::first_answer::{FirstAnswer, ProjectReference};
use crate::idempotency::Once;
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
    once: Once,
    project: FoundProject,
    body: OptionalJson,
) -> Result<JsonAnswer<Rotated>, ApiProblem> {
    rotate(&once, project, body, SigningPurpose::Calls).await
}

/// Replaces the secret that signs deliveries and notifications.
pub(crate) async fn rotate_webhook(
    once: Once,
    project: FoundProject,
    body: OptionalJson,
) -> Result<JsonAnswer<Rotated>, ApiProblem> {
    rotate(&once, project, body, SigningPurpose::Webhooks).await
}

async fn rotate(
    once: &Once,
    FoundProject(project): FoundProject,
    body: OptionalJson,
    purpose: SigningPurpose,
) -> Result<JsonAnswer<Rotated>, ApiProblem> {
    let RotateBody {} = body.read()?;
    let secret = new_secret();
    let now = once.clients.clock.now();
    // The secret itself is shown this once: who asks again is told when the one before stops.
    let clients = once.answering(FirstAnswer::Rotated {
        previous_valid_until: now + REPLACED_SECRET_VALID_FOR,
        project: Some(ProjectReference::from(&project)),
    });
    let rotation = clients.store.rotate_secret(&project, purpose, &SecretText::new(secret.as_str()), now).await?;
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
