//! What the results bucket is asked to do: the few operations of S3 that everything is made of.

use std::fmt::Debug;

use futures::future::BoxFuture;

/// The bucket did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The upload was completed or aborted before, or never begun.
    #[error("the results bucket: the upload is not there any more")]
    UploadGone,
    /// It will never take this.
    #[error("the results bucket refused: {0}")]
    Refused(String),
    /// It could not be reached, or not now; what was asked may have been done or not.
    #[error("the results bucket: {0}")]
    Unavailable(String),
}

/// What a call gives, as soon as it is there.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ResultsError>>;

/// A bucket of S3, or the model of it that simulations use. One suite of tests runs over both.
///
/// [`ResultsBucket`](super::ResultsBucket) says what the operations promise.
pub trait ObjectStore: Debug + Send + Sync {
    /// Makes the bucket, unless it is there.
    fn create_if_missing(&self) -> Answer<'_, ()>;
    /// Writes an object.
    fn put<'a>(&'a self, key: &'a str, content_type: &'a str, bytes: Vec<u8>) -> Answer<'a, ()>;
    /// Reads an object.
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Vec<u8>>;
    /// The size of an object in bytes, if there is one.
    fn size<'a>(&'a self, key: &'a str) -> Answer<'a, Option<u64>>;
    /// A link by which anybody can read it for a while, whether it is there or not.
    fn link<'a>(&'a self, key: &'a str) -> Answer<'a, String>;
    /// Begins an upload; answers with its id.
    fn begin_upload<'a>(&'a self, key: &'a str, content_type: &'a str) -> Answer<'a, String>;
    /// Uploads the part `number`, from 1; answers with its etag.
    fn upload_part<'a>(&'a self, key: &'a str, upload_id: &'a str, number: u32, bytes: Vec<u8>) -> Answer<'a, String>;
    /// Makes an object of the parts.
    fn complete_upload<'a>(&'a self, key: &'a str, upload_id: &'a str, etags: &'a [String]) -> Answer<'a, ()>;
    /// Gives an upload up.
    fn abort_upload<'a>(&'a self, key: &'a str, upload_id: &'a str) -> Answer<'a, ()>;
}
