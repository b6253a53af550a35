//! How leaves of the wire's documents describe themselves in OpenAPI: text, numbers and lengths of time with
//! their bounds. What is made of them derives its description.

use std::borrow::Cow;

use serde_json::{Value, json};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::SchemaType};
use utoipa::{PartialSchema, ToSchema};

use crate::duration::Milliseconds;
use crate::headers::Headers;
use crate::http_url::{BaseUrl, HttpUrl};
use crate::identifiers::{AuthSessionId, JobId, JobRunId, OperationId, ProjectId, ProjectName, RunId, WorkspaceId};
use crate::job::{Ignored, Tags};
use crate::number::{BackoffCoefficient, WholeNumber};
use crate::payload::{ApiName, Parameters, PayloadList};
use crate::schedule::{CalendarUnit, Matches, Nth, Schedule, ScheduleSpecification};
use crate::secret::SecretText;
use crate::sink::{BucketName, KeyPrefix, Region};
use crate::target::{FunctionArn, Qualifier};
use crate::text::{Description, PauseReason};
use crate::timestamp::Timestamp;

/// A description that is written as JSON.
fn from_json(description: Value) -> RefOr<Schema> {
    serde_json::from_value(description).unwrap_or_default()
}

macro_rules! leaves {
    ($($type:ty as $name:literal: $description:expr;)+) => {
        $(
            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    from_json($description)
                }
            }
            impl ToSchema for $type {
                fn name() -> Cow<'static, str> {
                    $name.into()
                }
            }
        )+

        #[cfg(test)]
        fn all() -> Vec<(&'static str, Value, RefOr<Schema>)> {
            vec![$(($name, $description, <$type>::schema())),+]
        }
    };
}

fn slug() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$" })
}

fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

fn url() -> Value {
    json!({ "type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^\\s\\\\@#]+$", "maxLength": 2048 })
}

const API_NAME: &str = r"^(?!auth-sessions/)(?!(?:[^/]*/)*\.{1,2}(?:/|$))[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*$";
/// No segment is `.` or `..`.
const KEY_PREFIX: &str = r"^(?!(?:[^/]*/)*\.{1,2}(?:/|$))[^\x00-\x1f\x7f-\x9f]*$";
/// The grammar of vercel/ms.
const MS_STRING: &str = r"^-?[0-9]*\.?[0-9]+ *[A-Za-z]*$";
const HEADER_NAME: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$";

leaves! {
    ProjectName as "ProjectName": slug();
    JobId as "JobId": slug();
    AuthSessionId as "AuthSessionId": slug();
    WorkspaceId as "WorkspaceId": uuid();
    ProjectId as "ProjectId": uuid();
    JobRunId as "JobRunId": uuid();
    OperationId as "OperationId": uuid();
    RunId as "RunId": json!({ "type": "string", "pattern": "^[0-9a-f-]{36}-[0-9]{1,7}$" });
    Timestamp as "Timestamp": json!({ "type": "string", "format": "date-time" });
    Description as "Description": json!({ "type": "string", "maxLength": 1000 });
    PauseReason as "PauseReason": json!({ "type": "string", "maxLength": 500 });
    ApiName as "ApiName": json!({ "type": "string", "pattern": API_NAME, "maxLength": 256 });
    Parameters as "Parameters": json!({ "type": ["object", "array"] });
    PayloadList as "PayloadList": json!({
        "type": "array", "items": { "$ref": "#/components/schemas/Payload" }, "minItems": 1, "maxItems": 1_000_000
    });
    HttpUrl as "HttpUrl": url();
    BaseUrl as "BaseUrl": url();
    BucketName as "BucketName": json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]*(?:\\.?[a-z0-9-]+)*[a-z0-9]$", "minLength": 3, "maxLength": 63 });
    FunctionArn as "FunctionArn": json!({ "type": "string", "pattern": "^arn:aws[A-Za-z0-9-]*:lambda:[A-Za-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}$" });
    Qualifier as "Qualifier": json!({ "type": "string", "pattern": "^(?:\\$LATEST|[A-Za-z0-9_-]{1,128})$" });
    Region as "Region": json!({ "type": "string", "pattern": "^[A-Za-z0-9-]{1,32}$" });
    KeyPrefix as "KeyPrefix": json!({ "type": "string", "pattern": KEY_PREFIX, "maxLength": 512 });
    SecretText as "SecretText": json!({
        "type": "string", "description": "Comes back as `[redacted]`, which may be sent back as long as the place it is sent to is the same."
    });
    Headers as "Headers": json!({
        "type": "object", "additionalProperties": { "type": "string", "pattern": "^[\\t\\x20-\\x7e]{0,4096}$" },
        "propertyNames": { "type": "string", "pattern": HEADER_NAME },
        "description": "At most 50. Values come back as `[redacted]`. Not content-*, webhook-*, host and the like."
    });
    Tags as "Tags": json!({
        "type": "object", "additionalProperties": { "type": "string", "maxLength": 256 },
        "propertyNames": { "type": "string", "pattern": "^[^:]{1,128}$" }, "description": "At most 50."
    });
    BackoffCoefficient as "BackoffCoefficient": json!({ "type": "number", "minimum": 1, "maximum": 1000 });
    Nth as "Nth": json!({ "type": "integer", "enum": [1, 2, 3, 4, 5, -1, -2, -3, -4, -5] });
}

