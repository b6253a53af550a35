//! The export: all results of a run in one object, a line of JSON for each payload. A small one is
//! written at once; a large one is an upload in parts, and how far it has come is kept after each.

use std::pin::pin;

use futures::future::try_join;
use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::value::RawValue;
use sundial_engine::attempt::ExtendedPayload;
use sundial_model::job_run::Reason;
use sundial_model::payload::{IndexedPayload, Payload};
use sundial_outbound::ResultsBucket;
use sundial_outbound::export_line::{EXPORT_CONTENT_TYPE, ExportLine, ExportedOutcome};
use sundial_outbound::results::ResultsError;
use sundial_store::{Export, ExportProgress, Outcome, PayloadRange, SegmentOutcomes, StoreError, StoredJobRun, keys};

use super::Closer;
use crate::context::RunContext;

/// A part has about so many bytes, more the more there are already: their tags stand in one item, and there
/// are 10,000 at most. A hundred gigabytes are some 3,000 parts.
fn part_bytes(parts: usize) -> usize {
    const MEBIBYTE: usize = 1024 * 1024;
    match parts {
        0..1_000 => 8 * MEBIBYTE,
        1_000..2_000 => 32 * MEBIBYTE,
        _ => 64 * MEBIBYTE,
    }
}

/// So many segments are read ahead.
const READ_AHEAD: usize = 2;

impl Closer {
    /// Goes on with the export; answers whether it has come to its end.
    pub(super) async fn export(&mut self) -> Result<bool, StoreError> {
        let Export::Pending(progress) = self.closing.export.clone() else { return Ok(true) };
        let key = ResultsBucket::export_key(self.context.id(), self.closing.generation);
        match self.upload(&key, progress).await? {
            Ok(export) => {
                let is_done = !matches!(export, Export::Pending(_));
                self.closing.export = export;
                Ok(is_done)
            }
            Err(ResultsError::Unavailable(message)) => {
                tracing::warn!(error = message, "the export goes on later");
                Ok(false)
            }
            Err(error) => {
                // What was uploaded is of no more use.
                tracing::warn!(%error, "the export begins anew");
                if let Export::Pending(ExportProgress { upload: Some(upload), .. }) = &self.closing.export {
                    // The bucket drops it after a while, should this not come through.
                    let _ = self.context.clients.results.abort_upload(&key, upload).await;
                }
                self.closing.export = Export::Pending(ExportProgress::default());
                Ok(false)
            }
        }
    }

    async fn upload(
        &mut self,
        key: &str,
        mut progress: ExportProgress,
    ) -> Result<Result<Export, ResultsError>, StoreError> {
        let (context, generation) = (self.context.clone(), self.closing.generation);
        let total = self.closing.detail.summary.total;
        let reason = self.closing.detail.reason.clone();
        let mut run = context.run.clone();
        // It may have gone on in a later generation since.
        run.generation = generation;
        let mut segments = pin!(segments(&context, generation, progress.next, total));
        let mut part = Vec::new();
        while let Some(segment) = segments.try_next().await? {
            for payload in &segment.payloads {
                let next = payload.index + 1;
                let ended = segment.ended(payload.index, &run);
                write_line(&context, reason.as_ref(), payload, ended, &mut part).await?;
                let is_last = next >= total;
                if is_last && progress.upload.is_none() {
                    let size = part.len() as u64;
                    let put = context.clients.results.put_as(key, EXPORT_CONTENT_TYPE, part).await;
                    return Ok(put.map(|()| Export::Done { key: key.to_owned(), size }));
                }
                if part.len() >= part_bytes(progress.parts.len()) || is_last {
                    if let Err(error) = self.upload_part(key, &mut progress, std::mem::take(&mut part), next).await? {
                        return Ok(Err(error));
                    }
                    if !self.has_time() && !is_last {
                        return Ok(Ok(Export::Pending(progress)));
                    }
                }
                self.keep_lease().await?;
            }
        }
        Ok(self.complete(key, progress).await)
    }

