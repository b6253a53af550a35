//! Which events reach which function, and for how long they are of use.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sundial_devstack::{HOSTED_FUNCTIONS, HostedFunction};
use sundial_model::event::SOURCE;

use super::template::{Template, root};

/// What EventBridge puts in the place of a detail type when the timer ticks.
const OF_THE_TIMER: (&str, &str) = ("aws.events", "Scheduled Event");

/// A rule of the template: by what it selects, from which bus.
#[derive(Debug)]
struct Rule {
    source: String,
    detail_type: String,
    age_max: Option<u64>,
}

impl Rule {
    fn takes(&self, event: &Value) -> bool {
        event["source"] == self.source && event["detail-type"] == self.detail_type
    }
}

/// The rules that invoke a function, the timer's included.
fn rules(function: &Value) -> Vec<Rule> {
    let events = function["Events"].as_object().unwrap().values();
    let rules = events.flat_map(|event| {
        let properties = &event["Properties"];
        let age_max = properties["RetryPolicy"]["MaximumEventAgeInSeconds"].as_u64();
        let rule = |(source, detail_type): (&str, &str)| Rule {
            source: source.to_owned(),
            detail_type: detail_type.to_owned(),
            age_max,
        };
        match event["Type"].as_str().unwrap() {
            "Schedule" => vec![rule(OF_THE_TIMER)],
            "EventBridgeRule" => {
                assert_eq!(properties["EventBusName"], json!({ "Ref": "Bus" }), "nobody else's events");
                let pattern = properties["Pattern"].as_object().unwrap();
                assert_eq!(pattern.keys().collect::<Vec<_>>(), ["source", "detail-type"]);
                let [sources, types] = ["source", "detail-type"].map(|field| pattern[field].as_array().unwrap());
                let pairs =
                    sources.iter().flat_map(|source| types.iter().map(move |detail_type| (source, detail_type)));
                pairs
                    .map(|(source, detail_type)| rule((source.as_str().unwrap(), detail_type.as_str().unwrap())))
                    .collect()
            }
            "HttpApi" => Vec::new(),
            other => panic!("{other} invokes a function, and this test does not know it"),
        }
    });
    rules.collect()
}

/// Each function as it is hosted by the embedded cloud and as it is deployed.
fn functions(template: &Template) -> Vec<(HostedFunction, &Value)> {
    let deployed = template.functions();
    let with_properties = |hosted: HostedFunction| {
        let properties = template.properties(deployed[hosted.name]);
        (hosted, properties)
    };
    HOSTED_FUNCTIONS.into_iter().map(with_properties).collect()
}

#[test]
fn each_function_is_invoked_by_the_events_that_it_takes_and_by_no_others() {
    let template = Template::read();
    for (hosted, deployed) in functions(&template) {
        let rules = rules(deployed);
        let detail_types: BTreeSet<_> = rules.iter().map(|rule| rule.detail_type.as_str()).collect();
        assert_eq!(detail_types, hosted.takes.iter().copied().collect(), "{}", hosted.name);
        for rule in rules {
            let source = if rule.detail_type == OF_THE_TIMER.1 { OF_THE_TIMER.0 } else { SOURCE };
            assert_eq!(rule.source, source, "{rule:?}");
        }
    }
}

#[test]
fn an_event_is_dropped_and_an_invocation_ends_when_the_code_counts_on_it() {
    let template = Template::read();
    let parameters = template.parameters(&[]);
    for (hosted, deployed) in functions(&template) {
        let name = hosted.name;
        assert_eq!(deployed["Timeout"], json!(hosted.timeout.as_secs()), "{name}");
        let age_max = hosted.event_age_max.map(|age| age.as_secs());
        assert_eq!(deployed["EventInvokeConfig"]["MaximumEventAgeInSeconds"].as_u64(), age_max, "{name}");
        for rule in rules(deployed) {
            assert_eq!(rule.age_max, age_max, "{name}: {rule:?}");
        }
        if age_max.is_some() {
            assert_eq!(
                deployed["EventInvokeConfig"]["MaximumRetryAttempts"],
                json!(0),
                "{name}: wake times are for that"
            );
        }
        let at_once = parameters.resolve(&deployed["ReservedConcurrentExecutions"]).filter(|value| !value.is_null());
        if let Some(at_once) = at_once {
            assert_eq!(at_once, json!(hosted.invocations_max), "{name}");
        }
    }
    let reserved = &template.properties("ScheduleEvaluator")["ReservedConcurrentExecutions"];
    assert!(parameters.resolve(reserved).is_some(), "the evaluator has its own share");
}

#[test]
fn every_sample_of_an_event_is_taken_by_one_rule_and_every_rule_has_a_sample() {
    let template = Template::read();
    let rules: Vec<_> = functions(&template).into_iter().flat_map(|(_, deployed)| rules(deployed)).collect();
    let mut without_sample: BTreeSet<_> = (0..rules.len()).collect();
    for file in std::fs::read_dir(root().join("tests/events")).unwrap() {
        let path = file.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("eventbridge-") {
            continue;
        }
        let event: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let takers: Vec<_> = (0..rules.len()).filter(|rule| rules[*rule].takes(&event)).collect();
        assert_eq!(takers.len(), 1, "{}", path.display());
        without_sample.remove(&takers[0]);
    }
    let without_sample: Vec<_> = without_sample.into_iter().map(|rule| &rules[rule]).collect();
    assert!(without_sample.is_empty(), "{without_sample:?}");
}
