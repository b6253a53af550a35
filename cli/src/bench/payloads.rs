//! The payloads of `bench run`, and what their target answers: different for each payload, and
//! such that nothing can be packed away.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// The API that is called.
const API: &str = "prices/fetch";

/// Payload number `n`.
pub(crate) fn payload(n: u32) -> Value {
    let url = format!("https://shop.example/products/{}", text(u64::from(n) ^ 0x9e37_79b9, 16));
    json!({ "apiName": API, "parameters": { "n": n, "url": url } })
}

/// What the target answers to payload number `n`, as JSON of `bytes` bytes, or a few more where
/// that is too little for it.
pub(crate) fn result(n: u32, bytes: usize) -> String {
    let mut json = format!(r#"{{"n":{n},"text":""#);
    let _ = write!(json, r#"{}"}}"#, text(u64::from(n), bytes.saturating_sub(json.len() + 2)));
    json
}

/// So many letters and digits, always the same for the same seed.
fn text(seed: u64, length: usize) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.alphanumeric()).take(length).collect()
}

/// Payloads in pages of JSON Lines, each small enough for one request.
pub(crate) fn pages(payloads: u32) -> impl Iterator<Item = Vec<Value>> {
    // A page is sent as lines or as an array: a byte between two of them either way. The rest of
    // the job has room beside it.
    const PAGE_BYTES_MAX: usize = 3_900_000;
    let mut left = (0..payloads).map(payload).peekable();
    std::iter::from_fn(move || {
        let (mut page, mut bytes) = (Vec::new(), 0);
        while let Some(next) = left.next_if(|next| bytes + next.to_string().len() < PAGE_BYTES_MAX) {
            bytes += next.to_string().len() + 1;
            page.push(next);
        }
        (!page.is_empty()).then_some(page)
    })
}

/// As JSON Lines.
pub(crate) fn lines(payloads: &[Value]) -> String {
    payloads.iter().fold(String::new(), |mut lines, payload| {
        let _ = writeln!(lines, "{payload}");
        lines
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_the_size_asked_for_and_differ() {
        for n in [0, 9, 99_999] {
            assert_eq!(result(n, 300).len(), 300);
            assert!(serde_json::from_str::<Value>(&result(n, 300)).is_ok());
        }
        assert_ne!(result(1, 300)[20..], result(2, 300)[20..]);
        assert_eq!(result(1, 0), r#"{"n":1,"text":""}"#);
    }

    #[test]
    fn pages_hold_every_payload_once_and_fit_into_requests() {
        let pages: Vec<_> = pages(60_000).collect();
        assert!(pages.len() > 1);
        assert!(pages.iter().all(|page| lines(page).len() <= 3_900_000));
        let numbers: Vec<_> = pages.concat().iter().filter_map(|payload| payload["parameters"]["n"].as_u64()).collect();
        assert_eq!(numbers, (0..60_000).collect::<Vec<_>>());
    }
}
