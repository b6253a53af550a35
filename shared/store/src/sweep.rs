//! Garbage: immutable things that nothing points at, or soon nothing will.
//!
//! A piece of a payload list and a version of secrets are written before anything points at them.
//! So a note goes first: "this is garbage at that time". The transaction that points at them takes
//! the note away; a crash before it leaves the note, and the evaluator sweeps. When they are
//! replaced, the transaction leaves a new note for the time when no job run can need them.

use serde::{Deserialize, Serialize};
use sundial_model::fresh_id::fresh_id;
use sundial_model::{PayloadPartId, SecretsId, Timestamp};
use uuid::Uuid;

use crate::error::StoreError;
use crate::item::NewItem;
use crate::payload_parts::PayloadPart;
use crate::table::{Expect, Range, Write};
use crate::{RUN_AGE_MAX, Store, keys};

/// Long enough for the writes between a note and its end.
const STAGING_TIME: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// A note of what will be garbage.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SweepItem {
    parts: Vec<PayloadPartId>,
    secrets: Vec<SecretsId>,
    sweep_at: Timestamp,
}

/// Things that were written and that nothing points at yet.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    note: Uuid,
}

impl Staged {
    /// Belongs into the transaction that points at them; refused when they were swept meanwhile.
    pub(crate) fn keep(&self) -> Write {
        Write::Delete(keys::sweep(self.note), Expect::Revision(1))
    }
}

impl Store {
    /// Leaves a note before the things themselves are written.
    pub(crate) async fn stage(
        &self,
        parts: Vec<PayloadPartId>,
        secrets: Vec<SecretsId>,
        now: Timestamp,
    ) -> Result<Staged, StoreError> {
        let staged = Staged { note: fresh_id() };
        let write = note(staged.note, SweepItem { parts, secrets, sweep_at: now + STAGING_TIME })?;
        self.table.write(vec![write]).await?;
        Ok(staged)
    }

    /// Belongs into the transaction that stops pointing at these: job runs that use them live for
    /// [`RUN_AGE_MAX`] at most, and their history for the retention after that.
    pub(crate) fn abandon(
        &self,
        parts: &[PayloadPart],
        secrets: impl IntoIterator<Item = SecretsId>,
        now: Timestamp,
    ) -> Result<Vec<Write>, StoreError> {
        let parts: Vec<_> = parts.iter().map(|part| part.id).collect();
        let secrets: Vec<_> = secrets.into_iter().collect();
        if parts.is_empty() && secrets.is_empty() {
            return Ok(Vec::new());
        }
        let sweep_at = now + RUN_AGE_MAX + self.retention;
        Ok(vec![note(fresh_id(), SweepItem { parts, secrets, sweep_at })?])
    }

    /// Belongs into the transaction that stops pointing at secrets that no job run points at: whoever has
    /// read of them reads them at once.
    pub(crate) fn abandon_soon(
        &self,
        secrets: impl IntoIterator<Item = SecretsId>,
        now: Timestamp,
    ) -> Result<Option<Write>, StoreError> {
        let secrets: Vec<_> = secrets.into_iter().collect();
        let item = SweepItem { parts: Vec::new(), sweep_at: now + STAGING_TIME, secrets };
        (!item.secrets.is_empty()).then(|| note(fresh_id(), item)).transpose()
    }

    /// Sweeps what a note names, if it is time.
    ///
    /// # Errors
    /// When the table cannot be reached; the note then stays.
    pub async fn sweep(&self, note_id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let key = keys::sweep(note_id);
        let Some(stored) = self.table.get::<SweepItem>(&key).await? else { return Ok(()) };
        if stored.value.sweep_at > now {
            return Ok(());
        }
        // From this write on, nobody can point at them any more.
        let taken = note(note_id, SweepItem { sweep_at: now + STAGING_TIME, ..stored.value.clone() })?;
        let Write::Put(item, _) = taken else { return Ok(()) };
        self.table.write(vec![Write::Put(item, Expect::Revision(stored.revision))]).await?;
        for part in stored.value.parts {
            let partition = keys::payloads(part);
            let mut garbage = Vec::new();
            for item in self.table.query_all(&Range::prefix(&partition, keys::CHUNK_PREFIX)).await? {
                garbage.push(keys::Key { pk: partition.clone(), sk: crate::item::text(&item, "sk")? });
            }
            self.table.delete_unseen(garbage).await?;
        }
        self.table.delete_unseen(stored.value.secrets.into_iter().map(keys::secrets).collect()).await?;
        self.table.delete_unseen(vec![key]).await
    }
}

fn note(id: Uuid, item: SweepItem) -> Result<Write, StoreError> {
    let new = NewItem::new(keys::sweep(id), &item)?.waking(Some(item.sweep_at));
    Ok(Write::Put(new, Expect::Nothing))
}
