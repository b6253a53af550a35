//! Which payload stands where: those of the job at their places, and behind them what results have
//! extended the run by.

use std::collections::BTreeMap;

use serde_json::Value;
use sundial_store::{Outcome, PayloadRange};

use super::WorkBook;
use crate::calls::Call;

/// What is known of the payloads of a run.
#[derive(Default)]
pub(super) struct Contents {
    /// What the target has answered by generation, payload and attempt: what the run is extended by.
    answered: BTreeMap<(u32, u32, u32), Vec<Value>>,
    /// The parameters of payloads that a result has added.
    added: BTreeMap<u32, Value>,
}

impl Contents {
    /// An outcome is recorded that extends the run.
    pub(super) fn extend(&mut self, generation: u32, outcome: &Outcome, range: PayloadRange) {
        let by = self.answered.get(&(generation, outcome.index, outcome.attempts)).into_iter().flatten();
        let parameters = by.map(|payload| payload["parameters"].clone());
        self.added.extend((range.start..range.end).zip(parameters));
    }

    /// Whether a call is made with what stands at its place.
    pub(super) fn check(&self, call: &Call) -> Result<(), String> {
        let place = call.parameters["place"].as_u64();
        if place.is_some_and(|place| place != u64::from(call.index)) {
            return Err(format!("the payload of place {place:?} is carried out"));
        }
        match self.added.get(&call.index) {
            Some(parameters) if *parameters != call.parameters => {
                Err("it is not what the run was extended by".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl WorkBook {
    /// The target answers a call by what its run is extended by.
    pub(crate) fn answered(&mut self, call: &Call, by: &Value) {
        let Call { generation, index, attempt, .. } = *call;
        let by = by.as_array().cloned().unwrap_or_default();
        self.contents.answered.insert((generation, index, attempt), by);
    }
}
