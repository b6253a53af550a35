//! Results that are too large to stand in the table: objects in Sundial's own bucket.

use std::time::Duration;

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use sundial_model::JobRunId;

/// A link to a result lives this long.
pub const LINK_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Sundial's own bucket.
#[derive(Clone, Debug)]
pub struct ResultsBucket {
    client: aws_sdk_s3::Client,
    bucket: String,
}

/// The bucket could not be reached, or refused.
#[derive(Debug, thiserror::Error)]
#[error("the results bucket: {0}")]
pub struct ResultsError(String);

impl ResultsBucket {
    /// The bucket `bucket`, through `client`.
    pub fn new(client: aws_sdk_s3::Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    /// Makes the bucket, unless it is there; for the embedded cloud.
    ///
    /// # Errors
    /// When S3 refuses it.
    pub async fn create_if_missing(&self) -> Result<(), ResultsError> {
        match self.client.head_bucket().bucket(&self.bucket).send().await {
            Ok(_) => Ok(()),
            Err(_) => {
                let made = self.client.create_bucket().bucket(&self.bucket).send().await;
                made.map(drop).map_err(|error| ResultsError(DisplayErrorContext(error).to_string()))
            }
        }
    }

    /// The key of a payload's result: the same however often it is written.
    pub fn key(run: JobRunId, generation: u32, payload_index: u32) -> String {
        format!("results/{run}/{generation}/{payload_index:08}.json")
    }

    /// Writes a result.
    ///
    /// # Errors
    /// When the bucket cannot be written.
    pub async fn put(&self, key: &str, json: String) -> Result<(), ResultsError> {
        let request = self.client.put_object().bucket(&self.bucket).key(key).content_type("application/json");
        let sent = request.body(ByteStream::from(json.into_bytes())).send().await;
        sent.map(drop).map_err(|error| ResultsError(DisplayErrorContext(error).to_string()))
    }

    /// Reads a result.
    ///
    /// # Errors
    /// When the bucket cannot be read.
    pub async fn get(&self, key: &str) -> Result<String, ResultsError> {
        let sent = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let object = sent.map_err(|error| ResultsError(DisplayErrorContext(error).to_string()))?;
        let body = object.body.collect().await.map_err(|error| ResultsError(error.to_string()))?;
        String::from_utf8(body.to_vec()).map_err(|error| ResultsError(error.to_string()))
    }

    /// A link by which anybody can read it for [`LINK_LIFETIME`].
    ///
    /// # Errors
    /// When it cannot be signed.
    pub async fn link(&self, key: &str) -> Result<String, ResultsError> {
        let expiry = PresigningConfig::expires_in(LINK_LIFETIME).map_err(|error| ResultsError(error.to_string()))?;
        let request = self.client.get_object().bucket(&self.bucket).key(key).presigned(expiry).await;
        let request = request.map_err(|error| ResultsError(DisplayErrorContext(error).to_string()))?;
        Ok(request.uri().to_owned())
    }
}
