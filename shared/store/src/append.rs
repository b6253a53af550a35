//! Appending to a job's payload list, page by page.
//!
//! A page becomes a new part of the list: its chunks are written behind a sweep note, and then one
//! transaction points the job at it. Whatever happens to the job meanwhile, the chunks stay good.
//!
//! A list of many pages must not become a list of many parts, since the job and each of its runs
//! name them all. So a new part takes in those before it that are small beside it, and the same
//! transaction lets go of them; runs that have started still read the old ones.

use sundial_model::Timestamp;
use sundial_model::payload::{PAYLOADS_MAX, Payload};

use crate::Store;
use crate::error::StoreError;
use crate::payload_parts::{PayloadPart, chunks};
use crate::stored_job::StoredJob;
use crate::sweep::Staged;
use crate::table::retry_on_conflict;

/// A list has so many parts at most: 16 runs, each of which names them beside a definition of
/// 100 KB, must fit one transaction of 4 MB.
pub const PARTS_MAX: usize = 1_000;

/// A part of so many bytes is never copied, and an append copies at most twice as much.
const PART_BYTES_SMALL: u32 = 1_000_000;

/// Where others keep appending, too, a page is written so often to take in what is small; then it
/// stands alone, and a later one takes it in.
const TRIES_TO_TAKE_IN: u32 = 3;

/// What became of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// It is in the list, whole and in one piece.
    Done {
        /// How many payloads the job has since.
        payload_count: u32,
    },
    /// The job is no longer there.
    Gone,
    /// The job is not as wanted.
    Unwanted,
    /// The job would have more than [`PAYLOADS_MAX`] payloads.
    TooManyPayloads {
        /// How many it has.
        payload_count: u32,
    },
    /// The list would have more than [`PARTS_MAX`] parts.
    TooManyParts,
}

/// A part that was written and that no job points at yet.
struct StagedPart {
    note: Staged,
    part: PayloadPart,
    /// How many payloads of it are new.
    page_count: u32,
    /// The last parts of the list, whose payloads it begins with.
    taken_in: Vec<PayloadPart>,
}

/// How the attempt to point a job at a part ended.
enum Pointing {
    Decided(Append),
    /// The job, whose last parts are others than those that were taken in.
    Outdated(Box<StoredJob>),
}

impl Store {
    /// Appends a page to the payloads of a job, for runs that start later. It is decided on the job
    /// as it is in the end, which must be as wanted: `job` says which one, and what to expect.
    ///
    /// # Errors
    /// When the table cannot be reached: the page is then in the list as a whole, or not at all.
    /// [`StoreError::Conflict`] when the job was changed over and over; it is not in the list.
    pub async fn append_payloads(
        &self,
        job: &StoredJob,
        page: &[Payload],
        is_wanted: impl Fn(&StoredJob) -> bool,
        now: Timestamp,
    ) -> Result<Append, StoreError> {
        let (mut newest, mut tries) = (job.clone(), 0);
        loop {
            if !is_wanted(&newest) {
                return Ok(Append::Unwanted);
            }
            let new = PayloadPart::of(page);
            let taken_in = if tries < TRIES_TO_TAKE_IN { small_parts(&newest.parts, new.bytes) } else { &[] };
            if let Some(refusal) = refusal(&newest, new.count, taken_in.len()) {
                return Ok(refusal);
            }
            let staged = self.stage_part(page, taken_in.to_vec(), now).await?;
            match self.point_at(&newest, &staged, &is_wanted, now).await? {
                Pointing::Decided(append) => return Ok(append),
                Pointing::Outdated(job) => newest = *job,
            }
            tries += 1;
        }
    }

    /// Writes a page, behind the payloads of the parts that it takes in.
    async fn stage_part(
        &self,
        page: &[Payload],
        taken_in: Vec<PayloadPart>,
        now: Timestamp,
    ) -> Result<StagedPart, StoreError> {
        let mut payloads = self.all_payloads(&taken_in).await?;
        payloads.extend_from_slice(page);
        let part = PayloadPart::of(&payloads);
        let note = self.stage(vec![part.id], Vec::new(), now).await?;
        self.table.put_unseen(chunks(part.id, payloads)?).await?;
        let page_count = u32::try_from(page.len()).unwrap_or(u32::MAX);
        Ok(StagedPart { note, part, page_count, taken_in })
    }

