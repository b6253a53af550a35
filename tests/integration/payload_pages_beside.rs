//! Pages of payloads while others change the job, and what they leave behind.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use sundial_model::Timestamp;
use sundial_runtime::clock;
use sundial_store::keys::Key;
use sundial_store::{
    Answer, Append, Backend, DynamoDb, Item, NewItem, RETENTION_DEFAULT, RUN_AGE_MAX, Range, Store, Table,
    TransactionToken, Wake, WakeQuery, Write,
};

use crate::harness::{Api, Cloud};
use crate::payload_pages::{JOB, PAYLOAD, count_items, page, start, stored};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Sweeps all garbage that is due at a time.
async fn sweep(cloud: &Cloud, at: Timestamp) {
    let store = &cloud.dev.clients().store;
    for (_, wake) in store.wakes(Timestamp::from_seconds(0), at).await.unwrap().items {
        if let Wake::Sweep { note } = wake {
            store.sweep(note, at).await.unwrap();
        }
    }
}

#[tokio::test]
async fn pages_that_are_sent_side_by_side_come_in_whole() {
    let (cloud, _target) = start().await;
    // All sizes, so that pages are taken in by others, too.
    let size = |number: u32| [1, 40, 3, 400, 7][number as usize % 5];
    let appender = async |appender| {
        for number in 0..10 {
            let page = page(appender, number, size(number));
            let answer = cloud.api.ok("POST", PAYLOAD, Some(page)).await;
            assert_eq!(answer["appended"], size(number));
        }
    };
    // And others change the job all the while.
    let others = async {
        for _ in 0..5 {
            cloud.api.ok("POST", &format!("{JOB}/pause"), None).await;
            cloud.api.ok("POST", &format!("{JOB}/resume"), None).await;
            let run = cloud.api.trigger("job").await;
            cloud.api.wait_for_status(&run, "COMPLETED").await;
        }
    };
    tokio::join!(appender(0), appender(1), appender(2), others);
    let items = cloud.api.all(PAYLOAD).await;
    assert_eq!(items.len(), 2 + 3 * 2 * 451);
    let mut next = [0; 3];
    let mut rest = &items[2..];
    while let Some(first) = rest.first() {
        let parameters = &first["parameters"];
        let appender = parameters["appender"].as_u64().unwrap();
        let number = &mut next[usize::try_from(appender).unwrap()];
        let expected = page(u32::try_from(appender).unwrap(), *number, size(*number));
        let (found, others) = rest.split_at(size(*number) as usize);
        assert!(
            found.iter().map(|item| &item["parameters"]).eq(expected
                .as_array()
                .unwrap()
                .iter()
                .map(|it| &it["parameters"]))
        );
        (*number, rest) = (*number + 1, others);
    }
    assert_eq!(next, [10; 3]);
    // What was taken in is garbage one day, and so is what was written in vain; the list is not.
    sweep(&cloud, clock::now() + RUN_AGE_MAX + RETENTION_DEFAULT + DAY).await;
    assert_eq!(cloud.api.all(PAYLOAD).await, items);
    assert_eq!(count_items(&cloud, "SWEEP#").await, 0);
    let chunks: usize = stored(&cloud).await.parts.iter().map(|part| part.bytes.div_ceil(60_000) as usize).sum();
    assert!(count_items(&cloud, "PAYLOADS#").await <= chunks);
}

#[tokio::test]
async fn many_pages_of_one_payload_are_a_short_list_of_parts() {
    let (cloud, _target) = start().await;
    let (mut job, store) = (stored(&cloud).await, &cloud.dev.clients().store);
    let mut most = 0;
    for number in 0..300 {
        let page = serde_json::from_value::<Vec<_>>(page(0, number, 1)).unwrap();
        let append = store.append_payloads(&job, &page, |_| true, clock::now()).await.unwrap();
        assert_eq!(append, Append::Done { payload_count: number + 3 });
        job = stored(&cloud).await;
        most = most.max(job.parts.len());
    }
    assert!(most <= 16, "{most} parts");
    let items = cloud.api.all(PAYLOAD).await;
    assert!(items[2..].iter().enumerate().all(|(number, item)| item["parameters"]["page"] == number));
}

