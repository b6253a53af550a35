//! SIGKILL in the middle of a job run: what was recorded stays, the rest goes on, nothing is
//! counted twice.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Answer, Api, Target, payloads, summary};

/// `sundial dev` as a process of its own, killed when dropped.
struct Process(Child);

impl Process {
    async fn start(folder: &Path) -> (Self, Api) {
        let before = std::fs::metadata(folder.join("dev.json")).and_then(|file| file.modified()).ok();
        let process = Command::new(env!("CARGO_BIN_EXE_sundial-under-test"))
            .args(["dev", "--port", "0", "--data-dir"])
            .arg(folder)
            .env("SUNDIAL_LEASE_SECONDS", "2")
            .stdout(Stdio::null())
            .spawn()
            .map(Self)
            .unwrap();
        let begun = Instant::now();
        loop {
            let written = std::fs::metadata(folder.join("dev.json")).and_then(|file| file.modified()).ok();
            if written.is_some() && written != before {
                return (process, Api::of_folder(folder).unwrap());
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the process does not get ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// SIGKILL: the process gets no chance to say goodbye.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_run_survives_sigkill_and_nothing_is_lost_or_counted_twice() {
    const PAYLOADS: u32 = 300;
    let target = Target::start(|call| match call.body["context"]["payloadIndex"].as_u64() {
        Some(index) if index % 50 == 7 => Answer::Status(400, json!({})),
        _ => Answer::Slow(Duration::from_millis(60), call.body["parameters"].clone()),
    })
    .await;
    let receiver = Target::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let (mut process, mut api) = Process::start(folder.path()).await;
    api.make_project(&target).await;
    let sink = json!({ "type": "webhook", "url": format!("{}/hook", receiver.url) });
    let configuration = json!({ "maxConcurrentRequests": 8 });
    let job = json!({
        "id": "job", "payload": payloads("a", PAYLOADS), "configuration": configuration, "sink": sink
    });
    api.create_job(job).await;
    let run = api.trigger("job").await;
    for finished in [40, 120, 200] {
        api.wait_for(&run, |run| {
            run["summary"]["succeeded"].as_u64().unwrap() + run["summary"]["failed"].as_u64().unwrap() >= finished
        })
        .await;
        process.kill();
        (process, api) = Process::start(folder.path()).await;
    }
    let ended = api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(summary(&ended), [300, 0, 0, 294, 6, 0]);
    let ended = api.wait_for(&run, |run| run["deliveries"]["delivered"] == PAYLOADS).await;
    assert_eq!(ended["deliveries"], json!({ "delivered": 300, "pending": 0, "failed": 0 }));
    let runs = api.all(&format!("{run}/payloads")).await;
    assert_eq!(runs.len(), 300);
    for (index, payload) in runs.iter().enumerate() {
        let expected = if index % 50 == 7 { "FAILED" } else { "SUCCEEDED" };
        assert_eq!((payload["status"].as_str(), payload["attempts"].as_u64()), (Some(expected), Some(1)), "{index}");
    }
    let mut delivered: Vec<_> =
        receiver.calls().iter().map(|call| call.headers["webhook-id"].to_str().unwrap().to_owned()).collect();
    delivered.sort_unstable();
    delivered.dedup();
    assert_eq!(delivered.len(), 300, "every delivery arrived, under one id however often it was made");
    drop(process);
}
