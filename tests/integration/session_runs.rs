//! Job runs that use an auth session: it is checked before they start, every attempt carries its state, and
//! it is renewed once for all of them, in their midst as well.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::login::{Login, PASSWORD};
use crate::harness::{Answer, Api, Call, Cloud, Process, Target, payloads, summary};

const SESSION: &str = "/projects/shop/auth-sessions/login";
const JOB: &str = "/projects/shop/jobs/job";

async fn make_session(api: &Api) {
    let document = json!({ "id": "login", "parameters": { "password": PASSWORD } });
    api.ok("POST", "/projects/shop/auth-sessions", Some(document)).await;
    api.wait_for(SESSION, |session| session["status"] == "READY").await;
}

/// A target and a session that it has issued.
async fn start() -> (Cloud, Login) {
    let (cloud, login) = (Cloud::start().await, Login::start().await);
    cloud.api.make_project(&login.target).await;
    make_session(&cloud.api).await;
    (cloud, login)
}

fn job(count: u32, at_once: u32) -> Value {
    json!({
        "id": "job", "payload": payloads("work", count), "authSession": { "id": "login" },
        "configuration": { "maxConcurrentRequests": at_once, "retry": { "initialInterval": "100ms" } }
    })
}

/// The numbers of the attempts that succeeded, all of them different payloads.
async fn attempts(api: &Api, run: &str) -> Vec<u64> {
    let runs = api.all(&format!("{run}/payloads")).await;
    runs.iter().map(|payload| payload["attempts"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_session_is_checked_before_the_run_and_carried_by_every_attempt_and_sinks_are_told() {
    let (cloud, login) = start().await;
    let receiver = Target::echo().await;
    let mut document = job(5, 3);
    document["sink"] = json!({ "type": "webhook", "url": format!("{}/hook", receiver.url) });
    cloud.api.create_job(document).await;
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(summary(&ended), [5, 0, 0, 5, 0, 0]);
    let order: Vec<String> = login.target.calls().into_iter().map(|call| call.api).collect();
    assert_eq!(order[..4], ["auth-sessions/create", "auth-sessions/check", "auth-sessions/check", "work"]);
    assert_eq!(login.count("auth-sessions/check"), 2, "one of the creation, one before the run");
    for call in login.calls("work") {
        assert_eq!(call.body["authSession"], json!({ "id": "login", "state": { "token": 0 } }));
    }
    cloud.api.wait_for(&run, |run| run["deliveries"]["delivered"] == 5).await;
    for delivery in receiver.calls() {
        assert_eq!(delivery.body["authSession"], json!({ "id": "login" }));
        assert!(!delivery.text.contains("token"));
    }
    let session = cloud.api.get(SESSION).await;
    assert!(session["usedAt"].as_str().unwrap() > session["createdAt"].as_str().unwrap());
}

#[tokio::test]
async fn two_runs_that_find_the_session_stale_have_it_renewed_once() {
    let (cloud, login) = start().await;
    for id in ["one", "two"] {
        let mut document = job(3, 3);
        document["id"] = json!(id);
        cloud.api.create_job(document).await;
    }
    login.expire();
    let runs = futures::future::join_all(["one", "two"].map(|id| cloud.api.trigger(id))).await;
    for run in &runs {
        let ended = cloud.api.wait_for_status(run, "COMPLETED").await;
        assert_eq!(summary(&ended), [3, 0, 0, 3, 0, 0]);
        assert_eq!(attempts(&cloud.api, run).await, [1, 1, 1]);
    }
    assert_eq!(login.count("auth-sessions/create"), 2, "one of the creation, one of the renewal");
    assert_eq!(login.count("work"), 6);
}

#[tokio::test]
async fn a_run_whose_session_is_missing_or_cannot_be_renewed_never_starts_and_says_why() {
    let (cloud, login) = start().await;
    let mut document = job(3, 3);
    document["authSession"] = json!({ "id": "nobody" });
    cloud.api.create_job(document).await;
    let ended = cloud.api.wait_for_status(&cloud.api.trigger("job").await, "CANCELED").await;
    assert_eq!(ended["reason"]["type"], "auth-session-not-found", "{ended}");
    assert_eq!((summary(&ended), &ended["startTime"]), ([3, 0, 0, 0, 0, 3], &Value::Null));

    // The job's own counts are used, not the session's.
    login.expire();
    let mut document = job(3, 3);
    document["authSession"] = json!({ "id": "login", "checkAttempts": 2, "createAttempts": 1 });
    cloud.api.ok("PUT", JOB, Some(document)).await;
    let fails = || Answer::Status(500, json!({}));
    login.answer_instead([Answer::Result(json!(false)), fails(), fails()]);
    let (checks, creates) = (login.count("auth-sessions/check"), login.count("auth-sessions/create"));
    let ended = cloud.api.wait_for_status(&cloud.api.trigger("job").await, "CANCELED").await;
    assert_eq!(ended["reason"]["type"], "auth-session-validate-dependency-failed", "{ended}");
    assert!(ended["reason"]["message"].as_str().unwrap().contains("create-attempts-failed"), "{ended}");
    assert_eq!(login.count("auth-sessions/check") - checks, 2);
    assert_eq!(login.count("auth-sessions/create") - creates, 1);
    assert_eq!(cloud.api.get(SESSION).await["status"], "EXPIRED");
    assert_eq!(login.count("work"), 0);
    assert_eq!(cloud.api.get(JOB).await["state"]["status"], "ACTIVE", "the next run tries again");
    let ended = cloud.api.wait_for_status(&cloud.api.trigger("job").await, "COMPLETED").await;
    assert_eq!(summary(&ended), [3, 0, 0, 3, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_that_meet_an_expired_session_have_it_renewed_once_and_lose_no_attempt() {
    let (cloud, login) = start().await;
    cloud.api.create_job(job(400, 200)).await;
    login.pause(Duration::from_millis(1_500));
    login.expire_in(100);
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(summary(&ended), [400, 0, 0, 400, 0, 0]);
    assert_eq!(attempts(&cloud.api, &run).await, vec![1; 400]);
    assert_eq!(login.count("auth-sessions/create"), 2, "one of the creation, one of the renewal");
    let carried = |token: u64| {
        let calls = login.calls("work").into_iter();
        calls.filter(move |call| call.body["authSession"]["state"]["token"] == token).count()
    };
    let (old, new) = (carried(0), carried(1));
    assert!(old > 150, "{old} payloads were called with the old state, of which the first hundred succeeded");
    assert_eq!(new, 300, "no payload was tried twice with the new one");
    assert_eq!(cloud.api.get(SESSION).await["status"], "READY");
}

#[tokio::test]
async fn a_renewal_that_fails_pauses_job_and_run_until_the_session_is_ready_again() {
    let (cloud, login) = start().await;
    cloud.api.create_job(job(20, 4)).await;
    login.change_password("another");
    login.expire_in(6);
    let run = cloud.api.trigger("job").await;
    let paused = cloud.api.wait_for_status(&run, "PAUSED").await;
    assert_eq!(paused["reason"]["type"], "auth-session-invalid-mid-job", "{paused}");
    let state = cloud.api.get(JOB).await["state"].clone();
    assert_eq!(state["status"], "PAUSED");
    assert!(state["reason"].as_str().unwrap().contains("create-attempts-failed"), "{state}");
    assert_eq!(cloud.api.get(SESSION).await["status"], "EXPIRED");
    assert_eq!(summary(&paused)[3], 6);

    let resume = format!("{JOB}/resume");
    let (status, problem) = cloud.api.send("POST", &resume, None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("login is not READY"), "{problem}");
    let (status, _) = cloud.api.send("DELETE", SESSION, None).await;
    assert_eq!(status, 409, "an active run uses it");
    let update = json!({ "parameters": { "password": "another" } });
    cloud.api.ok("PUT", SESSION, Some(update)).await;
    cloud.api.wait_for(SESSION, |session| session["status"] == "READY").await;
    cloud.api.ok("POST", &resume, None).await;
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(summary(&ended), [20, 0, 0, 20, 0, 0]);
    assert_eq!(attempts(&cloud.api, &run).await, vec![1; 20]);
    assert_eq!(cloud.api.get(JOB).await["state"], json!({ "status": "ACTIVE" }));
    let told: Vec<_> = cloud.events().into_iter().map(|event| event["detail-type"].clone()).collect();
    assert!(told.contains(&json!("Job Run Paused")), "{told:?}");
    assert_eq!(cloud.api.send("DELETE", SESSION, None).await.0, 204);
}

#[tokio::test]
async fn a_session_that_is_not_to_be_renewed_pauses_at_once() {
    let (cloud, login) = start().await;
    let mut document = job(4, 2);
    document["authSession"] = json!({ "id": "login", "autoRecreate": false });
    cloud.api.create_job(document).await;
    login.expire_in(0);
    let paused = cloud.api.wait_for_status(&cloud.api.trigger("job").await, "PAUSED").await;
    assert_eq!(paused["reason"]["type"], "auth-session-invalid-mid-job");
    assert_eq!((login.count("auth-sessions/create"), summary(&paused)[4]), (1, 0));
}

#[tokio::test]
async fn renewals_of_which_no_payload_comes_to_succeed_have_an_end() {
    let (cloud, login) = start().await;
    let mut document = job(1, 1);
    document["configuration"]["retry"] = json!({ "initialInterval": "10ms", "maximumAttempts": 50 });
    cloud.api.create_job(document).await;
    login.refuse_all(true);
    let run = cloud.api.trigger("job").await;
    let paused = cloud.api.wait_for_status(&run, "PAUSED").await;
    assert_eq!(paused["reason"]["type"], "auth-session-invalid-mid-job");
    assert_eq!(login.count("auth-sessions/create"), 1 + 3);
    let numbers: Vec<u64> = login.calls("work").iter().map(Call::attempt).collect();
    assert_eq!(numbers, [1, 1, 2, 3], "only the first refusal uses up no attempt");

    login.refuse_all(false);
    cloud.api.ok("POST", &format!("{SESSION}/validate"), None).await;
    cloud.api.wait_for(SESSION, |session| session["status"] == "READY").await;
    cloud.api.ok("POST", &format!("{JOB}/resume"), None).await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    // Each success in between lets it begin anew.
    cloud.api.ok("PUT", JOB, Some(job(30, 1))).await;
    let creates = login.count("auth-sessions/create");
    login.expire_every(5);
    let ended = cloud.api.wait_for_status(&cloud.api.trigger("job").await, "COMPLETED").await;
    assert_eq!(summary(&ended), [30, 0, 0, 30, 0, 0]);
    assert!(login.count("auth-sessions/create") - creates >= 5);
}

#[tokio::test]
async fn a_state_that_a_user_gives_to_a_paused_run_is_carried_from_then_on() {
    let (cloud, login) = start().await;
    let given = json!({ "id": "given", "type": "RUNTIME", "state": { "token": 0 } });
    cloud.api.ok("POST", "/projects/shop/auth-sessions", Some(given)).await;
    let mut document = job(10, 1);
    document["authSession"] = json!({ "id": "given" });
    cloud.api.create_job(document).await;
    login.expire_in(3);
    let run = cloud.api.trigger("job").await;
    let paused = cloud.api.wait_for_status(&run, "PAUSED").await;
    assert_eq!(summary(&paused)[3], 3, "a state that a user has given cannot be renewed");
    // The other session gets a new token, which is good for this one as well.
    cloud.api.ok("POST", &format!("{SESSION}/validate"), None).await;
    login.wait_for_calls("auth-sessions/create", 2).await;
    cloud.api.ok("PUT", "/projects/shop/auth-sessions/given", Some(json!({ "state": { "token": 1 } }))).await;
    cloud.api.ok("POST", &format!("{JOB}/resume"), None).await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    let carried: Vec<_> = login.calls("work").iter().map(|call| call.body["authSession"]["state"].clone()).collect();
    assert_eq!(carried[..4], vec![json!({ "token": 0 }); 4]);
    assert_eq!(carried[4..], vec![json!({ "token": 1 }); 7]);
}

#[tokio::test]
async fn a_state_that_a_user_gives_while_the_old_one_is_good_is_noticed_by_those_at_work() {
    let (cloud, login) = start().await;
    let path = "/projects/shop/auth-sessions/given";
    let given = json!({ "id": "given", "type": "RUNTIME", "state": { "token": 0 } });
    cloud.api.ok("POST", "/projects/shop/auth-sessions", Some(given)).await;
    let mut document = job(80, 2);
    document["authSession"] = json!({ "id": "given" });
    cloud.api.create_job(document).await;
    login.pause(Duration::from_millis(600));
    let run = cloud.api.trigger("job").await;
    login.wait_for_calls("work", 1).await;
    let other = json!({ "token": 0, "from": "another device" });
    cloud.api.ok("PUT", path, Some(json!({ "state": other }))).await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    let calls = login.calls("work");
    assert_eq!(calls.len(), 80, "none was refused");
    assert_eq!(calls.last().unwrap().body["authSession"]["state"], other);
}

#[tokio::test]
async fn a_process_that_dies_in_the_middle_of_a_renewal_is_followed_by_one_that_goes_on_with_it() {
    let (login, folder) = (Login::start().await, tempfile::tempdir().unwrap());
    let (process, api) = Process::start(folder.path()).await;
    api.make_project(&login.target).await;
    make_session(&api).await;
    api.create_job(job(20, 4)).await;
    // The check before the run, and the renewal in its midst, which hangs.
    login.answer_instead([Answer::Result(json!(true)), Answer::Slow(Duration::from_secs(600), json!({ "token": 99 }))]);
    login.expire_in(8);
    let run = api.trigger("job").await;
    login.wait_for_calls("auth-sessions/create", 2).await;
    process.kill();
    let (process, api) = Process::start(folder.path()).await;
    let ended = api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(summary(&ended), [20, 0, 0, 20, 0, 0]);
    let creates = login.calls("auth-sessions/create");
    assert_eq!(creates.len(), 3, "the one that hung was made again, and no other");
    assert_eq!(creates[1].headers["idempotency-key"], creates[2].headers["idempotency-key"]);
    drop(process);
}

#[tokio::test]
async fn a_run_that_was_paused_before_it_started_has_its_session_checked_once_more() {
    let (cloud, login) = start().await;
    cloud.api.create_job(job(2, 2)).await;
    login.answer_instead([Answer::Slow(Duration::from_secs(2), json!(true))]);
    let run = cloud.api.trigger("job").await;
    login.wait_for_calls("auth-sessions/check", 2).await;
    assert_eq!(cloud.api.get(&run).await["status"], "PENDING");
    cloud.api.ok("POST", &format!("{JOB}/pause"), None).await;
    let paused = cloud.api.wait_for_status(&run, "PAUSED").await;
    assert_eq!(paused["reason"]["type"], "user-request");
    cloud.api.wait_for(SESSION, |session| session["checkedAt"].as_str() > session["usedAt"].as_str()).await;
    cloud.api.ok("POST", &format!("{JOB}/resume"), None).await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!((login.count("auth-sessions/check"), login.count("work")), (3, 2));
}

#[tokio::test]
async fn what_failed_is_run_again_and_its_stale_session_renewed_in_the_midst() {
    let (cloud, login) = start().await;
    let mut document = job(2, 1);
    document["configuration"]["retry"] = json!({ "maximumAttempts": 1 });
    document["payload"] = json!([{ "apiName": "work" }, { "apiName": "work", "requestTimeout": 1 }]);
    cloud.api.create_job(document).await;
    login.pause(Duration::from_secs(2));
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(summary(&ended)[4], 1, "{ended}");
    login.pause(Duration::ZERO);
    login.expire();
    cloud.api.ok("POST", &format!("{run}/retry"), None).await;
    let ended = cloud.api.wait_for(&run, |run| run["generation"] == 2 && run["status"] == "COMPLETED").await;
    assert_eq!(summary(&ended), [2, 0, 0, 2, 0, 0]);
    assert_eq!((login.count("auth-sessions/create"), login.count("work")), (2, 4));
}

#[tokio::test]
async fn runs_that_come_to_wait_do_not_disturb_what_is_being_done() {
    let (cloud, login) = start().await;
    let ids = ["one", "two", "three", "four"];
    for id in ids {
        let mut document = job(1, 1);
        document["id"] = json!(id);
        cloud.api.create_job(document).await;
    }
    login.expire();
    // The check says no three times over, and the login takes longer than the lease.
    let no = || Answer::Result(json!(false));
    let slow = Answer::After(Duration::from_secs(6), Box::new(Answer::Result(json!({ "token": 0 }))));
    login.answer_instead([no(), no(), no(), slow, Answer::Result(json!(true))]);
    let mut runs = Vec::new();
    for id in ids {
        runs.push(cloud.api.trigger(id).await);
        login.wait_for_calls("auth-sessions/check", 4).await;
        tokio::time::sleep(Duration::from_millis(1_300)).await;
    }
    login.wait_for_calls("auth-sessions/create", 2).await;
    login.accept(0);
    for run in &runs {
        cloud.api.wait_for_status(run, "COMPLETED").await;
    }
    assert_eq!(login.count("auth-sessions/create"), 2, "nobody broke off the call that was under way");
}

#[tokio::test]
async fn runs_that_wait_for_the_same_failure_end_with_it() {
    let (cloud, login) = start().await;
    let ids = ["one", "two", "three"];
    for id in ids {
        let mut document = job(1, 1);
        document["id"] = json!(id);
        cloud.api.create_job(document).await;
    }
    login.expire();
    login.change_password("another");
    let checked = login.count("auth-sessions/check");
    let runs = futures::future::join_all(ids.map(|id| cloud.api.trigger(id))).await;
    for run in &runs {
        let ended = cloud.api.wait_for_status(run, "CANCELED").await;
        assert_eq!(ended["reason"]["type"], "auth-session-validate-dependency-failed");
    }
    assert_eq!(login.count("auth-sessions/create"), 2, "one of the creation, and one that failed");
    assert_eq!(login.count("auth-sessions/check") - checked, 3);
}

#[tokio::test]
async fn a_job_that_needs_the_lost_session_no_more_goes_on_without_it() {
    let (cloud, login) = start().await;
    cloud.api.create_job(job(4, 2)).await;
    login.change_password("another");
    login.expire_in(0);
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "PAUSED").await;
    let resume = format!("{JOB}/resume");
    cloud.api.ok("PUT", JOB, Some(json!({ "payload": payloads("work", 1) }))).await;
    assert_eq!(cloud.api.send("POST", &resume, None).await.0, 409, "its run needs it");
    cloud.api.ok("POST", &format!("{run}/terminate"), None).await;
    cloud.api.wait_for_status(&run, "TERMINATED").await;
    cloud.api.ok("POST", &resume, None).await;
    assert_eq!(cloud.api.get(JOB).await["state"]["status"], "ACTIVE");
}
