//! Auth sessions: made, checked, renewed and changed by operations, of a target that really keeps sessions.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::login::{Login, PASSWORD};
use crate::harness::{Answer, Cloud, Process, Target, payloads, pointers};

const SESSIONS: &str = "/projects/shop/auth-sessions";

fn with_password(id: &str, password: &str) -> Value {
    json!({ "id": id, "parameters": { "user": "u", "password": password } })
}

/// Waits for the operation that was answered.
async fn done(cloud: &Cloud, answer: &Value) -> Value {
    let path = format!("{SESSIONS}/operations/{}", answer["operationId"].as_str().unwrap());
    cloud.api.wait_for(&path, |operation| operation["status"] != "PENDING").await
}

async fn start() -> (Cloud, Login) {
    let (cloud, login) = (Cloud::start().await, Login::start().await);
    cloud.api.make_project(&login.target).await;
    (cloud, login)
}

#[tokio::test]
async fn a_session_is_made_out_of_parameters_and_checked() {
    let (cloud, login) = start().await;
    let (status, answer) = cloud.api.send("POST", SESSIONS, Some(with_password("login", PASSWORD))).await;
    assert_eq!((status, &answer["status"], &answer["type"]), (202, &json!("PENDING"), &json!("CREDENTIALS")));
    let operation = done(&cloud, &answer).await;
    let expected =
        json!({ "id": answer["operationId"], "authSessionId": "login", "type": "CREATE", "status": "SUCCEEDED" });
    assert_eq!(operation, expected);
    let session = cloud.api.get(&format!("{SESSIONS}/login")).await;
    assert_eq!(session["status"], "READY");
    let fields: Vec<_> = session.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["id", "type", "status", "createdAt", "checkedAt"]);

    let (create, check) = (login.calls("auth-sessions/create"), login.calls("auth-sessions/check"));
    assert_eq!((create.len(), check.len()), (1, 1));
    assert_eq!(create[0].body["parameters"], json!({ "user": "u", "password": PASSWORD }));
    assert_eq!(create[0].body["authSession"], Value::Null);
    assert_eq!(check[0].body["parameters"], json!({}));
    assert_eq!(check[0].body["authSession"], json!({ "id": "login", "state": { "token": 0 } }));
    for call in [&create[0], &check[0]] {
        let context = &call.body["context"];
        assert_eq!((&context["runId"], &context["payloadIndex"]), (&answer["operationId"], &json!(0)));
        assert_eq!((&context["generation"], &context["jobId"]), (&json!(1), &Value::Null));
        assert_eq!(call.headers["idempotency-key"].to_str().unwrap(), answer["operationId"].as_str().unwrap());
    }
    assert_ne!(create[0].headers["webhook-id"], check[0].headers["webhook-id"], "they are two messages");
}

#[tokio::test]
async fn what_fails_is_tried_as_often_as_the_settings_say_and_the_operation_says_why() {
    let (cloud, login) = start().await;
    let answer = cloud.api.ok("POST", SESSIONS, Some(with_password("wrong", "password"))).await;
    let operation = done(&cloud, &answer).await;
    assert_eq!(
        (&operation["status"], &operation["error"]["code"]),
        (&json!("FAILED"), &json!("create-attempts-failed"))
    );
    assert!(operation["error"]["message"].as_str().unwrap().contains("wrong-password"), "{operation}");
    assert_eq!(login.count("auth-sessions/create"), 1, "what is final is not tried again");
    assert_eq!(cloud.api.get(&format!("{SESSIONS}/wrong")).await["status"], "PENDING", "it has no state");

    let fails = |_| Answer::Status(500, json!({}));
    login.answer_instead((0..2).map(fails));
    let mut document = with_password("two-tries", PASSWORD);
    document["createAttempts"] = json!(2);
    let operation = done(&cloud, &cloud.api.ok("POST", SESSIONS, Some(document)).await).await;
    assert_eq!(operation["error"]["code"], "create-attempts-failed");
    assert_eq!(login.count("auth-sessions/create"), 3);

    // A state that its own check refuses is none.
    let no = || Answer::Result(json!(false));
    login.answer_instead([Answer::Result(json!({ "token": 77 })), no(), no(), no()]);
    let operation = done(&cloud, &cloud.api.ok("POST", SESSIONS, Some(with_password("bad", PASSWORD))).await).await;
    assert_eq!(operation["error"]["code"], "post-create-check-attempts-failed");
    assert_eq!(login.count("auth-sessions/check"), 3);
}