    async fn upload_part(
        &mut self,
        key: &str,
        progress: &mut ExportProgress,
        part: Vec<u8>,
        next: u32,
    ) -> Result<Result<(), ResultsError>, StoreError> {
        let results = self.context.clients.results.clone();
        let upload = match &progress.upload {
            Some(upload) => upload.clone(),
            None => match results.begin_upload(key, EXPORT_CONTENT_TYPE).await {
                Ok(upload) => {
                    progress.upload = Some(upload.clone());
                    self.closing.export = Export::Pending(progress.clone());
                    self.keep().await?;
                    upload
                }
                Err(error) => return Ok(Err(error)),
            },
        };
        let (size, number) = (part.len() as u64, u32::try_from(progress.parts.len() + 1).unwrap_or(u32::MAX));
        match results.upload_part(key, &upload, number, part).await {
            Ok(tag) => {
                progress.parts.push(tag);
                (progress.next, progress.size) = (next, progress.size + size);
                self.closing.export = Export::Pending(progress.clone());
                self.keep().await?;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn complete(&self, key: &str, progress: ExportProgress) -> Result<Export, ResultsError> {
        let results = &self.context.clients.results;
        let done = Export::Done { key: key.to_owned(), size: progress.size };
        let Some(upload) = &progress.upload else {
            // A run without payloads.
            return results.put_as(key, EXPORT_CONTENT_TYPE, Vec::new()).await.map(|()| done);
        };
        match results.complete_upload(key, upload, &progress.parts).await {
            // It was completed before, and the answer was lost.
            Err(ResultsError::UploadGone) if results.size(key).await? == Some(progress.size) => Ok(done),
            answer => answer.map(|()| done),
        }
    }
}

/// Some payloads of one segment, and how they ended.
struct Segment {
    payloads: Vec<IndexedPayload>,
    outcomes: SegmentOutcomes,
}

impl Segment {
    /// How a payload ended. What was to be carried out again, and was not, has not.
    fn ended(&self, index: u32, run: &StoredJobRun) -> Option<&Outcome> {
        self.outcomes.get(index).filter(|_| !self.outcomes.is_open(index, run)).map(|(_, outcome)| outcome)
    }
}

/// All segments from a payload on, in order.
fn segments(
    context: &RunContext,
    generation: u32,
    first: u32,
    total: u32,
) -> impl Stream<Item = Result<Segment, StoreError>> + '_ {
    let starts = (keys::segment_of(first)..).map(move |segment| first.max(segment * keys::SEGMENT_LENGTH));
    let ranges = starts.take_while(move |start| *start < total).map(move |start| {
        let end = ((keys::segment_of(start) + 1) * keys::SEGMENT_LENGTH).min(total);
        PayloadRange { start, end }
    });
    let read = move |range: PayloadRange| async move {
        let store = &context.clients.store;
        let (outcomes, payloads) = try_join(
            store.outcomes(context.id(), keys::segment_of(range.start), generation),
            store.run_payloads_within(&context.snapshot, range.start, range.count() as usize, usize::MAX),
        )
        .await?;
        if payloads.len() < range.count() as usize {
            return Err(StoreError::Corrupt(format!("job run {} has no payloads {range:?}", context.id())));
        }
        Ok(Segment { payloads, outcomes })
    };
    futures::stream::iter(ranges).map(read).buffered(READ_AHEAD)
}

/// Writes the line of a payload.
async fn write_line(
    context: &RunContext,
    reason: Option<&Reason>,
    payload: &IndexedPayload,
    outcome: Option<&Outcome>,
    out: &mut Vec<u8>,
) -> Result<(), StoreError> {
    let job_id =
        context.run.job_id().ok_or_else(|| StoreError::Corrupt(format!("run {} is of no job", context.id())))?;
    let extension = extension_of(context, outcome).await?;
    let from_bucket = result_in_bucket(context, outcome).await?;
    let line = ExportLine {
        workspace_id: context.run.workspace_id,
        project_id: context.run.project_id,
        project_name: &context.run.project_name,
        job_id,
        job_run_id: context.id(),
        payload_index: payload.index,
        api_name: &payload.payload.api_name,
        parameters: payload.payload.parameters.as_ref(),
        started_at: outcome.map(|outcome| outcome.start_time),
        ended_at: outcome.map(|outcome| outcome.end_time),
        attempts: outcome.map_or(0, |outcome| outcome.attempts),
        outcome: match outcome {
            None => ExportedOutcome::Canceled { reason },
            Some(Outcome { error: Some(error), attempts_ran_out, .. }) => {
                ExportedOutcome::Failed { error, attempts_ran_out: *attempts_ran_out }
            }
            Some(outcome) => ExportedOutcome::Succeeded {
                result: from_bucket.as_deref().or(outcome.result.as_deref()).unwrap_or(RawValue::NULL),
                extended: &extension,
            },
        },
    };
    line.write_to(out).map_err(|error| StoreError::Corrupt(format!("a line of the export: {error}")))
}

/// The payloads that a result extended the run by.
async fn extension_of(context: &RunContext, outcome: Option<&Outcome>) -> Result<Vec<ExtendedPayload>, StoreError> {
    let Some(range) = outcome.and_then(|outcome| outcome.extension) else { return Ok(Vec::new()) };
    let (store, count) = (&context.clients.store, range.count() as usize);
    let payloads = store.run_payloads_within(&context.snapshot, range.start, count, usize::MAX).await?;
    let extended = |Payload { api_name, parameters, .. }| ExtendedPayload { api_name, parameters };
    Ok(payloads.into_iter().map(|indexed| extended(indexed.payload)).collect())
}

/// A result that is too large to stand in the table.
async fn result_in_bucket(
    context: &RunContext,
    outcome: Option<&Outcome>,
) -> Result<Option<Box<RawValue>>, StoreError> {
    let Some(location) = outcome.and_then(|outcome| outcome.location.as_ref()) else { return Ok(None) };
    let json = context.clients.results.get(&location.key).await;
    let json = json.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let value = RawValue::from_string(json);
    value.map(Some).map_err(|error| StoreError::Corrupt(format!("the result {}: {error}", location.key)))
}
