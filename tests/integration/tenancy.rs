//! Keys open their own workspace and nothing else: every route is tried, as the router itself
//! tells them, with every key that must not open it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sundial_model::WorkspaceId;
use sundial_runtime::clock;

use crate::harness::{Api, Cloud, Target, payloads};

/// What the routes below a workspace begin with: the API, and the same service for the published clients.
const FACES: [&str; 2] = ["/v1/workspaces/", "/api/v1/workspace/"];

/// A route below a workspace.
struct Route {
    face: &'static str,
    method: String,
    template: String,
}

/// The same API by another face.
fn by(face: &str, api: &Api) -> Api {
    Api { base: api.base.replace(FACES[0], face), ..api.clone() }
}

/// The routes below a workspace, as templates. They are read off the router, so that a route that
/// is added is tried here without anybody's doing.
fn templates(cloud: &Cloud) -> Vec<(&'static str, String)> {
    let router = format!("{:?}", sundial_job_api::router::router(cloud.dev.clients().clone()));
    // What comes after that answers for what is no route.
    let routes = router.split("fallback_router").next().unwrap();
    let paths: BTreeSet<_> = routes.split('"').filter(|text| text.starts_with('/')).collect();
    assert!(paths.contains("/healthz"), "the router does not tell its routes any more: {router}");
    let below = |path: &str| {
        let of_face =
            |face: &&'static str| Some((*face, path.strip_prefix(*face)?.strip_prefix("{workspace}")?.to_owned()));
        FACES.iter().find_map(of_face)
    };
    let open: Vec<_> = paths.iter().filter(|path| below(path).is_none()).collect();
    let is_for_all = |path: &&&str| ["/healthz", "/openapi.json"].contains(*path);
    assert!(open.iter().all(is_for_all), "routes that no key guards: {open:?}");
    paths.iter().filter_map(|path| below(path)).collect()
}

/// What stands for the parameters of a path.
#[derive(Clone, Copy)]
struct Names<'a> {
    project: &'a str,
    job: &'a str,
    run: &'a str,
    index: &'a str,
    /// A single run.
    single: &'a str,
    session: &'a str,
    operation: &'a str,
}

impl Names<'_> {
    fn fill(&self, template: &str) -> String {
        let path = template.replace("{project}", self.project).replace("{job}", self.job);
        let path = path.replace("{run}", self.run).replace("{index}", self.index);
        let path = path.replace("{single}", self.single).replace("{run_id}", self.single);
        let path = path.replace("{session}", self.session).replace("{operation}", self.operation);
        assert!(!path.contains('{'), "say here what stands for the parameters of {template}");
        path
    }
}

/// The methods of a path: an answer that refuses another one names them.
async fn methods(owner: &Api, path: &str) -> Vec<String> {
    let request = owner.client.request(reqwest::Method::TRACE, format!("{}{path}", owner.base));
    let answer = request.header("x-api-key", &owner.key).send().await.unwrap();
    assert_eq!(answer.status(), 405, "{path}");
    let allowed = answer.headers()["allow"].to_str().unwrap();
    allowed.split(',').filter(|method| *method != "HEAD").map(str::to_owned).collect()
}

/// An answer but for what differs between any two.
async fn answer(api: &Api, method: &str, path: &str) -> (u16, Value) {
    let (status, mut document) = api.send(method, path, Some(json!({}))).await;
    if let Some(document) = document.as_object_mut() {
        assert!(status < 300 || document.remove("correlationId").is_some(), "{method} {path}: {document:?}");
    }
    (status, document)
}

/// The same answer, where the names that were asked for stand for themselves.
fn without_names((status, document): (u16, Value), names: Names<'_>) -> (u16, String) {
    let text = document.to_string();
    let names = [names.project, names.job, names.single, names.run, names.session, names.operation].into_iter();
    // The stranger has no runs, no session and no operation.
    (status, names.filter(|name| !name.is_empty()).fold(text, |text, name| text.replace(name, "…")))
}

/// Names with the session and the operation of others.
fn of_sessions<'a>(others: Names<'a>, names: Names<'a>) -> Names<'a> {
    Names { session: others.session, operation: others.operation, ..names }
}

