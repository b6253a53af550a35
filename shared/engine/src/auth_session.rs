//! What is done for an auth session, call by call: check its state, make a new one when it is stale, and check
//! that. Every call that comes to nothing is tried again, as often as the settings say.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sundial_model::Timestamp;
use sundial_model::auth_session::{AUTH_SESSION_BYTES_MAX, AuthSessionSettings};
use sundial_model::run::RunError;
use sundial_model::secret::SecretText;

use crate::attempt::{INVALID_ANSWER, Verdict};

/// The error code by which a target says that it does not accept the state that it was called with.
pub const SESSION_INVALID: &str = "auth-session-invalid";
/// So many renewals in a row, without a payload that succeeded between them, are made; the next one counts as
/// failed.
pub const FRUITLESS_RENEWALS_MAX: u32 = 3;

/// Before the second try of a call; each later one waits for twice as long.
const DELAY_FIRST: Duration = Duration::from_secs(1);
/// But no longer than this, whatever the target asks for.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// Where the work on a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Its state is checked.
    Check,
    /// A new state is made.
    Create,
    /// The new state is checked.
    CheckAgain,
}

/// How far the work on a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Procedure {
    /// Where it is.
    pub phase: Phase,
    /// How many calls of this phase came to nothing.
    pub attempts_made: u32,
    /// How many calls were made in all; the next one has the number after.
    pub calls_made: u32,
    /// What bounds it.
    pub settings: AuthSessionSettings,
    /// Whether a state can be made: there are parameters.
    pub can_create: bool,
}

/// What a call came to.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The state is good, or it is not.
    Checked(bool),
    /// The new state, as JSON.
    Created(SecretText),
    /// The call came to nothing.
    Failed {
        /// Why.
        error: RunError,
        /// Whether another one may do better.
        is_retryable: bool,
        /// How long the target asked to be left alone.
        retry_after: Option<Duration>,
    },
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The next call.
    Call {
        /// How far the work has come.
        procedure: Procedure,
        /// Not before this.
        at: Timestamp,
    },
    /// The session is READY.
    Ready,
    /// It is not.
    Failed(RunError),
}

impl Procedure {
    /// Checks a session that has a state; makes one for a session that has none.
    pub fn begin(has_state: bool, can_create: bool, settings: AuthSessionSettings) -> Self {
        let phase = if has_state { Phase::Check } else { Phase::Create };
        Self { phase, attempts_made: 0, calls_made: 0, settings, can_create }
    }

    /// Makes a new state for a session whose state a target has refused.
    pub fn renew(settings: AuthSessionSettings) -> Self {
        Self { phase: Phase::Create, attempts_made: 0, calls_made: 0, settings, can_create: true }
    }

    /// Whether a stale state can be made anew.
    pub fn may_renew(can_create: bool, settings: AuthSessionSettings) -> bool {
        can_create && settings.auto_recreate
    }

    /// What follows from a call that ended at `now`.
    pub fn after(self, answer: &Answer, now: Timestamp) -> Next {
        let called = Self { calls_made: self.calls_made + 1, ..self };
        match answer {
            Answer::Checked(true) => Next::Ready,
            Answer::Created(_) => called.go_on(Phase::CheckAgain, now),
            Answer::Checked(false) => called.after_failure(stale(), true, None, now),
            Answer::Failed { error, is_retryable, retry_after } => {
                called.after_failure(error.clone(), *is_retryable, *retry_after, now)
            }
        }
    }

