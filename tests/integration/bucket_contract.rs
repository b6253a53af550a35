//! One suite over the results bucket in the embedded S3 and over the model that simulations use, so
//! that the two cannot drift apart.

use std::sync::Arc;
use std::time::Duration;

use sundial_devstack::Connection;
use sundial_outbound::ResultsBucket;
use sundial_outbound::results::model::ModelObjects;
use sundial_outbound::results::{PART_BYTES_MIN, PARTS_MAX, ResultsError};

use crate::harness::Cloud;

#[tokio::test]
async fn the_model_keeps_the_contract_of_the_bucket() {
    let objects = Arc::new(ModelObjects::default());
    check(&|| ResultsBucket::over(objects.clone())).await;
}

#[tokio::test]
async fn the_embedded_s3_keeps_the_contract_of_the_bucket() {
    let cloud = Cloud::start_storage_only().await;
    let another_process = || Connection::open(cloud.dev.description(), Duration::from_secs(4));
    check(&|| another_process().clients.results).await;
}

#[tokio::test]
async fn a_link_reads_the_whole_of_what_was_uploaded_in_parts() {
    let cloud = Cloud::start_storage_only().await;
    let bucket = cloud.dev.clients().results.clone();
    let upload = bucket.begin_upload("exports/a.jsonl", "application/x-ndjson").await.unwrap();
    let parts = [large_part(b'a'), large_part(b'b'), b"the end\n".to_vec()];
    let etags = upload_parts(&bucket, "exports/a.jsonl", &upload, &parts).await;
    bucket.complete_upload("exports/a.jsonl", &upload, &etags).await.unwrap();
    let link = bucket.link("exports/a.jsonl").await.unwrap();
    let answer = reqwest::get(link).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    assert!(answer.bytes().await.unwrap() == parts.concat());
}

/// `client` gives a client of its own each time, as another process has one.
async fn check(client: &dyn Fn() -> ResultsBucket) {
    let bucket = client();
    bucket.create_if_missing().await.unwrap();
    bucket.create_if_missing().await.unwrap();
    objects_are_replaced_as_a_whole(&bucket).await;
    another_client_goes_on_with_an_upload(client).await;
    an_upload_is_completed_once(&bucket).await;
    an_upload_is_given_up_once_and_for_all(&bucket).await;
    a_part_is_replaced_by_its_successor(&bucket).await;
    uploads_keep_to_the_rules(&bucket).await;
}

async fn objects_are_replaced_as_a_whole(bucket: &ResultsBucket) {
    assert_eq!(bucket.size("one").await.unwrap(), None);
    refused(bucket.get("one").await);
    for text in ["{\"first\":1}", "{}"] {
        bucket.put("one", text.to_owned()).await.unwrap();
        assert_eq!(bucket.get("one").await.unwrap(), text);
        assert_eq!(bucket.size("one").await.unwrap(), Some(text.len() as u64));
    }
    bucket.put_as("one", "application/x-ndjson", b"\n".to_vec()).await.unwrap();
    assert_eq!(bucket.get("one").await.unwrap(), "\n");
}

async fn another_client_goes_on_with_an_upload(client: &dyn Fn() -> ResultsBucket) {
    let (first, last) = (large_part(b'x'), b"last".to_vec());
    let upload = client().begin_upload("resumed", "text/plain").await.unwrap();
    let one = client().upload_part("resumed", &upload, 1, first.clone()).await.unwrap();
    assert_eq!(client().size("resumed").await.unwrap(), None, "an upload is no object until it is complete");
    let two = client().upload_part("resumed", &upload, 2, last.clone()).await.unwrap();
    client().complete_upload("resumed", &upload, &[one, two]).await.unwrap();
    assert!(client().get("resumed").await.unwrap().into_bytes() == [first, last].concat());
    assert_eq!(client().size("resumed").await.unwrap(), Some(PART_BYTES_MIN as u64 + 4));
}

