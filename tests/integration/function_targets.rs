//! Targets that are Lambda functions: invoked with the same envelope as a server is called, and whatever goes wrong is
//! told and tried again as it is for a server.

use std::time::Duration;

use serde_json::{Value, json};
use sundial_model::secret::SecretValues;
use sundial_outbound::TargetFunctions;
use sundial_runtime::clock;

use crate::harness::lambda::{Invoked, Lambda, Outcome};
use crate::harness::{Cloud, pointers};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:prices";

/// Does what the name of the API says, if it is not that of a function that works.
async fn lambda() -> Lambda {
    Lambda::start(|Invoked { event, .. }| {
        let is_first = event["context"]["attempt"] == 1;
        match event["api"].as_str().unwrap() {
            "breaks-once" if is_first => Outcome::Breaks(json!({ "errorType": "KeyError", "errorMessage": "'sku'" })),
            "has-no-room-once" if is_first => Outcome::Refused(429, "TooManyRequestsException", "Rate Exceeded."),
            "runs-out-of-time" => {
                Outcome::Breaks(json!({ "errorMessage": "2026-01-01 Task timed out after 3.00 seconds" }))
            }
            "is-silent" => Outcome::Silence,
            // Longer than any other call of AWS may take.
            "is-slow" => Outcome::After(Duration::from_secs(10), Box::new(Outcome::Returns(json!({ "result": 1 })))),
            "is-forbidden" => Outcome::Refused(
                403,
                "AccessDeniedException",
                "User: arn:aws:sts::1:assumed-role/ours is not authorized",
            ),
            "is-gone" => Outcome::Refused(404, "ResourceNotFoundException", "Function not found"),
            "is-too-large" => Outcome::Returns(json!({ "result": "x".repeat(4_000_000) })),
            "is-large" => Outcome::Returns(json!({ "result": "x".repeat(1_000_000) })),
            "says-no" => {
                Outcome::Returns(json!({ "error": { "code": "sold-out", "message": "none", "retryable": false } }))
            }
            "says-nothing-known" => Outcome::Returns(json!([1])),
            "extends" => Outcome::Returns(json!({ "result": 1, "extendedPayloads": [{ "api": "echo" }] })),
            _ => Outcome::Returns(json!({ "result": event["parameters"] })),
        }
    })
    .await
}

async fn cloud_with_project(lambda: &Lambda, target: &Value) -> Cloud {
    let cloud = Cloud::start_invoking(&lambda.url, &[ARN]).await;
    cloud.api.ok("PUT", "/projects/shop", Some(json!({ "target": target }))).await;
    cloud
}

