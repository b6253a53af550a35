//! Writing: one transaction at a time is on its way, while attempts start and end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sundial_model::Timestamp;
use sundial_store::{Commit, DueDeliveries, Lane, LanePhase, Queue, StoreError, TransactionToken};
use tokio::time::Instant;

use super::delivering::batch_key;
use super::drafting::Draft;
use super::{TRY_AGAIN_AFTER, Worker};
use crate::buffer;
use crate::context::RunContext;
use crate::counting::count_recorded;
use crate::delivery::{DeliveryBatch, Extent};

/// What happened is recorded so much later, together with what happens meanwhile: soon when it is
/// much, or when nothing else will come.
const RECORD_MUCH_AFTER: Duration = Duration::from_millis(200);
const RECORD_AFTER: Duration = Duration::from_secs(1);
const MUCH: usize = 100;
/// After others were faster at the queue it is left alone for up to so long.
const LEAVE_QUEUE_FOR: u64 = 60;

/// What a transaction is about: one has no room for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Payloads and deliveries have ended, failed, or are claimed.
    WhatHappened,
    /// Deliveries that were given up are due again.
    WhatIsDueAgain,
}

/// What is being written.
pub(super) struct Writing {
    begun: Instant,
    answer: BoxFuture<'static, Result<(Lane, Option<Queue>), StoreError>>,
    writes_queue: bool,
    outcome: Drafted,
}

/// What follows when it is written.
struct Drafted {
    draft: Draft,
    says: Says,
    due: Vec<DueDeliveries>,
    put_back_at: Option<Timestamp>,
    opened: Vec<Lane>,
    now: Timestamp,
}

/// Waits for what is being written; for ever, if nothing is.
pub(super) async fn written(writing: &mut Option<Writing>) -> Result<(Lane, Option<Queue>), StoreError> {
    match writing {
        Some(writing) => (&mut writing.answer).await,
        None => std::future::pending().await,
    }
}

/// A transaction on its way.
struct Transaction {
    context: Arc<RunContext>,
    lane: Lane,
    queue: Option<Queue>,
    commit: Commit,
    drop_at: Instant,
}

impl Transaction {
    /// Writes until it is known that it was written, or the lease has run out.
    async fn write(self) -> Result<(Lane, Option<Queue>), StoreError> {
        let Self { context, lane, queue, commit, drop_at } = self;
        let token = TransactionToken::new();
        loop {
            match context.clients.store.commit(&context.run, &lane, queue.as_ref(), &commit, &token).await {
                Err(StoreError::Unavailable(message) | StoreError::Throttled(message))
                    if Instant::now() + TRY_AGAIN_AFTER < drop_at =>
                {
                    tracing::warn!(error = message, "a commit is tried again");
                    tokio::time::sleep(TRY_AGAIN_AFTER).await;
                }
                result => return result,
            }
        }
    }
}

impl Worker {
    /// When what happened is recorded at the latest.
    pub(super) fn record_at(&self) -> Option<Instant> {
        let oldest = self.buffer.oldest()?;
        let is_much = self.buffer.len() >= MUCH;
        Some(oldest + if is_much { RECORD_MUCH_AFTER } else { RECORD_AFTER })
    }

    fn must_record(&self) -> bool {
        let nothing_else_comes = self.is_quiet() && !self.buffer.is_empty();
        self.buffer.is_full() || nothing_else_comes || self.record_at().is_some_and(|at| at <= Instant::now())
    }

    /// Whether there is something to write now.
    pub(super) fn must_write(&mut self) -> bool {
        let must_renew = self.lease.renewed_at.elapsed() >= self.lease.times.renew_every;
        if must_renew || self.must_record() || !self.announced.is_empty() {
            return true;
        }
        if self.lane.phase != LanePhase::Working || self.leaves_queue() {
            return false;
        }
        let wants_queue = self.wants_claim() || self.wants_other_slots() || self.must_return() || self.wants_lanes();
        wants_queue || self.requests_to_reserve().is_some()
    }