/// A workspace with a project, a job and a run that has ended, and another one with nothing in common.
struct Tenants {
    cloud: Cloud,
    target: Target,
    run: String,
    single: String,
    operation: String,
    stranger: Api,
    /// The stranger's own project and job.
    own: Names<'static>,
}

impl Tenants {
    async fn start() -> Self {
        let (cloud, target) = (Cloud::start().await, Target::echo().await);
        cloud.api.make_project(&target).await;
        cloud.api.create_job(json!({ "id": "nightly", "payload": payloads("a", 3) })).await;
        let path = cloud.api.trigger("nightly").await;
        let run = cloud.api.wait_for(&path, |run| run["results"].is_object()).await["id"].as_str().unwrap().to_owned();
        let single = cloud.api.ok("POST", "/projects/shop/single-runs", Some(json!({ "apiName": "a" }))).await;
        let single = single["id"].as_str().unwrap().to_owned();
        let session = json!({ "id": "shop-login", "type": "RUNTIME", "state": "s", "checkAttempts": 1 });
        cloud.api.ok("POST", "/projects/shop/auth-sessions", Some(session)).await;
        let asked = cloud.api.ok("POST", "/projects/shop/auth-sessions/shop-login/validate", None).await;
        let operation = asked["operationId"].as_str().unwrap().to_owned();
        let other = WorkspaceId::new();
        let key = cloud.dev.clients().store.create_api_key(other, None, clock::now()).await.unwrap().api_key;
        let stranger = cloud.api.of_workspace(&other.to_string(), &key);
        let http = json!({ "target": { "type": "http", "baseUrl": target.url } });
        stranger.ok("PUT", "/projects/own-project", Some(http)).await;
        let job = json!({ "id": "own-job", "payload": payloads("a", 1) });
        stranger.ok("POST", "/projects/own-project/jobs", Some(job)).await;
        let nothing = Names { project: "", job: "", run: "", index: "0", single: "", session: "", operation: "" };
        let own = Names { project: "own-project", job: "own-job", ..nothing };
        Self { cloud, target, run, single, operation, stranger, own }
    }

    /// Names of things that are there, in the first workspace.
    fn existing(&self) -> Names<'_> {
        let (run, single, operation) = (&self.run, &self.single, &self.operation);
        Names { project: "shop", job: "nightly", run, index: "0", single, session: "shop-login", operation }
    }

    /// Every method of every route, by template.
    async fn routes(&self) -> Vec<Route> {
        let mut routes = Vec::new();
        for (face, template) in templates(&self.cloud) {
            for method in methods(&by(face, &self.cloud.api), &self.existing().fill(&template)).await {
                routes.push(Route { face, method, template: template.clone() });
            }
        }
        assert!(routes.len() >= 60, "there are {} routes", routes.len());
        routes
    }
}

const MISSING: Names<'_> = Names {
    project: "missing-project",
    job: "missing-job",
    run: "0198c5a0-0000-4000-8000-000000000001",
    index: "77",
    single: "0198c5a0-0000-4000-8000-000000000003-0",
    session: "missing-session",
    operation: "0198c5a0-0000-4000-8000-000000000002",
};

