//! Single runs on their way in.

use serde_json::Value;
use sundial_model::InvalidFields;
use sundial_model::single_run::SingleRunInput;

use crate::check_job::{Place, check_payload_size, check_place};

/// Reads a single run that is to be carried out.
pub(crate) fn check_single_run(document: Value, place: &Place<'_>) -> Result<SingleRunInput, InvalidFields> {
    let mut errors = InvalidFields::default();
    check_place(&document, place, &mut errors);
    let input = match InvalidFields::read::<SingleRunInput>(document) {
        Ok(input) => Some(input),
        Err(faults) => {
            errors.extend_below("", faults);
            None
        }
    };
    if let Some(input) = &input {
        check_payload_size(&input.payload(), "/parameters", &mut errors);
    }
    errors.into_result()?;
    input.ok_or_else(|| InvalidFields::one("", "cannot be read"))
}