    /// Begins to write all there is to say, as far as it fits.
    pub(super) async fn write_out(&mut self, says: Says) -> Result<(), StoreError> {
        // The lease counts from here, whatever is read before it is written.
        let (begun, now) = (Instant::now(), self.context.clients.clock.now());
        let mut draft = self.begin_draft(says);
        let due = self.draft_records(&mut draft, now);
        let drafted = match says {
            Says::WhatIsDueAgain => self.draft_redelivery(&mut draft, now).await,
            Says::WhatHappened if self.leaves_queue() => Ok(()),
            Says::WhatHappened => self.draft_queue(&mut draft, now).await,
        };
        if let Err(error) = drafted {
            self.buffer.put_back(draft.batch);
            return Err(error);
        }
        self.draft_lane(&mut draft, now);
        let queue = (draft.needs_queue || draft.queue != self.queue).then_some(draft.queue);
        let transaction = Transaction {
            context: Arc::clone(&self.context),
            lane: draft.lane.clone(),
            queue,
            commit: std::mem::take(&mut draft.commit),
            drop_at: self.lease.drop_at,
        };
        let put_back_at = transaction.commit.put_back.iter().map(|put_back| put_back.due_at).min();
        let opened = transaction.commit.opened.clone();
        self.writing = Some(Writing {
            begun,
            answer: Box::pin(transaction.write()),
            writes_queue: queue.is_some(),
            outcome: Drafted { draft, says, due, put_back_at, opened, now },
        });
        Ok(())
    }

    /// What was being written is written, or not.
    pub(super) async fn note_written(
        &mut self,
        written: Result<(Lane, Option<Queue>), StoreError>,
    ) -> Result<(), StoreError> {
        let Some(Writing { begun, writes_queue, outcome, .. }) = self.writing.take() else { return Ok(()) };
        match written {
            Ok((lane, queue)) => {
                self.lease.renewed(begun);
                // That the time has run out may have been noticed meanwhile.
                let is_draining = self.lane.is_draining;
                (self.lane, self.queue) = (lane, queue.unwrap_or(self.queue));
                self.lane.is_draining = is_draining;
                if writes_queue {
                    self.wrote_queue_at = begun;
                }
                self.absorb(outcome).await;
                Ok(())
            }
            // Whether it was written is not known; saying it again could count it twice.
            Err(StoreError::Unavailable(message) | StoreError::Throttled(message)) => Err(StoreError::Refused(message)),
            Err(error) => {
                if writes_queue {
                    let pause = Duration::from_millis(fastrand::u64(0..LEAVE_QUEUE_FOR));
                    self.leave_queue_until = Instant::now() + pause;
                }
                self.buffer.put_back(outcome.draft.batch);
                self.note_put_backs();
                Err(error)
            }
        }
    }

    /// Goes on from what was recorded.
    async fn absorb(&mut self, drafted: Drafted) {
        let Drafted { draft, says, due, put_back_at, opened, now } = drafted;
        count_recorded(&draft.batch);
        self.claims = draft.claims;
        if draft.returns_all {
            self.ready.clear();
            self.unread.clear();
            self.unread_finished = 0;
            self.suspects.clear_waiting();
        }
        self.unread.extend(draft.unread);
        if let Some(at) = put_back_at {
            self.note_put_back_at(at);
        }
        let mut items = HashMap::new();
        for buffer::Ended { task, outcome, memory, .. } in draft.batch.ended {
            self.suspects.forget(outcome.index);
            items.insert(outcome.index, (task.payload.payload, outcome));
            // On record, it is no longer held for its answer.
            drop(memory);
        }
        // Only now may the next attempt start: it has another number than the one on record.
        for (task, _) in draft.batch.again {
            self.suspects.forget(task.index());
            if !draft.deferred.contains(&task.index()) {
                self.ready.push(task);
            }
        }
        self.start_announced();
        if let (Some((start, count)), Some(rate)) = (draft.reserved, self.rate()) {
            self.pacer.add(start, count, rate);
        }
        // A probe may have shown that all others can go.
        if self.deliveries_wait && !draft.batch.tried.is_empty() {
            self.note_delivery_at(now);
        }
        for tried in draft.batch.tried {
            self.delivering.remove(&batch_key(&tried.done));
            tried.again.iter().for_each(|again| self.note_delivery_at(again.due_at));
        }
        if says == Says::WhatIsDueAgain {
            self.note_delivery_at(now);
        }
        for due in due {
            let items = due.indices.iter().filter_map(|index| items.remove(index)).collect();
            self.deliver_soon(DeliveryBatch { due, items: Some(items), extent: Extent::All });
        }
        self.opened(opened, now).await;
    }
}
