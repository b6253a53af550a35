//! A POST with an idempotency key that is cut off, before or after any of its writes, has its effect once.

mod jobs;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use sundial_store::CLAIM_LIFETIME;
use tokio::sync::Notify;

use crate::harness::faulty_table::Fault;
use crate::harness::{Cloud, Target};
use crate::idempotency::{later, post_to};

const JOBS: &str = "/projects/shop/jobs";
/// No call has so many writes.
const WRITES_MAX: usize = 20;

async fn start(target: &Target) -> Cloud {
    let cloud = Cloud::start().await;
    cloud.api.make_project(target).await;
    cloud
}

/// Sends a call that is cut off at its write number `number`; answers whether it has so many.
async fn is_cut_off(cloud: &Cloud, path: &str, body: Option<Value>, number: usize, fault: Fault) -> bool {
    let (writes, reached) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let reaching = Arc::clone(&reached);
    let clients = cloud.faulty_clients(Box::new(move |transaction| {
        // That a key is in use is noted beside the call.
        if transaction.iter().all(|write| write.key().sk.starts_with("KEY#")) {
            return None;
        }
        let is_it = writes.fetch_add(1, Ordering::SeqCst) == number;
        is_it.then(|| reaching.notify_one());
        is_it.then_some(fault)
    }));
    let gone = async {
        reached.notified().await;
        // What is on its way arrives.
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    tokio::select! {
        (status, answer) = post_to(clients, &cloud.api, "k", path, body) => {
            assert!((200..300).contains(&status), "{path}: {answer}");
            false
        }
        () = gone => true,
    }
}

/// Cuts a call off at each of its writes, and sends it again: at once, and when its key is free in any case.
/// `prepare` makes what it needs, under a number, and answers with its path; `look` looks at what it has done.
async fn check(
    cloud: &Cloud,
    body: impl Fn(usize) -> Option<Value>,
    prepare: impl AsyncFn(usize) -> String,
    look: impl AsyncFn(usize, Value),
) {
    for (fault_number, fault) in [Fault::NoAnswer, Fault::AnswerLost].into_iter().enumerate() {
        for number in 0..WRITES_MAX {
            let unique = fault_number * WRITES_MAX + number;
            let (path, body) = (prepare(unique).await, body(unique));
            let has_more = is_cut_off(cloud, &path, body.clone(), number, fault).await;
            let (status, answer) = post_to(later(cloud, Duration::ZERO), &cloud.api, "k", &path, body.clone()).await;
            let is_busy = status == 409 && answer["code"] == "idempotency-key-reused";
            assert!(is_busy || (200..300).contains(&status), "{path} at {number}: {status} {answer}");
            let after = CLAIM_LIFETIME + Duration::from_secs(1);
            let (status, answer) = post_to(later(cloud, after), &cloud.api, "k", &path, body).await;
            assert!((200..300).contains(&status), "{path} at {number}: {status} {answer}");
            look(unique, answer).await;
            if !has_more {
                assert!(number > 1, "{path} has a claim and an effect");
                break;
            }
            assert!(number + 1 < WRITES_MAX, "{path} has more writes than are tried");
        }
    }
}

/// Forgets all keys: the next call has the same path, and another body.
async fn forget_keys(cloud: &Cloud) {
    let items = cloud.items().await;
    for (pk, sk) in items.into_keys().filter(|(pk, _)| pk.starts_with("IDEMPOTENCY#")) {
        use aws_sdk_dynamodb::types::AttributeValue;
        let delete = cloud.dev.dynamodb().delete_item().table_name(&cloud.dev.description().table_name);
        let delete = delete.key("pk", AttributeValue::S(pk)).key("sk", AttributeValue::S(sk));
        delete.send().await.unwrap();
    }
}
