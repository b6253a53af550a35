//! Reading claimed payloads: what a chunk has beyond a claim is kept for the next claim.

use sundial_model::payload::IndexedPayload;
use sundial_store::{PayloadRange, StoreError};

use crate::context::RunContext;

/// Reads payloads in order.
#[derive(Default)]
pub(crate) struct PayloadReader {
    /// The rest of the chunk that was read last, in reverse order.
    rest: Vec<IndexedPayload>,
}

impl PayloadReader {
    /// The first payloads of a range: at least one, and no more than a chunk has.
    pub(crate) async fn read(
        &mut self,
        context: &RunContext,
        range: PayloadRange,
    ) -> Result<Vec<IndexedPayload>, StoreError> {
        while self.rest.last().is_some_and(|payload| payload.index < range.start) {
            self.rest.pop();
        }
        if self.rest.last().is_none_or(|payload| payload.index != range.start) {
            let store = &context.clients.store;
            self.rest = store.run_payloads_from(&context.snapshot, range.start, usize::MAX).await?;
            self.rest.reverse();
        }
        let mut payloads = Vec::new();
        while self.rest.last().is_some_and(|payload| payload.index < range.end) {
            payloads.extend(self.rest.pop());
        }
        if payloads.is_empty() {
            let message = format!("job run {} has no payload {}", context.id(), range.start);
            return Err(StoreError::Corrupt(message));
        }
        Ok(payloads)
    }
}