#[tokio::test]
async fn what_was_written_for_a_job_that_is_gone_is_swept() {
    let (cloud, _target) = start().await;
    let (job, store) = (stored(&cloud).await, &cloud.dev.clients().store);
    cloud.api.ok("DELETE", JOB, None).await;
    let items = [count_items(&cloud, "PAYLOADS#").await, count_items(&cloud, "SWEEP#").await];
    assert_eq!(items, [1, 1]);
    let page: Vec<_> = serde_json::from_value(page(0, 0, 5)).unwrap();
    let append = store.append_payloads(&job, &page, |_| true, clock::now()).await.unwrap();
    assert_eq!(append, Append::Gone);
    assert_eq!([count_items(&cloud, "PAYLOADS#").await, count_items(&cloud, "SWEEP#").await], [2, 2]);
    sweep(&cloud, clock::now() + DAY).await;
    assert_eq!([count_items(&cloud, "PAYLOADS#").await, count_items(&cloud, "SWEEP#").await], items);
}

/// Pauses the job just before the first transaction that is about it, and counts the batches.
struct Interfering {
    inner: DynamoDb,
    api: Api,
    is_done: Mutex<bool>,
    batches: AtomicUsize,
}

impl std::fmt::Debug for Interfering {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Interfering")
    }
}

impl Backend for Interfering {
    fn get(&self, key: Key) -> Answer<'_, Option<Item>> {
        self.inner.get(key)
    }
    fn get_many(&self, keys: Vec<Key>, keys_only: bool) -> Answer<'_, Vec<Item>> {
        self.inner.get_many(keys, keys_only)
    }
    fn query(&self, range: Range, limit: Option<usize>) -> Answer<'_, Vec<Item>> {
        self.inner.query(range, limit)
    }
    fn query_wake(&self, query: WakeQuery) -> Answer<'_, Vec<Item>> {
        self.inner.query_wake(query)
    }
    fn transact(&self, writes: Vec<Write>, token: TransactionToken) -> Answer<'_, ()> {
        let is_first = writes.iter().any(|write| write.key().sk == "JOB")
            && !std::mem::replace(&mut *self.is_done.lock().unwrap(), true);
        Box::pin(async move {
            if is_first {
                self.api.ok("POST", &format!("{JOB}/pause"), None).await;
            }
            self.inner.transact(writes, token).await
        })
    }
    fn put_unseen(&self, items: Vec<NewItem>) -> Answer<'_, ()> {
        self.batches.fetch_add(1, Ordering::SeqCst);
        self.inner.put_unseen(items)
    }
    fn delete_unseen(&self, keys: Vec<Key>) -> Answer<'_, ()> {
        self.inner.delete_unseen(keys)
    }
}

#[tokio::test]
async fn a_job_that_is_changed_meanwhile_gets_the_page_that_was_written() {
    let (cloud, _target) = start().await;
    let backend = Arc::new(Interfering {
        inner: DynamoDb::new(cloud.dev.dynamodb().clone(), &cloud.dev.description().table_name),
        api: cloud.api.clone(),
        is_done: Mutex::new(false),
        batches: AtomicUsize::new(0),
    });
    let store = Store::new(Table::over(backend.clone()), RETENTION_DEFAULT);
    let page: Vec<_> = serde_json::from_value(page(0, 0, 5)).unwrap();
    let append = store.append_payloads(&stored(&cloud).await, &page, |_| true, clock::now()).await.unwrap();
    assert_eq!(append, Append::Done { payload_count: 7 });
    let job = cloud.api.get(JOB).await;
    assert_eq!((&job["state"]["status"], &job["payloadCount"]), (&json!("PAUSED"), &json!(7)));
    assert_eq!(backend.batches.load(Ordering::SeqCst), 1);
}
