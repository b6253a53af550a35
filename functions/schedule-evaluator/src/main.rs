//! The `schedule-evaluator` function.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use sundial_runtime::metrics::Metrics;
use sundial_runtime::{Clients, Settings, logging};
use sundial_schedule_evaluator::handle;

#[tokio::main]
async fn main() -> Result<(), Error> {
    logging::start();
    let metrics = Metrics::start();
    let clients = Clients::of_function(Settings::from_environment()?);
    run(service_fn(async |event: LambdaEvent<_>| metrics.around(handle(&clients, event)).await)).await
}
