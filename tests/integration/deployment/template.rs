//! The template, read by a library, with the short forms of CloudFormation's functions (`!Ref`) in their long form.

use std::collections::BTreeMap;
use std::path::PathBuf;

use saphyr::{LoadableYamlNode as _, ScalarOwned, YamlOwned};
use serde_json::{Map, Value, json};

use super::resolve::Parameters;

/// The folder that everything is in.
pub(super) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Parameters, conditions and resources.
pub(super) struct Template(Value);

impl Template {
    pub(super) fn read() -> Self {
        let text = std::fs::read_to_string(root().join("template.yaml")).unwrap();
        let documents = YamlOwned::load_from_str(&text).unwrap();
        assert_eq!(documents.len(), 1);
        Self(long_form(&documents[0]))
    }

    /// A whole section of it.
    pub(super) fn section(&self, name: &str) -> &Map<String, Value> {
        self.0[name].as_object().unwrap_or_else(|| panic!("no section {name}"))
    }

    /// The parameters as they are when nobody gives any, but for some.
    pub(super) fn parameters(&self, given: &[(&str, &str)]) -> Parameters<'_> {
        let given = given.iter().map(|(name, value)| {
            assert!(self.section("Parameters").contains_key(*name), "there is no parameter {name}");
            ((*name).to_owned(), (*value).to_owned())
        });
        Parameters { template: self, given: given.collect() }
    }

    /// The resources of a type, by their names.
    pub(super) fn of_type(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let resources = self.section("Resources").iter().filter(|(_, resource)| resource["Type"] == kind);
        resources.map(|(name, resource)| (name.as_str(), resource)).collect()
    }

    /// The properties of a resource.
    pub(super) fn properties(&self, name: &str) -> &Value {
        &self.section("Resources")[name]["Properties"]
    }

    /// The functions by the names of their binaries, each with its own name in the template.
    pub(super) fn functions(&self) -> BTreeMap<&str, &str> {
        let functions = self.of_type("AWS::Serverless::Function").into_iter();
        functions
            .map(|(name, function)| (function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap(), name))
            .collect()
    }
}

/// As JSON, where `!Ref x` is `{"Ref": "x"}` and `!Sub x` is `{"Fn::Sub": "x"}`.
fn long_form(yaml: &YamlOwned) -> Value {
    match yaml {
        YamlOwned::Value(ScalarOwned::Null) => Value::Null,
        YamlOwned::Value(ScalarOwned::Boolean(value)) => json!(value),
        YamlOwned::Value(ScalarOwned::Integer(value)) => json!(value),
        YamlOwned::Value(ScalarOwned::FloatingPoint(value)) => json!(value.into_inner()),
        YamlOwned::Value(ScalarOwned::String(value)) => json!(value),
        YamlOwned::Sequence(items) => items.iter().map(long_form).collect(),
        YamlOwned::Mapping(entries) => Value::Object(
            entries.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), long_form(value))).collect(),
        ),
        YamlOwned::Tagged(tag, node) => {
            assert_eq!(tag.handle, "!", "a tag of CloudFormation");
            let value = long_form(node);
            match (tag.suffix.as_str(), &value) {
                ("Ref" | "Condition", _) => json!({ tag.suffix.as_str(): value }),
                ("GetAtt", Value::String(path)) => json!({ "Fn::GetAtt": path.split('.').collect::<Vec<_>>() }),
                (function, _) => json!({ format!("Fn::{function}"): value }),
            }
        }
        other => panic!("not in a template: {other:?}"),
    }
}
