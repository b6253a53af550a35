//! The metrics of ours that are shown and watched are those that the functions tell.

use std::collections::{BTreeMap, BTreeSet};

use fancy_regex::Regex;

use super::environment::sources_in;
use super::monitoring::own_metrics;
use super::template::{Template, root};

#[test]
fn each_function_tells_the_metrics_that_are_shown_of_it_and_no_others() {
    let template = Template::read();
    let mut names = named();
    // `own_metrics` has looked at these.
    assert_eq!(names.remove("NAMESPACE").as_deref(), Some("Sundial"));
    assert_eq!(names.remove("DIMENSION").as_deref(), Some("FunctionName"));
    let mut told = BTreeSet::new();
    for function in template.functions().into_keys() {
        let source = sources_in(&root().join("functions").join(function).join("src"));
        let words: BTreeSet<_> = source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        let of_function = names.iter().filter(|(constant, _)| words.contains(constant.as_str()));
        told.extend(of_function.map(|(_, name)| (function.to_owned(), name.clone())));
    }
    assert_eq!(told, own_metrics(&template));
}

/// The constants that the runtime has for names in CloudWatch, and what they are.
fn named() -> BTreeMap<String, String> {
    let source = std::fs::read_to_string(root().join("shared/runtime/src/metrics.rs")).unwrap();
    let constant = Regex::new(r#"pub const ([A-Z_]+): &str = "([A-Za-z]+)";"#).unwrap();
    let found = constant.captures_iter(source.as_str()).map(|found| found.unwrap());
    found.map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}
