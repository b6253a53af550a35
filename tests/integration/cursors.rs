//! Cursors that somebody has made up are refused by every list: whatever stands in them, it is no error of the server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Cloud, Target, payloads, pointers};

/// A cursor of a list with this position in it, as anybody can make one.
fn forge(cloud: &Cloud, path: &str, position: &str) -> String {
    let nothing = Value::Null;
    let list = json!([2, cloud.dev.description().workspace_id, path, [nothing, nothing]]).to_string();
    let digest = Sha256::new_with_prefix(list).chain_update(position).finalize();
    URL_SAFE_NO_PAD.encode([&[2], &digest[..16], position.as_bytes()].concat())
}

#[tokio::test]
async fn a_position_that_a_list_cannot_have_is_refused_in_a_cursor_of_it() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 3) })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    let (of_run, id) = (format!("{run}/payloads"), run.rsplit('/').next().unwrap());
    let place = format!("2026-01-01T00:00:00.000Z#2026-01-01T00:00:00.000Z#{id}");
    let (long, over, many) = ("x".repeat(129), "x".repeat(1_100), "1".repeat(300));
    for (path, good) in [
        ("/projects", "shop"),
        ("/projects/shop/jobs", "job"),
        ("/projects/shop/auth-sessions", "login"),
        ("/projects/shop/runs", &place),
        ("/projects/shop/jobs/job/runs", &place),
        ("/projects/shop/jobs/job/payload", "1"),
        (&of_run, "1"),
    ] {
        let get = async |position: &str| {
            cloud.api.send("GET", &format!("{path}?cursor={}", forge(&cloud, path, position)), None).await
        };
        let (status, page) = get(good).await;
        assert_eq!(status, 200, "{path}: {page}");
        for position in ["\u{10ffff}z", &over, &long, &many, "", "a b", "a#b", "\u{e9}", "a\n", "4294967295#"] {
            let (status, problem) = get(position).await;
            assert_eq!((status, pointers(&problem)), (400, vec!["/cursor"]), "{path} after {position:?}: {problem}");
        }
    }
    for path in ["/projects/shop/jobs/job/payload", &of_run] {
        let cursor = forge(&cloud, path, "4294967294");
        assert_eq!(cloud.api.send("GET", &format!("{path}?cursor={cursor}"), None).await.0, 400, "{path}");
    }
}
