//! A table that was just made cannot be used at once in AWS: first it is not seen, then it is being made, and what is
//! asked of it until then is refused. The embedded DynamoDB is not like that, so something stands before it that is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use sundial_store::DynamoDb;
use tokio::net::TcpListener;

use crate::harness::Cloud;

/// That a table has been made is answered to the look after so many.
const LOOKS: u32 = 3;

/// What stands before a DynamoDB.
struct Slow {
    url: String,
    client: reqwest::Client,
    /// Looks at the table since it was made; `u32::MAX` until it is.
    looks: AtomicU32,
}

impl Slow {
    async fn answer(State(slow): State<Arc<Self>>, request: Request) -> (StatusCode, Bytes) {
        let (parts, body) = request.into_parts();
        let target = parts.headers["x-amz-target"].to_str().unwrap().to_owned();
        let forward =
            slow.client.post(&slow.url).headers(parts.headers).body(to_bytes(body, usize::MAX).await.unwrap());
        let is_made = slow.looks.load(Ordering::SeqCst) != u32::MAX;
        match target.rsplit('.').next().unwrap() {
            "CreateTable" => slow.looks.store(0, Ordering::SeqCst),
            "DescribeTable" if is_made => match slow.looks.fetch_add(1, Ordering::SeqCst) {
                0 => return refusal("ResourceNotFoundException"),
                look if look < LOOKS => {
                    let body = forward.send().await.unwrap().text().await.unwrap();
                    return (StatusCode::OK, body.replace("ACTIVE", "CREATING").into());
                }
                _ => {}
            },
            "DescribeTable" => {}
            _ if slow.looks.load(Ordering::SeqCst) <= LOOKS => return refusal("ResourceInUseException"),
            _ => {}
        }
        let answer = forward.send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap())
    }
}

fn refusal(code: &str) -> (StatusCode, Bytes) {
    (StatusCode::BAD_REQUEST, format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}"}}"#).into())
}

#[tokio::test]
async fn a_new_table_is_waited_for_until_it_can_be_used() {
    let cloud = Cloud::start_embedded_storage_only().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let slow = Arc::new(Slow {
        url: cloud.dev.description().dynamodb_url.clone(),
        client: reqwest::Client::new(),
        looks: AtomicU32::new(u32::MAX),
    });
    let router = Router::new().fallback(Slow::answer).with_state(Arc::clone(&slow));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = Client::from_conf(cloud.dev.dynamodb().config().to_builder().endpoint_url(url).build());
    let table = DynamoDb::new(client.clone(), "another");
    table.create_if_missing().await.unwrap();
    let expiry = client.describe_time_to_live().table_name("another").send().await.unwrap();
    assert_eq!(expiry.time_to_live_description.unwrap().attribute_name.unwrap(), "expiresAt");
    let looks = slow.looks.load(Ordering::SeqCst);
    table.create_if_missing().await.unwrap();
    assert!(slow.looks.load(Ordering::SeqCst) > looks, "one that is there is only looked at");
}
