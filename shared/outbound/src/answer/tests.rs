//! Answers of a real server: those that are large, those that are slow, and those that have to wait.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::future::join_all;
use http::{HeaderMap, Method};

use super::*;
use crate::client::{OutboundClient, OutboundRequest};
use crate::guard::AddressGuard;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Serves each connection by a thread of its own; answers with the server's URL.
fn serve(respond: impl Fn(TcpStream) -> std::io::Result<()> + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let respond = respond.clone();
            std::thread::spawn(move || {
                // A request of these tests has one packet.
                let _ = stream.read(&mut [0; 4096]);
                // A client that hangs up is what some tests are about.
                let _ = respond(stream);
            });
        }
    });
    url
}

/// Says how long the body is.
fn begin(stream: &mut TcpStream, length: usize) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
}

/// Sends a body that ends when the connection does.
fn send_unannounced(mut stream: TcpStream, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
    stream.write_all(body)
}

fn client(memory: &AnswerMemory) -> OutboundClient {
    let guard = AddressGuard::allowing(vec!["127.0.0.0/8".parse().expect("a range")]);
    OutboundClient::new(guard, memory.clone())
}

fn request(url: &str, timeout: Duration, bytes_max: usize) -> OutboundRequest {
    let (method, headers, url) = (Method::POST, HeaderMap::new(), url.to_owned());
    let answer_limit = AnswerLimit { bytes_max, is_cut: false };
    OutboundRequest { method, url, headers, body: Vec::new(), timeout, answer_limit }
}

fn body(answer: &OutboundAnswer) -> &[u8] {
    let CallResult::Answer { body, .. } = &answer.result else { panic!("no answer: {:?}", answer.result) };
    body
}

#[tokio::test]
async fn large_answers_all_come_through_and_never_take_more_than_the_budget() {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let url = serve(|mut stream| {
        let turn = TURN.fetch_add(1, Ordering::SeqCst);
        let body = vec![b'x'; 300 * KIB + turn];
        if turn.is_multiple_of(2) {
            return send_unannounced(stream, &body);
        }
        begin(&mut stream, body.len())?;
        stream.write_all(&body)
    });
    let memory = AnswerMemory::of_bytes(MIB);
    let (client, in_hand, most) = (client(&memory), AtomicUsize::new(0), AtomicUsize::new(0));
    let lengths = join_all((0..30).map(async |_| {
        let answer = client.send(request(&url, Duration::from_secs(30), MIB)).await;
        let (length, counted) = (body(&answer).len(), body(&answer).len() - UNCOUNTED_BYTES);
        assert!(answer.memory.bytes() >= counted, "{} for {counted}", answer.memory.bytes());
        most.fetch_max(in_hand.fetch_add(counted, Ordering::SeqCst) + counted, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        in_hand.fetch_sub(counted, Ordering::SeqCst);
        length
    }));
    let mut lengths = lengths.await;
    lengths.sort_unstable();
    assert!(lengths.into_iter().eq((0..30).map(|turn| 300 * KIB + turn)));
    let most = most.into_inner();
    assert!((400 * KIB..=MIB).contains(&most), "{most} bytes in hand");
    assert_eq!(memory.free_bytes(), MIB);
}

#[tokio::test]
async fn an_answer_that_waits_is_not_read_and_its_wait_is_not_the_targets() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    // More than the connection holds.
    let length = 32 * MIB;
    let url = serve(move |mut stream| {
        begin(&mut stream, length)?;
        while counter.load(Ordering::SeqCst) < length {
            stream.write_all(&[b'x'; MIB])?;
            counter.fetch_add(MIB, Ordering::SeqCst);
        }
        Ok(())
    });
    let memory = AnswerMemory::of_bytes(MIB);
    let (held, _) = memory.hold(MIB).await;
    let timeout = Duration::from_secs(3);
    let client = client(&memory);
    let (answer, ()) = futures::join!(client.send(request(&url, timeout, length)), async {
        tokio::time::sleep(timeout + timeout / 4).await;
        assert!(sent.load(Ordering::SeqCst) < length, "{} bytes were taken", sent.load(Ordering::SeqCst));
        drop(held);
    });
    assert_eq!(body(&answer).len(), length, "what is larger than the budget comes through as well");
    assert_eq!((answer.memory.bytes(), memory.free_bytes()), (MIB, 0));
}

