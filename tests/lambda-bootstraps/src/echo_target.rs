//! A function for projects whose target is a function: it gives back its parameters, and fails or takes too long
//! when they say so.
//!
//! `{"failUntilAttempt": n}` is an error of the function before the n-th attempt, and `{"hangUntilAttempt": n}` is no
//! answer before Lambda ends the invocation.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

/// Longer than any timeout that it is given.
const LONG: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(service_fn(async |event: LambdaEvent<Value>| answer(&event.payload).await)).await
}

async fn answer(event: &Value) -> Result<Value, Error> {
    let parameters = &event["parameters"];
    let attempt = event["context"]["attempt"].as_u64().ok_or("the event says no attempt")?;
    let is_before = |name: &str| parameters[name].as_u64().is_some_and(|until| attempt < until);
    if is_before("failUntilAttempt") {
        return Err(format!("attempt {attempt} fails as it was told to").into());
    }
    if is_before("hangUntilAttempt") {
        tokio::time::sleep(LONG).await;
    }
    Ok(json!({ "result": { "api": event["api"], "echo": parameters, "attempt": attempt } }))
}
