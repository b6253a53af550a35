//! Addresses that must not be called are refused when they are saved, by the field they stand in, and
//! nothing is written.

use serde_json::{Value, json};

use crate::harness::{Cloud, payloads, pointers};

/// Hosts that are addresses, in all their spellings, none of which is public.
const BLOCKED: [&str; 29] = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.01",
    "１２７．０．０．１",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.31.255.255",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[::ffff:10.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[2002:a00:1::1]",
    "[2001:db8::1]",
];

/// A job whose results and end are told at these three places.
fn job(webhook: &str, endpoint: &str, notification: &str) -> [Value; 2] {
    let with = |sink: Value| {
        let notifications = json!([
            { "type": "webhook", "url": "https://told.example/" },
            { "type": "webhook", "url": notification }
        ]);
        json!({ "id": "new", "payload": payloads("a", 1), "sink": sink, "notifications": notifications })
    };
    [
        with(json!({ "type": "webhook", "url": webhook })),
        with(json!({
            "type": "s3", "bucket": "results", "region": "us-east-1", "endpoint": endpoint, "forcePathStyle": true,
            "accessKeyId": "A", "secretAccessKey": "B"
        })),
    ]
}

#[tokio::test]
async fn no_address_that_must_not_be_called_is_saved_in_any_field_or_spelling() {
    let cloud = Cloud::start_for_the_public().await;
    let good = json!({ "target": { "type": "http", "baseUrl": "https://shop.example" } });
    let project = cloud.api.ok("PUT", "/projects/shop", Some(good)).await;
    let public = "http://93.184.215.14:8080/";
    let [webhook, _] = job(public, public, public);
    let mut old = webhook.clone();
    old["id"] = json!("old");
    let old = cloud.api.create_job(old).await;
    for host in BLOCKED {
        let url = format!("http://{host}:8080/path");
        let target = json!({ "target": { "type": "http", "baseUrl": url } });
        for project in ["new", "shop"] {
            let put = cloud.api.send("PUT", &format!("/projects/{project}"), Some(target.clone())).await;
            assert_eq!((put.0, pointers(&put.1)), (400, vec!["/target/baseUrl"]), "{host}: {}", put.1);
        }
        for (job, field) in job(&url, &url, &url).into_iter().zip(["/sink/url", "/sink/endpoint"]) {
            for (method, path) in [("POST", "/projects/shop/jobs"), ("PUT", "/projects/shop/jobs/old")] {
                let mut job = job.clone();
                job["id"] = json!(if method == "PUT" { "old" } else { "new" });
                let (status, problem) = cloud.api.send(method, path, Some(job)).await;
                assert_eq!(status, 400, "{host}: {problem}");
                assert_eq!(pointers(&problem), ["/notifications/1/url", field], "{host}: {problem}");
            }
        }
    }
    assert_eq!(cloud.api.get("/projects/shop").await["target"], project["target"]);
    assert_eq!(cloud.api.get("/projects/shop/jobs").await["items"], json!([old]));
    assert_eq!(cloud.api.send("GET", "/projects/new", None).await.0, 404);
}

#[tokio::test]
async fn a_refused_address_is_named_together_with_all_other_faults() {
    let cloud = Cloud::start_for_the_public().await;
    let job = json!({
        "id": "no spaces", "payload": [], "sink": { "type": "webhook", "url": "http://10.0.0.1" },
        "notifications": [{ "type": "fax" }, { "type": "webhook", "url": "http://[::1]" }]
    });
    let (status, problem) = cloud.api.send("POST", "/projects/demo/jobs", Some(job)).await;
    let expected = ["/id", "/notifications/0/type", "/notifications/1/url", "/payload", "/sink/url"];
    assert_eq!((status, pointers(&problem)), (400, expected.to_vec()), "{problem}");
    let said = problem["errors"].as_array().unwrap().iter().find(|error| error["pointer"] == "/sink/url").unwrap();
    assert_eq!(said["message"], "must not lead to 10.0.0.1, a private address");
}

#[tokio::test]
async fn a_deployment_saves_addresses_of_ranges_that_it_opens_and_no_others() {
    let cloud = Cloud::start().await;
    for (host, status) in
        [("127.0.0.1", 200), ("127.255.255.255", 200), ("[::1]", 200), ("[::ffff:127.0.0.1]", 200), ("10.0.0.1", 400)]
    {
        let target = json!({ "target": { "type": "http", "baseUrl": format!("http://{host}:9") } });
        let answer = cloud.api.send("PUT", "/projects/demo", Some(target)).await;
        assert_eq!(answer.0, status, "{host}: {}", answer.1);
    }
}
