//! What is too large to stand in the table: results, and the exports of job runs, as objects in
//! Sundial's own bucket.

mod object_store;
mod s3;

#[cfg(feature = "model")]
pub mod model;

use std::sync::Arc;
use std::time::Duration;

use sundial_model::JobRunId;

pub use object_store::{Answer, ObjectStore, ResultsError};
pub use s3::S3Objects;

/// A link to an object lives this long.
pub const LINK_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Every part of an upload but the last has at least so many bytes: a limit of S3.
pub const PART_BYTES_MIN: usize = 5 * 1024 * 1024;
/// An upload has at most so many parts: a limit of S3.
pub const PARTS_MAX: u32 = 10_000;

/// Sundial's own bucket; cheap to clone.
#[derive(Clone, Debug)]
pub struct ResultsBucket(Arc<dyn ObjectStore>);

impl ResultsBucket {
    /// The bucket `bucket` of S3, through `client`.
    pub fn new(client: aws_sdk_s3::Client, bucket: impl Into<String>) -> Self {
        Self::over(Arc::new(S3Objects::new(client, bucket)))
    }

    /// A bucket over something that keeps its objects.
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self(store)
    }

    /// The key of a payload's result: the same however often it is written.
    pub fn key(run: JobRunId, generation: u32, payload_index: u32) -> String {
        format!("results/{run}/{generation}/{payload_index:08}.json")
    }

    /// The key of a job run's export: the same however often it is written.
    pub fn export_key(run: JobRunId, generation: u32) -> String {
        format!("exports/{run}/{generation}.jsonl")
    }

    /// Makes the bucket, unless it is there; for the embedded cloud.
    ///
    /// # Errors
    /// When it can neither be seen nor made.
    pub async fn create_if_missing(&self) -> Result<(), ResultsError> {
        self.0.create_if_missing().await
    }

    /// Writes a result.
    ///
    /// # Errors
    /// When the bucket cannot be written.
    pub async fn put(&self, key: &str, json: String) -> Result<(), ResultsError> {
        self.put_as(key, "application/json", json.into_bytes()).await
    }

    /// Writes an object in one go: one request, where an upload takes three or more.
    ///
    /// # Errors
    /// When the bucket cannot be written.
    pub async fn put_as(&self, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), ResultsError> {
        self.0.put(key, content_type, bytes).await
    }

    /// Reads a result.
    ///
    /// # Errors
    /// When the bucket cannot be read, or the object is not there or not text.
    pub async fn get(&self, key: &str) -> Result<String, ResultsError> {
        let bytes = self.0.get(key).await?;
        String::from_utf8(bytes).map_err(|error| ResultsError::Refused(format!("{key} is not text: {error}")))
    }

    /// The size of an object in bytes, or `None` when there is none. An upload is no object until it
    /// is complete.
    ///
    /// # Errors
    /// When the bucket cannot be read.
    pub async fn size(&self, key: &str) -> Result<Option<u64>, ResultsError> {
        self.0.size(key).await
    }

    /// A link by which anybody can read it for [`LINK_LIFETIME`].
    ///
    /// # Errors
    /// When it cannot be signed.
    pub async fn link(&self, key: &str) -> Result<String, ResultsError> {
        self.0.link(key).await
    }

    /// Begins an upload in parts; answers with its id. Whoever knows the id can go on with it, so it
    /// is to be remembered before the first part is sent.
    ///
    /// # Errors
    /// When the bucket cannot be written.
    pub async fn begin_upload(&self, key: &str, content_type: &str) -> Result<String, ResultsError> {
        self.0.begin_upload(key, content_type).await
    }

    /// Uploads a part; answers with its etag, which completes the upload. A part that is uploaded
    /// again under its number replaces the one before.
    ///
    /// `number` is from 1 to [`PARTS_MAX`]; every part but the last has [`PART_BYTES_MIN`] or more.
    ///
    /// # Errors
    /// [`ResultsError::UploadGone`] when the upload was completed or aborted before.
    pub async fn upload_part(
        &self,
        key: &str,
        upload_id: &str,
        number: u32,
        bytes: Vec<u8>,
    ) -> Result<String, ResultsError> {
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(ResultsError::Refused(format!("{number} is no number of a part, from 1 to {PARTS_MAX}")));
        }
        self.0.upload_part(key, upload_id, number, bytes).await
    }

    /// Makes an object of the parts with these etags, the first one that of part 1.
    ///
    /// # Errors
    /// [`ResultsError::UploadGone`] when the upload was completed or aborted before: after an answer
    /// that was lost, [`ResultsBucket::size`] tells which. [`ResultsError::Refused`] when a part is
    /// missing, too small, or not the one that was uploaded last; the upload is then of no more use.
    pub async fn complete_upload(&self, key: &str, upload_id: &str, etags: &[String]) -> Result<(), ResultsError> {
        self.0.complete_upload(key, upload_id, etags).await
    }

    /// Gives an upload up, with its parts; one that is gone already is as good.
    ///
    /// # Errors
    /// When the bucket cannot be written.
    pub async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<(), ResultsError> {
        match self.0.abort_upload(key, upload_id).await {
            Err(ResultsError::UploadGone) => Ok(()),
            answer => answer,
        }
    }
}
