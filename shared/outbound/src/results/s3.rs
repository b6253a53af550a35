//! The results bucket in S3.

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::{Answer, LINK_LIFETIME, ObjectStore, ResultsError};

/// A bucket of S3.
#[derive(Clone, Debug)]
pub struct S3Objects {
    client: aws_sdk_s3::Client,
    /// For uploads in parts: whoever completes one knows etags, and the SDK's own checksums of parts
    /// would have to be known as well.
    uploads: aws_sdk_s3::Client,
    bucket: String,
}

impl S3Objects {
    /// The bucket `bucket`, through `client`.
    pub fn new(client: aws_sdk_s3::Client, bucket: impl Into<String>) -> Self {
        let config = client.config().to_builder();
        let config = config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired).build();
        Self { uploads: aws_sdk_s3::Client::from_conf(config), client, bucket: bucket.into() }
    }
}

impl ObjectStore for S3Objects {
    fn create_if_missing(&self) -> Answer<'_, ()> {
        Box::pin(async {
            match self.client.head_bucket().bucket(&self.bucket).send().await {
                Ok(_) => Ok(()),
                Err(_) => {
                    let made = self.client.create_bucket().bucket(&self.bucket).send().await;
                    made.map(drop).map_err(failure)
                }
            }
        })
    }

    fn put<'a>(&'a self, key: &'a str, content_type: &'a str, bytes: Vec<u8>) -> Answer<'a, ()> {
        let request = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type);
        let request = request.body(ByteStream::from(bytes));
        Box::pin(async { request.send().await.map(drop).map_err(failure) })
    }

    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Vec<u8>> {
        let request = self.client.get_object().bucket(&self.bucket).key(key);
        Box::pin(async {
            let object = request.send().await.map_err(failure)?;
            let body = object.body.collect().await.map_err(|error| ResultsError::Unavailable(error.to_string()))?;
            Ok(body.to_vec())
        })
    }

    fn size<'a>(&'a self, key: &'a str) -> Answer<'a, Option<u64>> {
        let request = self.client.head_object().bucket(&self.bucket).key(key);
        Box::pin(async {
            match request.send().await {
                Ok(object) => Ok(Some(object.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or(0))),
                Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => Ok(None),
                Err(error) => Err(failure(error)),
            }
        })
    }

    fn link<'a>(&'a self, key: &'a str) -> Answer<'a, String> {
        Box::pin(async move {
            let expiry = PresigningConfig::expires_in(LINK_LIFETIME);
            let expiry = expiry.map_err(|error| ResultsError::Refused(error.to_string()))?;
            let request = self.client.get_object().bucket(&self.bucket).key(key).presigned(expiry).await;
            request.map(|request| request.uri().to_owned()).map_err(failure)
        })
    }

    fn begin_upload<'a>(&'a self, key: &'a str, content_type: &'a str) -> Answer<'a, String> {
        let request = self.uploads.create_multipart_upload().bucket(&self.bucket).key(key).content_type(content_type);
        Box::pin(async {
            let begun = request.send().await.map_err(failure)?;
            begun.upload_id.ok_or_else(|| ResultsError::Unavailable("the upload has no id".to_owned()))
        })
    }

    fn upload_part<'a>(&'a self, key: &'a str, upload_id: &'a str, number: u32, bytes: Vec<u8>) -> Answer<'a, String> {
        let request = self.uploads.upload_part().bucket(&self.bucket).key(key).upload_id(upload_id);
        let request = request.part_number(part_number(number)).body(ByteStream::from(bytes));
        Box::pin(async {
            let uploaded = request.send().await.map_err(upload_failure)?;
            uploaded.e_tag.ok_or_else(|| ResultsError::Unavailable("the part has no etag".to_owned()))
        })
    }

    fn complete_upload<'a>(&'a self, key: &'a str, upload_id: &'a str, etags: &'a [String]) -> Answer<'a, ()> {
        let part = |(number, etag)| CompletedPart::builder().part_number(part_number(number)).e_tag(etag).build();
        let parts = (1..).zip(etags).map(part).collect();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.uploads.complete_multipart_upload().bucket(&self.bucket).key(key).upload_id(upload_id);
        let request = request.multipart_upload(parts);
        Box::pin(async { request.send().await.map(drop).map_err(upload_failure) })
    }

    fn abort_upload<'a>(&'a self, key: &'a str, upload_id: &'a str) -> Answer<'a, ()> {
        let request = self.uploads.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(upload_id);
        Box::pin(async { request.send().await.map(drop).map_err(upload_failure) })
    }
}

/// S3 counts in `i32`, and refuses what is too large.
fn part_number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The codes are those of <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
fn failure<E>(error: SdkError<E>) -> ResultsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let refusals = ["EntityTooLarge", "EntityTooSmall", "InvalidPart", "InvalidPartOrder", "MalformedXML", "NoSuchKey"];
    let is_refused = error.code().is_some_and(|code| refusals.contains(&code));
    let message = DisplayErrorContext(error).to_string();
    if is_refused { ResultsError::Refused(message) } else { ResultsError::Unavailable(message) }
}

/// As [`failure`], where an upload may be gone.
fn upload_failure<E>(error: SdkError<E>) -> ResultsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error.code() {
        Some("NoSuchUpload") => ResultsError::UploadGone,
        // The embedded S3 says so, and nothing else. S3 itself always says in words what is denied.
        Some("AccessDenied") if error.message().is_none_or(str::is_empty) => ResultsError::UploadGone,
        _ => failure(error),
    }
}
