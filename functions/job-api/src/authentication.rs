//! Who is calling: the workspace's API key, on every route below a workspace.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::collections::HashMap;
use sundial_model::WorkspaceId;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_runtime::Clients;

use crate::key_use::KeyUses;
use crate::problem_response::ApiProblem;

/// Lets a request through whose key belongs to the workspace of its path, and tells the handler
/// whose key it is.
pub(crate) async fn authenticate(
    State((clients, uses)): State<(Clients, KeyUses)>,
    parameters: Result<Path<HashMap<String, String>>, PathRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiProblem> {
    let unauthorized = || Problem::new(ProblemCode::Unauthorized, "send a valid API key in the header x-api-key");
    let given = request.headers().get("x-api-key").and_then(|value| value.to_str().ok()).ok_or_else(unauthorized)?;
    let key = clients.store.verify_api_key(given).await?.ok_or_else(unauthorized)?;
    let Path(parameters) = parameters.map_err(|_| Problem::not_found("such route"))?;
    let workspace = parameters.get("workspace").and_then(|text| text.parse::<WorkspaceId>().ok());
    if workspace != Some(key.workspace_id) {
        // Whether another workspace is there is not the caller's business.
        return Err(Problem::not_found("such workspace").into());
    }
    request.extensions_mut().insert(key.clone());
    Ok(uses.note_beside(&clients, &key, next.run(request)).await)
}
