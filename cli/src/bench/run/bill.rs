//! What AWS would ask for a million payloads like those that were measured.
//!
//! List prices of us-east-1, without free tiers. Not in it: what is there without any payloads
//! (the minute's ticks), API Gateway (1 USD for a million requests), storage (DynamoDB 0.25, S3
//! 0.023 USD for a GB and month), a few lines of log for each invocation, and traffic to targets
//! outside of AWS.

use serde::Serialize;
use sundial_devstack::{CallUsage, FunctionUsage};

/// Since when these prices have been in force, as far as we know.
pub(super) const PRICES_SINCE: &str = "November 2024";

/// What one of them costs, in USD.
const WRITE_UNIT: f64 = 0.625 / 1e6;
const READ_UNIT: f64 = 0.125 / 1e6;
const GB_SECOND_ON_ARM64: f64 = 0.000_013_333_4;
const INVOCATION: f64 = 0.20 / 1e6;
const EVENT: f64 = 1.00 / 1e6;
const S3_PUT: f64 = 0.005 / 1e3;
const S3_GET: f64 = 0.000_4 / 1e3;

/// The functions' memory, as in `template.yaml`.
const JOB_API_GB: f64 = 0.25;
const EXECUTOR_GB: f64 = 1.0;

/// One item.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) item: String,
    /// For a million payloads.
    pub(super) quantity: f64,
    pub(super) usd: f64,
}

/// The items for a million payloads, when so many used this.
pub(super) fn of_a_million(payloads: u32, job_api: &FunctionUsage, executor: &FunctionUsage) -> Vec<Line> {
    let times = 1e6 / f64::from(payloads);
    let mut lines = Vec::new();
    for (what, usage, gb) in [("the run", executor, EXECUTOR_GB), ("storing the job", job_api, JOB_API_GB)] {
        let sum = |of: fn(&CallUsage) -> f64| usage.calls.values().map(of).sum::<f64>();
        let s3 = |request: S3Request| {
            let calls = usage.calls.iter().filter(|(call, _)| s3_request(call) == Some(request));
            calls.map(|(_, usage)| usage.calls as f64).sum::<f64>()
        };
        let items = [
            ("DynamoDB write units", sum(|call| call.write_units), WRITE_UNIT),
            ("DynamoDB read units", sum(|call| call.read_units), READ_UNIT),
            ("Lambda GB-seconds", usage.milliseconds as f64 / 1e3 * gb, GB_SECOND_ON_ARM64),
            ("Lambda invocations", usage.invocations as f64, INVOCATION),
            ("EventBridge events", sum(|call| call.events as f64), EVENT),
            ("S3 PUT and the like", s3(S3Request::Put), S3_PUT),
            ("S3 GET and the like", s3(S3Request::Get), S3_GET),
        ];
        for (item, quantity, price) in items.into_iter().filter(|(_, quantity, _)| *quantity > 0.0) {
            let quantity = quantity * times;
            lines.push(Line { item: format!("{what}: {item}"), quantity, usd: quantity * price });
        }
    }
    lines
}

/// What S3 asks two prices for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum S3Request {
    Put,
    Get,
}

/// Each step of an upload in parts is a PUT, listing is one, too, and what deletes is free.
fn s3_request(call: &str) -> Option<S3Request> {
    match call.strip_prefix("S3.")? {
        "GetObject" | "HeadObject" => Some(S3Request::Get),
        free if free.starts_with("Delete") || free.starts_with("Abort") => None,
        _ => Some(S3Request::Put),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_payloads_cost_what_their_parts_do() {
        let call = CallUsage { calls: 10, read_units: 100.0, write_units: 500.0, events: 2, ..CallUsage::default() };
        let calls = [("DynamoDB.TransactWriteItems".to_owned(), call), ("S3.UploadPart".to_owned(), call)];
        let executor =
            FunctionUsage { invocations: 1, running: 0, milliseconds: 3_000, calls: calls.into_iter().collect() };
        let bill = of_a_million(1_000, &FunctionUsage::default(), &executor);
        let usd = |item: &str| bill.iter().find(|line| line.item.ends_with(item)).map(|line| line.usd);
        let expected = [
            // Two calls each, a thousand times.
            ("write units", 0.625),
            ("read units", 0.025),
            ("GB-seconds", 3_000.0 * 0.000_013_333_4),
            ("invocations", 0.000_2),
            ("events", 0.004),
            ("S3 PUT and the like", 0.05),
        ];
        for (item, expected) in expected {
            assert!(usd(item).is_some_and(|usd| (usd - expected).abs() < 1e-9), "{item}: {:?}", usd(item));
        }
        assert_eq!(bill.len(), expected.len());
    }
}
