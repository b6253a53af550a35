//! The `schedule-evaluator` function.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use sundial_runtime::metrics::Metrics;
use sundial_runtime::{Clients, Settings, logging};
use sundial_schedule_evaluator::{handle, set_aside};

#[tokio::main]
async fn main() -> Result<(), Error> {
    logging::start();
    // Lambda leaves this folder as it is when it starts a process anew that has died.
    set_aside::start(std::env::temp_dir().join("sundial-set-aside"));
    let metrics = Metrics::start();
    let clients = Clients::of_function(Settings::from_environment()?);
    run(service_fn(async |event: LambdaEvent<_>| metrics.around(handle(&clients, event)).await)).await
}