#[tokio::test]
async fn validation_renews_what_has_gone_stale_unless_it_must_not() {
    let (cloud, login) = start().await;
    done(&cloud, &cloud.api.ok("POST", SESSIONS, Some(with_password("login", PASSWORD))).await).await;
    let validate = format!("{SESSIONS}/login/validate");
    let (status, answer) = cloud.api.send("POST", &validate, None).await;
    assert_eq!(status, 202);
    let operation = done(&cloud, &answer).await;
    assert_eq!((&operation["type"], &operation["status"]), (&json!("VALIDATE"), &json!("SUCCEEDED")));
    assert_eq!(login.count("auth-sessions/create"), 1, "its state is good");

    login.expire();
    done(&cloud, &cloud.api.ok("POST", &validate, None).await).await;
    assert_eq!(login.count("auth-sessions/create"), 2);
    assert_eq!(login.calls("auth-sessions/check").last().unwrap().body["authSession"]["state"], json!({ "token": 1 }));

    let settings = json!({ "autoRecreate": false, "checkAttempts": 1 });
    done(&cloud, &cloud.api.ok("PUT", &format!("{SESSIONS}/login"), Some(settings)).await).await;
    login.expire();
    let operation = done(&cloud, &cloud.api.ok("POST", &validate, None).await).await;
    assert_eq!(operation["error"]["code"], "check-attempts-failed");
    assert_eq!(cloud.api.get(&format!("{SESSIONS}/login")).await["status"], "EXPIRED");
    assert_eq!(login.count("auth-sessions/create"), 2);
}

#[tokio::test]
async fn a_state_that_is_given_is_there_at_once_and_is_only_checked() {
    let (cloud, login) = start().await;
    let document = json!({ "id": "given", "type": "RUNTIME", "state": { "token": 5 }, "checkAttempts": 1 });
    let (status, answer) = cloud.api.send("POST", SESSIONS, Some(document)).await;
    assert_eq!((status, answer), (201, json!({ "id": "given", "type": "RUNTIME", "status": "READY" })));
    let path = format!("{SESSIONS}/given");
    let operation = done(&cloud, &cloud.api.ok("POST", &format!("{path}/validate"), None).await).await;
    assert_eq!(operation["error"]["code"], "check-attempts-failed");
    assert_eq!(cloud.api.get(&path).await["status"], "EXPIRED");
    let (status, answer) = cloud.api.send("PUT", &path, Some(json!({ "state": "another" }))).await;
    assert_eq!((status, &answer["status"]), (202, &json!("READY")));
    assert_eq!(done(&cloud, &answer).await["status"], "SUCCEEDED");
    cloud.api.ok("POST", &format!("{path}/validate"), None).await;
    cloud.api.wait_for(&path, |session| session["status"] == "EXPIRED").await;
    assert_eq!(login.calls("auth-sessions/check").last().unwrap().body["authSession"]["state"], json!("another"));
    assert_eq!(login.count("auth-sessions/create"), 0);
}

#[tokio::test]
async fn other_parameters_take_the_place_of_what_was_being_done() {
    let (cloud, login) = start().await;
    login.answer_instead([Answer::Slow(Duration::from_secs(20), json!({ "token": 99 }))]);
    let first = cloud.api.ok("POST", SESSIONS, Some(with_password("login", "old"))).await;
    login.wait_for_calls("auth-sessions/create", 1).await;
    let parameters = json!({ "parameters": { "password": PASSWORD } });
    let second = cloud.api.ok("PUT", &format!("{SESSIONS}/login"), Some(parameters)).await;
    assert_eq!(done(&cloud, &second).await["status"], "SUCCEEDED");
    let first = done(&cloud, &first).await;
    assert_eq!((&first["status"], &first["error"]["code"]), (&json!("FAILED"), &json!("superseded")));
    let checked = login.calls("auth-sessions/check").last().unwrap().body["authSession"]["state"].clone();
    assert_eq!(checked, json!({ "token": 0 }), "the state that came late is dropped");
}

