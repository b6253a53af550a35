//! What clients send of jobs, runs and auth sessions, as the other face takes it.

use serde_json::{Map, Value};

use super::pointers::Translation;

/// Why there is no proxy.
const NO_PROXY: &str =
    "is not supported: calls leave from where Sundial runs, so that a proxy belongs into its network";

/// What a client that has read a job sends back with it, and only reading shows.
const READ_ONLY: [&str; 9] = [
    "created_at",
    "next_run_time",
    "last_run_time",
    "workspace_id",
    "project_id",
    "source",
    "schedule_id",
    "reason",
    "state",
];

/// A job document. With one that was read before comes what only reading shows; that is dropped.
pub(super) fn job(document: Value) -> (Value, Translation) {
    translated(document, |fields, translation| {
        fields.retain(|name, _| !READ_ONLY.contains(&name.as_str()));
        refuse_proxy(fields, "", translation);
        if let Some(Value::Object(configuration)) = fields.get_mut("configuration") {
            refuse_proxy(configuration, "/configuration", translation);
        }
        // The first clients have the other name.
        if let Some(session) = fields.remove("auth_session") {
            fields.insert("authSession".to_owned(), session);
            translation.renamed.push(("authSession", "auth_session"));
        }
        session(fields, translation);
        sink(fields);
    })
}

/// Takes away a schedule without entries: it never fires, and so it is none.
pub(super) fn drop_empty_schedule(document: &mut Value) {
    let is_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let entries = ["intervals", "calendars", "cron"];
    let Some(fields) = document.as_object_mut() else { return };
    if let Some(Value::Object(schedule)) = fields.get("schedule")
        && entries.iter().all(|name| schedule.get(*name).is_none_or(is_empty))
        && schedule.keys().all(|name| entries.contains(&name.as_str()) || name == "jitter")
    {
        fields.remove("schedule");
    }
}

/// What a single run is started with.
pub(super) fn single_run(document: Value) -> (Value, Translation) {
    translated(document, |fields, translation| {
        refuse_proxy(fields, "", translation);
        fields.remove("saveTrace");
        if let Some(api) = fields.remove("api") {
            fields.insert("apiName".to_owned(), api);
        } else if fields.remove("apiName").is_some() {
            translation.errors.push("/apiName", "is not a known field here; the API is named by api");
        }
        translation.renamed.push(("apiName", "api"));
        session(fields, translation);
        sink(fields);
    })
}

/// What an auth session is created or changed with.
pub(super) fn auth_session(document: Value) -> (Value, Translation) {
    translated(document, |fields, translation| {
        refuse_proxy(fields, "", translation);
        fields.remove("saveTrace");
        // A name for people, which sessions do not have here.
        fields.remove("authSessionDisplayName");
        for name in ["type", "state"] {
            if fields.remove(name).is_some() {
                translation.errors.push(format!("/{name}"), "is not known here: sessions are made of parameters");
            }
        }
        if fields.get("id").and_then(Value::as_str) == Some("create") {
            translation.errors.push("/id", "must not be create, which the URL of a creation would be taken for");
        }
    })
}

/// What an auth session is to be checked with.
pub(super) fn validation(document: Value) -> (Value, Translation) {
    translated(document, |fields, translation| {
        refuse_proxy(fields, "", translation);
        fields.remove("saveTrace");
        // How long a call may take is the same for all sessions.
        fields.remove("requestTimeout");
    })
}

/// A document that is no object is the other face's to refuse.
fn translated(
    mut document: Value,
    translate: impl Fn(&mut Map<String, Value>, &mut Translation),
) -> (Value, Translation) {
    let mut translation = Translation::default();
    if let Value::Object(fields) = &mut document {
        translate(fields, &mut translation);
    }
    (document, translation)
}

fn refuse_proxy(fields: &mut Map<String, Value>, place: &str, translation: &mut Translation) {
    if fields.remove("proxy").is_some_and(|proxy| !proxy.is_null()) {
        translation.errors.push(format!("{place}/proxy"), NO_PROXY);
    }
}

/// What a job or a run says of its auth session.
fn session(fields: &mut Map<String, Value>, translation: &mut Translation) {
    let name =
        translation.renamed.iter().find(|(ours, _)| *ours == "authSession").map_or("authSession", |(_, name)| name);
    let Some(Value::Object(session)) = fields.get_mut("authSession") else { return };
    refuse_proxy(session, &format!("/{name}"), translation);
    session.remove("saveTrace");
    session.remove("requestTimeout");
    if session.remove("runtimeInput").is_some_and(|input| !input.is_null()) {
        let message = "is not supported: create an auth session with these parameters, and name it by its id";
        translation.errors.push(format!("/{name}/runtimeInput"), message);
    }
}

fn sink(fields: &mut Map<String, Value>) {
    let Some(Value::Object(sink)) = fields.get_mut("sink") else { return };
    // To the first clients headers are anything.
    if let Some(Value::Object(headers)) = sink.get_mut("headers") {
        for value in headers.values_mut() {
            if value.is_number() || value.is_boolean() {
                *value = Value::String(value.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(translation: &Translation) -> Vec<&str> {
        translation.errors.0.iter().map(|error| error.pointer.as_str()).collect()
    }

    #[test]
    fn a_job_of_any_generation_becomes_one_of_ours() {
        let first =
            json!({ "id": "a", "authSession": { "id": "s" }, "sink": { "type": "webhook", "headers": { "n": 5 } } });
        let (ours, translation) = job(first.clone());
        assert_eq!(ours["authSession"], first["authSession"]);
        assert_eq!((&ours["sink"]["headers"]["n"], pointers(&translation)), (&json!("5"), vec![]));
        let later = json!({
            "id": "a", "auth_session": { "id": "s", "saveTrace": true }, "proxy": null, "configuration": { "proxy": null }
        });
        let (ours, translation) = job(later);
        assert_eq!(ours, json!({ "id": "a", "authSession": { "id": "s" }, "configuration": {} }));
        assert_eq!(translation.renamed, [("authSession", "auth_session")]);
    }

    #[test]
    fn a_proxy_is_refused_wherever_it_stands() {
        let document = json!({
            "proxy": "http://p", "configuration": { "proxy": "http://p" }, "auth_session": { "id": "s", "proxy": "http://p" }
        });
        let (_, translation) = job(document);
        assert_eq!(pointers(&translation), ["/proxy", "/configuration/proxy", "/auth_session/proxy"]);
        let (_, translation) = single_run(json!({ "api": "a", "proxy": "p", "authSession": { "runtimeInput": {} } }));
        assert_eq!(pointers(&translation), ["/proxy", "/authSession/runtimeInput"]);
    }

    #[test]
    fn what_was_read_can_be_sent_back() {
        let read = json!({ "payload": [], "state": "ACTIVE", "created_at": "x", "projectId": "p", "reason": null });
        assert_eq!(job(read).0, json!({ "payload": [], "projectId": "p" }));
    }

    #[test]
    fn the_api_of_a_single_run_has_the_clients_name() {
        let (ours, translation) = single_run(json!({ "api": "a", "saveTrace": true }));
        assert_eq!((ours, pointers(&translation)), (json!({ "apiName": "a" }), vec![]));
        assert_eq!(pointers(&single_run(json!({ "apiName": "a" })).1), ["/apiName"]);
    }
}