    fn after_failure(self, error: RunError, is_retryable: bool, retry_after: Option<Duration>, now: Timestamp) -> Next {
        let attempts_made = self.attempts_made + 1;
        let attempts_max = match self.phase {
            Phase::Check | Phase::CheckAgain => self.settings.check_attempts,
            Phase::Create => self.settings.create_attempts,
        };
        if is_retryable && attempts_made < attempts_max.get() {
            let delay = DELAY_FIRST * 2_u32.saturating_pow(attempts_made - 1);
            let delay = delay.max(retry_after.unwrap_or_default()).min(DELAY_MAX);
            return Next::Call { procedure: Self { attempts_made, ..self }, at: now + delay };
        }
        if self.phase == Phase::Check && Self::may_renew(self.can_create, self.settings) {
            return self.go_on(Phase::Create, now);
        }
        let (code, what) = match self.phase {
            Phase::Check => ("check-attempts-failed", "the session's state was found to be stale"),
            Phase::Create => ("create-attempts-failed", "no new state could be made for the session"),
            Phase::CheckAgain => ("post-create-check-attempts-failed", "the session's new state was not accepted"),
        };
        let message = format!("{what}: {} ({})", error.message, error.code);
        Next::Failed(RunError { code: code.to_owned(), message, status_code: error.status_code })
    }

    fn go_on(self, phase: Phase, now: Timestamp) -> Next {
        Next::Call { procedure: Self { phase, attempts_made: 0, ..self }, at: now }
    }
}

fn stale() -> RunError {
    RunError { code: SESSION_INVALID.to_owned(), message: "the check answered false".to_owned(), status_code: None }
}

/// What a target's answer means for a session.
pub fn read_answer(phase: Phase, verdict: Verdict) -> Answer {
    let invalid = |message: String| {
        let error = RunError { code: INVALID_ANSWER.to_owned(), message, status_code: None };
        Answer::Failed { error, is_retryable: false, retry_after: None }
    };
    match (phase, verdict) {
        // What cannot be read may be the state itself, and is not shown.
        (_, Verdict::Failure { error, .. }) if error.code == INVALID_ANSWER => {
            invalid("the answer must be {\"result\": …} or {\"error\": …}".to_owned())
        }
        (_, Verdict::Failure { error, is_retryable, retry_after }) => {
            Answer::Failed { error, is_retryable, retry_after }
        }
        (_, Verdict::Success { extended, .. }) if !extended.is_empty() => {
            invalid("what is done for a session has no extendedPayloads".to_owned())
        }
        (Phase::Create, Verdict::Success { result, .. }) => match result.get() {
            "null" => invalid("the result of auth-sessions/create must be the session's state, not null".to_owned()),
            json if json.len() > AUTH_SESSION_BYTES_MAX => {
                invalid(format!("the session's state must be at most {AUTH_SESSION_BYTES_MAX} bytes of JSON"))
            }
            _ => Answer::Created(SecretText::new(String::from(Box::<str>::from(result)))),
        },
        (Phase::Check | Phase::CheckAgain, Verdict::Success { result, .. }) => match result.get() {
            "true" => Answer::Checked(true),
            "false" => Answer::Checked(false),
            _ => invalid("the result of auth-sessions/check must be true or false".to_owned()),
        },
    }
}