async fn an_upload_is_completed_once(bucket: &ResultsBucket) {
    let upload = bucket.begin_upload("once", "text/plain").await.unwrap();
    let etags = upload_parts(bucket, "once", &upload, &[b"all".to_vec()]).await;
    bucket.complete_upload("once", &upload, &etags).await.unwrap();
    gone(bucket.complete_upload("once", &upload, &etags).await);
    gone(bucket.upload_part("once", &upload, 2, b"more".to_vec()).await);
    bucket.abort_upload("once", &upload).await.unwrap();
    assert_eq!(bucket.get("once").await.unwrap(), "all", "what is complete stays");
}

async fn an_upload_is_given_up_once_and_for_all(bucket: &ResultsBucket) {
    // Not by `put`, whose checksum the embedded S3 would keep for what is uploaded over it.
    let before = bucket.begin_upload("given-up", "text/plain").await.unwrap();
    let etags = upload_parts(bucket, "given-up", &before, &[b"before".to_vec()]).await;
    bucket.complete_upload("given-up", &before, &etags).await.unwrap();
    let upload = bucket.begin_upload("given-up", "text/plain").await.unwrap();
    let other = bucket.begin_upload("given-up", "text/plain").await.unwrap();
    let etags = upload_parts(bucket, "given-up", &upload, &[b"part".to_vec()]).await;
    bucket.abort_upload("given-up", &upload).await.unwrap();
    bucket.abort_upload("given-up", &upload).await.unwrap();
    gone(bucket.upload_part("given-up", &upload, 1, b"part".to_vec()).await);
    gone(bucket.complete_upload("given-up", &upload, &etags).await);
    assert_eq!(bucket.get("given-up").await.unwrap(), "before");
    let etags = upload_parts(bucket, "given-up", &other, &[b"other".to_vec()]).await;
    bucket.complete_upload("given-up", &other, &etags).await.unwrap();
    assert_eq!(bucket.get("given-up").await.unwrap(), "other", "uploads of a key know nothing of each other");
}

async fn a_part_is_replaced_by_its_successor(bucket: &ResultsBucket) {
    let upload = bucket.begin_upload("again", "text/plain").await.unwrap();
    bucket.upload_part("again", &upload, 1, b"lost answer".to_vec()).await.unwrap();
    let etags = upload_parts(bucket, "again", &upload, &[b"kept".to_vec()]).await;
    bucket.complete_upload("again", &upload, &etags).await.unwrap();
    assert_eq!(bucket.get("again").await.unwrap(), "kept");
}

async fn uploads_keep_to_the_rules(bucket: &ResultsBucket) {
    let upload = bucket.begin_upload("rules", "text/plain").await.unwrap();
    for number in [0, PARTS_MAX + 1] {
        refused(bucket.upload_part("rules", &upload, number, b"part".to_vec()).await);
    }
    bucket.upload_part("rules", &upload, PARTS_MAX, b"part".to_vec()).await.unwrap();
    refused(bucket.complete_upload("rules", &upload, &[]).await);
    let etags = upload_parts(bucket, "rules", &upload, &[b"small".to_vec(), b"last".to_vec()]).await;
    refused(bucket.complete_upload("rules", &upload, &etags).await);
    assert_eq!(bucket.size("rules").await.unwrap(), None);
}

async fn upload_parts(bucket: &ResultsBucket, key: &str, upload: &str, parts: &[Vec<u8>]) -> Vec<String> {
    let mut etags = Vec::new();
    for (number, part) in (1..).zip(parts) {
        etags.push(bucket.upload_part(key, upload, number, part.clone()).await.unwrap());
    }
    etags
}

/// The smallest that may have another one after it.
fn large_part(byte: u8) -> Vec<u8> {
    vec![byte; PART_BYTES_MIN]
}

fn gone<T: std::fmt::Debug>(result: Result<T, ResultsError>) {
    assert!(matches!(result, Err(ResultsError::UploadGone)), "{result:?}");
}

fn refused<T: std::fmt::Debug>(result: Result<T, ResultsError>) {
    assert!(matches!(result, Err(ResultsError::Refused(_))), "{result:?}");
}
