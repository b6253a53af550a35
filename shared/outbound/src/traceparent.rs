//! The header that says which trace a call belongs to (W3C Trace Context).

use http::{HeaderMap, HeaderValue};
use sundial_model::trace::Trace;

/// The header.
const TRACEPARENT: &str = "traceparent";

/// A new span of a trace. It need not be hard to guess, and the system's random numbers take a call each; zero is
/// not allowed.
pub(crate) fn traceparent(trace: &Trace) -> String {
    format!("00-{}-{:016x}-{:02x}", trace.id, fastrand::u64(1..), u8::from(trace.is_sampled))
}

/// Says in a call's headers that it belongs to a trace.
pub(crate) fn add_traceparent(headers: &mut HeaderMap, trace: &Trace) {
    if let Ok(value) = HeaderValue::from_str(&traceparent(trace)) {
        headers.insert(TRACEPARENT, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_a_span_of_its_own_in_the_trace() {
        for is_sampled in [true, false] {
            let trace = Trace { id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().expect("a trace"), is_sampled };
            let header = traceparent(&trace);
            let parts: Vec<_> = header.split('-').map(str::len).collect();
            assert_eq!(parts, [2, 32, 16, 2], "{header}");
            assert_eq!(Trace::of_traceparent(&header).as_ref(), Some(&trace));
            assert_ne!(header, traceparent(&trace));
        }
    }
}
