//! The payloads of a job run: those of its snapshot, and after them those that it was extended by.
//!
//! Extensions are written by the transaction that records the results which returned them, in
//! chunks that are cut where a block of indices ends. So the chunk that holds a payload is found by
//! one query of the payload's block.

use serde::{Deserialize, Serialize};
use sundial_model::payload::{IndexedPayload, Payload};
use sundial_model::{JobRunId, Timestamp};

use crate::error::StoreError;
use crate::item::{NewItem, as_json, read};
use crate::outcome::json_bytes;
use crate::payload_parts::{count, gather};
use crate::snapshot::Snapshot;
use crate::table::{Expect, Range, Write};
use crate::{Store, keys};

/// A chunk of an extension is closed when it is this large.
const CHUNK_BYTES: usize = 200_000;

#[derive(Serialize, Deserialize)]
struct ExtensionItem {
    first: u32,
    #[serde(with = "as_json")]
    payloads: Vec<Payload>,
}

/// The chunks of `payloads`, the first of which gets the index `first`.
fn chunks(first: u32, payloads: &[Payload]) -> Vec<(u32, Vec<Payload>)> {
    let mut chunks: Vec<(u32, Vec<Payload>)> = Vec::new();
    let mut bytes = 0;
    for (index, payload) in (first..).zip(payloads) {
        let length = json_bytes(payload);
        let begins_block = index % keys::EXTENSION_BLOCK_LENGTH == 0;
        match chunks.last_mut() {
            Some((_, chunk)) if !begins_block && bytes + length <= CHUNK_BYTES => {
                bytes += length;
                chunk.push(payload.clone());
            }
            _ => {
                bytes = length;
                chunks.push((index, vec![payload.clone()]));
            }
        }
    }
    chunks
}

/// How many writes an extension of so many payloads and bytes takes at most.
pub fn extension_writes_max(count: usize, bytes: usize) -> usize {
    // A chunk is closed before it is full by at most the largest payload; and at borders of blocks.
    bytes / (CHUNK_BYTES / 2) + count / keys::EXTENSION_BLOCK_LENGTH as usize + 2
}

/// The writes that extend a run by `payloads`, the first of which gets the index `first`.
pub(crate) fn extension_writes(
    run: JobRunId,
    first: u32,
    payloads: &[Payload],
    keep_until: Timestamp,
) -> Result<Vec<Write>, StoreError> {
    let write = |(first, payloads)| {
        let item = NewItem::new(keys::extension_chunk(run, first), &ExtensionItem { first, payloads })?;
        // Nothing stands there: indices are given out by the queue, whose revision goes with them.
        Ok(Write::Put(item.expiring(Some(keep_until)), Expect::Nothing))
    };
    chunks(first, payloads).into_iter().map(write).collect()
}

impl Store {
    /// The payloads of a run from `first` on: at least one when there is one, as many as their
    /// chunk holds, and no more than `limit`.
    ///
    /// # Errors
    /// When the table cannot be read, or the list is not whole.
    pub async fn run_payloads_from(
        &self,
        snapshot: &Snapshot,
        first: u32,
        limit: usize,
    ) -> Result<Vec<IndexedPayload>, StoreError> {
        if first < count(&snapshot.parts) {
            return self.payloads_from(&snapshot.parts, first, limit).await;
        }
        let block = keys::extension_block(snapshot.run, first);
        // The chunk that holds a payload is the last one that begins at or before it.
        let range = Range {
            pk: block,
            from: keys::CHUNK_PREFIX.to_owned(),
            to: keys::extension_chunk(snapshot.run, first).sk,
            backward: true,
        };
        let Some(item) = self.table.query(&range, 1).await?.pop() else { return Ok(Vec::new()) };
        let chunk: ExtensionItem = read(item)?.value;
        let skipped = (first - chunk.first) as usize;
        let payloads = (chunk.first..).zip(chunk.payloads).skip(skipped).take(limit);
        Ok(payloads.map(|(index, payload)| IndexedPayload { index, payload }).collect())
    }

    /// The payloads of a run from `first` on, up to `count` of them and up to `bytes` of JSON, but
    /// at least one when there is one.
    ///
    /// # Errors
    /// As [`Store::run_payloads_from`].
    pub async fn run_payloads_within(
        &self,
        snapshot: &Snapshot,
        first: u32,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<IndexedPayload>, StoreError> {
        gather(first, count, bytes, |next, limit| Box::pin(self.run_payloads_from(snapshot, next, limit))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(text: &str) -> Payload {
        serde_json::from_value(serde_json::json!({ "apiName": "a", "parameters": [text] })).expect("a payload")
    }

    #[test]
    fn chunks_of_an_extension_are_cut_by_size_and_at_blocks() {
        let lengths = |first, payloads: &[Payload]| -> Vec<(u32, usize)> {
            chunks(first, payloads).into_iter().map(|(first, chunk)| (first, chunk.len())).collect()
        };
        let block = keys::EXTENSION_BLOCK_LENGTH;
        assert_eq!(lengths(block - 2, &vec![payload("x"); 5]), [(block - 2, 2), (block, 3)]);
        let large = vec![payload(&"x".repeat(80_000)); 5];
        assert_eq!(lengths(0, &large), [(0, 2), (2, 2), (4, 1)]);
        assert!(lengths(0, &large).len() <= extension_writes_max(5, 5 * 80_100));
    }
}
