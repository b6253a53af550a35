//! The `job-api` function.

use lambda_http::lambda_runtime::{self, Error};
use sundial_job_api::router::router;
use sundial_runtime::{Clients, Settings, logging};

#[tokio::main]
async fn main() -> Result<(), Error> {
    logging::start();
    let clients = Clients::of_function(Settings::from_environment()?);
    lambda_runtime::run(lambda_http::Adapter::from(router(clients))).await
}
