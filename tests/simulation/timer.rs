//! The timer: somewhere within each minute a tick, now and then two or none, and in some histories
//! an outage of up to hours in which nothing of ours is invoked.

use std::sync::Arc;
use std::time::Duration;

use crate::world::World;

/// The detail type of the timer's events.
const TICK: &str = "Scheduled Event";

/// Starts it.
pub(crate) fn start(world: &Arc<World>) {
    let world = Arc::clone(world);
    let mut chance = world.draw(|chance, _| chance.fork());
    let within_minute = chance.between(Duration::ZERO, Duration::from_secs(59));
    tokio::spawn(async move {
        tokio::time::sleep(within_minute / 2).await;
        loop {
            if world.is_out() {
                tokio::time::sleep(Duration::from_secs(60)).await;
                continue;
            }
            let wander = chance.between(Duration::ZERO, Duration::from_secs(15));
            let copies = match chance.below(12) {
                0 if world.is_troubled() => 0,
                1 if world.is_troubled() => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let (world, after) = (Arc::clone(&world), wander + Duration::from_millis(chance.below(900)));
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    world.invoke_evaluator(TICK).await;
                });
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    });
}