impl<const MIN: u32, const MAX: u32> PartialSchema for WholeNumber<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        from_json(json!({ "type": "integer", "minimum": MIN, "maximum": MAX }))
    }
}

impl<const MIN: u32, const MAX: u32> ToSchema for WholeNumber<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("WholeNumber.{MIN}.{MAX}").into()
    }
}

impl<const MIN: u64, const MAX: u64> PartialSchema for Milliseconds<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        from_json(json!({ "oneOf": [
            { "type": "integer", "minimum": MIN, "maximum": MAX, "description": "Milliseconds." },
            { "type": "string", "pattern": MS_STRING, "maxLength": 100, "description": "As in `90s` or `1.5h`, within the same bounds." }
        ] }))
    }
}

impl<const MIN: u64, const MAX: u64> ToSchema for Milliseconds<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("Milliseconds.{MIN}.{MAX}").into()
    }
}

impl<U: CalendarUnit> PartialSchema for Matches<U> {
    fn schema() -> RefOr<Schema> {
        let mut names: Vec<Value> = U::VALUE_NAMES.iter().map(|name| json!(name)).collect();
        let mut member = vec![json!({ "type": "integer", "minimum": U::MIN, "maximum": U::MAX })];
        if !names.is_empty() {
            member.push(json!({ "type": "string", "enum": names }));
        }
        let value = json!({ "oneOf": member });
        let range = json!({
            "type": "object", "properties": {
                "start": value, "end": value, "step": { "type": "integer", "minimum": 1, "maximum": u32::MAX }
            },
            "required": ["start"], "additionalProperties": false
        });
        member.push(range);
        if U::COUNTS_FROM_END {
            names.push(json!("L"));
            let pattern = "^L(?:-(?:[1-9]|[12][0-9]|30))?$";
            member.push(json!({ "type": "string", "pattern": pattern, "description": "Counted from the end." }));
        }
        let list = json!({ "type": "array", "items": { "oneOf": member }, "minItems": 1 });
        member.extend([json!({ "type": "string", "enum": ["*"] }), list]);
        from_json(json!({ "oneOf": member }))
    }
}

impl<U: CalendarUnit> ToSchema for Matches<U> {
    fn name() -> Cow<'static, str> {
        format!("Matches.{}", U::NAME.replace(' ', "-")).into()
    }
}

impl PartialSchema for Ignored {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some("Read-only: ignored.")).into()
    }
}

impl ToSchema for Ignored {}

impl PartialSchema for Schedule {
    fn schema() -> RefOr<Schema> {
        ScheduleSpecification::schema()
    }
}

impl ToSchema for Schedule {
    fn name() -> Cow<'static, str> {
        "Schedule".into()
    }
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        ScheduleSpecification::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{DayOfMonth, DayOfWeek};

    #[test]
    fn every_description_is_as_it_is_written_here() {
        let mut descriptions = all();
        let matches = |schema: RefOr<Schema>| serde_json::to_value(schema).expect("JSON");
        for (name, written, schema) in descriptions.drain(..) {
            assert_eq!(matches(schema), written, "{name}");
        }
        for schema in [Matches::<DayOfMonth>::schema(), Matches::<DayOfWeek>::schema(), WholeNumber::<1, 2>::schema()] {
            let text = matches(schema).to_string();
            assert!(text.contains("minimum"), "{text}");
        }
        assert!(matches(Milliseconds::<1, 2>::schema()).to_string().contains("maxLength"));
    }
}
