//! Where the deliveries of a segment stand, by all that is on record of them.

use std::collections::HashMap;

use sundial_model::run::DeliveryStatus;

use crate::outcome::DeliveryRecord;
use crate::redelivery::DeliveryRequest;

/// Where the delivery of a payload's result stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStanding {
    /// It was not tried to its end.
    Pending,
    /// It has ended.
    Ended {
        /// Whether it was taken.
        was_delivered: bool,
        /// How often it had been requested again.
        round: u32,
    },
}

/// Where the deliveries of a segment stand.
#[derive(Clone, Debug, Default)]
pub struct SegmentDeliveries(HashMap<(u32, u32), (u32, Option<DeliveryStatus>)>);

impl SegmentDeliveries {
    pub(crate) fn new(records: &[DeliveryRecord], requests: &[DeliveryRequest]) -> Self {
        let mut latest: HashMap<(u32, u32), (u32, Option<DeliveryStatus>)> = HashMap::new();
        let mut note = |index, generation, round, end: Option<DeliveryStatus>| {
            let known = latest.entry((index, generation)).or_insert((round, None));
            // Within a round the order is not needed: it ends once.
            *known = match known.0.cmp(&round) {
                std::cmp::Ordering::Less => (round, end),
                std::cmp::Ordering::Equal => (round, known.1.or(end)),
                std::cmp::Ordering::Greater => *known,
            };
        };
        for record in records {
            let end = Some(record.attempt.status).filter(|status| *status != DeliveryStatus::Retrying);
            note(record.index, record.generation, record.round, end);
        }
        for request in requests {
            request.indices.iter().for_each(|index| note(*index, request.generation, request.round, None));
        }
        Self(latest)
    }

    /// Whether any of them was given up.
    pub fn has_failures(&self) -> bool {
        self.given_up().next().is_some()
    }

    /// Those that were given up: payload, generation, and how often they had been requested again.
    pub fn given_up(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let given_up = self.0.iter().filter(|(_, (_, end))| *end == Some(DeliveryStatus::Failed));
        given_up.map(|((index, generation), (round, _))| (*index, *generation, *round))
    }

    /// Where the delivery of a payload stands that ended in this generation.
    pub fn standing(&self, index: u32, generation: u32) -> DeliveryStanding {
        match self.0.get(&(index, generation)) {
            Some((round, Some(status))) => {
                DeliveryStanding::Ended { was_delivered: *status == DeliveryStatus::Delivered, round: *round }
            }
            _ => DeliveryStanding::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sundial_model::Timestamp;
    use sundial_model::run::DeliveryAttempt;

    fn record(index: u32, generation: u32, round: u32, status: DeliveryStatus) -> DeliveryRecord {
        let attempt = DeliveryAttempt {
            time: Timestamp::EPOCH,
            status,
            status_code: None,
            duration_ms: 0,
            error: None,
            response: None,
        };
        DeliveryRecord { index, generation, round, attempt }
    }

    #[test]
    fn a_delivery_stands_where_its_last_round_has_come_to_whatever_clocks_say() {
        use DeliveryStatus::{Delivered, Failed, Retrying};
        let records = [
            record(1, 1, 0, Failed),
            record(1, 1, 0, Retrying),
            record(2, 1, 1, Delivered),
            record(2, 1, 0, Failed),
            record(3, 1, 0, Delivered),
            record(4, 1, 0, Retrying),
            record(5, 2, 0, Failed),
        ];
        let requests = [
            DeliveryRequest { generation: 1, round: 1, indices: vec![2, 3], is_moot: false },
            DeliveryRequest { generation: 1, round: 1, indices: vec![5], is_moot: false },
        ];
        let deliveries = SegmentDeliveries::new(&records, &requests);
        let ended = |was_delivered, round| DeliveryStanding::Ended { was_delivered, round };
        assert_eq!(deliveries.standing(1, 1), ended(false, 0));
        assert_eq!(deliveries.standing(2, 1), ended(true, 1));
        assert_eq!(deliveries.standing(3, 1), DeliveryStanding::Pending, "it was requested again");
        assert_eq!(deliveries.standing(4, 1), DeliveryStanding::Pending);
        assert_eq!(deliveries.standing(5, 2), ended(false, 0), "the request was for another generation");
        assert_eq!(deliveries.standing(6, 1), DeliveryStanding::Pending, "it was never tried");
    }
}
