//! Chaos: SIGKILL at random moments, again and again, while two large runs are under way with targets
//! that fail, extensions, and sinks of both kinds. In the end everything is accounted for.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is its purpose")]

#[allow(dead_code, reason = "it has what other tests need, too")]
#[path = "../integration/harness/mod.rs"]
mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use harness::{Answer, Api, Call, Cloud, Process, Target, summary};

const KILLS: u32 = 20;
/// The payloads of each job; with what they extend its run by, over 5,000.
const INITIAL: u32 = 4_400;
const EXTENDING_EVERY: u32 = 40;
/// How long the runs may take once they are left in peace.
const PATIENCE: Duration = Duration::from_secs(300);

/// A job's payloads: most do well at once, some later, some never; some extend the run, by payloads
/// that do the same. Each has a name, from which one tells whether it was carried out.
fn payloads(wait: u32) -> Value {
    let leaf = |name: String, more: Value| {
        let mut parameters = json!({ "name": name, "wait": wait });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "api": "leaf", "parameters": parameters })
    };
    let payload = |n: u32| {
        let mut parameters = json!({ "name": n.to_string(), "wait": wait / 2 + wait * (n % 10) / 10 });
        if n % EXTENDING_EVERY == 3 {
            let last = leaf(format!("{n}/0/0"), json!({}));
            let mut leaves = vec![leaf(format!("{n}/0"), json!({ "extend": [last] }))];
            let fates = [json!({ "fail": [503] }), json!({ "fail": [400] }), json!({}), json!({})];
            leaves.extend((1..).zip(fates).map(|(m, fate)| leaf(format!("{n}/{m}"), fate)));
            parameters["extend"] = Value::Array(leaves);
        }
        match n {
            _ if n % 101 == 7 => parameters["fail"] = json!([500, 502, 500]),
            _ if n % 23 == 5 => parameters["fail"] = json!([400]),
            _ if n % 9 == 4 || n % (2 * EXTENDING_EVERY) == 3 => parameters["fail"] = json!([503]),
            _ => {}
        }
        json!({ "apiName": "a", "parameters": parameters })
    };
    (0..INITIAL).map(payload).collect()
}

/// How a payload with these parameters ends, and at which attempt.
fn fate(parameters: &Value) -> (&'static str, u64) {
    match parameters["fail"].as_array().map(|statuses| (statuses.len(), statuses[0] == 400)) {
        None => ("SUCCEEDED", 1),
        Some((_, true)) => ("FAILED", 1),
        Some((1, _)) => ("SUCCEEDED", 2),
        Some(_) => ("FAILED", 3),
    }
}

async fn start_job(api: &Api, id: &str, limit: u32, wait: u32, sink: Value) -> String {
    let retry = json!({ "maximumAttempts": 3, "initialInterval": "300ms" });
    let configuration = json!({ "maxConcurrentRequests": limit, "retry": retry });
    api.create_job(json!({ "id": id, "payload": payloads(wait), "configuration": configuration, "sink": sink })).await;
    api.trigger(id).await
}

/// A receiver that is busy when it is first asked for some of the deliveries.
async fn receiver() -> Target {
    let refused = std::sync::Mutex::new(BTreeSet::new());
    Target::start(move |call| {
        let id = call.headers["webhook-id"].to_str().unwrap().to_owned();
        let is_picky = id.ends_with("77_1") || id.ends_with("13_1");
        if is_picky && refused.lock().unwrap().insert(id) {
            Answer::Status(503, json!({}))
        } else {
            Answer::Result(json!(1))
        }
    })
    .await
}

