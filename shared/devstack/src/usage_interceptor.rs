//! Counts the calls of a function where the SDK makes them, and refuses those that its role does not allow.
//!
//! Capacity units are what DynamoDB itself says a call took: each call asks for them. The embedded
//! DynamoDB answers by the rules of the real one, to which a test holds it. Only a call that failed
//! says nothing of its units.

use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::{
    batch_get_item, batch_write_item, delete_item, get_item, put_item, query, transact_get_items, transact_write_items,
    update_item,
};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};
use aws_sdk_eventbridge::operation::put_events::PutEventsInput;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextRef, Input, Output,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;

use crate::function_host::HostedFunction;
use crate::usage::{CallUsage, UsageCounter};
use crate::usage_roles::asked_for;

/// Counts for one function.
#[derive(Clone, Debug)]
pub(crate) struct UsageInterceptor {
    pub(crate) counter: UsageCounter,
    pub(crate) function: &'static str,
}

impl UsageInterceptor {
    fn add(&self, configuration: &ConfigBag, add: impl FnOnce(&mut CallUsage)) {
        let Some(call) = configuration.load::<Metadata>() else { return };
        self.counter.add(self.function, &format!("{}.{}", call.service(), call.name()), add);
    }

    /// Refuses what the function's role does not allow.
    fn check_role(&self, input: &Input, configuration: &ConfigBag) -> Result<(), BoxError> {
        let call = configuration.load::<Metadata>().ok_or("a call of an unknown operation")?;
        let role = HostedFunction::named(self.function).map_or(&[][..], |function| function.role);
        for permission in asked_for(call.service(), call.name(), input)? {
            if !role.contains(&permission) {
                tracing::error!(function = self.function, ?permission, "AccessDenied: its role does not allow it");
                return Err(format!("AccessDenied: the role of {} does not allow {permission:?}", self.function).into());
            }
            self.counter.note_permission(self.function, permission);
        }
        Ok(())
    }
}

impl Intercept for UsageInterceptor {
    fn name(&self) -> &'static str {
        "UsageInterceptor"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.check_role(context.input(), configuration)?;
        ask_for_capacity(context.input_mut());
        if let Some(put) = context.input().downcast_ref::<PutEventsInput>() {
            let events = put.entries.as_ref().map_or(0, Vec::len) as u64;
            self.add(configuration, |call| call.events += events);
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match context.output_or_error() {
            Some(Ok(output)) => {
                let (reads, capacity) = capacity(output);
                self.add(configuration, |call| {
                    call.calls += 1;
                    capacity.iter().for_each(|capacity| add_units(call, reads, capacity));
                });
            }
            Some(Err(_)) => self.add(configuration, |call| {
                call.calls += 1;
                call.failed += 1;
            }),
            // A link was signed, and nothing sent.
            None => {}
        }
        Ok(())
    }
}

fn ask_for_capacity(input: &mut Input) {
    macro_rules! ask {
        ($($input:path),+) => {
            $(if let Some(input) = input.downcast_mut::<$input>() {
                input.return_consumed_capacity = Some(ReturnConsumedCapacity::Indexes);
            })+
        };
    }
    ask!(
        batch_get_item::BatchGetItemInput,
        batch_write_item::BatchWriteItemInput,
        delete_item::DeleteItemInput,
        get_item::GetItemInput,
        put_item::PutItemInput,
        query::QueryInput,
        transact_get_items::TransactGetItemsInput,
        transact_write_items::TransactWriteItemsInput,
        update_item::UpdateItemInput
    );
}

/// Whether the call was one that reads, and what it took, by table.
fn capacity(output: &Output) -> (bool, &[ConsumedCapacity]) {
    macro_rules! of {
        ($reads:literal, $slice:expr, $($output:path),+) => {
            $(if let Some(output) = output.downcast_ref::<$output>() {
                return ($reads, $slice(&output.consumed_capacity));
            })+
        };
    }
    of!(true, Option::as_slice, get_item::GetItemOutput, query::QueryOutput);
    of!(true, all, batch_get_item::BatchGetItemOutput, transact_get_items::TransactGetItemsOutput);
    of!(false, Option::as_slice, delete_item::DeleteItemOutput, put_item::PutItemOutput, update_item::UpdateItemOutput);
    of!(false, all, batch_write_item::BatchWriteItemOutput, transact_write_items::TransactWriteItemsOutput);
    (false, &[])
}

fn all(capacity: &Option<Vec<ConsumedCapacity>>) -> &[ConsumedCapacity] {
    capacity.as_deref().unwrap_or_default()
}

fn add_units(call: &mut CallUsage, reads: bool, capacity: &ConsumedCapacity) {
    let units = capacity.capacity_units.unwrap_or_default();
    // A transaction that comes again under its token is billed as a read.
    if reads || capacity.read_capacity_units.is_some() {
        call.read_units += units;
        return;
    }
    call.write_units += units;
    let indexes = capacity.global_secondary_indexes.iter().flatten();
    call.index_write_units += indexes.filter_map(|(_, index)| index.capacity_units).sum::<f64>();
}
