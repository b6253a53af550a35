//! The rule of redacted secrets, by literals: what comes back as `[redacted]` keeps its stored value
//! while the place it is sent to is unchanged, and is refused by its name otherwise.

use serde_json::{Value, json};
use sundial_model::InvalidFields;
use sundial_model::job::{JobDefinition, JobInput};
use sundial_model::secret::{HasSecrets, REDACTED, SecretValues};
use sundial_model::target::Target;

/// What came of sending a document back: the secrets with their places, or the fields at fault.
#[derive(Debug, PartialEq)]
enum Kept {
    Values(Vec<(String, String)>),
    Refused(Vec<String>),
}

fn kept<T: HasSecrets + Clone>(before: &T, after: &T) -> Kept {
    let stored = before.clone().secret_values();
    let mut after = after.clone();
    match after.keep_redacted(Some(before), &stored) {
        Ok(()) => {
            let places = after.secret_places().into_iter();
            Kept::Values(places.map(|place| (place.pointer, place.text.expose().to_owned())).collect())
        }
        Err(errors) => Kept::Refused(errors.0.into_iter().map(|error| error.pointer).collect()),
    }
}

fn values(values: &[(&str, &str)]) -> Kept {
    Kept::Values(values.iter().map(|(pointer, value)| ((*pointer).to_owned(), (*value).to_owned())).collect())
}

fn refused(pointers: &[&str]) -> Kept {
    Kept::Refused(pointers.iter().map(|pointer| (*pointer).to_owned()).collect())
}

fn target(base_url: &str, headers: Value) -> Target {
    InvalidFields::read(json!({ "type": "http", "baseUrl": base_url, "headers": headers })).expect("a target")
}

fn definition(part: &str, value: Value) -> JobDefinition {
    let mut job = json!({ "id": "job", "payload": [{ "apiName": "a" }] });
    job[part] = value;
    InvalidFields::read::<JobInput>(job).expect("a job").into_definition().0
}

#[test]
fn a_target_keeps_its_headers_while_scheme_host_and_port_are_the_same() {
    let before = target("https://Shop.example/v1", json!({ "X-Key": "hunter2" }));
    for same in [
        "https://shop.example/v1",
        "https://shop.example",
        "https://shop.example:443/v2/deeper",
        "HTTPS://SHOP.EXAMPLE/v1",
        "https://shop.example:0443/v1",
    ] {
        let after = target(same, json!({ "X-Key": REDACTED }));
        assert_eq!(kept(&before, &after), values(&[("/target/headers/X-Key", "hunter2")]), "{same}");
    }
    for moved in [
        "http://shop.example/v1",
        "http://shop.example:443/v1",
        "https://shop.example:8443/v1",
        "https://www.shop.example/v1",
        "https://shop.example.evil.example/v1",
        "https://shop.example./v1",
    ] {
        let after = target(moved, json!({ "X-Key": REDACTED }));
        assert_eq!(kept(&before, &after), refused(&["/target/headers/X-Key"]), "{moved}");
    }
    let to_itself = target("http://[::1]:80/", json!({ "k": "v" }));
    assert_eq!(
        kept(&to_itself, &target("http://[0:0::1]", json!({ "k": REDACTED }))),
        values(&[("/target/headers/k", "v")])
    );
}

#[test]
fn a_header_is_kept_under_its_name_and_no_other() {
    let before = target("https://a.example", json!({ "x-one": "1", "x-two": "2" }));
    for (headers, expected) in [
        (json!({ "X-ONE": REDACTED }), values(&[("/target/headers/X-ONE", "1")])),
        (
            json!({ "x-two": REDACTED, "x-one": "new" }),
            values(&[("/target/headers/x-one", "new"), ("/target/headers/x-two", "2")]),
        ),
        (json!({ "x-three": REDACTED, "x-one": REDACTED }), refused(&["/target/headers/x-three"])),
        (json!({ "a~b": REDACTED }), refused(&["/target/headers/a~0b"])),
        (json!({}), values(&[])),
    ] {
        assert_eq!(kept(&before, &target("https://a.example", headers.clone())), expected, "{headers}");
    }
    // Nobody's new secret is `[redacted]`; something like it may be.
    let none = target("https://a.example", json!({}));
    let first = |value: &str| target("https://a.example", json!({ "k": value }));
    assert_eq!(kept(&none, &first(REDACTED)), refused(&["/target/headers/k"]));
    assert_eq!(kept(&none, &first("[REDACTED]")), values(&[("/target/headers/k", "[REDACTED]")]));
    let new = first(REDACTED).keep_redacted(None, &SecretValues::default()).expect_err("a new document");
    assert_eq!(new.0[0].pointer, "/target/headers/k");
}

