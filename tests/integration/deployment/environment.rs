//! The environment variables: those that the template sets are those that the code reads, and what the template lets
//! through the code understands.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fancy_regex::Regex;
use serde_json::Value;
use sundial_runtime::logging::our_targets;
use sundial_runtime::{Settings, SettingsError};

use super::resolve::{text, texts};
use super::template::{Template, root};

const WORKSPACE: &str = "0198c5a0-0000-7000-8000-000000000001";

/// What a function's environment comes to with these parameters; as a function sees it, all text.
fn environment(template: &Template, given: &[(&str, &str)]) -> BTreeMap<String, String> {
    let globals = &template.section("Globals")["Function"]["Environment"]["Variables"];
    for name in template.functions().values() {
        assert!(template.properties(name)["Environment"].is_null(), "{name} has variables of its own");
    }
    let resolved = template.parameters(given).resolve(globals).unwrap();
    resolved.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn settings(environment: &BTreeMap<String, String>) -> Result<Settings, SettingsError> {
    Settings::from_variables(|variable| environment.get(variable).cloned())
}

/// Settings with one variable changed from what the defaults make it.
fn settings_with(template: &Template, variable: &str, value: &str) -> Result<Settings, SettingsError> {
    let mut environment = environment(template, &[]);
    assert!(environment.insert(variable.to_owned(), value.to_owned()).is_some(), "{variable} is not set");
    settings(&environment)
}

/// The variables that a source file names.
fn named_in(text: &str) -> BTreeSet<String> {
    let pattern = Regex::new("\"(SUNDIAL_[A-Z_]+)\"").unwrap();
    pattern.captures_iter(text).map(|found| found.unwrap()[1].to_owned()).collect()
}

/// All text of the source files in a folder.
pub(super) fn sources_in(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &sources_in(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all += &std::fs::read_to_string(&path).unwrap();
        }
    }
    all
}

#[test]
fn the_template_sets_the_variables_that_the_functions_read_and_no_others() {
    let template = Template::read();
    let environment = environment(&template, &[]);
    let asked_for = RefCell::new(BTreeSet::new());
    Settings::from_variables(|variable| {
        asked_for.borrow_mut().insert(variable.to_owned());
        environment.get(variable).cloned()
    })
    .unwrap();
    let mut read = asked_for.into_inner();
    // The log begins before there are settings.
    read.extend(named_in(&std::fs::read_to_string(root().join("shared/runtime/src/logging.rs")).unwrap()));
    assert_eq!(environment.into_keys().collect::<BTreeSet<_>>(), read);
    for folder in ["functions", "shared/model", "shared/engine", "shared/store", "shared/outbound", "shared/runtime"] {
        let elsewhere: Vec<_> = named_in(&sources_in(&root().join(folder))).difference(&read).cloned().collect();
        assert!(elsewhere.is_empty(), "{folder} names {elsewhere:?}");
    }
}

#[test]
fn the_code_understands_the_defaults_and_every_choice_there_is() {
    let template = Template::read();
    settings(&environment(&template, &[])).unwrap();
    for (name, parameter) in template.section("Parameters") {
        let choices = texts(&parameter["AllowedValues"]).into_iter().filter(|_| parameter["AllowedValues"].is_array());
        let bounds = ["MinValue", "MaxValue"].map(|bound| parameter[bound].as_i64());
        let bounds = bounds.into_iter().flatten().map(|bound| bound.to_string());
        for value in choices.chain(bounds) {
            let settings = settings(&environment(&template, &[(name, &value)]));
            assert!(settings.is_ok(), "{name}={value}: {settings:?}");
        }
    }
    for level in texts(&template.section("Parameters")["LogLevel"]["AllowedValues"]) {
        our_targets(level.parse().unwrap());
    }
}

#[test]
fn what_the_code_would_not_understand_the_template_does_not_let_through() {
    let template = Template::read();
    let lease = &template.section("Parameters")["LeaseSeconds"];
    for seconds in [lease["MinValue"].as_i64().unwrap() - 1, lease["MaxValue"].as_i64().unwrap() + 1] {
        assert!(settings_with(&template, "SUNDIAL_LEASE_SECONDS", &seconds.to_string()).is_err(), "{seconds}");
    }
    let good =
        ["", "10.0.0.0/8", "10.20.0.0/16, fd12:3456::/32", "::/0,0.0.0.0/0", "192.168.1.1/32,::ffff:10.0.0.0/104"];
    let bad = ["10.0.0.0", "10.0.0.0/33", "256.0.0.0/8", "10.0.0/8", "fd12::/129", "/8", "all", "10.0.0.0/8;::/0"];
    agree(&template, "AllowedCidrs", "SUNDIAL_ALLOWED_CIDRS", &good, &bad);

    let pair = |bucket: &str| format!("{WORKSPACE}={bucket}");
    let good = ["".to_owned(), pair("abc"), format!("{},{}", pair("my.bucket-1"), pair("other"))];
    let bad =
        ["abc".to_owned(), "=abc".to_owned(), pair(""), pair("No"), pair("a..b"), pair("*"), pair("-abc"), pair("ab")];
    agree(&template, "SinkBuckets", "SUNDIAL_SINK_BUCKETS", &good, &bad);
}

#[test]
fn of_target_functions_the_template_lets_through_what_the_code_understands() {
    let template = Template::read();
    let pair = |arn: &str| format!("{WORKSPACE}={arn}");
    let prices = "arn:aws:lambda:eu-central-1:123456789012:function:prices";
    let good = [
        "".to_owned(),
        pair(prices),
        format!("{},{}", pair(prices), pair("arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:A_b-9")),
    ];
    let bad = [
        "prices".to_owned(),
        pair("prices"),
        prices.to_owned(),
        pair(&format!("{prices}:1")),
        pair(&format!("{prices}:live")),
        pair(&format!("{prices}*")),
        pair("arn:aws:lambda:eu-central-1:123:function:prices"),
        pair("arn:aws:sqs:eu-central-1:123456789012:prices"),
    ];
    agree(&template, "TargetFunctions", "SUNDIAL_TARGET_FUNCTIONS", &good, &bad);
}

/// The good values pass the template and the code, the bad ones neither.
fn agree(template: &Template, parameter: &str, variable: &str, good: &[impl AsRef<str>], bad: &[impl AsRef<str>]) {
    let pattern: &Value = &template.section("Parameters")[parameter]["AllowedPattern"];
    let pattern = Regex::new(&format!("^(?:{})$", pattern.as_str().unwrap())).unwrap();
    let good = good.iter().map(|value| (value.as_ref(), true));
    for (value, is_good) in good.chain(bad.iter().map(|value| (value.as_ref(), false))) {
        assert_eq!(pattern.is_match(value).unwrap(), is_good, "{parameter} {value:?}");
        let settings = settings_with(template, variable, value);
        assert_eq!(settings.is_ok(), is_good, "{variable} {value:?}: {settings:?}");
    }
}
