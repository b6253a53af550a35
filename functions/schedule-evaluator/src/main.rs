//! The `schedule-evaluator` function.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use sundial_runtime::{Clients, Settings, logging};
use sundial_schedule_evaluator::handle;

#[tokio::main]
async fn main() -> Result<(), Error> {
    logging::start();
    let clients = Clients::new(Settings::from_environment()?).await?;
    run(service_fn(async |event: LambdaEvent<_>| handle(&clients, event).await)).await
}
