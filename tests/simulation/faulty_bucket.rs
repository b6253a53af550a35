//! The results bucket as one invocation sees it.

use std::fmt;
use std::sync::Arc;

use sundial_outbound::results::{Answer, ObjectStore, ResultsError};

use crate::faults::Faults;
use crate::world::World;

/// One invocation's way to the bucket.
pub(crate) struct FaultyBucket {
    pub(crate) world: Arc<World>,
    pub(crate) faults: Faults,
}

impl fmt::Debug for FaultyBucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FaultyBucket")
    }
}

impl FaultyBucket {
    fn call<'a, T: Send + 'a>(
        &'a self,
        act: impl Future<Output = Result<T, ResultsError>> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(self.faults.call(ResultsError::Unavailable, act))
    }
}

impl ObjectStore for FaultyBucket {
    fn create_if_missing(&self) -> Answer<'_, ()> {
        self.call(async { self.world.objects.create_if_missing().await })
    }

    fn put<'a>(&'a self, key: &'a str, content_type: &'a str, bytes: Vec<u8>) -> Answer<'a, ()> {
        self.call(async move { self.world.objects.put(key, content_type, bytes).await })
    }

    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Vec<u8>> {
        self.call(async move { self.world.objects.get(key).await })
    }

    fn size<'a>(&'a self, key: &'a str) -> Answer<'a, Option<u64>> {
        self.call(async move { self.world.objects.size(key).await })
    }

    /// Nobody is asked for a link.
    fn link<'a>(&'a self, key: &'a str) -> Answer<'a, String> {
        self.world.objects.link(key)
    }

    fn begin_upload<'a>(&'a self, key: &'a str, content_type: &'a str) -> Answer<'a, String> {
        self.call(async move { self.world.objects.begin_upload(key, content_type).await })
    }

    fn upload_part<'a>(&'a self, key: &'a str, upload_id: &'a str, number: u32, bytes: Vec<u8>) -> Answer<'a, String> {
        self.call(async move { self.world.objects.upload_part(key, upload_id, number, bytes).await })
    }

    fn complete_upload<'a>(&'a self, key: &'a str, upload_id: &'a str, etags: &'a [String]) -> Answer<'a, ()> {
        self.call(async move { self.world.objects.complete_upload(key, upload_id, etags).await })
    }

    fn abort_upload<'a>(&'a self, key: &'a str, upload_id: &'a str) -> Answer<'a, ()> {
        self.call(async move { self.world.objects.abort_upload(key, upload_id).await })
    }
}