#[test]
fn a_sink_keeps_its_secrets_while_it_leads_to_the_same_place() {
    let webhook = |url: &str, value: &str| {
        definition("sink", json!({ "type": "webhook", "url": url, "headers": { "k": value } }))
    };
    let before = webhook("https://a.example/hook", "v");
    assert_eq!(
        kept(&before, &webhook("https://A.example:443/other?x=1", REDACTED)),
        values(&[("/sink/headers/k", "v")])
    );
    assert_eq!(kept(&before, &webhook("https://b.example/hook", REDACTED)), refused(&["/sink/headers/k"]));
    // What was for the sink is not for a notification, though it goes to the same place.
    let told = json!([{ "type": "webhook", "url": "https://a.example/hook", "headers": { "k": REDACTED } }]);
    assert_eq!(kept(&before, &definition("notifications", told)), refused(&["/notifications/0/headers/k"]));
    let s3 = |change: Value| {
        let mut sink = json!({
            "type": "s3", "bucket": "results", "region": "x", "accessKeyId": "AK", "secretAccessKey": REDACTED,
            "endpoint": "https://s3.example"
        });
        for (field, value) in change.as_object().expect("an object") {
            sink[field] = value.clone();
        }
        definition("sink", sink)
    };
    let before = s3(json!({ "secretAccessKey": "v" }));
    for same in [
        json!({}),
        json!({ "region": "y", "prefix": "p/", "forcePathStyle": true, "skipOnFail": true }),
        json!({ "endpoint": "https://S3.example:443/" }),
    ] {
        assert_eq!(kept(&before, &s3(same.clone())), values(&[("/sink/secretAccessKey", "v")]), "{same}");
    }
    for moved in [
        json!({ "bucket": "others" }),
        json!({ "accessKeyId": "ak" }),
        json!({ "endpoint": "http://s3.example" }),
        json!({ "endpoint": "https://s3.example:8443" }),
        json!({ "endpoint": "https://s3.example/tenant" }),
        json!({ "endpoint": null }),
    ] {
        assert_eq!(kept(&before, &s3(moved.clone())), refused(&["/sink/secretAccessKey"]), "{moved}");
    }
    assert_eq!(kept(&before, &webhook("https://s3.example/results", REDACTED)), refused(&["/sink/headers/k"]));
}

/// Notifications, each to a URL with one header `k`, or none.
fn notifications(list: &[(&str, Option<&str>)]) -> JobDefinition {
    let notification = |(url, value): &(&str, Option<&str>)| {
        let headers = value.map_or_else(|| json!({}), |value| json!({ "k": value }));
        json!({ "type": "webhook", "url": url, "headers": headers })
    };
    definition("notifications", list.iter().map(notification).collect())
}

/// The values of `k`, in the order of the new list, or the numbers of those that are refused.
fn check(before: &[(&str, Option<&str>)], after: &[(&str, Option<&str>)], expected: Result<&[&str], &[usize]>) {
    let found = kept(&notifications(before), &notifications(after));
    match (found, expected) {
        (Kept::Values(found), Ok(expected)) => {
            let found: Vec<_> = found.iter().map(|(_, value)| value.as_str()).collect();
            assert_eq!(found, expected, "{before:?} → {after:?}");
        }
        (Kept::Refused(found), Err(expected)) => {
            let expected: Vec<_> = expected.iter().map(|index| format!("/notifications/{index}/headers/k")).collect();
            assert_eq!(found, expected, "{before:?} → {after:?}");
        }
        (found, _) => panic!("{before:?} → {after:?}: {found:?}"),
    }
}

#[test]
fn notifications_keep_their_own_secrets_in_whatever_order() {
    const R: Option<&str> = Some(REDACTED);
    let (a, b, c) = ("https://h.example/a", "https://h.example/b", "https://h.example/c");
    let elsewhere = "https://other.example/a";
    let two = [(a, Some("1")), (b, Some("2"))];
    check(&two, &[(a, R), (b, R)], Ok(&["1", "2"]));
    check(&two, &[(b, R), (a, R)], Ok(&["2", "1"]));
    check(&two, &[(b, R)], Ok(&["2"]));
    check(&two, &[(c, Some("3")), (b, R), (a, R)], Ok(&["3", "2", "1"]));
    check(&two, &[("https://H.example:443/b", R), (a, R)], Ok(&["2", "1"]));
    check(&[(a, Some("1")), (elsewhere, Some("2"))], &[(elsewhere, R), (a, R)], Ok(&["2", "1"]));
    // Another path of the same place.
    check(&[(a, Some("1"))], &[(c, R)], Ok(&["1"]));
    check(&two, &[(b, R), (c, R)], Ok(&["2", "1"]));
    check(&[(a, Some("1"))], &[(a, R), (c, R)], Ok(&["1", "1"]));
    check(&[(a, Some("1")), (b, Some("1"))], &[(c, R)], Ok(&["1"]));
    // There is no telling whose it was.
    check(&two, &[(c, R)], Err(&[0]));
    check(&two, &[(c, Some("3")), ("https://h.example/d", R)], Err(&[1]));
    // Another place.
    check(&two, &[(elsewhere, R), (b, R)], Err(&[0]));
    check(&[(a, Some("1")), (elsewhere, Some("2"))], &[("https://third.example/a", R)], Err(&[0]));
    // None was there.
    check(&[(a, None), (elsewhere, Some("2"))], &[(a, R), (elsewhere, R)], Err(&[0]));
    // The same URL twice.
    check(&[(a, Some("1")), (a, Some("2"))], &[(a, R), (a, R)], Ok(&["1", "2"]));
    check(&[(a, None), (a, Some("2"))], &[(a, R)], Ok(&["2"]));
}

#[test]
fn what_is_stored_fills_every_place_or_says_which_is_empty() {
    let mut job = notifications(&[("https://a.example", Some("1"))]);
    let stored = job.secret_values();
    job.fill_in(&stored).expect("all of them");
    let mut shown: JobDefinition = serde_json::from_value(serde_json::to_value(&job).expect("JSON")).expect("a job");
    assert!(!format!("{shown:?} {job:?} {stored:?}").contains("\"1\""));
    assert_eq!(shown.fill_in(&SecretValues::default()), Err("/notifications/0/headers/k".to_owned()));
    shown.fill_in(&stored).expect("all of them");
    assert_eq!(shown, job);
}
