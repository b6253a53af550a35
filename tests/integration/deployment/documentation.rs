//! The operator's page has every parameter, alarm, metric and output that there is, and none that there is not.

use std::collections::BTreeSet;

use fancy_regex::Regex;

use super::monitoring::own_metrics;
use super::template::{Template, root};

/// What stands in the first column of a table below a heading, in backquotes.
fn first_column(page: &str, heading: &str) -> BTreeSet<String> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("no section {heading}"));
    let row = Regex::new(r"^\| (`[A-Za-z]+`(?:, `[A-Za-z]+`)*) \|").unwrap();
    let rows = section.lines().filter_map(|line| row.captures(line).unwrap().map(|found| found[1].to_owned()));
    rows.flat_map(|names| names.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>()).collect()
}

#[test]
fn the_page_has_every_parameter_output_metric_and_alarm() {
    let (template, page) = (Template::read(), std::fs::read_to_string(root().join("docs/aws.md")).unwrap());
    let names = |section: &str| template.section(section).keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(first_column(&page, "Parameters"), names("Parameters"));
    assert_eq!(first_column(&page, "Outputs"), names("Outputs"));
    let metrics = own_metrics(&template).into_iter().map(|(_, metric)| metric).collect();
    assert_eq!(first_column(&page, "Metrics"), metrics);
    let alarms = template.of_type("AWS::CloudWatch::Alarm").into_keys().map(str::to_owned).collect();
    assert_eq!(first_column(&page, "Alarms"), alarms);
}