#[tokio::test]
async fn two_that_ask_at_once_get_one_operation_and_a_key_that_comes_again_the_same() {
    let (cloud, login) = start().await;
    let created = cloud.api.ok("POST", SESSIONS, Some(with_password("login", PASSWORD))).await;
    done(&cloud, &created).await;
    login.expire();
    let validate = format!("{SESSIONS}/login/validate");
    let asked = (0..10).map(|_| cloud.api.ok("POST", &validate, None));
    let answers = futures::future::join_all(asked).await;
    let mut operations: Vec<_> = answers.iter().map(|answer| answer["operationId"].as_str().unwrap()).collect();
    operations.sort_unstable();
    for answer in &answers {
        assert_eq!(done(&cloud, answer).await["status"], "SUCCEEDED");
    }
    operations.dedup();
    assert!(operations.len() <= 10 && login.count("auth-sessions/create") == 2, "one renewal: {operations:?}");

    let key = [("idempotency-key", "once")];
    let (_, _, first) = cloud.api.send_with("POST", &validate, &key, None).await;
    done(&cloud, &first).await;
    let (status, _, again) = cloud.api.send_with("POST", &validate, &key, None).await;
    assert_eq!((status, &again["operationId"]), (202, &first["operationId"]));
    let document = with_password("keyed", PASSWORD);
    let (_, _, first) = cloud.api.send_with("POST", SESSIONS, &key, Some(document.clone())).await;
    let (status, _, again) = cloud.api.send_with("POST", SESSIONS, &key, Some(document)).await;
    assert_eq!((status, &again["operationId"]), (202, &first["operationId"]));
}

#[tokio::test]
async fn what_a_process_had_begun_that_died_goes_on_under_the_same_key() {
    let (login, folder) = (Login::start().await, tempfile::tempdir().unwrap());
    login.answer_instead([Answer::Slow(Duration::from_secs(600), json!({ "token": 99 }))]);
    let (process, api) = Process::start(folder.path()).await;
    api.make_project(&login.target).await;
    let answer = api.ok("POST", SESSIONS, Some(with_password("login", PASSWORD))).await;
    login.wait_for_calls("auth-sessions/create", 1).await;
    process.kill();
    let (process, api) = Process::start(folder.path()).await;
    let path = format!("{SESSIONS}/operations/{}", answer["operationId"].as_str().unwrap());
    let operation = api.wait_for(&path, |operation| operation["status"] != "PENDING").await;
    assert_eq!(operation["status"], "SUCCEEDED");
    let calls = login.calls("auth-sessions/create");
    assert_eq!(calls.len(), 2);
    for header in ["idempotency-key", "webhook-id"] {
        assert_eq!(calls[0].headers[header], calls[1].headers[header], "it is the same call, made again");
    }
    drop(process);
}

#[tokio::test]
async fn sessions_are_listed_and_deleted_and_the_project_stays_while_it_has_any() {
    let (cloud, login) = start().await;
    for id in ["b", "a", "c"] {
        done(&cloud, &cloud.api.ok("POST", SESSIONS, Some(with_password(id, PASSWORD))).await).await;
    }
    let (status, problem) = cloud.api.send("POST", SESSIONS, Some(with_password("a", PASSWORD))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    let page = cloud.api.get(&format!("{SESSIONS}?limit=2")).await;
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&page), ["a", "b"]);
    let next = cloud.api.get(&format!("{SESSIONS}?cursor={}", page["nextCursor"].as_str().unwrap())).await;
    assert_eq!(ids(&next), ["c"]);
    let (status, problem) = cloud.api.send("DELETE", "/projects/shop", None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("project-not-empty")));
    for id in ["a", "b", "c"] {
        let (status, _) = cloud.api.send("DELETE", &format!("{SESSIONS}/{id}"), None).await;
        assert_eq!(status, 204);
        assert_eq!(cloud.api.send("GET", &format!("{SESSIONS}/{id}"), None).await.0, 404);
    }
    assert_eq!(cloud.api.send("DELETE", "/projects/shop", None).await.0, 204);
    assert_eq!(login.count("auth-sessions/create"), 3);
}

