//! A target that really keeps sessions: it issues tokens for a password, lets them expire, and accepts calls
//! that carry one that is good.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Answer, Call, Target};

/// The only password.
pub(crate) const PASSWORD: &str = "open-sesame";

/// What the target does about sessions.
#[derive(Default)]
struct Book {
    /// The tokens that were issued; the number of one is its place.
    issued: u64,
    /// The tokens from this number on are good.
    good_from: u64,
    /// Answers to the next calls of `auth-sessions/…`, in order, instead of the usual ones.
    instead: Vec<Answer>,
    /// The password that has taken the place of the only one.
    new_password: Option<String>,
    /// Before that many more calls of payloads are answered, all tokens expire.
    expires_in: Option<usize>,
    /// And again after so many.
    expires_every: Option<usize>,
    /// Payloads are refused, whatever their token.
    refuses_all: bool,
    /// An answer to a payload takes so long.
    pause: Duration,
}

/// The target.
pub(crate) struct Login {
    pub(crate) target: Target,
    book: Arc<Mutex<Book>>,
}

impl Login {
    pub(crate) async fn start() -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let kept = Arc::clone(&book);
        let target = Target::start(move |call| answer(&mut kept.lock().unwrap(), call)).await;
        Self { target, book }
    }

    /// From now on no token is good that was issued before.
    pub(crate) fn expire(&self) {
        let mut book = self.book.lock().unwrap();
        book.good_from = book.issued;
    }

    /// All tokens expire just before the payload's call after the next `calls` of them is answered.
    pub(crate) fn expire_in(&self, calls: usize) {
        self.book.lock().unwrap().expires_in = Some(calls);
    }

    /// All tokens expire again and again, after so many calls of payloads.
    pub(crate) fn expire_every(&self, calls: usize) {
        let mut book = self.book.lock().unwrap();
        (book.expires_in, book.expires_every) = (Some(calls), Some(calls));
    }

    /// From now on the tokens from this one on are good.
    pub(crate) fn accept(&self, from: u64) {
        self.book.lock().unwrap().good_from = from;
    }

    /// From now on only this password is accepted.
    pub(crate) fn change_password(&self, password: &str) {
        self.book.lock().unwrap().new_password = Some(password.to_owned());
    }

    /// From now on payloads are refused, whatever their token, or no longer so.
    pub(crate) fn refuse_all(&self, refuses: bool) {
        self.book.lock().unwrap().refuses_all = refuses;
    }

    /// From now on an answer to a payload takes so long.
    pub(crate) fn pause(&self, pause: Duration) {
        self.book.lock().unwrap().pause = pause;
    }

    /// The next calls for sessions are answered like this, in order.
    pub(crate) fn answer_instead(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        self.book.lock().unwrap().instead = answers;
    }

    /// The calls of an API.
    pub(crate) fn calls(&self, api: &str) -> Vec<Call> {
        self.target.calls().into_iter().filter(|call| call.api == api).collect()
    }

    /// Waits until an API was called so often.
    pub(crate) async fn wait_for_calls(&self, api: &str, count: usize) {
        let begun = Instant::now();
        while self.count(api) < count {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain for {count} calls of {api}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How often an API was called.
    pub(crate) fn count(&self, api: &str) -> usize {
        self.calls(api).len()
    }
}

fn answer(book: &mut Book, call: &Call) -> Answer {
    let is_good = |book: &Book| {
        let token = call.body["authSession"]["state"]["token"].as_u64();
        token.is_some_and(|token| (book.good_from..book.issued).contains(&token))
    };
    if call.api.starts_with("auth-sessions/")
        && let Some(answer) = book.instead.pop()
    {
        return answer;
    }
    let password = book.new_password.as_deref().unwrap_or(PASSWORD);
    match call.api.as_str() {
        "auth-sessions/create" if call.body["parameters"]["password"] == password => {
            book.issued += 1;
            Answer::Result(json!({ "token": book.issued - 1 }))
        }
        "auth-sessions/create" => refusal("wrong-password", false),
        "auth-sessions/check" => Answer::Result(Value::from(is_good(book))),
        // Fails for another reason than its token.
        _ if call.body["parameters"]["failsFirst"] == true && call.attempt() == 1 => Answer::Status(500, json!({})),
        _ => {
            let expires = book.expires_in == Some(0);
            if expires {
                book.good_from = book.issued;
            }
            let later = book.expires_in.and_then(|calls| calls.checked_sub(1));
            book.expires_in = if expires { book.expires_every } else { later };
            let is_accepted = is_good(book) && !book.refuses_all;
            let answer = match is_accepted {
                true => Answer::Result(call.body["parameters"].clone()),
                false => refusal("auth-session-invalid", true),
            };
            Answer::After(book.pause, Box::new(answer))
        }
    }
}

fn refusal(code: &str, is_retryable: bool) -> Answer {
    Answer::Status(401, json!({ "error": { "code": code, "message": "no", "retryable": is_retryable } }))
}
