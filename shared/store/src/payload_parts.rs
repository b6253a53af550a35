//! Payload lists: immutable parts, each stored in chunks. A list is a sequence of parts, so that
//! appending to it copies no more than small ones.

use serde::{Deserialize, Serialize};
use sundial_model::PayloadPartId;
use sundial_model::payload::{IndexedPayload, Payload};

use crate::error::StoreError;
use crate::item::{NewItem, as_json, read};
use crate::outcome::json_bytes;
use crate::table::{Answer, Range};
use crate::{Store, keys};

/// A payload may be this large as JSON: what fits an item with room to spare.
pub const PAYLOAD_BYTES_MAX: usize = 300_000;

/// A chunk is closed when it is this large, so that reading a few payloads stays cheap.
const CHUNK_BYTES: usize = 64 * 1024;

/// An immutable piece of a payload list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadPart {
    /// Where its chunks stand.
    pub id: PayloadPartId,
    /// How many payloads it has.
    pub count: u32,
    /// How many bytes these are as JSON. Where that was not noted, the part passes for a large one,
    /// which is never copied.
    #[serde(default = "u32_max")]
    pub bytes: u32,
}

fn u32_max() -> u32 {
    u32::MAX
}

impl PayloadPart {
    /// A new part for these payloads.
    pub(crate) fn of(payloads: &[Payload]) -> Self {
        Self {
            id: PayloadPartId::new(),
            count: u32::try_from(payloads.len()).unwrap_or(u32::MAX),
            bytes: u32::try_from(payloads.iter().map(json_bytes).sum::<usize>()).unwrap_or(u32::MAX),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct ChunkItem {
    #[serde(with = "as_json")]
    payloads: Vec<Payload>,
    first: u32,
}

/// The chunks of a part.
pub(crate) fn chunks(part: PayloadPartId, payloads: Vec<Payload>) -> Result<Vec<NewItem>, StoreError> {
    let mut items = Vec::new();
    let (mut first, mut bytes, mut chunk) = (0, 0, Vec::new());
    let close =
        |first: u32, payloads: Vec<Payload>| NewItem::new(keys::chunk(part, first), &ChunkItem { payloads, first });
    for payload in payloads {
        let length = json_bytes(&payload);
        if !chunk.is_empty() && bytes + length > CHUNK_BYTES {
            let full: Vec<Payload> = std::mem::take(&mut chunk);
            let next = first + u32::try_from(full.len()).unwrap_or(u32::MAX);
            items.push(close(first, full)?);
            (first, bytes) = (next, 0);
        }
        bytes += length;
        chunk.push(payload);
    }
    if !chunk.is_empty() {
        items.push(close(first, chunk)?);
    }
    Ok(items)
}

/// How many payloads a list has.
pub(crate) fn count(parts: &[PayloadPart]) -> u32 {
    parts.iter().map(|part| part.count).sum()
}

impl Store {
    /// The payloads of a list from `first` on: at least one when there is one, as many as their
    /// chunk holds, and no more than `limit`.
    ///
    /// # Errors
    /// When the table cannot be read, or the list is not whole.
    pub async fn payloads_from(
        &self,
        parts: &[PayloadPart],
        first: u32,
        limit: usize,
    ) -> Result<Vec<IndexedPayload>, StoreError> {
        let mut part_first = 0;
        let Some(part) = parts.iter().find(|part| {
            let is_here = first < part_first + part.count;
            part_first += if is_here { 0 } else { part.count };
            is_here
        }) else {
            return Ok(Vec::new());
        };
        let partition = keys::payloads(part.id);
        // The chunk that holds a payload is the last one that begins at or before it.
        let range = Range {
            pk: partition.clone(),
            from: keys::CHUNK_PREFIX.to_owned(),
            to: keys::chunk(part.id, first - part_first).sk,
            backward: true,
        };
        let Some(item) = self.table.query(&range, 1).await?.pop() else {
            return Err(StoreError::Corrupt(format!("{partition} has no payload {first}")));
        };
        let chunk: ChunkItem = read(item)?.value;
        let chunk_first = part_first + chunk.first;
        let payloads = (chunk_first..).zip(chunk.payloads).skip((first - chunk_first) as usize).take(limit);
        Ok(payloads.map(|(index, payload)| IndexedPayload { index, payload }).collect())
    }

    /// The payloads of a list from `first` on, up to `count` of them and up to `bytes` of JSON,
    /// but at least one when there is one.
    ///
    /// # Errors
    /// As [`Store::payloads_from`].
    pub async fn payloads_within(
        &self,
        parts: &[PayloadPart],
        first: u32,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<IndexedPayload>, StoreError> {
        gather(first, count, bytes, |next, limit| Box::pin(self.payloads_from(parts, next, limit))).await
    }

    /// All payloads of some small parts, in order.
    pub(crate) async fn all_payloads(&self, parts: &[PayloadPart]) -> Result<Vec<Payload>, StoreError> {
        let all = self.payloads_within(parts, 0, count(parts) as usize, usize::MAX).await?;
        if all.len() < count(parts) as usize {
            return Err(StoreError::Corrupt(format!("a payload list has {} of {} payloads", all.len(), count(parts))));
        }
        Ok(all.into_iter().map(|indexed| indexed.payload).collect())
    }
}

/// Puts together what `read` gives, chunk by chunk: up to `count` payloads from `first` on and up to
/// `bytes` of JSON, but at least one when there is one.
pub(crate) async fn gather<'a>(
    first: u32,
    count: usize,
    bytes: usize,
    read: impl Fn(u32, usize) -> Answer<'a, Vec<IndexedPayload>> + Send,
) -> Result<Vec<IndexedPayload>, StoreError> {
    let mut payloads: Vec<IndexedPayload> = Vec::new();
    let mut total = 0;
    while payloads.len() < count {
        let next = first + u32::try_from(payloads.len()).unwrap_or(u32::MAX);
        let more = read(next, count - payloads.len()).await?;
        if more.is_empty() {
            break;
        }
        for payload in more {
            total += json_bytes(&payload.payload);
            if total > bytes && !payloads.is_empty() {
                return Ok(payloads);
            }
            payloads.push(payload);
        }
    }
    Ok(payloads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_every_payload_once_and_stay_small() {
        let text = "x".repeat(1000);
        let payload: Payload =
            serde_json::from_value(serde_json::json!({ "apiName": "a", "parameters": [text] })).expect("a payload");
        let items = chunks(PayloadPartId::new(), vec![payload; 500]).expect("chunks");
        assert!(items.len() > 5, "{}", items.len());
        let mut next = 0;
        for item in items {
            let chunk: ChunkItem = read(item.with_revision(1)).expect("a chunk").value;
            assert_eq!(chunk.first, next);
            next += u32::try_from(chunk.payloads.len()).expect("few");
        }
        assert_eq!(next, 500);
    }
}