#[tokio::test]
async fn a_target_that_stalls_is_out_of_time_and_gives_its_memory_back() {
    let url = serve(|mut stream| {
        begin(&mut stream, 300 * KIB)?;
        stream.write_all(&[b'x'; 100 * KIB])?;
        // Until the client hangs up.
        stream.read(&mut [0; 1]).map(drop)
    });
    let memory = AnswerMemory::of_bytes(MIB);
    let begun = Instant::now();
    let answer = client(&memory).send(request(&url, Duration::from_millis(300), MIB)).await;
    assert_eq!(answer.result, CallResult::Timeout);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(memory.free_bytes(), MIB);
}

#[tokio::test]
async fn an_answer_that_is_too_large_takes_no_memory() {
    let announced = serve(|mut stream| begin(&mut stream, 10 * MIB));
    let unannounced = serve(|stream| send_unannounced(stream, &vec![b'x'; 2 * MIB]));
    let memory = AnswerMemory::of_bytes(MIB);
    for url in [announced, unannounced] {
        let answer = client(&memory).send(request(&url, Duration::from_secs(30), MIB)).await;
        assert_eq!(answer.result, CallResult::TooLarge { status: 200 });
        assert_eq!((answer.memory.bytes(), memory.free_bytes()), (0, MIB));
    }
}

#[tokio::test]
async fn small_answers_never_wait() {
    let url = serve(|mut stream| {
        begin(&mut stream, UNCOUNTED_BYTES)?;
        stream.write_all(&[b'x'; UNCOUNTED_BYTES])
    });
    let memory = AnswerMemory::of_bytes(MIB);
    let (_held, _) = memory.hold(usize::MAX).await;
    let answer = client(&memory).send(request(&url, Duration::from_secs(30), MIB)).await;
    assert_eq!((body(&answer).len(), answer.memory.bytes()), (UNCOUNTED_BYTES, 0));
}

#[test]
fn retry_after_is_read_in_both_forms() {
    let now = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
    let read = |text: &'static str| retry_after(Some(text), now);
    assert_eq!(read("120"), Some(Duration::from_secs(120)));
    assert_eq!(read("Tue, 14 Nov 2023 22:13:30 GMT"), Some(Duration::from_secs(10)));
    assert_eq!(read("Tue, 14 Nov 2000 22:13:30 GMT"), None);
    assert_eq!(read("99999999999"), Some(RETRY_AFTER_MAX));
    assert_eq!(read("soon"), None);
}

#[tokio::test]
async fn an_answer_that_may_be_cut_and_breaks_off_is_what_there_was_of_it() {
    let head = "HTTP/1.1 410 Gone\r\nretry-after: 60\r\ncontent-length: 100\r\n\r\ngone";
    let reset = serve(move |mut stream| stream.write_all(head.as_bytes()));
    let stalled = serve(move |mut stream| {
        stream.write_all(head.as_bytes())?;
        // Until the client hangs up.
        stream.read(&mut [0; 1]).map(drop)
    });
    for url in [reset, stalled] {
        let mut request = request(&url, Duration::from_millis(500), KIB);
        request.answer_limit.is_cut = true;
        let answer = client(&AnswerMemory::default()).send(request).await;
        let (is_json, retry_after) = (false, Some(Duration::from_secs(60)));
        assert_eq!(answer.result, CallResult::Answer { status: 410, is_json, retry_after, body: b"gone".to_vec() });
    }
}

#[tokio::test]
async fn an_answer_that_may_be_cut_is_its_beginning_whatever_it_says_of_its_length() {
    let memory = AnswerMemory::default();
    let announced = serve(|mut stream| {
        begin(&mut stream, MIB)?;
        stream.write_all(&vec![b'x'; MIB])
    });
    let endless = serve(|stream| send_unannounced(stream, &vec![b'x'; 8 * MIB]));
    for url in [announced, endless] {
        let mut request = request(&url, Duration::from_secs(20), KIB);
        request.answer_limit.is_cut = true;
        let answer = client(&memory).send(request).await;
        assert_eq!(body(&answer), vec![b'x'; KIB]);
    }
}
