//! Buckets without keys: Sundial's own role writes to them, where the deployment allows it.

use serde_json::{Value, json};

use crate::harness::{Cloud, Process, Target, payloads, pointers};

fn bucket(name: &str) -> Value {
    json!({ "type": "s3", "bucket": name, "region": "us-east-1", "prefix": "out/" })
}

fn job(id: &str, bucket_name: &str) -> Value {
    json!({ "id": id, "payload": payloads("a", 3), "sink": bucket(bucket_name) })
}

#[tokio::test]
async fn the_own_role_writes_to_buckets_that_the_deployment_names_and_to_no_others() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    for name in ["foreign", "sundial-results"] {
        let (status, problem) = cloud.api.send("POST", "/projects/shop/jobs", Some(job("job", name))).await;
        assert_eq!((status, pointers(&problem)), (400, vec!["/sink/bucket"]), "{name}");
    }
    cloud.api.create_job(job("job", "own-sink")).await;
    let (status, problem) = cloud.api.send("PUT", "/projects/shop/jobs/job", Some(job("job", "foreign"))).await;
    assert_eq!((status, pointers(&problem)), (400, vec!["/sink/bucket"]));
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for(&run, |run| run["deliveries"]["delivered"] == 3).await;
    let prefix = format!("out/job/{}/", ended["id"].as_str().unwrap());
    let objects = cloud.dev.objects("own-sink", &prefix).await.unwrap();
    assert_eq!(objects.len(), 3);
    // A repeat writes the same object.
    cloud.api.ok("POST", &format!("{run}/payloads/1/redeliver"), None).await;
    let path = format!("{run}/payloads/1");
    cloud.api.wait_for(&path, |payload| payload["deliveries"].as_array().unwrap().len() == 2).await;
    assert_eq!(cloud.dev.objects("own-sink", "").await.unwrap(), objects);
}

#[tokio::test]
async fn what_the_deployment_allows_is_asked_again_with_each_delivery() {
    let (folder, target) = (tempfile::tempdir().unwrap(), Target::echo().await);
    let (process, api) = Process::start(folder.path()).await;
    let workspace = api.base.rsplit_once('/').unwrap().1.to_owned();
    process.kill();
    let allowed = format!("{workspace}=shared-bucket");
    let (process, api) = Process::start_with(folder.path(), &[("SUNDIAL_SINK_BUCKETS", &allowed)]).await;
    api.make_project(&target).await;
    api.create_job(job("job", "shared-bucket")).await;
    let first_try = async |api: &crate::harness::Api| {
        let run = api.trigger("job").await;
        let path = format!("{run}/payloads/0");
        let payload = api.wait_for(&path, |payload| payload["deliveries"][0].is_object()).await;
        payload["deliveries"][0].clone()
    };
    assert_eq!(first_try(&api).await["status"], "delivered");
    process.kill();
    let (_process, api) = Process::start(folder.path()).await;
    let tried = first_try(&api).await;
    assert_eq!(tried["status"], "retrying");
    assert_eq!(tried["error"], "this deployment does not let Sundial's own role write to the bucket");
}