#[tokio::test]
async fn no_route_opens_to_a_stranger_tells_what_is_there_or_writes_anything() {
    let tenants = Tenants::start().await;
    let (cloud, stranger) = (&tenants.cloud, &tenants.stranger);
    let routes = tenants.routes().await;
    let intruder = Api { base: cloud.api.base.clone(), ..stranger.clone() };
    let nowhere = cloud.api.of_workspace(&WorkspaceId::new().to_string(), &stranger.key);
    let no_workspace = cloud.api.of_workspace("shop", &stranger.key);
    let (before, events, calls) = (cloud.items_at_rest().await, cloud.events().len(), tenants.target.count());
    let refused = answer(&intruder, "GET", "/projects").await;
    assert_eq!((refused.0, &refused.1["code"]), (404, &json!("not-found")));
    for Route { face, method, template } in &routes {
        let refused = answer(&by(face, &intruder), "GET", "/projects/shop/jobs").await;
        assert_eq!((refused.0, &refused.1["code"]), (404, &json!("not-found")));
        // At another's door it is all the same, be there a workspace or not, and whatever is in it.
        for api in [&intruder, &nowhere, &no_workspace] {
            for names in [tenants.existing(), MISSING] {
                let api = by(face, api);
                assert_eq!(answer(&api, method, &names.fill(template)).await, refused, "{method} {face} {template}");
            }
        }
        // At home, the names of what another one has say nothing.
        let theirs = tenants.existing();
        for (one, other) in [
            (theirs, MISSING),
            (Names { project: tenants.own.project, ..theirs }, Names { project: tenants.own.project, ..MISSING }),
            (Names { run: theirs.run, ..tenants.own }, Names { run: MISSING.run, ..tenants.own }),
            (Names { single: theirs.single, ..tenants.own }, Names { single: MISSING.single, ..tenants.own }),
            (of_sessions(theirs, tenants.own), of_sessions(MISSING, tenants.own)),
        ] {
            if one.fill(template) == other.fill(template) {
                continue;
            }
            let stranger = by(face, stranger);
            let found = answer(&stranger, method, &one.fill(template)).await;
            let missing = answer(&stranger, method, &other.fill(template)).await;
            assert!(matches!(found.0, 400 | 404), "{method} {template}: {found:?}");
            assert_eq!(without_names(found, one), without_names(missing, other), "{method} {template}");
        }
    }
    for (method, path) in [("GET", "/nothing"), ("TRACE", "/projects"), ("DELETE", "/projects/shop/nothing")] {
        assert_eq!(answer(&intruder, method, path).await, refused, "{method} {path}");
    }
    assert_eq!(cloud.items().await, before);
    assert_eq!((cloud.events().len(), tenants.target.count()), (events, calls));
    // All that was asked for is still there for its owner.
    let run = cloud.api.get(&format!("/projects/shop/jobs/nightly/runs/{}", tenants.run)).await;
    assert_eq!(run["status"], "COMPLETED");
}

#[tokio::test]
async fn no_route_opens_without_a_good_key() {
    let tenants = Tenants::start().await;
    let (cloud, store) = (&tenants.cloud, &tenants.cloud.dev.clients().store);
    let workspace = cloud.dev.description().workspace_id;
    let revoked = store.create_api_key(workspace, None, clock::now()).await.unwrap();
    let with = |key: &str| Api { key: key.to_owned(), ..cloud.api.clone() };
    cloud.api.get("/projects").await;
    with(&revoked.api_key).get("/projects").await;
    store.revoke_api_key(workspace, &revoked.key_id, clock::now()).await.unwrap().unwrap();
    let good = &cloud.api.key;
    let (head, secret) = good.rsplit_once('_').unwrap();
    let forged = format!("{head}_{}", secret.chars().rev().collect::<String>());
    let unknown = good.replace(good.split('_').nth(2).unwrap(), "0123456789abcdef");
    let bad = [
        "",
        " ",
        "nonsense",
        &revoked.api_key,
        &forged,
        &unknown,
        head,
        &good[..good.len() - 1],
        &format!("{good}0"),
        &good.to_uppercase(),
        &format!("Bearer {good}"),
        &format!("{good},{good}"),
        &"x".repeat(4000),
    ]
    .map(with);
    let routes = tenants.routes().await;
    let before = cloud.items_at_rest().await;
    let refused = answer(&with("nonsense"), "GET", "/projects").await;
    assert_eq!((refused.0, &refused.1["code"]), (401, &json!("unauthorized")));
    for Route { face, method, template } in &routes {
        let refused = answer(&by(face, &with("nonsense")), "GET", "/projects/shop/jobs").await;
        assert_eq!((refused.0, &refused.1["code"]), (401, &json!("unauthorized")));
        for names in [tenants.existing(), MISSING] {
            let path = names.fill(template);
            for api in &bad {
                let api = by(face, api);
                assert_eq!(answer(&api, method, &path).await, refused, "{method} {template} with {:?}", api.key);
            }
            let url = format!("{}{path}?x-api-key={good}", by(face, &cloud.api).base);
            let keyless = cloud.api.client.request(method.parse().unwrap(), url).bearer_auth(good);
            assert_eq!(keyless.json(&json!({})).send().await.unwrap().status(), 401, "{method} {template}");
        }
    }
    for (method, path) in [("GET", "/nothing"), ("TRACE", "/projects")] {
        assert_eq!(answer(&with(&forged), method, path).await, refused, "{method} {path}");
    }
    assert_eq!(cloud.items().await, before);
}
