//! What the functions use, counted as AWS would bill it: invocations and their time, calls by
//! operation, and capacity units of DynamoDB.
//!
//! Only the embedded cloud counts; a function in AWS has none of this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::usage_roles::Permission;

/// Where the usage stands on the API's origin; needs no key.
pub const USAGE_PATH: &str = "/dev/usage";
/// Where stands, next to it, which permissions of its role each function has made use of.
pub const PERMISSIONS_PATH: &str = "/dev/usage/permissions";

/// What was used since the start, by function.
pub type Usage = BTreeMap<String, FunctionUsage>;

/// What the invocations of a function used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionUsage {
    /// How many invocations have ended.
    pub invocations: u64,
    /// How many have not.
    pub running: u64,
    /// How long those that have ended took, each rounded up to a millisecond as Lambda bills it.
    pub milliseconds: u64,
    /// Calls of AWS, by service and operation, such as `DynamoDB.Query`.
    pub calls: BTreeMap<String, CallUsage>,
}

/// What the calls of one operation used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallUsage {
    /// How many there were, the SDK's own retries included.
    pub calls: u64,
    /// How many of them failed or were refused. Their capacity units are not known.
    pub failed: u64,
    /// Read units of DynamoDB.
    pub read_units: f64,
    /// Write units of DynamoDB, those of the index included.
    pub write_units: f64,
    /// Write units of the index alone.
    pub index_write_units: f64,
    /// Events put on the bus.
    pub events: u64,
}

/// The routes that answer with the [`Usage`] so far, and with the permissions.
pub(crate) fn router(counter: UsageCounter) -> Router {
    let so_far = async |State(counter): State<UsageCounter>| Json(counter.so_far());
    let permissions = async |State(counter): State<UsageCounter>| Json(counter.permissions());
    Router::new().route(USAGE_PATH, get(so_far)).route(PERMISSIONS_PATH, get(permissions)).with_state(counter)
}

impl FunctionUsage {
    /// What was used since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let calls = self.calls.iter().map(|(operation, calls)| {
            let before = before.calls.get(operation).copied().unwrap_or_default();
            (operation.clone(), calls.since(before))
        });
        Self {
            invocations: self.invocations - before.invocations,
            running: self.running,
            milliseconds: self.milliseconds - before.milliseconds,
            calls: calls.filter(|(_, calls)| calls.calls > 0).collect(),
        }
    }
}

impl CallUsage {
    fn since(self, before: Self) -> Self {
        Self {
            calls: self.calls - before.calls,
            failed: self.failed - before.failed,
            read_units: self.read_units - before.read_units,
            write_units: self.write_units - before.write_units,
            index_write_units: self.index_write_units - before.index_write_units,
            events: self.events - before.events,
        }
    }
}

/// Counts what is used; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct UsageCounter(Arc<Mutex<Usage>>, Arc<Mutex<Permissions>>);

/// Which permissions of its role each function has made use of.
type Permissions = BTreeMap<&'static str, BTreeSet<Permission>>;

impl UsageCounter {
    /// What was used so far.
    pub(crate) fn so_far(&self) -> Usage {
        self.lock().clone()
    }

    /// Begins an invocation, which ends when the answer is dropped.
    pub(crate) fn invocation(&self, function: &'static str) -> InvocationTime {
        self.lock().entry(function.to_owned()).or_default().running += 1;
        InvocationTime { counter: self.clone(), function, begun: Instant::now() }
    }

    /// Adds to the calls of an operation.
    pub(crate) fn add(&self, function: &str, operation: &str, add: impl FnOnce(&mut CallUsage)) {
        let mut usage = self.lock();
        // Nothing is allocated for what is counted already: this is in the way of every call.
        if let Some(calls) = usage.get_mut(function).and_then(|usage| usage.calls.get_mut(operation)) {
            return add(calls);
        }
        add(usage.entry(function.to_owned()).or_default().calls.entry(operation.to_owned()).or_default());
    }

    /// Notes that a function has made use of a permission.
    pub(crate) fn note_permission(&self, function: &'static str, permission: Permission) {
        let mut permissions = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        permissions.entry(function).or_default().insert(permission);
    }

    fn permissions(&self) -> Permissions {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of an invocation.
pub(crate) struct InvocationTime {
    counter: UsageCounter,
    function: &'static str,
    begun: Instant,
}

impl Drop for InvocationTime {
    fn drop(&mut self) {
        let billed = self.begun.elapsed() + Duration::from_nanos(999_999);
        let mut usage = self.counter.lock();
        let function = usage.entry(self.function.to_owned()).or_default();
        function.running -= 1;
        function.invocations += 1;
        function.milliseconds += u64::try_from(billed.as_millis()).unwrap_or(u64::MAX);
    }
}
