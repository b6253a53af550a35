//! Auth sessions, and job runs that use them.

use serde_json::json;

use super::{Witness, mark, webhook};
use crate::harness::{Answer, Call, Target, payloads};

/// The target: it keeps no sessions, but answers as if it did.
pub(super) fn answer(call: &Call) -> Answer {
    match call.api.trim_start_matches("v2/") {
        "auth-sessions/create" if call.body["parameters"]["password"] == mark("password") => {
            Answer::Result(json!({ "token": mark("state") }))
        }
        // A state that is no answer by the rules.
        "auth-sessions/create" if call.body["parameters"]["password"] == mark("bare") => {
            Answer::Status(200, json!(mark("bare-state")))
        }
        "auth-sessions/create" => Answer::Status(401, json!({ "error": { "code": "wrong", "message": "no" } })),
        "auth-sessions/check" => Answer::Result(json!(true)),
        "signed-out" => Answer::Status(401, json!({ "error": { "code": "auth-session-invalid", "message": "no" } })),
        _ => Answer::Result(call.body["parameters"].clone()),
    }
}

/// Makes auth sessions, good and bad, and lets job runs use them. Answers with the secrets.
pub(super) async fn signed_in_days(witness: &Witness, target: &Target) -> Vec<String> {
    let sessions = "/projects/shop/auth-sessions";
    let secrets = ["password", "wrong-password", "given", "bare"].map(mark);
    for document in [
        json!({ "id": "login", "parameters": { "password": secrets[0] } }),
        json!({ "id": "wrong", "parameters": { "password": secrets[1] } }),
        json!({ "id": "bare", "parameters": { "password": secrets[3] } }),
        json!({ "id": "given", "type": "RUNTIME", "state": { "token": secrets[2] } }),
    ] {
        let made = witness.ok("POST", sessions, Some(document)).await;
        if let Some(operation) = made["operationId"].as_str() {
            let path = format!("{sessions}/operations/{operation}");
            witness.api.wait_for(&path, |operation| operation["status"] != "PENDING").await;
            witness.ok("GET", &path, None).await;
        }
    }
    let hook = webhook(&format!("{}/hook", target.url), &mark("sink"));
    for (id, api, session, status) in [
        ("signed-in", "a", "login", "COMPLETED"),
        ("by-hand", "a", "given", "COMPLETED"),
        ("wrong", "a", "wrong", "CANCELED"),
        ("bare", "a", "bare", "CANCELED"),
        ("signed-out", "signed-out", "login", "PAUSED"),
        ("given-up", "signed-out", "given", "PAUSED"),
    ] {
        let configuration = json!({ "retry": { "maximumAttempts": 9, "initialInterval": "10ms" } });
        let job = json!({
            "id": id, "payload": payloads(api, 2), "sink": hook, "authSession": { "id": session },
            "configuration": configuration
        });
        let job = witness.ok("POST", "/projects/shop/jobs", Some(job)).await;
        assert_eq!(job["authSession"]["id"], session);
        let run = witness.ok("POST", &format!("/projects/shop/jobs/{id}/trigger"), None).await;
        let run = format!("/projects/shop/jobs/{id}/runs/{}", run["id"].as_str().unwrap());
        witness.api.wait_for_status(&run, status).await;
        if status == "COMPLETED" {
            let ended = witness
                .api
                .wait_for(&run, |run| run["deliveries"]["delivered"] == 2 && run["results"].is_object())
                .await;
            let export = witness.api.client.get(ended["results"]["signedUrl"].as_str().unwrap()).send().await.unwrap();
            witness.note("export", export.text().await.unwrap());
        }
        for path in
            [run.clone(), format!("{run}/payloads"), format!("{run}/payloads/0"), format!("{sessions}/{session}")]
        {
            witness.ok("GET", &path, None).await;
        }
        witness.send("POST", &format!("/projects/shop/jobs/{id}/resume"), None).await;
    }
    witness.ok("GET", sessions, None).await;
    let deliveries = target.calls().into_iter().filter(|call| call.api.ends_with("hook"));
    deliveries.for_each(|delivery| witness.note("a delivery", delivery.text));
    [secrets.to_vec(), vec![mark("state")]].concat()
}
