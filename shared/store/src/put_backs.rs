//! Payloads that a lane gives back to the queue: those whose next attempt is far off, and those that
//! a worker has no time for. Any lane claims them again when they are due.

use serde::{Deserialize, Serialize};
use sundial_model::Timestamp;

use crate::Store;
use crate::error::StoreError;
use crate::item::{NewItem, as_json, read, text};
use crate::keys::{self, Key};
use crate::lane::{Lane, PayloadRange};
use crate::run_partition::StoredJobRun;
use crate::table::{Expect, Range, Write};

/// One put-back has so many payloads at most.
pub const PUT_BACK_MAX: usize = 2_000;

/// Payloads that were given back together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutBack {
    /// They are not claimed before this.
    pub due_at: Timestamp,
    /// If they are suspect, how often a worker died while it made an announced attempt at them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub losses: Option<u32>,
    /// Which payloads: just those, of which few are finished.
    #[serde(with = "as_json")]
    pub ranges: Vec<PayloadRange>,
    /// Tells it from others of the same commit.
    pub number: usize,
    /// Where it stands; set by reading.
    #[serde(skip)]
    pub(crate) key: Option<Key>,
}

impl PutBack {
    /// Some payloads, in order, that are due at the same time; `number` tells this put-back from
    /// others of the same commit.
    pub fn new(due_at: Timestamp, losses: Option<u32>, indices: &[u32], number: usize) -> Self {
        Self { due_at, losses, ranges: PayloadRange::exactly(indices.iter().copied()), number, key: None }
    }

    /// How many payloads.
    pub fn count(&self) -> u32 {
        self.ranges.iter().map(PayloadRange::count).sum()
    }

    pub(crate) fn put(&self, run: &StoredJobRun, lane: &Lane) -> Result<Write, StoreError> {
        let key = keys::put_back(run.id, run.generation, self.due_at, lane.number, lane.revision, self.number);
        Ok(Write::Put(NewItem::new(key, self)?.expiring(Some(run.keep_until)), Expect::Nothing))
    }

    /// The write that takes it: it is refused when somebody else has.
    pub(crate) fn take(&self) -> Write {
        let key = self.key.clone().unwrap_or_else(|| Key { pk: String::new(), sk: String::new() });
        Write::Delete(key, Expect::Revision(1))
    }
}

impl Store {
    /// Up to `limit` put-backs of a run, the first ones due first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn put_backs(&self, run: &StoredJobRun, limit: usize) -> Result<Vec<PutBack>, StoreError> {
        let partition = keys::put_backs(run.id, run.generation);
        let range = Range { pk: partition.clone(), from: "0".to_owned(), to: "9".to_owned(), backward: false };
        let mut put_backs = Vec::new();
        for item in self.table.query(&range, limit).await? {
            let key = Key { pk: partition.clone(), sk: text(&item, "sk")? };
            put_backs.push(PutBack { key: Some(key), ..read(item)?.value });
        }
        Ok(put_backs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_back_names_just_its_payloads() {
        let put_back = PutBack::new(Timestamp::EPOCH, None, &[1, 2, 3, 7, 9], 0);
        let range = |start, end| PayloadRange { start, end };
        assert_eq!(put_back.ranges, [range(1, 4), range(7, 8), range(9, 10)]);
        assert_eq!(put_back.count(), 5);
    }
}
