//! The sample events, which `sam local invoke -e` takes, are what the functions take.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use sundial_model::event::WorkReady;
use sundial_runtime::clock;

use crate::harness::Cloud;

fn in_time<T>(event: T) -> LambdaEvent<T> {
    let mut context = Context::default();
    context.deadline = u64::try_from(clock::now().milliseconds()).unwrap() + 20_000;
    LambdaEvent::new(event, context)
}

#[tokio::test]
async fn the_job_api_takes_api_gateways_events() {
    let cloud = Cloud::start().await;
    let router = sundial_job_api::router::router(cloud.dev.clients().clone());
    for (sample, status) in [
        (include_str!("../events/api-gateway-get-health.json"), 200),
        // Its key is none of ours.
        (include_str!("../events/api-gateway-create-job.json"), 401),
    ] {
        let event = in_time(serde_json::from_str(sample).unwrap());
        let answer = sundial_job_api::handle(router.clone(), event).await.unwrap();
        assert_eq!(answer["statusCode"], status, "{answer}");
    }
}

#[tokio::test]
async fn the_evaluator_and_the_executor_take_the_bus_events() {
    let cloud = Cloud::start().await;
    let clients = cloud.dev.clients();
    for sample in
        [include_str!("../events/eventbridge-tick.json"), include_str!("../events/eventbridge-schedule-changed.json")]
    {
        let event: EventBridgeEvent<Value> = serde_json::from_str(sample).unwrap();
        sundial_schedule_evaluator::handle(clients, in_time(event)).await.unwrap();
    }
    let sample = include_str!("../events/eventbridge-work-ready.json");
    let event: EventBridgeEvent<WorkReady> = serde_json::from_str(sample).unwrap();
    // There is no such run: it was deleted, say. The event is done with.
    sundial_payload_executor::handle(clients, in_time(event)).await.unwrap();
}
