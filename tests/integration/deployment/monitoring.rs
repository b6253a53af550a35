//! Dashboard and alarms: they are about things that are there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::resolve::texts;
use super::template::Template;

fn dashboard(template: &Template) -> Value {
    let properties = template.parameters(&[]).properties("Dashboard").unwrap();
    serde_json::from_str(properties["DashboardBody"].as_str().unwrap()).unwrap()
}

/// The metrics of a widget: `[namespace, name, dimension, value, …, options]`.
fn metrics(widget: &Value) -> impl Iterator<Item = Vec<&str>> {
    let metrics = widget["properties"]["metrics"].as_array().into_iter().flatten();
    metrics.map(|metric| metric.as_array().unwrap().iter().filter_map(Value::as_str).collect())
}

/// Namespace, name and dimensions of what an alarm looks at.
fn watched(template: &Template, alarm: &str) -> Vec<Vec<String>> {
    let alarm = template.parameters(&[]).properties(alarm).unwrap();
    let of_expression = alarm["Metrics"].as_array().into_iter().flatten().map(|metric| &metric["MetricStat"]["Metric"]);
    let all = of_expression.filter(|metric| !metric.is_null()).chain(alarm.get("MetricName").map(|_| &alarm));
    all.map(|metric| {
        let mut names: Vec<_> =
            ["Namespace", "MetricName"].map(|name| metric[name].as_str().unwrap().to_owned()).into();
        for dimension in metric["Dimensions"].as_array().unwrap() {
            names.extend(["Name", "Value"].map(|part| dimension[part].as_str().unwrap().to_owned()));
        }
        names
    })
    .collect()
}

#[test]
fn the_dashboard_is_well_formed_and_fits_on_its_grid() {
    let dashboard = dashboard(&Template::read());
    let mut taken = BTreeSet::new();
    for widget in dashboard["widgets"].as_array().unwrap() {
        let [x, y, width, height] = ["x", "y", "width", "height"].map(|field| widget[field].as_u64().unwrap());
        assert!(x + width <= 24, "{widget}");
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "two widgets at {cell:?}");
        }
    }
}

#[test]
fn the_dashboard_shows_every_alarm_and_what_it_is_about() {
    let template = Template::read();
    let dashboard = dashboard(&template);
    let widgets = dashboard["widgets"].as_array().unwrap();
    let shown: BTreeSet<_> = widgets.iter().flat_map(|widget| texts_of(&widget["properties"]["alarms"])).collect();
    let alarms = template.of_type("AWS::CloudWatch::Alarm");
    assert_eq!(shown, alarms.keys().map(|name| format!("{name}.Arn")).collect());
    let metrics: BTreeSet<Vec<_>> =
        widgets.iter().flat_map(metrics).map(|names| names.into_iter().map(str::to_owned).collect()).collect();
    for alarm in alarms.keys() {
        for metric in watched(&template, alarm) {
            assert!(metrics.contains(&metric), "{alarm}: {metric:?} is not on the dashboard");
        }
    }
}

fn texts_of(value: &Value) -> Vec<String> {
    if value.is_null() { Vec::new() } else { texts(value) }
}

#[test]
fn what_is_shown_belongs_to_this_deployment() {
    let template = Template::read();
    let resources = template.section("Resources");
    let dashboard = dashboard(&template);
    for metric in dashboard["widgets"].as_array().unwrap().iter().flat_map(metrics) {
        for dimension in metric[2..].chunks(2) {
            let [name, value] = dimension else { panic!("a dimension without value: {metric:?}") };
            let resource = value.split('.').next().unwrap();
            let kind = match *name {
                "FunctionName" => "AWS::Serverless::Function",
                "QueueName" => "AWS::SQS::Queue",
                "ApiId" => "AWS::Serverless::HttpApi",
                "TableName" => "AWS::DynamoDB::Table",
                "GlobalSecondaryIndexName" => {
                    let indexes = template.properties("Table")["GlobalSecondaryIndexes"].as_array().unwrap();
                    assert!(indexes.iter().any(|index| index["IndexName"] == *value), "{metric:?}");
                    continue;
                }
                other => panic!("{other} is no dimension of ours"),
            };
            assert_eq!(resources[resource]["Type"], kind, "{metric:?}");
        }
    }
}

#[test]
fn of_our_own_metrics_silence_is_no_alarm_and_of_the_timer_it_is() {
    let template = Template::read();
    for alarm in template.of_type("AWS::CloudWatch::Alarm").keys() {
        let properties = template.parameters(&[]).properties(alarm).unwrap();
        let expected = if *alarm == "TimerStoppedAlarm" { "breaching" } else { "notBreaching" };
        assert_eq!(properties["TreatMissingData"], expected, "{alarm}");
        assert!(properties.get("AlarmActions").is_none(), "{alarm} tells nobody unless it is said whom");
        let topic = "arn:aws:sns:us-east-1:123456789012:alarms";
        let properties = template.parameters(&[("AlarmTopicArn", topic)]).properties(alarm).unwrap();
        assert_eq!(properties["AlarmActions"], serde_json::json!([topic]), "{alarm}");
    }
}

/// Metrics of ours on the dashboard, by the function that tells them.
pub(super) fn own_metrics(template: &Template) -> BTreeSet<(String, String)> {
    let dashboard = dashboard(template);
    let functions = template.functions();
    let all = dashboard["widgets"].as_array().unwrap().iter().flat_map(metrics);
    let own = all.filter(|metric| metric[0] == "Sundial").map(|metric| {
        let [_, name, "FunctionName", function] = metric[..] else { panic!("{metric:?} has other dimensions") };
        let binary = functions.iter().find(|(_, logical)| **logical == function).unwrap().0;
        ((*binary).to_owned(), name.to_owned())
    });
    own.collect()
}
