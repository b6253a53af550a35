//! Traces: by which id a job run is found in whatever its calls pass through (W3C Trace Context).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::identifiers::{JobRunId, OperationId};
use crate::text::checked_text;

const LENGTH: usize = 32;
/// The flag that says that a trace is recorded.
const SAMPLED: u8 = 1;

fn is_trace_id(text: &str) -> bool {
    text.len() == LENGTH
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|byte| byte != b'0')
}

checked_text!(
    /// The id of a trace: 32 digits of lower-case hexadecimal, not all of them zero.
    TraceId, is_trace_id, "must be 32 lower-case hexadecimal digits, not all of them zero"
);

/// A trace, as what takes part in it is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// Whether it is recorded: the flag `sampled`. Sundial itself records none, and passes on what its caller says.
    pub is_sampled: bool,
}

impl Trace {
    /// The trace that a `traceparent` header belongs to; none when it is not one.
    pub fn of_traceparent(header: &str) -> Option<Self> {
        // A later version may have more behind its flags.
        let mut parts = header.trim().split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hexadecimal = |part: &str, length| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
        };
        let is_whole = is_hexadecimal(version, 2)
            && version != "ff"
            && is_hexadecimal(parent, 16)
            && is_hexadecimal(flags, 2)
            && (version != "00" || parts.next().is_none());
        let flags = u8::from_str_radix(flags, 16).ok().filter(|_| is_whole)?;
        Some(Self { id: trace.parse().ok()?, is_sampled: flags & SAMPLED != 0 })
    }
}

impl<Id: Into<TraceId>> From<Id> for Trace {
    /// A trace that begins here. It is recorded, or nothing that is called would record its part.
    fn from(id: Id) -> Self {
        Self { id: id.into(), is_sampled: true }
    }
}

impl From<Uuid> for TraceId {
    fn from(id: Uuid) -> Self {
        Self(id.simple().to_string())
    }
}

impl From<JobRunId> for TraceId {
    fn from(JobRunId(id): JobRunId) -> Self {
        id.into()
    }
}

impl From<OperationId> for TraceId {
    fn from(OperationId(id): OperationId) -> Self {
        id.into()
    }
}

/// The call that something was started by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The API key.
    pub key_id: String,
    /// The id that the call has in logs and answers.
    pub correlation_id: String,
    /// The trace that the call belongs to, if it says so.
    pub trace: Option<Trace>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_out_of_a_header_that_is_one() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = [
            format!("00-{trace}-00f067aa0ba902b7-01"),
            format!(" 00-{trace}-00f067aa0ba902b7-00 "),
            format!("01-{trace}-00f067aa0ba902b7-01-more"),
        ];
        for header in good {
            let is_sampled = !header.contains("-00 ");
            assert_eq!(Trace::of_traceparent(&header), Some(Trace { id: trace.parse().expect("an id"), is_sampled }));
        }
        let zeros = "0".repeat(32);
        let bad = [
            String::new(),
            trace.to_owned(),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{zeros}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{trace}-00f067aa0ba902b7"),
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("00-{trace}-short-01"),
            format!("00-{trace}-00f067aa0ba902b7-+1"),
        ];
        for header in bad {
            assert_eq!(Trace::of_traceparent(&header), None, "{header}");
        }
    }

    #[test]
    fn a_job_run_is_a_trace_of_its_own() {
        let run: JobRunId = "0198c5d2-7a10-7c3e-9b64-2f1d8e5a4c07".parse().expect("an id");
        let trace = Trace::from(run);
        assert_eq!((trace.id.as_str(), trace.is_sampled), ("0198c5d27a107c3e9b642f1d8e5a4c07", true));
    }
}
