//! What each function is allowed to ask AWS for: the roles of `template.yaml`, to which a test holds this list.
//!
//! The embedded cloud refuses everything else, as AWS would. So whatever runs over it, a test or a demo, shows that
//! the roles are enough, and what nothing ever asks for can be taken out of them.

use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use aws_sdk_dynamodb::types::TransactWriteItem;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use serde::Serialize;

/// An action of IAM and what it is done to, such as `dynamodb:Query` and [`Resource::WakeIndex`].
pub type Permission = (&'static str, Resource);

/// What actions are done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Resource {
    /// The table.
    Table,
    /// Its index over wake times.
    WakeIndex,
    /// The event bus.
    Bus,
    /// The results bucket itself.
    ResultsBucket,
    /// What is in it.
    Results,
    /// Functions of users that are targets.
    TargetFunctions,
}

use Resource::{Bus, Results, ResultsBucket, Table, TargetFunctions, WakeIndex};

/// The role of `job-api`.
pub const JOB_API_ROLE: &[Permission] = &[
    ("dynamodb:BatchGetItem", Table),
    ("dynamodb:BatchWriteItem", Table),
    ("dynamodb:ConditionCheckItem", Table),
    ("dynamodb:DeleteItem", Table),
    ("dynamodb:GetItem", Table),
    ("dynamodb:PutItem", Table),
    ("dynamodb:Query", Table),
    ("events:PutEvents", Bus),
    ("s3:GetObject", Results),
];

/// The role of `schedule-evaluator`.
pub const SCHEDULE_EVALUATOR_ROLE: &[Permission] = &[
    ("dynamodb:BatchGetItem", Table),
    ("dynamodb:BatchWriteItem", Table),
    ("dynamodb:ConditionCheckItem", Table),
    ("dynamodb:DeleteItem", Table),
    ("dynamodb:GetItem", Table),
    ("dynamodb:PutItem", Table),
    ("dynamodb:Query", Table),
    ("dynamodb:Query", WakeIndex),
    ("events:PutEvents", Bus),
];

/// The role of `payload-executor`.
pub const PAYLOAD_EXECUTOR_ROLE: &[Permission] = &[
    ("dynamodb:ConditionCheckItem", Table),
    ("dynamodb:DeleteItem", Table),
    ("dynamodb:GetItem", Table),
    ("dynamodb:PutItem", Table),
    ("dynamodb:Query", Table),
    ("events:PutEvents", Bus),
    ("lambda:InvokeFunction", TargetFunctions),
    ("s3:AbortMultipartUpload", Results),
    ("s3:GetObject", Results),
    ("s3:ListBucket", ResultsBucket),
    ("s3:PutObject", Results),
];

/// What a call asks for that a role has to allow.
///
/// # Errors
/// When nobody has said yet what an operation asks for; it is then refused.
pub(crate) fn asked_for(service: &str, operation: &str, input: &Input) -> Result<Vec<Permission>, BoxError> {
    Ok(match (service, operation) {
        ("DynamoDB", "BatchGetItem") => vec![("dynamodb:BatchGetItem", Table)],
        ("DynamoDB", "BatchWriteItem") => vec![("dynamodb:BatchWriteItem", Table)],
        ("DynamoDB", "DeleteItem") => vec![("dynamodb:DeleteItem", Table)],
        ("DynamoDB", "GetItem") => vec![("dynamodb:GetItem", Table)],
        ("DynamoDB", "PutItem") => vec![("dynamodb:PutItem", Table)],
        ("DynamoDB", "UpdateItem") => vec![("dynamodb:UpdateItem", Table)],
        ("DynamoDB", "Query") => {
            let of_index = input.downcast_ref::<QueryInput>().is_some_and(|query| query.index_name.is_some());
            vec![("dynamodb:Query", if of_index { WakeIndex } else { Table })]
        }
        // There is no permission for a transaction, just those for what is in it.
        ("DynamoDB", "TransactWriteItems") => {
            let transaction = input.downcast_ref::<TransactWriteItemsInput>();
            transaction
                .and_then(|transaction| transaction.transact_items.as_ref())
                .into_iter()
                .flatten()
                .map(of_write)
                .collect()
        }
        ("EventBridge", "PutEvents") => vec![("events:PutEvents", Bus)],
        ("Lambda", "Invoke") => vec![("lambda:InvokeFunction", TargetFunctions)],
        ("S3", "GetObject") => vec![("s3:GetObject", Results)],
        // S3 tells only who may list a bucket that an object is not there; others hear that they must not see it.
        ("S3", "HeadObject") => vec![("s3:GetObject", Results), ("s3:ListBucket", ResultsBucket)],
        ("S3", "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload") => {
            vec![("s3:PutObject", Results)]
        }
        ("S3", "AbortMultipartUpload") => vec![("s3:AbortMultipartUpload", Results)],
        _ => return Err(format!("no role allows {service}.{operation}; see usage_roles.rs and template.yaml").into()),
    })
}

fn of_write(write: &TransactWriteItem) -> Permission {
    let action = match write {
        TransactWriteItem { condition_check: Some(_), .. } => "dynamodb:ConditionCheckItem",
        TransactWriteItem { delete: Some(_), .. } => "dynamodb:DeleteItem",
        TransactWriteItem { update: Some(_), .. } => "dynamodb:UpdateItem",
        _ => "dynamodb:PutItem",
    };
    (action, Table)
}
