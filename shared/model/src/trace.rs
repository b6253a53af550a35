//! Traces: by which id a job run is found in whatever its calls pass through (W3C Trace Context).

use uuid::Uuid;

use crate::identifiers::{JobRunId, OperationId};
use crate::text::checked_text;

const LENGTH: usize = 32;

fn is_trace_id(text: &str) -> bool {
    text.len() == LENGTH
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|byte| byte != b'0')
}

checked_text!(
    /// The id of a trace: 32 digits of lower-case hexadecimal, not all of them zero.
    TraceId, is_trace_id, "must be 32 lower-case hexadecimal digits, not all of them zero"
);

impl TraceId {
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
        if is_whole { trace.parse().ok() } else { None }
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
    pub trace_id: Option<TraceId>,
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
            assert_eq!(TraceId::of_traceparent(&header).expect("a trace").as_str(), trace, "{header}");
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
        ];
        for header in bad {
            assert_eq!(TraceId::of_traceparent(&header), None, "{header}");
        }
    }

    #[test]
    fn a_job_run_is_a_trace_of_its_own() {
        let run: JobRunId = "0198c5d2-7a10-7c3e-9b64-2f1d8e5a4c07".parse().expect("an id");
        assert_eq!(TraceId::from(run).as_str(), "0198c5d27a107c3e9b642f1d8e5a4c07");
    }
}
