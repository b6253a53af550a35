//! A model of the results bucket in memory, for simulations: objects, and uploads by S3's rules.
//!
//! One suite of tests (`bucket_contract.rs`) runs over it and over the embedded S3 alike, so that the two
//! cannot drift apart.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;

use super::{Answer, ObjectStore, PART_BYTES_MIN, ResultsError};

/// The model.
#[derive(Debug, Default)]
pub struct ModelObjects(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    objects: HashMap<String, Vec<u8>>,
    /// By key and id.
    uploads: HashMap<(String, String), Upload>,
    uploads_begun: u64,
    parts_uploaded: u64,
}

/// Parts with their etags, by number.
type Upload = BTreeMap<u32, (String, Vec<u8>)>;

impl ModelObjects {
    fn answer<'a, T: Send + 'a>(&self, act: impl FnOnce(&mut State) -> Result<T, ResultsError>) -> Answer<'a, T> {
        let result = act(&mut self.state());
        async move { result }.boxed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectStore for ModelObjects {
    fn create_if_missing(&self) -> Answer<'_, ()> {
        self.answer(|_| Ok(()))
    }

    fn put<'a>(&'a self, key: &'a str, _: &'a str, bytes: Vec<u8>) -> Answer<'a, ()> {
        self.answer(|state| {
            state.objects.insert(key.to_owned(), bytes);
            Ok(())
        })
    }

    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Vec<u8>> {
        let missing = || ResultsError::Refused(format!("there is no object {key}"));
        self.answer(|state| state.objects.get(key).cloned().ok_or_else(missing))
    }

    fn size<'a>(&'a self, key: &'a str) -> Answer<'a, Option<u64>> {
        self.answer(|state| Ok(state.objects.get(key).map(|bytes| bytes.len() as u64)))
    }

    fn link<'a>(&'a self, key: &'a str) -> Answer<'a, String> {
        self.answer(|_| Ok(format!("model://results/{key}")))
    }

    fn begin_upload<'a>(&'a self, key: &'a str, _: &'a str) -> Answer<'a, String> {
        self.answer(|state| {
            state.uploads_begun += 1;
            let upload_id = format!("upload-{}", state.uploads_begun);
            state.uploads.insert((key.to_owned(), upload_id.clone()), Upload::new());
            Ok(upload_id)
        })
    }

    fn upload_part<'a>(&'a self, key: &'a str, upload_id: &'a str, number: u32, bytes: Vec<u8>) -> Answer<'a, String> {
        self.answer(|state| {
            let upload = state.uploads.get_mut(&name(key, upload_id)).ok_or(ResultsError::UploadGone)?;
            state.parts_uploaded += 1;
            let etag = format!("\"part-{}\"", state.parts_uploaded);
            upload.insert(number, (etag.clone(), bytes));
            Ok(etag)
        })
    }

    fn complete_upload<'a>(&'a self, key: &'a str, upload_id: &'a str, etags: &'a [String]) -> Answer<'a, ()> {
        self.answer(|state| {
            let upload = state.uploads.get(&name(key, upload_id)).ok_or(ResultsError::UploadGone)?;
            let whole = assemble(upload, etags)?;
            state.uploads.remove(&name(key, upload_id));
            state.objects.insert(key.to_owned(), whole);
            Ok(())
        })
    }

    fn abort_upload<'a>(&'a self, key: &'a str, upload_id: &'a str) -> Answer<'a, ()> {
        let is_there = |state: &mut State| state.uploads.remove(&name(key, upload_id)).map(drop);
        self.answer(|state| is_there(state).ok_or(ResultsError::UploadGone))
    }
}

fn name(key: &str, upload_id: &str) -> (String, String) {
    (key.to_owned(), upload_id.to_owned())
}

fn assemble(upload: &Upload, etags: &[String]) -> Result<Vec<u8>, ResultsError> {
    if etags.is_empty() {
        return Err(ResultsError::Refused("an upload has at least one part".to_owned()));
    }
    let mut whole = Vec::new();
    let mut is_last = false;
    for (number, etag) in (1..).zip(etags) {
        let part = upload.get(&number).filter(|(stored, _)| stored == etag);
        let Some((_, bytes)) = part else {
            return Err(ResultsError::Refused(format!("part {number} was not uploaded, or has another etag")));
        };
        if is_last {
            return Err(ResultsError::Refused(format!("part {} is too small to have another after it", number - 1)));
        }
        is_last = bytes.len() < PART_BYTES_MIN;
        whole.extend_from_slice(bytes);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The embedded S3 does not look at etags; S3 does.
    #[tokio::test]
    async fn a_part_that_was_replaced_does_not_complete_an_upload() {
        let model = ModelObjects::default();
        let upload = model.begin_upload("a", "text/plain").await.expect("an upload");
        let first = model.upload_part("a", &upload, 1, b"one".to_vec()).await.expect("an etag");
        let second = model.upload_part("a", &upload, 1, b"two".to_vec()).await.expect("an etag");
        let refused = model.complete_upload("a", &upload, &[first]).await;
        assert!(matches!(refused, Err(ResultsError::Refused(_))), "{refused:?}");
        model.complete_upload("a", &upload, &[second]).await.expect("an object");
        assert_eq!(model.get("a").await.expect("an object"), b"two");
    }
}
