//! What a transaction says of a run, in a few words.

use sundial_store::inspection::WorkChange;

/// Changes in a few words.
pub(crate) fn in_words(changes: &[WorkChange]) -> String {
    let words = changes.iter().map(|change| match change {
        WorkChange::Run(run) => format!("{:?} generation {}", run.status, run.generation),
        WorkChange::Queue(queue) => format!(
            "queue {}/{} +{} slots {}/{}",
            queue.next, queue.total, queue.put_back, queue.slots_held, queue.limit
        ),
        WorkChange::Lane(lane) => format!(
            "lane {} {:?}{} {} slots {} claims {:?} suspects {:?}",
            lane.number,
            lane.phase,
            if lane.is_draining { " draining" } else { "" },
            lane.owner.as_ref().map_or("free", |owner| &owner[..4]),
            lane.slots,
            lane.claims.iter().map(|range| (range.start, range.end)).collect::<Vec<_>>(),
            lane.suspects.iter().map(|it| (it.range.start, it.range.end, it.losses, it.in_flight)).collect::<Vec<_>>()
        ),
        WorkChange::Outcomes(_, outcomes) => {
            format!("ended {:?}", outcomes.iter().map(|outcome| outcome.index).collect::<Vec<_>>())
        }
        WorkChange::Attempts(_, attempts) => {
            format!("again {:?}", attempts.iter().map(|it| (it.index, it.failed.attempt)).collect::<Vec<_>>())
        }
        WorkChange::PutBack(_, put_back) => format!("put back {:?} {}", put_back.ranges, put_back.due_at),
        WorkChange::Taken(_) => "taken".to_owned(),
        WorkChange::Due(..) => "due".to_owned(),
        WorkChange::Tried(_) => "tried".to_owned(),
        WorkChange::Deliveries(records) => {
            format!("deliveries {:?}", records.iter().map(|it| (it.index, it.attempt.status)).collect::<Vec<_>>())
        }
        WorkChange::Requested(request) => format!("requested {:?} for round {}", request.indices, request.round),
        WorkChange::Closing(closing) => format!("closing {:?}", closing.export),
    });
    words.collect::<Vec<_>>().join("; ")
}
