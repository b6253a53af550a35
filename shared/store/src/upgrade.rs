//! Items that another version of Sundial has written.
//!
//! While a deployment is replaced, functions of both versions work on the same table, for as long as an invocation
//! lasts. The newer one reads whatever older ones have written, for good: each change of a shape has a step here, and
//! an item gets its new shape when it is next written. The older one leaves alone what has a shape that it does not
//! know: it says [`StoreError::Newer`], and whatever it was about to do is found by its wake time and done by the newer.
//!
//! A field that may be absent, and that an older version may lose by writing the item, needs neither.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::StoreError;
use crate::item::Item;

/// The version of the shapes of all items.
pub(crate) const SCHEMA_VERSION: u32 = 2;

/// The attribute that says which version an item has.
pub(crate) const VERSION: &str = "schemaVersion";

/// Brings an item to the shape that it has in this version.
pub(crate) fn upgrade(mut item: Item) -> Result<Item, StoreError> {
    let version = match item.get(VERSION) {
        Some(AttributeValue::N(number)) => number.parse().unwrap_or(1),
        _ => 1,
    };
    if version > SCHEMA_VERSION {
        let text = |attribute: &str| item.get(attribute).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
        return Err(StoreError::Newer { item: format!("{} {}", text("pk"), text("sk")), version });
    }
    if version < 2 {
        name_job_of_run(&mut item);
    }
    Ok(item)
}

/// Until version 2 every job run was one of a job, and had its names side by side.
fn name_job_of_run(item: &mut Item) {
    let is_run = item.get("sk").is_some_and(|sk| sk == &AttributeValue::S(crate::keys::RUN.to_owned()));
    if is_run && let (Some(uuid), Some(id)) = (item.remove("jobUuid"), item.remove("jobId")) {
        item.insert("job".to_owned(), AttributeValue::M([("uuid".to_owned(), uuid), ("id".to_owned(), id)].into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(version: &str, attributes: &[(&str, &str)]) -> Item {
        let texts = attributes.iter().map(|(name, text)| ((*name).to_owned(), AttributeValue::S((*text).to_owned())));
        texts.chain([(VERSION.to_owned(), AttributeValue::N(version.to_owned()))]).collect()
    }

    #[test]
    fn what_is_older_is_read_and_what_is_newer_is_left_alone() {
        let run = upgrade(item("1", &[("sk", crate::keys::RUN), ("jobUuid", "u"), ("jobId", "i")])).expect("an item");
        let job = run["job"].as_m().expect("a map");
        assert_eq!((job["uuid"].as_s(), job["id"].as_s()), (Ok(&"u".to_owned()), Ok(&"i".to_owned())));
        assert!(!run.contains_key("jobUuid"));
        let other = item("1", &[("sk", "OTHER"), ("jobUuid", "u"), ("jobId", "i")]);
        assert_eq!(upgrade(other.clone()).expect("an item"), other);
        let newest = item("2", &[("sk", crate::keys::RUN)]);
        assert_eq!(upgrade(newest.clone()).expect("an item"), newest);
        assert!(matches!(upgrade(item("3", &[])), Err(StoreError::Newer { version: 3, .. })));
    }
}
