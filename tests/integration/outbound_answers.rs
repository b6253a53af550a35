//! Answers that never end, drip, are huge, swell when unpacked, or are no HTTP: each ends an attempt in
//! good time, by the code that is documented for it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::Cloud;

/// Bytes that become so many when they are unpacked: gzip (RFC 1952) around one block of deflate (RFC 1951)
/// with the code that everybody has: a zero, then "258 more of them", again and again.
fn bomb(bytes: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut push = |code: &str| bits.extend(code.bytes().map(|bit| bit == b'1'));
    // The last block, with the fixed code; a literal zero.
    push("110");
    push("00110000");
    for _ in 0..bytes / 258 {
        push("1100010100000");
    }
    push("0000000");
    let packed = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    // Whoever checks the sum has unpacked everything before.
    header.into_iter().chain(packed).chain([0; 8]).collect()
}

/// Answers the API of this name, until the caller has gone.
async fn answer(api: &str, stream: &mut TcpStream) -> std::io::Result<()> {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let body_until_the_end = [OK, b"connection: close\r\n\r\n"].concat();
    match api {
        "drips" => {
            stream.write_all(&[OK, b"content-length: 1000000\r\n\r\n"].concat()).await?;
            drip(stream, b" ").await
        }
        "drips-headers" => {
            stream.write_all(OK).await?;
            drip(stream, b"x: y\r\n").await
        }
        "promises-to-go-on" => drip(stream, b"HTTP/1.1 102 Processing\r\n\r\n").await,
        "is-silent" => stream.read(&mut [0]).await.map(drop),
        "never-ends" => {
            stream.write_all(&body_until_the_end).await?;
            flood(stream, &[b'x'; 65536]).await
        }
        "never-ends-in-chunks" => {
            stream.write_all(&[OK, b"transfer-encoding: chunked\r\n\r\n"].concat()).await?;
            flood(stream, &[b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat()).await
        }
        "is-huge" => stream.write_all(&[OK, b"content-length: 1000000000000\r\n\r\n{"].concat()).await,
        "has-endless-headers" => {
            stream.write_all(&[OK, b"x: "].concat()).await?;
            flood(stream, &[b'y'; 65536]).await
        }
        "has-many-headers" => {
            let headers = (0..5000).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
            stream.write_all(&[OK, headers.as_bytes(), b"content-length: 0\r\n\r\n"].concat()).await
        }
        "swells" => {
            let packed = bomb(100_000_000);
            assert!(packed.len() < 1_000_000);
            stream.write_all(&[OK, b"content-encoding: gzip\r\nconnection: close\r\n\r\n", &packed].concat()).await
        }
        "is-no-http" => stream.write_all(b"220 mail.example ESMTP\r\n").await,
        "has-two-lengths" => {
            let lengths = b"content-length: 2\r\ncontent-length: 20\r\n\r\n";
            stream.write_all(&[OK, lengths.as_slice(), b"{}"].concat()).await
        }
        "breaks-off" => stream.write_all(&[OK, b"content-length: 20\r\n\r\n{"].concat()).await,
        _ => stream.write_all(&[&body_until_the_end, b"{\"result\": 1}".as_slice()].concat()).await,
    }
}

/// Sends these bytes again and again, until the caller has gone.
async fn flood(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    loop {
        stream.write_all(bytes).await?;
    }
}

/// The same, slowly.
async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    loop {
        stream.write_all(bytes).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A server that answers so; its URL.
async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = vec![0; 65536];
                let Ok(read) = stream.read(&mut request).await else { return };
                let line = String::from_utf8_lossy(&request[..read]).into_owned();
                let api = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
                // Until the caller hangs up, which is what it is to do.
                let _ = answer(&api, &mut stream).await;
            });
        }
    });
    url
}

#[tokio::test]
async fn no_answer_takes_more_than_its_time_and_its_share() {
    const EXPECTED: [(&str, &str); 14] = [
        ("drips", "timeout"),
        ("drips-headers", "timeout"),
        ("promises-to-go-on", "timeout"),
        ("is-silent", "timeout"),
        ("never-ends", "result-too-big-error"),
        ("never-ends-in-chunks", "result-too-big-error"),
        ("is-huge", "result-too-big-error"),
        ("has-endless-headers", "connection-error"),
        ("has-many-headers", "connection-error"),
        ("swells", "invalid-answer"),
        ("is-no-http", "connection-error"),
        ("has-two-lengths", "connection-error"),
        ("breaks-off", "connection-error"),
        ("answers", ""),
    ];
    let (cloud, url) = (Cloud::start().await, serve().await);
    for (project, format) in [("wrapped", "envelope"), ("plain", "plain")] {
        let target = json!({ "target": { "type": "http", "baseUrl": url, "format": format } });
        cloud.api.ok("PUT", &format!("/projects/{project}"), Some(target)).await;
        // The others end by themselves, on however busy a machine.
        let timeout = |code: &str| if code == "timeout" { 1 } else { 120 };
        let payload: Vec<_> =
            EXPECTED.map(|(api, code)| json!({ "apiName": api, "requestTimeout": timeout(code) })).into();
        let configuration = json!({ "maxConcurrentRequests": 20, "retry": { "maximumAttempts": 1 } });
        let job = json!({ "id": "job", "payload": payload, "configuration": configuration });
        cloud.api.ok("POST", &format!("/projects/{project}/jobs"), Some(job)).await;
        let run = cloud.api.ok("POST", &format!("/projects/{project}/jobs/job/trigger"), None).await;
        let path = format!("/projects/{project}/jobs/job/runs/{}", run["id"].as_str().unwrap());
        cloud.api.wait_for_status(&path, "COMPLETED").await;
        let payloads = cloud.api.all(&format!("{path}/payloads")).await;
        let ends: Vec<_> = payloads
            .iter()
            .map(|it| (it["apiName"].as_str().unwrap(), it["error"]["code"].as_str().unwrap_or_default()))
            .collect();
        assert_eq!(ends, EXPECTED, "{format}: {}", Value::from(payloads.clone()));
    }
}
