//! What a write says about how a job run is carried out.

use sundial_model::JobRunId;

use super::value;
use crate::commit::{AttemptsItem, DeliveriesItem, OutcomesItem};
use crate::keys::{self, Key};
use crate::table::Write;
use crate::{
    AttemptRecord, Closing, DeliveryRecord, DeliveryRequest, DueDeliveries, Lane, Outcome, PutBack, Queue, StoredJobRun,
};

/// A change of an item that matters to how a job run is carried out.
#[derive(Clone, Debug)]
pub enum WorkChange {
    /// The run as it is from now on.
    Run(Box<StoredJobRun>),
    /// One of its lanes as it is from now on.
    Lane(Box<Lane>),
    /// Its queue as it is from now on.
    Queue(Queue),
    /// Payloads have ended in a generation.
    Outcomes(u32, Vec<Outcome>),
    /// Attempts have failed in a generation.
    Attempts(u32, Vec<AttemptRecord>),
    /// Payloads were given back, under this sort key.
    PutBack(String, PutBack),
    /// And claimed again.
    Taken(String),
    /// Deliveries are due, under this key.
    Due(Key, DueDeliveries),
    /// And were tried.
    Tried(Key),
    /// This came of it.
    Deliveries(Vec<DeliveryRecord>),
    /// They were requested again.
    Requested(DeliveryRequest),
    /// What follows the end of a generation.
    Closing(Box<Closing>),
}

/// Reads a write; `None` when it is about other things.
pub fn work_change(write: &Write) -> Option<(JobRunId, WorkChange)> {
    let Key { pk, sk } = write.key();
    let (run, place) = match pk.strip_prefix("RUN#")?.split_once('#') {
        None => (pk.strip_prefix("RUN#")?, ""),
        Some((run, place)) => (run, place),
    };
    let run: JobRunId = run.parse().ok()?;
    let change = match write {
        Write::Check(..) => return None,
        Write::Delete(..) if place.starts_with("PUT-BACK#") => WorkChange::Taken(sk.clone()),
        Write::Delete(key, _) if place.starts_with("LANE#") => WorkChange::Tried(key.clone()),
        Write::Delete(..) => return None,
        Write::Put(item, _) => match place {
            "" if sk == keys::RUN => WorkChange::Run(Box::new(value(item)?)),
            "" if sk == keys::QUEUE => WorkChange::Queue(value(item)?),
            "" if sk.starts_with(keys::LANE_PREFIX) => WorkChange::Lane(Box::new(value(item)?)),
            "" if sk.starts_with(keys::CLOSING_PREFIX) => WorkChange::Closing(Box::new(value(item)?)),
            _ if place.starts_with("PUT-BACK#") => WorkChange::PutBack(sk.clone(), value(item)?),
            _ if sk.starts_with(keys::DUE_PREFIX) => WorkChange::Due(write.key().clone(), value(item)?),
            _ if sk.starts_with(keys::OUTCOME_PREFIX) => {
                WorkChange::Outcomes(generation(sk)?, value::<OutcomesItem>(item)?.outcomes)
            }
            _ if sk.starts_with(keys::ATTEMPT_PREFIX) => {
                WorkChange::Attempts(generation(sk)?, value::<AttemptsItem>(item)?.attempts)
            }
            _ if sk.starts_with(keys::DELIVERY_PREFIX) => {
                WorkChange::Deliveries(value::<DeliveriesItem>(item)?.deliveries)
            }
            _ if sk.starts_with(keys::DELIVERY_REQUEST_PREFIX) => WorkChange::Requested(value(item)?),
            _ => return None,
        },
    };
    Some((run, change))
}

fn generation(sk: &str) -> Option<u32> {
    sk.split('#').nth(1)?.parse().ok()
}
