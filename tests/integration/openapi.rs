//! The description of the API is that of the API: no route without a word, no word without a route.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::Cloud;

const BASE: &str = "/v1/workspaces/{workspace}";

async fn described(cloud: &Cloud) -> Value {
    let origin = &cloud.dev.description().api_url;
    let answer = cloud.api.client.get(format!("{origin}/openapi.json")).send().await.unwrap();
    assert_eq!(answer.status(), 200, "it needs no key");
    answer.json().await.unwrap()
}

/// The paths of the router, as it tells them itself.
fn paths(cloud: &Cloud) -> BTreeSet<String> {
    let router = format!("{:?}", sundial_job_api::router::router(cloud.dev.clients().clone()));
    let routes = router.split("fallback_router").next().unwrap();
    // What the published clients are answered is described by what they were made of.
    let is_ours = |text: &&str| text.starts_with('/') && !text.starts_with("/api/v1/workspace/");
    let paths: BTreeSet<_> = routes.split('"').filter(is_ours).map(str::to_owned).collect();
    assert!(paths.contains("/healthz"), "the router does not tell its routes any more: {router}");
    paths
}

/// The methods of a path: an answer that refuses another one names them.
async fn methods(cloud: &Cloud, template: &str) -> BTreeSet<String> {
    let description = cloud.dev.description();
    let path = template.replace("{workspace}", &description.workspace_id.to_string());
    let path = path.replace(['{', '}'], "");
    let request = cloud.api.client.request(reqwest::Method::TRACE, format!("{}{path}", description.api_url));
    let answer = request.header("x-api-key", &description.api_key).send().await.unwrap();
    assert_eq!(answer.status(), 405, "{path}");
    let allowed = answer.headers()["allow"].to_str().unwrap();
    allowed.split(',').filter(|method| *method != "HEAD").map(str::to_lowercase).collect()
}

#[tokio::test]
async fn every_route_is_described_and_what_is_described_is_a_route() {
    let cloud = Cloud::start().await;
    let document = described(&cloud).await;
    assert_eq!(document["openapi"], "3.1.0");
    let (mut routes, mut words) = (BTreeSet::new(), BTreeSet::new());
    for path in paths(&cloud) {
        for method in methods(&cloud, &path).await {
            routes.insert(format!("{method} {path}"));
        }
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        words.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    assert!(routes.len() > 25, "{routes:?}");
    assert_eq!(routes, words);
}

#[tokio::test]
async fn every_parameter_of_a_path_every_key_and_every_problem_is_described() {
    let cloud = Cloud::start().await;
    let document = described(&cloud).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().unwrap();
            let named = |place: &str| -> BTreeSet<&str> {
                let of_place = parameters.iter().filter(|parameter| parameter["in"] == place);
                of_place.map(|parameter| parameter["name"].as_str().unwrap()).collect()
            };
            let in_template: BTreeSet<_> =
                path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            assert_eq!(named("path"), in_template, "{method} {path}");
            let has_effect = method == "post" && !path.ends_with("/schedules/preview");
            assert_eq!(named("header").contains("idempotency-key"), has_effect, "{method} {path}");
            let is_guarded = path.starts_with(BASE);
            assert_eq!(operation["security"].is_array(), !is_guarded, "{method} {path}");
            let statuses = operation["responses"].as_object().unwrap();
            for status in ["401", "404", "429", "500", "503"] {
                assert!(!is_guarded || statuses.contains_key(status), "{method} {path}: {status}");
            }
            for (status, answer) in statuses {
                let is_problem = answer["content"].get("application/problem+json").is_some();
                assert_eq!(is_problem, status.as_str() >= "400", "{method} {path}: {status}");
            }
        }
    }
}
