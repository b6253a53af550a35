//! What the template comes to with certain parameters: conditions decided, and functions carried out, as far as that is
//! known before anything is deployed. A resource's name stands for itself, `Table.Arn` for an attribute of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::template::Template;

/// The template, and the parameters that differ from their defaults.
pub(super) struct Parameters<'a> {
    pub(super) template: &'a Template,
    pub(super) given: BTreeMap<String, String>,
}

impl Parameters<'_> {
    /// The properties of a resource, or `None` when these parameters make none.
    pub(super) fn properties(&self, name: &str) -> Option<Value> {
        let resource = &self.template.section("Resources")[name];
        let is_made = resource["Condition"].as_str().is_none_or(|condition| self.holds(condition));
        is_made.then(|| self.resolve(&resource["Properties"]).unwrap_or_else(|| json!({})))
    }

    /// What a value comes to; `None` for no value at all.
    pub(super) fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.resolve(item)).collect()),
            Value::Object(entries) => match entries.iter().next() {
                Some((function, argument))
                    if entries.len() == 1 && (function == "Ref" || function.starts_with("Fn::")) =>
                {
                    self.call(function, argument)
                }
                _ => {
                    let entries = entries.iter().filter_map(|(name, value)| Some((name.clone(), self.resolve(value)?)));
                    Some(Value::Object(entries.collect()))
                }
            },
            other => Some(other.clone()),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Option<Value> {
        let known = match function {
            "Ref" => return self.reference(argument.as_str().unwrap()),
            "Fn::If" => {
                let branch = if self.holds(argument[0].as_str().unwrap()) { 1 } else { 2 };
                return self.resolve(&argument[branch]);
            }
            "Fn::GetAtt" => argument.as_array().unwrap().iter().map(text).collect::<Vec<_>>().join("."),
            "Fn::Join" => {
                let parts = self.resolve(&argument[1]).unwrap();
                parts.as_array().unwrap().iter().map(text).collect::<Vec<_>>().join(argument[0].as_str().unwrap())
            }
            "Fn::Sub" => self.substitute(argument),
            "Fn::FindInMap" => {
                let [map, first, second] = [0, 1, 2].map(|place| text(&self.resolve(&argument[place]).unwrap()));
                return Some(self.template.section("Mappings")[&map][first][second].clone());
            }
            "Fn::Split" => {
                let whole = text(&self.resolve(&argument[1]).unwrap());
                return Some(whole.split(argument[0].as_str().unwrap()).collect());
            }
            other => panic!("the template uses {other}, which this test does not know"),
        };
        Some(json!(known))
    }

    fn reference(&self, name: &str) -> Option<Value> {
        if let Some(parameter) = self.template.section("Parameters").get(name) {
            let value = self.given.get(name).cloned().unwrap_or_else(|| text(&parameter["Default"]));
            let is_list = parameter["Type"] == "CommaDelimitedList";
            return Some(if is_list { value.split(',').map(str::trim).collect() } else { json!(value) });
        }
        Some(json!(match name {
            "AWS::NoValue" => return None,
            "AWS::Partition" => "aws",
            "AWS::Region" => "us-east-1",
            "AWS::AccountId" => "123456789012",
            "AWS::URLSuffix" => "amazonaws.com",
            "AWS::StackName" => "sundial",
            resource => {
                assert!(self.template.section("Resources").contains_key(resource), "there is no {resource}");
                resource
            }
        }))
    }

    /// `${…}`: a variable of the call, a parameter, a resource, or an attribute of one.
    fn substitute(&self, argument: &Value) -> String {
        let (pattern, variables) = match argument {
            Value::Array(both) => (text(&both[0]), both[1].clone()),
            pattern => (text(pattern), json!({})),
        };
        let mut pieces = pattern.split("${");
        let mut whole = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').unwrap();
            whole += &match (variables.get(name), name.split_once('.')) {
                (Some(value), _) => text(&self.resolve(value).unwrap()),
                (None, Some((resource, attribute))) => {
                    format!("{}.{attribute}", text(&self.reference(resource).unwrap()))
                }
                (None, None) => text(&self.reference(name).unwrap()),
            };
            whole += rest;
        }
        whole
    }

    /// Whether a condition holds.
    fn holds(&self, condition: &str) -> bool {
        self.decide(&self.template.section("Conditions")[condition])
    }

    fn decide(&self, condition: &Value) -> bool {
        let (function, argument) = condition.as_object().unwrap().iter().next().unwrap();
        match function.as_str() {
            "Fn::Not" => !self.decide(&argument[0]),
            "Fn::Equals" => {
                let [one, other] = [0, 1].map(|place| text(&self.resolve(&argument[place]).unwrap()));
                one == other
            }
            other => panic!("a condition uses {other}, which this test does not know"),
        }
    }
}

/// A scalar as CloudFormation compares it: parameters are all text.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// One text, or a list of them.
pub(super) fn texts(value: &Value) -> Vec<String> {
    value.as_array().map_or_else(|| vec![text(value)], |items| items.iter().map(text).collect())
}