    /// Lets the job point at a part in place of those that it takes in.
    async fn point_at(
        &self,
        job: &StoredJob,
        staged: &StagedPart,
        is_wanted: impl Fn(&StoredJob) -> bool,
        now: Timestamp,
    ) -> Result<Pointing, StoreError> {
        retry_on_conflict(async || {
            let found = self.job(job.project_id, &job.id).await?.filter(|found| found.uuid == job.uuid);
            let Some(mut job) = found else { return Ok(Pointing::Decided(Append::Gone)) };
            if !is_wanted(&job) {
                return Ok(Pointing::Decided(Append::Unwanted));
            }
            let Some(kept) = job.parts.strip_suffix(staged.taken_in.as_slice()) else {
                return Ok(Pointing::Outdated(Box::new(job)));
            };
            if let Some(refusal) = refusal(&job, staged.page_count, staged.taken_in.len()) {
                return Ok(Pointing::Decided(refusal));
            }
            job.parts = [kept, &[staged.part]].concat();
            job.note_edit();
            let mut writes = vec![job.put()?, staged.note.keep()];
            writes.extend(self.abandon(&staged.taken_in, None, now)?);
            self.write_effect(writes).await?;
            Ok(Pointing::Decided(Append::Done { payload_count: job.payload_count() }))
        })
        .await
    }
}

/// Why a job cannot take in so many payloads more, in a part that takes the place of some others.
fn refusal(job: &StoredJob, page_count: u32, taken_in: usize) -> Option<Append> {
    let payload_count = job.payload_count();
    if payload_count.saturating_add(page_count) > PAYLOADS_MAX {
        return Some(Append::TooManyPayloads { payload_count });
    }
    (job.parts.len() + 1 > PARTS_MAX + taken_in).then_some(Append::TooManyParts)
}

/// The last parts of a list that a page of so many bytes takes in: each is at most twice as large as
/// all that comes after it. So the small parts of a list are more than halved from one to the next,
/// which makes them few; and a part grows by half when it is copied, so that no payload is copied often.
fn small_parts(parts: &[PayloadPart], page_bytes: u32) -> &[PayloadPart] {
    let (mut behind, mut first) = (page_bytes, parts.len());
    for part in parts.iter().rev() {
        let is_small = part.bytes < PART_BYTES_SMALL && part.bytes <= behind.saturating_mul(2);
        if !is_small || behind.saturating_sub(page_bytes) >= PART_BYTES_SMALL {
            break;
        }
        behind = behind.saturating_add(part.bytes);
        first -= 1;
    }
    &parts[first..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use sundial_model::PayloadPartId;

    fn list(sizes: &[u32]) -> Vec<PayloadPart> {
        sizes.iter().map(|bytes| PayloadPart { id: PayloadPartId::new(), count: 1, bytes: *bytes }).collect()
    }

    fn check(sizes: &[u32], page_bytes: u32, taken_in: &[u32]) {
        let parts = list(sizes);
        let found: Vec<_> = small_parts(&parts, page_bytes).iter().map(|part| part.bytes).collect();
        assert_eq!(found, taken_in, "{page_bytes} after {sizes:?}");
    }

    #[test]
    fn a_page_takes_in_what_is_small_beside_it() {
        check(&[], 100, &[]);
        check(&[200], 100, &[200]);
        check(&[201], 100, &[]);
        check(&[900, 250, 100], 100, &[900, 250, 100]);
        check(&[901, 250, 100], 100, &[250, 100]);
        check(&[999_999], 4_000_000, &[999_999]);
        check(&[100, 1_000_000], 4_000_000, &[]);
        check(&[u32::MAX], 4_000_000, &[]);
        check(&[900_000; 5], 900_000, &[900_000; 2]);
    }

    #[test]
    fn a_hundred_thousand_pages_of_one_payload_are_few_parts_and_few_copies() {
        let (mut sizes, mut copied, mut most) = (Vec::new(), 0, 0);
        for number in 0..100_000 {
            let page = 100 + number % 7;
            let parts = list(&sizes);
            let taken_in: u32 = small_parts(&parts, page).iter().map(|part| part.bytes).sum();
            sizes.truncate(sizes.len() - small_parts(&parts, page).len());
            sizes.push(taken_in + page);
            copied += u64::from(taken_in);
            most = most.max(sizes.len());
        }
        assert!(most < 30, "{most} parts");
        assert!(copied / 100_000 < 100 * 30, "{} bytes copied for each", copied / 100_000);
    }
}
