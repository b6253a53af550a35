//! Lines as they are written, byte for byte.

use super::*;
use serde_json::json;
use sundial_model::job_run::ReasonType;

const RUN: &str = "0198c5a0-0000-7000-8000-000000000003";

fn line(outcome: ExportedOutcome<'_>, parameters: Option<&Parameters>, started_at: Option<Timestamp>) -> String {
    let id = |text: &str| text.parse().expect("an id");
    let line = ExportLine {
        workspace_id: "0198c5a0-0000-7000-8000-000000000001".parse().expect("an id"),
        project_id: "0198c5a0-0000-7000-8000-000000000002".parse().expect("an id"),
        project_name: &"shop".parse().expect("a name"),
        job_id: &id("nightly"),
        job_run_id: RUN.parse().expect("an id"),
        payload_index: 7,
        api_name: &"prices/fetch".parse().expect("a name"),
        parameters,
        started_at,
        ended_at: Some(Timestamp::from_milliseconds(1_700_000_000_250)),
        attempts: 3,
        outcome,
    };
    let mut written = Vec::new();
    line.write_to(&mut written).expect("a line");
    String::from_utf8(written).expect("text")
}

const END: &str = concat!(
    r#""workspaceId":"0198c5a0-0000-7000-8000-000000000001","#,
    r#""project":{"id":"0198c5a0-0000-7000-8000-000000000002","name":"shop"},"#,
    r#""projectJob":{"id":"nightly"},"projectJobRun":{"id":"0198c5a0-0000-7000-8000-000000000003"}}"#,
    "\n"
);

#[test]
fn a_success_is_a_line_with_its_result_as_it_came() {
    let result = RawValue::from_string("{\r\n  \"price\": 1.00,\n  \"text\": \"a\\nb\"\n}".to_owned()).expect("JSON");
    let extended = [
        ExtendedPayload { api_name: "a/b".parse().expect("a name"), parameters: Some(Parameters(json!({ "x": 1 }))) },
        ExtendedPayload { api_name: "c".parse().expect("a name"), parameters: None },
    ];
    let outcome = ExportedOutcome::Succeeded { result: &result, extended: &extended };
    let started_at = Some(Timestamp::from_seconds(1_700_000_000));
    assert_eq!(
        line(outcome, Some(&Parameters(json!({ "sku": 1 }))), started_at),
        [
            r#"{"apiInfo":{"name":"prices/fetch","parameters":{"sku":1},"#,
            r#""runId":"0198c5a0-0000-7000-8000-000000000003-7","#,
            r#""result":{"output":{  "price": 1.00,  "text": "a\nb"},"#,
            r#""extendedPayloads":[{"api":"a/b","parameters":{"x":1}},{"api":"c"}]},"#,
            r#""started_at":"2023-11-14T22:13:20.000Z","ended_at":"2023-11-14T22:13:20.250Z","error":null},"#,
            END
        ]
        .concat()
    );
}

#[test]
fn a_failure_has_the_same_code_as_in_a_delivery() {
    let error = RunError { code: "timeout".into(), message: "late".into(), status_code: None };
    for (attempts_ran_out, code) in [(true, "all-attempts-failed"), (false, "timeout")] {
        let outcome = ExportedOutcome::Failed { error: &error, attempts_ran_out };
        assert_eq!(
            line(outcome, None, Some(Timestamp::from_seconds(1_700_000_000))),
            [
                r#"{"apiInfo":{"name":"prices/fetch","runId":"0198c5a0-0000-7000-8000-000000000003-7","result":null,"#,
                r#""started_at":"2023-11-14T22:13:20.000Z","ended_at":"2023-11-14T22:13:20.250Z","#,
                r#""error":{"message":"late","code":""#,
                code,
                r#"","details":{"attempts_count":3}}},"#,
                END
            ]
            .concat()
        );
    }
}

#[test]
fn a_payload_that_was_not_finished_has_a_line_too() {
    let reason = Reason::new(ReasonType::Terminated, "ended by a user");
    for (reason, message, rest) in [
        (Some(&reason), "ended by a user", r#","reason":{"type":"terminated","message":"ended by a user"}"#),
        (None, "the job run ended before this payload was finished", ""),
    ] {
        assert_eq!(
            line(ExportedOutcome::Canceled { reason }, None, None),
            [
                r#"{"apiInfo":{"name":"prices/fetch","runId":"0198c5a0-0000-7000-8000-000000000003-7","result":null,"#,
                r#""ended_at":"2023-11-14T22:13:20.250Z","error":{"message":""#,
                message,
                r#"","code":"canceled","details":{"attempts_count":3}}"#,
                rest,
                "},",
                END
            ]
            .concat()
        );
    }
}