#[tokio::test]
async fn bad_input_is_refused_whole() {
    let (cloud, _login) = start().await;
    let before = cloud.items_at_rest().await;
    for (document, at) in [
        (json!({}), vec!["/id"]),
        (json!({ "id": "a" }), vec!["/parameters"]),
        (json!({ "id": "a", "type": "RUNTIME" }), vec!["/state"]),
        (json!({ "id": "a", "type": "RUNTIME", "parameters": {} }), vec!["/parameters"]),
        (json!({ "id": "a", "state": {} }), vec!["/state"]),
        (json!({ "id": "operations", "parameters": {} }), vec!["/id"]),
        (json!({ "id": "a b", "parameters": 1, "checkAttempts": 101 }), vec!["/checkAttempts", "/id", "/parameters"]),
        (json!({ "id": "a", "parameters": {}, "proxy": "x" }), vec!["/proxy"]),
    ] {
        let (status, problem) = cloud.api.send("POST", SESSIONS, Some(document.clone())).await;
        assert_eq!((status, pointers(&problem)), (400, at), "{document}");
    }
    assert_eq!(cloud.items_at_rest().await, before, "nothing is written");
    for (method, path) in [("GET", "x"), ("PUT", "x"), ("DELETE", "x"), ("GET", "operations/x")] {
        let body = (method == "PUT").then(|| json!({}));
        assert_eq!(cloud.api.send(method, &format!("{SESSIONS}/{path}"), body).await.0, 404, "{method} {path}");
    }
}

#[tokio::test]
async fn a_target_stays_where_it_is_while_it_has_sessions() {
    let (cloud, login) = start().await;
    let at = |url: &str| json!({ "target": { "type": "http", "baseUrl": url } });
    done(&cloud, &cloud.api.ok("POST", SESSIONS, Some(with_password("login", PASSWORD))).await).await;
    let other = Target::echo().await;
    let (status, problem) = cloud.api.send("PUT", "/projects/shop", Some(at(&other.url))).await;
    assert_eq!((status, pointers(&problem)), (400, vec!["/target/baseUrl"]));
    cloud.api.ok("PUT", "/projects/shop", Some(at(&format!("{}/v2", login.target.url)))).await;
    cloud.api.send("DELETE", &format!("{SESSIONS}/login"), None).await;
    cloud.api.ok("PUT", "/projects/shop", Some(at(&other.url))).await;
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn a_plain_target_takes_no_sessions() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    let of = |format: &str| json!({ "target": { "type": "http", "baseUrl": target.url, "format": format } });
    cloud.api.ok("PUT", "/projects/shop", Some(of("plain"))).await;
    let (status, problem) = cloud.api.send("POST", SESSIONS, Some(with_password("a", "p"))).await;
    assert_eq!((status, pointers(&problem)), (400, vec![""]));
    let job = json!({ "id": "job", "payload": payloads("a", 1), "authSession": { "id": "a" } });
    let (status, problem) = cloud.api.send("POST", "/projects/shop/jobs", Some(job.clone())).await;
    assert_eq!((status, pointers(&problem)), (400, vec!["/authSession"]));
    cloud.api.ok("PUT", "/projects/shop", Some(of("envelope"))).await;
    cloud.api.create_job(job).await;
    let (status, problem) = cloud.api.send("PUT", "/projects/shop", Some(of("plain"))).await;
    assert_eq!((status, pointers(&problem)), (400, vec!["/target/format"]));
}