/// Whether an attempt that was refused because of the state it carried uses up one of its payload's: not the
/// first time, when the state may just have become stale, but under a newer state than that.
pub fn refusal_uses_attempt(carried: u32, refused_before: Option<u32>) -> bool {
    refused_before.is_some_and(|before| carried > before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn settings(check: u32, create: u32, auto_recreate: bool) -> AuthSessionSettings {
        let number = |number| sundial_model::number::WholeNumber::new(number).expect("a number");
        AuthSessionSettings { check_attempts: number(check), create_attempts: number(create), auto_recreate }
    }

    fn failed(code: &str, is_retryable: bool) -> Answer {
        let error = RunError { code: code.to_owned(), message: "no".to_owned(), status_code: None };
        Answer::Failed { error, is_retryable, retry_after: None }
    }

    /// The phases of the calls that are made when these are the answers, and how it ends.
    fn play(mut procedure: Procedure, answers: &[Answer]) -> (Vec<Phase>, Option<Result<(), String>>) {
        let mut phases = Vec::new();
        for answer in answers {
            phases.push(procedure.phase);
            match procedure.after(answer, NOW) {
                Next::Call { procedure: next, .. } => procedure = next,
                Next::Ready => return (phases, Some(Ok(()))),
                Next::Failed(error) => return (phases, Some(Err(error.code))),
            }
        }
        (phases, None)
    }

    #[test]
    fn a_good_state_takes_one_check_and_a_stale_one_is_made_anew_and_checked() {
        use Phase::{Check, CheckAgain, Create};
        let begin = Procedure::begin(true, true, settings(2, 2, true));
        assert_eq!(play(begin, &[Answer::Checked(true)]), (vec![Check], Some(Ok(()))));
        let created = Answer::Created(SecretText::new("1"));
        let stale = [Answer::Checked(false), failed("timeout", true), created.clone(), Answer::Checked(true)];
        assert_eq!(play(begin, &stale), (vec![Check, Check, Create, CheckAgain], Some(Ok(()))));
        let first = Procedure::begin(false, true, settings(2, 2, false));
        assert_eq!(play(first, &[created, Answer::Checked(true)]), (vec![Create, CheckAgain], Some(Ok(()))));
    }

    #[test]
    fn each_phase_ends_for_its_own_reason() {
        let created = Answer::Created(SecretText::new("1"));
        let end = |procedure, answers: &[Answer]| play(procedure, answers).1.expect("an end").expect_err("a failure");
        let begin = Procedure::begin(true, true, settings(1, 2, true));
        let no = || Answer::Checked(false);
        let error = failed("http-500", true);
        assert_eq!(end(begin, &[no(), error.clone(), error.clone()]), "create-attempts-failed");
        assert_eq!(end(begin, &[no(), failed("http-404", false)]), "create-attempts-failed", "final at once");
        assert_eq!(end(begin, &[no(), created, no()]), "post-create-check-attempts-failed");
        let kept = Procedure::begin(true, true, settings(1, 2, false));
        assert_eq!(end(kept, &[no()]), "check-attempts-failed", "it is not to be renewed");
        let given = Procedure::begin(true, false, settings(1, 2, true));
        assert_eq!(end(given, &[no()]), "check-attempts-failed", "it cannot be renewed");
    }

    #[test]
    fn a_target_that_asks_for_time_gets_some() {
        let at = |attempts_made, retry_after| {
            let begin = Procedure { attempts_made, ..Procedure::begin(true, true, settings(100, 1, true)) };
            let answer = Answer::Failed { error: stale(), is_retryable: true, retry_after };
            match begin.after(&answer, NOW) {
                Next::Call { at, .. } => at.since(NOW).as_secs(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!([at(0, None), at(1, None), at(2, None), at(60, None)], [1, 2, 4, 30]);
        assert_eq!(at(0, Some(Duration::from_secs(7))), 7);
        assert_eq!(at(0, Some(Duration::from_secs(3600))), 30);
    }

    #[test]
    fn answers_that_are_none_are_final() {
        let success = |json: &str| Verdict::Success {
            result: RawValue::from_string(json.to_owned()).expect("JSON"),
            extended: Vec::new(),
        };
        let is_final =
            |phase, json: &str| matches!(read_answer(phase, success(json)), Answer::Failed { is_retryable: false, .. });
        assert!(matches!(read_answer(Phase::Check, success("true")), Answer::Checked(true)));
        assert!(matches!(read_answer(Phase::CheckAgain, success("false")), Answer::Checked(false)));
        assert!(is_final(Phase::Check, "1") && is_final(Phase::Check, "null") && is_final(Phase::Check, "\"true\""));
        assert!(matches!(read_answer(Phase::Create, success("{\"a\":1}")), Answer::Created(_)));
        assert!(is_final(Phase::Create, "null"));
        let large = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
        assert!(matches!(read_answer(Phase::Create, success(&large(AUTH_SESSION_BYTES_MAX))), Answer::Created(_)));
        assert!(is_final(Phase::Create, &large(AUTH_SESSION_BYTES_MAX + 1)));
    }

    #[test]
    fn only_a_refusal_under_a_newer_state_uses_up_an_attempt() {
        assert!(!refusal_uses_attempt(1, None));
        assert!(!refusal_uses_attempt(1, Some(1)), "it was under way when the other was refused");
        assert!(refusal_uses_attempt(2, Some(1)));
    }
}
