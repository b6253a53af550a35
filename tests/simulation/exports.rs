//! The export of a job run has a line for each of its payloads, in order, and says what is on record.

use serde_json::Value;
use sundial_model::JobRunId;
use sundial_outbound::results::ObjectStore as _;

use crate::world::World;

/// An export as the records let expect it.
pub(crate) struct Expected {
    pub(crate) run: JobRunId,
    pub(crate) key: String,
    pub(crate) size: u64,
    /// How many payloads succeeded, failed and did not end.
    pub(crate) counts: [usize; 3],
}

/// Reads all exports.
pub(crate) async fn check(world: &World) -> Result<(), String> {
    for expected in world.expected_exports() {
        let object = world.objects.get(&expected.key).await.map_err(|error| error.to_string())?;
        let counts = counts(&object)?;
        if (object.len() as u64, counts) != (expected.size, expected.counts) {
            let Expected { run, size, counts: wanted, .. } = expected;
            let length = object.len();
            return Err(format!(
                "the export of job run {run} has {length} bytes and says {counts:?}, not {size} and {wanted:?}"
            ));
        }
    }
    Ok(())
}

fn counts(object: &[u8]) -> Result<[usize; 3], String> {
    let mut counts = [0; 3];
    let lines = object.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for (index, line) in lines.enumerate() {
        let line: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let info = &line["apiInfo"];
        let has_place = info["runId"].as_str().is_some_and(|id| id.ends_with(&format!("-{index}")));
        if !has_place {
            return Err(format!("line {index} of an export is that of {}", info["runId"]));
        }
        // The target answers with an object only if that is what it was called with.
        let result = &info["result"]["output"];
        if result.is_object() && *result != info["parameters"] {
            return Err(format!("line {index} of an export has the result of another: {result}"));
        }
        let kind = match info["error"]["code"].as_str() {
            None if !info["result"].is_null() => 0,
            Some("canceled") | None => 2,
            Some(_) => 1,
        };
        counts[kind] += 1;
    }
    Ok(counts)
}
