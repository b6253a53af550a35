//! A page of payloads on its way in: a JSON array, or JSON Lines with one payload in each line.
//!
//! Each payload is read on its own, so that a page of many small ones takes little memory, and a
//! line that is no JSON does not hide what is wrong with the others.

use axum::extract::{FromRequest, Request};
use serde_json::Value;
use serde_json::value::RawValue;
use sundial_model::InvalidFields;
use sundial_model::payload::Payload;
use sundial_model::problem::{Problem, ProblemCode};

use crate::body::{is_json, media_type, parse, read};
use crate::check_job::check_payload_size;
use crate::problem_response::ApiProblem;

/// The media type of JSON Lines.
const JSON_LINES: &str = "application/x-ndjson";

/// One or more payloads. A fault's pointer begins with the payload's index, from 0; blank lines do
/// not count, so that both forms of a list have the same pointers.
#[derive(Debug)]
pub(crate) struct PayloadPage(pub(crate) Vec<Payload>);

impl<S: Sync> FromRequest<S> for PayloadPage {
    type Rejection = ApiProblem;
    async fn from_request(request: Request, _: &S) -> Result<Self, ApiProblem> {
        let media_type = media_type(&request);
        let bytes = read(request).await?;
        if media_type == JSON_LINES {
            return Ok(check(lines(&bytes))?);
        }
        if !is_json(&media_type) {
            let detail = format!("send the body with content-type: application/json or {JSON_LINES}");
            return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail).into());
        }
        Ok(check(elements(&bytes)?)?)
    }
}

/// The JSON text of a payload.
struct Text<'a> {
    json: &'a [u8],
    /// The line it stands in, from 1, where the page consists of lines.
    line: Option<usize>,
}

/// The lines that are not blank.
fn lines(body: &[u8]) -> impl Iterator<Item = Text<'_>> {
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    let texts = lines.map(|(index, line)| Text { json: line.trim_ascii(), line: Some(index + 1) });
    texts.filter(|text| !text.json.is_empty())
}

/// The elements of an array.
fn elements(body: &[u8]) -> Result<impl Iterator<Item = Text<'_>>, ApiProblem> {
    let whole: &RawValue = parse(body)?;
    let elements: Vec<&RawValue> =
        serde_json::from_str(whole.get()).map_err(|_| InvalidFields::one("", "must be an array of payloads"))?;
    Ok(elements.into_iter().map(|element| Text { json: element.get().as_bytes(), line: None }))
}

fn check<'a>(texts: impl Iterator<Item = Text<'a>>) -> Result<PayloadPage, InvalidFields> {
    let (mut payloads, mut errors) = (Vec::new(), InvalidFields::default());
    let mut is_empty = true;
    for (index, text) in texts.enumerate() {
        is_empty = false;
        let pointer = format!("/{index}");
        match text.value().and_then(InvalidFields::read::<Payload>) {
            Ok(payload) => {
                check_payload_size(&payload, &pointer, &mut errors);
                payloads.push(payload);
            }
            Err(faults) => errors.extend_below(&pointer, faults),
        }
    }
    if is_empty {
        errors.push("", "must hold at least one payload");
    }
    errors.into_result().map(|()| PayloadPage(payloads))
}

impl Text<'_> {
    fn value(&self) -> Result<Value, InvalidFields> {
        serde_json::from_slice(self.json).map_err(|error| InvalidFields::one("", self.not_json(&error)))
    }

    /// Where the text is no JSON: a line is told by its own number, which the parser does not know.
    fn not_json(&self, error: &serde_json::Error) -> String {
        let Some(line) = self.line else { return format!("cannot be read: {error}") };
        let (text, column) = (error.to_string(), error.column());
        let cause = text.split(" at line ").next().unwrap_or_default();
        format!("in line {line} is not JSON: {cause} at column {column}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(page: Result<PayloadPage, InvalidFields>) -> Vec<(String, String)> {
        let errors = page.expect_err("faults");
        errors.0.into_iter().map(|error| (error.pointer, error.message)).collect()
    }

    #[test]
    fn lines_are_payloads_and_blank_ones_do_not_count() {
        let page = check(lines(b"\n{\"apiName\":\"a\"}\r\n  \n\r\n{\"apiName\":\"b\"}")).expect("two payloads");
        let names: Vec<_> = page.0.iter().map(|payload| payload.api_name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn every_fault_is_told_by_the_payload_and_malformed_json_by_its_line() {
        let page = check(lines(b"{\"apiName\":\"a\"}\n\n{\"apiName\": a}\n{}\n[1]\n{\"apiName\":\"../b\"}\n"));
        let faults = faults(page);
        let pointers: Vec<_> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/1", "/2/apiName", "/3", "/4/apiName"]);
        assert_eq!(faults[0].1, "in line 3 is not JSON: expected value at column 13");
    }

    #[test]
    fn a_page_holds_something() {
        for empty in ["", "\n \n"] {
            assert_eq!(faults(check(lines(empty.as_bytes())))[0].0, "");
        }
        assert_eq!(faults(check(elements(b" [ ] ").expect("an array")))[0].0, "");
        assert!(elements(b"{}").is_err() && elements(b"[1,").is_err());
    }
}
