//! Projects.

use axum::Json as JsonAnswer;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::project::{Project, ProjectInput};
use sundial_model::secret::{HasSecrets, SecretText, SecretValues};
use sundial_model::target::Target;
use sundial_model::{InvalidFields, ProjectName};
use sundial_outbound::signature::new_secret;
use sundial_runtime::Clients;
use sundial_store::{SigningSecrets, StoreError, StoredProject};

use super::{FoundProject, Workspace};
use crate::body::{Json, Page};
use crate::check_addresses::check_target;
use crate::check_sessions::takes_sessions;
use crate::list_query::ListQuery;
use crate::problem_response::ApiProblem;

/// A project, and its secrets when it was just created.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectAnswer {
    #[serde(flatten)]
    project: Project,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secret: Option<String>,
}

/// Creates a project, or gives it another target.
pub(crate) async fn put(
    State(clients): State<Clients>,
    workspace: Workspace,
    Path(parameters): Path<HashMap<String, String>>,
    Json(document): Json,
) -> Result<(StatusCode, JsonAnswer<ProjectAnswer>), ApiProblem> {
    let name = parameters.get("project").map(String::as_str).unwrap_or_default();
    let name: Result<ProjectName, String> = name.parse();
    let input = InvalidFields::read::<ProjectInput>(document).and_then(|input| {
        check_target(&input.target, workspace.id, &clients.settings)?;
        Ok(input)
    });
    let (name, input) = match (name, input) {
        (Ok(name), Ok(input)) => (name, input),
        (name, input) => {
            let mut errors = input.err().unwrap_or_default();
            if let Err(message) = name {
                errors.push("/name", message);
            }
            return Err(errors.into());
        }
    };
    match clients.store.project(workspace.id, &name).await? {
        Some(project) => update(&clients, &project, input.target).await,
        None => create(&clients, &workspace, name, input.target).await,
    }
}

async fn create(
    clients: &Clients,
    workspace: &Workspace,
    name: ProjectName,
    mut target: Target,
) -> Result<(StatusCode, JsonAnswer<ProjectAnswer>), ApiProblem> {
    target.keep_redacted(None, &SecretValues::default())?;
    let (signing, webhook) = (new_secret(), new_secret());
    let (values, now) = (target.secret_values(), clients.clock.now());
    let own = SigningSecrets::new(SecretText::new(signing.as_str()), SecretText::new(webhook.as_str()));
    let project = clients.store.create_project(workspace.id, name, target, &values, &own, now).await?;
    let answer =
        ProjectAnswer { project: project.answer(), signing_secret: Some(signing), webhook_secret: Some(webhook) };
    Ok((StatusCode::CREATED, JsonAnswer(answer)))
}

async fn update(
    clients: &Clients,
    project: &StoredProject,
    mut target: Target,
) -> Result<(StatusCode, JsonAnswer<ProjectAnswer>), ApiProblem> {
    let loses_sessions = takes_sessions(&project.target) && !takes_sessions(&target);
    if loses_sessions && clients.store.uses_auth_sessions(project.id).await? {
        let message = "must be envelope while the project has auth sessions, or jobs that name any";
        return Err(InvalidFields::one("/target/format", message).into());
    }
    let has_moved = project.target.origin() != target.origin();
    if has_moved && !clients.store.auth_sessions(project.id, None, 1).await?.is_empty() {
        let message = "must have the same scheme, host and port, or be the same function, while the project has auth \
                       sessions: delete them first, because nobody else may be sent what they are made of";
        let field = match target {
            Target::Http { .. } => "/target/baseUrl",
            Target::Lambda { .. } => "/target/functionArn",
        };
        return Err(InvalidFields::one(field, message).into());
    }
    let stored = clients.store.secret_values(Some(project.secrets)).await?;
    target.keep_redacted(Some(&project.target), &stored)?;
    let values = target.secret_values();
    let project = clients.store.update_project(project, target, &values, clients.clock.now()).await?;
    Ok((StatusCode::OK, JsonAnswer(answer(&project))))
}

fn answer(project: &StoredProject) -> ProjectAnswer {
    ProjectAnswer { project: project.answer(), signing_secret: None, webhook_secret: None }
}

/// One project.
pub(crate) async fn get(FoundProject(project): FoundProject) -> JsonAnswer<ProjectAnswer> {
    JsonAnswer(answer(&project))
}

/// The projects of the workspace, by name.
pub(crate) async fn list(
    State(clients): State<Clients>,
    workspace: Workspace,
    query: ListQuery,
) -> Result<JsonAnswer<Page<Value>>, ApiProblem> {
    let projects = clients.store.projects(workspace.id, query.after()?.as_ref(), query.limit).await?;
    let more = (projects.len() == query.limit).then(|| projects.last().map(|last| query.cursor(last.name.as_str())));
    let items = projects.iter().filter_map(|project| serde_json::to_value(answer(project)).ok()).collect();
    let cursor_after = |item: &Value| query.cursor(item["name"].as_str().unwrap_or_default());
    Ok(JsonAnswer(Page::filled(items, cursor_after, more.flatten())))
}

/// Deletes a project that has no jobs, no auth sessions and no active single runs.
pub(crate) async fn delete(
    State(clients): State<Clients>,
    FoundProject(project): FoundProject,
) -> Result<StatusCode, ApiProblem> {
    match clients.store.delete_project(&project, clients.clock.now()).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(Problem::new(
            ProblemCode::ProjectNotEmpty,
            "delete its jobs and its auth sessions first, and let its single runs end",
        )
        .into()),
        Err(StoreError::Conflict) => Err(Problem::new(ProblemCode::Conflict, "it is being changed; try again").into()),
        Err(error) => Err(error.into()),
    }
}
