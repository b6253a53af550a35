//! The `payload-executor` function.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use sundial_payload_executor::handle;
use sundial_runtime::metrics::Metrics;
use sundial_runtime::{Clients, Settings, logging};

#[tokio::main]
async fn main() -> Result<(), Error> {
    logging::start();
    let metrics = Metrics::start();
    let clients = Clients::of_function(Settings::from_environment()?);
    run(service_fn(async |event: LambdaEvent<_>| metrics.around(handle(&clients, event)).await)).await
}
