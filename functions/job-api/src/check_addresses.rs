//! Addresses that must not be called are refused when they are saved, as far as they are written there.
//!
//! What a name leads to is another matter every time, so it is looked at with every call; and so are
//! these addresses again, because a deployment may have closed what it had opened.

use serde_json::Value;
use sundial_model::sink::{Notification, Sink};
use sundial_model::target::Target;
use sundial_model::{InvalidFields, WorkspaceId};
use sundial_outbound::AddressGuard;
use sundial_runtime::Settings;

/// Checks a project's target: it must not lead where it must not, or be a function that the deployment does not
/// let the workspace invoke.
pub(crate) fn check_target(target: &Target, workspace: WorkspaceId, settings: &Settings) -> Result<(), InvalidFields> {
    let mut errors = InvalidFields::default();
    match target {
        Target::Http { base_url, .. } => {
            check(base_url.as_str(), "/target/baseUrl", &settings.address_guard(), &mut errors);
        }
        Target::Lambda { function_arn, .. } if settings.target_functions.allows(workspace, function_arn) => {}
        Target::Lambda { .. } => {
            let message = "is no function that this deployment lets the workspace invoke; its operator can allow it";
            errors.push("/target/functionArn", message);
        }
    }
    errors.into_result()
}

/// Adds the sink and the notifications of a job document that lead where they must not; what else is wrong
/// with them, and with the rest of the document, is looked at elsewhere.
pub(crate) fn check_job_addresses(document: &Value, guard: &AddressGuard, errors: &mut InvalidFields) {
    match document.get("sink").cloned().map(InvalidFields::read::<Sink>) {
        Some(Ok(Sink::Webhook { url, .. })) => check(url.as_str(), "/sink/url", guard, errors),
        Some(Ok(Sink::S3 { endpoint: Some(endpoint), .. })) => {
            check(endpoint.as_str(), "/sink/endpoint", guard, errors);
        }
        _ => {}
    }
    let notifications = document.get("notifications").and_then(Value::as_array).into_iter().flatten();
    for (index, notification) in notifications.enumerate() {
        if let Ok(Notification::Webhook { url, .. }) = InvalidFields::read(notification.clone()) {
            check(url.as_str(), &format!("/notifications/{index}/url"), guard, errors);
        }
    }
}

fn check(url: &str, pointer: &str, guard: &AddressGuard, errors: &mut InvalidFields) {
    if let Err(blocked) = guard.check_url(url) {
        errors.push(pointer, format!("must not lead to {}, {}", blocked.address, blocked.kind));
    }
}
