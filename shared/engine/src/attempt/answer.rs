//! Answers that are results: in an envelope, or as they are.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use sundial_model::payload::Parameters;

use super::{EXTENDED_PAYLOADS_BYTES_MAX, ExtendedPayload, INVALID_ANSWER, Verdict, failure, success};

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Envelope {
    // A missing result makes the answer invalid; an explicit null is a result.
    result: Box<RawValue>,
    #[serde(default)]
    extended_payloads: Option<Vec<Value>>,
}

pub(super) fn judge_envelope(body: &[u8]) -> Verdict {
    if body.is_empty() {
        return success(RawValue::NULL.to_owned(), Vec::new());
    }
    let envelope: Envelope = match read_object(body) {
        Ok(envelope) => envelope,
        Err(error) => {
            let message = format!("the answer must be {{\"result\": …}}: {error}");
            return failure(INVALID_ANSWER, message, None, false);
        }
    };
    match read_extended(envelope.extended_payloads.unwrap_or_default()) {
        Ok(extended) => success(envelope.result, extended),
        Err(verdict) => *verdict,
    }
}

/// Reads an object. An array of the fields' values is none, though serde would take it for one.
pub(super) fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(serde::de::Error::custom("it is no object"));
    }
    serde_json::from_slice(body)
}

fn read_extended(payloads: Vec<Value>) -> Result<Vec<ExtendedPayload>, Box<Verdict>> {
    let size: usize = payloads.iter().map(|payload| payload.to_string().len()).sum();
    if size > EXTENDED_PAYLOADS_BYTES_MAX {
        let message = format!("the extended payloads are over {EXTENDED_PAYLOADS_BYTES_MAX} bytes");
        return Err(Box::new(failure("extended-payloads-too-big", message, None, false)));
    }
    let read = |(index, payload): (usize, Value)| {
        read_extended_payload(payload).map_err(|message| {
            let message = format!("extendedPayloads/{index} {message}");
            Box::new(failure("invalid-extended-payload", message, None, false))
        })
    };
    payloads.into_iter().enumerate().map(read).collect()
}

fn read_extended_payload(payload: Value) -> Result<ExtendedPayload, String> {
    let Value::Object(mut fields) = payload else { return Err("must be an object".to_owned()) };
    let api_name = match fields.remove("api") {
        Some(Value::String(api)) => api.parse().map_err(|message| format!("api {message}"))?,
        _ => return Err("must name its api".to_owned()),
    };
    let parameters = match fields.remove("parameters") {
        None | Some(Value::Null) => None,
        Some(parameters @ (Value::Object(_) | Value::Array(_))) => Some(Parameters(parameters)),
        Some(_) => return Err("must have an object or an array as parameters".to_owned()),
    };
    match fields.keys().next() {
        None => Ok(ExtendedPayload { api_name, parameters }),
        Some(unknown) => Err(format!("has an unknown field {unknown:?}")),
    }
}

pub(super) fn judge_plain(body: &[u8], is_json: bool) -> Verdict {
    if body.is_empty() {
        return success(RawValue::NULL.to_owned(), Vec::new());
    }
    if !is_json {
        return success(raw(&Value::String(String::from_utf8_lossy(body).into_owned())), Vec::new());
    }
    match serde_json::from_slice::<Box<RawValue>>(body) {
        Ok(result) => success(result, Vec::new()),
        Err(error) => {
            failure(INVALID_ANSWER, format!("the answer is not the JSON it claims to be: {error}"), None, false)
        }
    }
}
