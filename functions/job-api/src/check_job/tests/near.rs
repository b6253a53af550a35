//! JSON documents that differ from a given one in a few places.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

/// Texts that mean something somewhere.
const WORDS: [&str; 24] = [
    "",
    "1h",
    "-1s",
    "0.5s",
    "99999999d",
    "1e3s",
    "L",
    "L-3",
    "L-31",
    "*",
    "MONDAY",
    "MAY",
    "2026-02-30T00:00:00Z",
    "2030-01-01T00:00:00.5+02:00",
    "0000-01-01T00:00:00Z",
    "Europe/Berlin",
    "UTC",
    "* * * * * *",
    "0 0 31 2 *",
    "@daily",
    "[redacted]",
    "https://example.com",
    "http://169.254.169.254/",
    "webhook",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2_i64..70).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        select(&WORDS[..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let fields = prop::collection::vec(("[a-zA-Z/~]{0,8}", inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// One difference.
#[derive(Clone, Debug)]
enum Change {
    Replace(Index, Value),
    Remove(Index),
    Rename(Index, String),
    Double(Index),
}

/// Every place in a document but the whole.
pub(super) fn pointers(document: &Value) -> Vec<String> {
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    let parts: Vec<(String, &Value)> = match document {
        Value::Object(fields) => fields.iter().map(|(key, value)| (escape(key), value)).collect(),
        Value::Array(elements) => elements.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let below = |(key, value): (String, &Value)| {
        let inside = pointers(value).into_iter().map(|pointer| format!("/{key}{pointer}")).collect::<Vec<_>>();
        [vec![format!("/{key}")], inside].concat()
    };
    parts.into_iter().flat_map(below).collect()
}

fn change(document: &mut Value, change: Change) {
    let places = pointers(document);
    if places.is_empty() {
        return;
    }
    let (Change::Replace(index, _) | Change::Remove(index) | Change::Rename(index, _) | Change::Double(index)) =
        &change;
    let place = index.get(&places).clone();
    let (parent, key) = place.rsplit_once('/').expect("a place below the whole");
    let key = key.replace("~1", "/").replace("~0", "~");
    match (document.pointer_mut(parent).expect("it is there"), change) {
        (Value::Object(fields), Change::Replace(_, value)) => drop(fields.insert(key, value)),
        (Value::Object(fields), Change::Remove(_)) => drop(fields.shift_remove(&key)),
        (Value::Object(fields), Change::Rename(_, name)) => {
            let value = fields.shift_remove(&key).unwrap_or_default();
            fields.insert(name, value);
        }
        (Value::Array(elements), Change::Replace(_, value)) => {
            elements[key.parse::<usize>().expect("an index")] = value;
        }
        (Value::Array(elements), Change::Remove(_)) => drop(elements.remove(key.parse().expect("an index"))),
        (Value::Array(elements), Change::Double(_)) => {
            let copy = elements[key.parse::<usize>().expect("an index")].clone();
            elements.push(copy);
        }
        _ => {}
    }
}

/// Documents with up to four differences from this one.
pub(super) fn documents_near(document: Value) -> impl Strategy<Value = Value> {
    let changes = prop_oneof![
        6 => (any::<Index>(), any_json()).prop_map(|(index, value)| Change::Replace(index, value)),
        2 => any::<Index>().prop_map(Change::Remove),
        1 => (any::<Index>(), "[a-zA-Z]{1,8}").prop_map(|(index, name)| Change::Rename(index, name)),
        1 => any::<Index>().prop_map(Change::Double),
    ];
    prop::collection::vec(changes, 0..4).prop_map(move |changes| {
        let mut document = document.clone();
        changes.into_iter().for_each(|one| change(&mut document, one));
        document
    })
}