#[tokio::test]
async fn a_function_carries_out_payloads_and_what_goes_wrong_has_its_code() {
    let lambda = lambda().await;
    let target = json!({ "type": "lambda", "functionArn": ARN, "qualifier": "live" });
    let cloud = cloud_with_project(&lambda, &target).await;
    assert_eq!(cloud.api.get("/projects/shop").await["target"], target);
    // API, attempts, and its result or its code.
    let expected: [(&str, u64, Result<Value, &str>); 13] = [
        ("echo", 1, Ok(json!({ "n": 0 }))),
        ("breaks-once", 2, Ok(json!({ "n": 1 }))),
        ("has-no-room-once", 2, Ok(json!({ "n": 2 }))),
        ("runs-out-of-time", 2, Err("timeout")),
        ("is-silent", 2, Err("timeout")),
        ("is-slow", 1, Ok(json!(1))),
        ("is-gone", 1, Err("http-404")),
        ("is-forbidden", 1, Err("http-403")),
        ("is-too-large", 1, Err("result-too-big-error")),
        ("is-large", 1, Ok(json!("x".repeat(1_000_000)))),
        ("says-no", 1, Err("sold-out")),
        ("says-nothing-known", 1, Err("invalid-answer")),
        ("extends", 1, Ok(json!(1))),
    ];
    let payload: Vec<_> = expected
        .iter()
        .enumerate()
        .map(|(n, (api, ..))| {
            let timeout = if *api == "is-slow" { 60 } else { 1 };
            json!({ "apiName": api, "parameters": { "n": n }, "requestTimeout": timeout })
        })
        .collect();
    let retry = json!({ "maximumAttempts": 2, "initialInterval": "100ms" });
    let configuration = json!({ "retry": retry, "maxConcurrentRequests": 20 });
    cloud.api.create_job(json!({ "id": "j", "payload": payload, "configuration": configuration })).await;
    let run = cloud.api.trigger("j").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    for (index, (api, attempts, outcome)) in expected.iter().enumerate() {
        let payload = cloud.api.get(&format!("{run}/payloads/{index}")).await;
        assert_eq!(payload["attempts"], *attempts, "{api}: {payload}");
        match outcome {
            Ok(_) if *api == "is-large" => assert!(payload["resultLocation"].is_object(), "{api}: {payload}"),
            Ok(result) => assert_eq!(payload["result"], *result, "{api}"),
            Err(code) => assert_eq!(payload["error"]["code"], *code, "{api}: {payload}"),
        }
        assert!(!payload.to_string().contains("assumed-role"), "{payload}");
    }
    let invocations = lambda.invocations();
    // Of those with two attempts there are four, and the run was extended by one payload.
    assert_eq!(invocations.len(), expected.len() + 4 + 1, "an attempt is one invocation");
    let Invoked { function, qualifier, client_context, region, event } =
        invocations.iter().find(|invoked| invoked.event["api"] == "echo").unwrap();
    assert_eq!((function.as_str(), qualifier.as_deref(), region.as_str()), (ARN, Some("live"), "eu-west-1"));
    assert!(client_context["custom"]["traceparent"].as_str().unwrap().starts_with("00-"));
    assert_eq!(event["context"]["jobId"], "j");
    assert!(event["context"]["runId"].is_string());
}

#[tokio::test]
async fn only_functions_that_the_deployment_allows_are_targets() {
    let lambda = lambda().await;
    let target = json!({ "type": "lambda", "functionArn": ARN });
    let cloud = cloud_with_project(&lambda, &target).await;
    let refused = async |target: Value| {
        let (status, problem) = cloud.api.send("PUT", "/projects/other", Some(json!({ "target": target }))).await;
        assert_eq!(status, 400, "{problem}");
        pointers(&problem).join(" ")
    };
    let other = "arn:aws:lambda:eu-west-1:123456789012:function:other";
    assert_eq!(refused(json!({ "type": "lambda", "functionArn": other })).await, "/target/functionArn");
    assert_eq!(refused(json!({ "type": "lambda", "functionArn": format!("{ARN}:live") })).await, "/target/functionArn");
    assert_eq!(refused(json!({ "type": "lambda" })).await, "/target/functionArn");
    let unknown = json!({ "type": "lambda", "functionArn": ARN, "qualifier": "$X", "format": "plain" });
    assert_eq!(refused(unknown).await, "/target/format /target/qualifier");
    // Somebody else's function is none for this workspace, whoever may have it.
    cloud.api.create_job(json!({ "id": "j", "payload": [{ "apiName": "echo" }] })).await;
    let mut clients = cloud.dev.clients().clone();
    clients.settings.target_functions = TargetFunctions::default();
    let (status, _, problem) =
        cloud.api.send_to(clients, "PUT", "/projects/shop", &[], Some(json!({ "target": target }))).await;
    assert_eq!((status, pointers(&problem)), (400, vec!["/target/functionArn"]));
    // What was allowed when it was saved may not be any more when it is called.
    let store = &cloud.dev.clients().store;
    let (workspace, name) = (cloud.dev.description().workspace_id, "shop".parse().unwrap());
    let project = store.project(workspace, &name).await.unwrap().unwrap();
    let closed = serde_json::from_value(json!({ "type": "lambda", "functionArn": other })).unwrap();
    store.update_project(&project, closed, &SecretValues::default(), clock::now()).await.unwrap();
    let run = cloud.api.trigger("j").await;
    cloud.api.wait_for_status(&run, "FAILED").await;
    assert_eq!(cloud.api.get(&format!("{run}/payloads/0")).await["error"]["code"], "blocked-address");
    assert_eq!(lambda.invocations().len(), 0);
}
