//! The `payload-executor` function.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use sundial_payload_executor::handle;
use sundial_runtime::{Clients, Settings, logging};

#[tokio::main]
async fn main() -> Result<(), Error> {
    logging::start();
    let clients = Clients::new(Settings::from_environment()?).await?;
    run(service_fn(async |event: LambdaEvent<_>| handle(&clients, event).await)).await
}
