//! Where slots and payloads are: none is lost, and none is in two places.

use sundial_store::{LANE_SLOTS_MAX, PayloadRange, Queue, StoredJobRun};

use super::WorkBook;

impl WorkBook {
    /// The lanes hold no more slots than the limit allows, but for what they held before it was lowered.
    pub(super) fn check_slots(&self, before: Option<Queue>) -> Result<(), String> {
        let Some(queue) = self.queue else { return Ok(()) };
        let held: u32 = self.lanes.values().map(|lane| lane.slots).sum();
        if let Some(lane) = self.lanes.values().find(|lane| lane.owner.is_none() && lane.slots > 0) {
            return Err(format!("lane {} has no worker and {} slots", lane.number, lane.slots));
        }
        if held != queue.slots_held || self.lanes.values().any(|lane| lane.slots > LANE_SLOTS_MAX) {
            return Err(format!("the lanes hold {held} slots, the queue says {}", queue.slots_held));
        }
        let before = before.map_or(0, |before| before.slots_held);
        if held > queue.limit && held > before {
            return Err(format!("the lanes hold {held} slots of {}", queue.limit));
        }
        Ok(())
    }

    /// Every payload that is to be carried out is in one place: one lane, the queue, or what was
    /// given back.
    pub(super) fn check_places(&mut self) -> Result<(), String> {
        let (Some(run), Some(queue)) = (self.run.clone(), self.queue) else { return Ok(()) };
        if run.status.is_terminal() {
            return self.check_end(&run, queue);
        }
        let is_open = |index: u32| self.is_open(index);
        let mut places = vec![0_u8; queue.total as usize];
        let note = |places: &mut Vec<u8>, index: u32| {
            let place = places.get_mut(index as usize).ok_or("a payload is claimed that is not there")?;
            *place += 1;
            Ok::<(), String>(())
        };
        for lane in self.lanes.values() {
            let ranges: Vec<PayloadRange> =
                lane.claims.iter().copied().chain(lane.suspects.iter().map(|suspects| suspects.range)).collect();
            let mut unfinished = 0;
            for index in ranges.iter().flat_map(|range| range.start..range.end).filter(|index| is_open(*index)) {
                note(&mut places, index)?;
                unfinished += 1;
            }
            let is_known = lane.owner.is_some() || lane.unfinished >= unfinished;
            if !is_known {
                return Err(format!("lane {} counts {} and has {unfinished}", lane.number, lane.unfinished));
            }
        }
        let mut put_back = 0;
        for ranges in self.put_backs.values().map(|put_back| &put_back.ranges) {
            for index in ranges.iter().flat_map(|range| range.start..range.end) {
                note(&mut places, index)?;
                put_back += 1;
            }
        }
        if put_back != queue.put_back {
            return Err(format!("{put_back} payloads are given back, the queue says {}", queue.put_back));
        }
        for index in (0..queue.total).filter(|index| is_open(*index)) {
            let places = places[index as usize] + u8::from(index >= queue.next);
            if places != 1 {
                return Err(format!("payload {index} is in {places} places"));
            }
        }
        Ok(())
    }

    /// A run that has ended by its payloads has none left, but for those over its most runs.
    fn check_end(&mut self, run: &StoredJobRun, queue: Queue) -> Result<(), String> {
        let ended_by_itself = run.reason.is_none();
        if let Some(index) = (0..queue.end()).find(|index| ended_by_itself && self.is_open(*index)) {
            return Err(format!("the run is {:?}, but payload {index} is to be carried out", run.status));
        }
        if ended_by_itself && !self.put_backs.is_empty() {
            return Err(format!("the run is {:?}, but payloads are given back", run.status));
        }
        for index in (0..queue.total).filter(|index| !self.ended.contains_key(index)) {
            self.canceled.entry(index).or_insert(run.generation);
        }
        self.put_backs.clear();
        Ok(())
    }
}