/// Waits until each of these runs is worked on.
async fn wait_for_calls(target: &Target, runs: &[String]) {
    let (seen, begun) = (target.count(), Instant::now());
    loop {
        let calls = target.calls_since(seen);
        if runs.iter().all(|run| calls.iter().any(|call| call.body["context"]["jobRunId"] == **run)) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody works on {runs:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How often each attempt of a run was begun, by payload and number.
fn begun(calls: &[Call], run: &Value) -> BTreeMap<(u64, u64), u32> {
    let mut begun = BTreeMap::new();
    for call in calls.iter().filter(|call| call.body["context"]["jobRunId"] == run["id"]) {
        *begun.entry((call.index(), call.attempt())).or_default() += 1;
    }
    begun
}

/// Checks that each payload of a run has the end that it should have; answers with how many were lost
/// with their workers.
fn check_records(run: &Value, records: &[Value], calls: &[Call]) -> usize {
    let begun = begun(calls, run);
    let (mut names, mut expected_names, mut lost) = (BTreeSet::new(), BTreeSet::new(), 0);
    for (index, record) in records.iter().enumerate() {
        let parameters = &record["parameters"];
        assert_eq!(record["payloadIndex"], index);
        let name = parameters["name"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} joined the run twice");
        if index < INITIAL as usize {
            expected_names.insert(index.to_string());
        }
        let attempts = record["attempts"].as_u64().unwrap();
        if record["error"]["code"] == "worker-lost" {
            // Three workers had announced this very attempt and died of it, one perhaps just before the call.
            let begun = begun.get(&(index as u64, attempts)).copied().unwrap_or(0);
            assert!(begun >= 2, "{name} was begun {begun} times: {record}");
            lost += 1;
            continue;
        }
        assert_eq!((record["status"].as_str().unwrap(), attempts), fate(parameters), "{record}");
        let numbers: Vec<u64> = begun.keys().filter(|(of, _)| *of == index as u64).map(|(_, number)| *number).collect();
        assert_eq!(numbers, (1..=attempts).collect::<Vec<_>>(), "the attempts that {name} was asked for");
        if record["status"] == "SUCCEEDED" {
            assert_eq!(record["result"], *parameters);
            let extension = parameters["extend"].as_array().into_iter().flatten();
            expected_names.extend(extension.map(|leaf| leaf["parameters"]["name"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(names, expected_names, "every extension joined the run");
    let count = |status: &str| records.iter().filter(|record| record["status"] == status).count() as u64;
    let total = records.len() as u64;
    assert_eq!(summary(run), [total, 0, 0, count("SUCCEEDED"), count("FAILED"), 0], "counters equal records");
    lost
}

/// Checks that the export has a line for each payload, in order, with how it ended.
async fn check_export(run: &Value, records: &[Value]) {
    let link = run["results"]["signedUrl"].as_str().unwrap();
    let text = reqwest::get(link).await.unwrap().text().await.unwrap();
    assert_eq!(run["results"]["size"], text.len());
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), records.len());
    for (line, record) in lines.iter().zip(records) {
        let info = &line["apiInfo"];
        assert_eq!((&info["runId"], &info["parameters"]), (&record["id"], &record["parameters"]));
        assert_eq!(info["error"].is_null(), record["status"] == "SUCCEEDED", "{line}");
    }
}

/// Checks that the receiver was sent the end of each payload, under one id however often.
fn check_hook(receiver: &Target, records: &[Value]) -> usize {
    let calls = receiver.calls();
    let mut told: BTreeMap<&str, &Value> = BTreeMap::new();
    for call in &calls {
        let before = told.insert(call.headers["webhook-id"].to_str().unwrap(), &call.body);
        assert!(before.is_none_or(|before| *before == call.body), "it was told something else before");
    }
    assert_eq!(told.len(), records.len());
    for record in records {
        let body = told[format!("{}_1", record["id"].as_str().unwrap()).as_str()];
        let expected = if record["status"] == "SUCCEEDED" { "completed" } else { "failed" };
        assert_eq!(body["apiInfo"]["result"]["status"], expected, "{record}");
    }
    calls.len() - told.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "what happened differs from time to time, and is worth knowing")]
async fn whatever_happens_every_payload_is_accounted_for() {
    let (seed, begun_at) = (fastrand::u64(..), Instant::now());
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (target, receiver) = (Target::by_parameters().await, receiver().await);
    // The bucket's address must stay the same, so it is not that of the process.
    let elsewhere = Cloud::start_embedded_storage_only().await;
    elsewhere.dev.make_bucket("deliveries").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut process, mut api) = Process::start(folder.path()).await;
    api.make_project(&target).await;
    let description = elsewhere.dev.description();
    let hook = json!({ "type": "webhook", "url": format!("{}/hook", receiver.url) });
    let bucket = json!({
        "type": "s3", "bucket": "deliveries", "region": description.region,
        "endpoint": description.s3_url, "forcePathStyle": true,
        "accessKeyId": description.access_key_id, "secretAccessKey": description.secret_access_key
    });
    // One in a single lane, the other in two.
    let runs = [start_job(&api, "hooked", 20, 100, hook).await, start_job(&api, "stored", 120, 400, bucket).await];
    let mut under_way: Vec<String> = runs.iter().map(|run| run.rsplit('/').next().unwrap().to_owned()).collect();
    let mut kills = 0;
    while kills < KILLS {
        wait_for_calls(&target, &under_way).await;
        tokio::time::sleep(Duration::from_millis(random.u64(0..3_000))).await;
        process.kill();
        (process, api) = Process::start(folder.path()).await;
        kills += 1;
        under_way.clear();
        for run in &runs {
            let run = api.get(run).await;
            under_way.extend((run["status"] == "RUNNING").then(|| run["id"].as_str().unwrap().to_owned()));
        }
        assert!(!under_way.is_empty(), "kill {kills} came after the end");
    }
    let killed_for = begun_at.elapsed();
    let mut lost = 0;
    let mut ended = Vec::new();
    for run in &runs {
        let is_over = |run: &Value| run["status"] == "COMPLETED";
        api.wait_for_within(PATIENCE, run, is_over).await;
        let is_closed = |run: &Value| run["deliveries"]["pending"] == 0 && run["results"].is_object();
        let run_ended = api.wait_for_within(PATIENCE, run, is_closed).await;
        let records = api.all(&format!("{run}/payloads")).await;
        assert_eq!(run_ended["deliveries"], json!({ "delivered": records.len(), "pending": 0, "failed": 0 }));
        lost += check_records(&run_ended, &records, &target.calls());
        assert!(lost > 0 || records.len() >= 5_000, "{} payloads", records.len());
        check_export(&run_ended, &records).await;
        ended.push((run_ended, records));
    }
    assert!(lost <= 50, "{lost} payloads were lost with their workers");
    let hooked_twice = check_hook(&receiver, &ended[0].1);
    let (stored, records) = &ended[1];
    let prefix = format!("stored/{}/", stored["id"].as_str().unwrap());
    let expected: BTreeSet<_> = (0..records.len()).map(|index| format!("{prefix}{index:08}.json")).collect();
    let objects = elsewhere.dev.objects("deliveries", "").await.unwrap();
    assert_eq!(objects.into_iter().collect::<BTreeSet<_>>(), expected);
    let attempts: u64 = ended.iter().flat_map(|(_, records)| records).map(|it| it["attempts"].as_u64().unwrap()).sum();
    println!(
        "{kills} kills in {} s, over after {} s: {} payloads, {lost} of them lost with their workers; {} calls for \
         {attempts} attempts, {hooked_twice} deliveries more than needed",
        killed_for.as_secs(),
        begun_at.elapsed().as_secs(),
        ended.iter().map(|(_, records)| records.len()).sum::<usize>(),
        target.count(),
    );
    drop(process);
}
