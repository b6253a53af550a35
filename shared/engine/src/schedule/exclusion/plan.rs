//! The months of all years, for schedules with exclusions: for each day the class of the exclusions
//! that match it.
//!
//! Years of the same type for which the same exclusions and entries say anything have the same
//! months, and so have months of the same shape. Each of them is looked at once, when it is needed.

use std::collections::HashMap;

use super::Exclusion;
use super::day_class::{DayClass, WHOLE_DAY, bits};
use crate::schedule::civil::{Date, MonthShape, YEARS, type_of_year};
use crate::schedule::days::{Days, all_days};
use crate::schedule::zone::Entry;

/// The place of a day's class among all; none when the whole day is excluded.
pub(super) type ClassId = Option<usize>;

/// A month as the exclusions leave it. Days count from 1.
#[derive(Clone)]
pub(super) struct Month {
    pub(super) classes: [ClassId; 32],
    /// Those among them that are not wholly excluded.
    pub(super) open_classes: Vec<usize>,
    /// The days on which any entry has an open time, bit 1 the first.
    pub(super) days_with_entries: u64,
}

/// Years of one kind: of the same type, with the same entries and exclusions.
struct Kind {
    /// Those that have days in these years.
    relevant: Relevant,
    /// The places of its months among all.
    months: [Option<usize>; 12],
}

/// The places of the entries and exclusions that have days in some years or months.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Relevant {
    entries: Vec<u32>,
    exclusions: Vec<u32>,
}

/// Days of a month that the same exclusions match in part.
#[derive(Clone)]
struct Group {
    days: u64,
    excluded_by: Vec<u32>,
}

/// All months, as far as they have been looked at.
pub(super) struct Plan<'a> {
    entries: &'a [Entry],
    exclusions: &'a [Exclusion],
    all: Relevant,
    kind_of_year: [Option<usize>; YEARS],
    kinds: Vec<Kind>,
    /// By the type of its years.
    kind_by_key: HashMap<(usize, Relevant), usize>,
    months: Vec<Month>,
    month_by_key: HashMap<(MonthShape, Relevant), usize>,
    classes: Vec<DayClass>,
    class_by_exclusions: HashMap<Vec<u32>, ClassId>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(entries: &'a [Entry], exclusions: &'a [Exclusion]) -> Self {
        let all = |count: usize| (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
        Self {
            entries,
            exclusions,
            all: Relevant { entries: all(entries.len()), exclusions: all(exclusions.len()) },
            kind_of_year: [None; YEARS],
            kinds: Vec::new(),
            kind_by_key: HashMap::new(),
            months: Vec::new(),
            month_by_key: HashMap::new(),
            classes: Vec::new(),
            class_by_exclusions: HashMap::new(),
        }
    }

    pub(super) fn class(&self, id: usize) -> &DayClass {
        &self.classes[id]
    }

    /// Looks at the month of a date, unless it was looked at before.
    pub(super) fn prepare(&mut self, date: &Date) {
        let kind = self.kind_of(date.year);
        let index = (date.month as usize - 1) % 12;
        if self.kinds[kind].months[index].is_none() {
            let relevant = &self.kinds[kind].relevant;
            let relevant = relevant.only(self.entries, self.exclusions, |days| days.has_month(date.month));
            let key = (date.shape, relevant);
            let known = self.month_by_key.get(&key).copied();
            let month = known.unwrap_or_else(|| {
                let month = self.look_at(&key.1, date.shape);
                self.months.push(month);
                self.month_by_key.insert(key, self.months.len() - 1);
                self.months.len() - 1
            });
            self.kinds[kind].months[index] = Some(month);
        }
    }

    /// The month of a date, which was prepared.
    pub(super) fn month(&self, date: &Date) -> &Month {
        let kind = self.kind_of_year.get(date.year).copied().flatten();
        let kind = kind.and_then(|kind| self.kinds.get(kind));
        let month = kind.and_then(|kind| kind.months[(date.month as usize - 1) % 12]);
        month.and_then(|month| self.months.get(month)).unwrap_or(&EXCLUDED_MONTH)
    }

    fn kind_of(&mut self, year: usize) -> usize {
        let year = year.min(YEARS - 1);
        if let Some(kind) = self.kind_of_year[year] {
            return kind;
        }
        let relevant = self.all.only(self.entries, self.exclusions, |days| days.has_year(year));
        let kind = *self.kind_by_key.entry((type_of_year(year), relevant)).or_insert_with_key(|(_, relevant)| {
            self.kinds.push(Kind { relevant: relevant.clone(), months: [None; 12] });
            self.kinds.len() - 1
        });
        self.kind_of_year[year] = Some(kind);
        kind
    }

    fn look_at(&mut self, relevant: &Relevant, shape: MonthShape) -> Month {
        let mut month = EXCLUDED_MONTH.clone();
        for Group { days, excluded_by } in self.groups(relevant, shape) {
            let class = self.class_of(excluded_by);
            for day in bits(days) {
                month.classes[day] = class;
            }
            let Some(class) = class else { continue };
            month.open_classes.push(class);
            let class = &self.classes[class];
            for entry in &relevant.entries {
                let calendar = &self.entries[*entry as usize].calendar;
                let days = calendar.days().in_month(shape) & days;
                if days & !month.days_with_entries != 0 && class.first_open_of(calendar.times(), &WHOLE_DAY).is_some() {
                    month.days_with_entries |= days;
                }
            }
        }
        month
    }

    /// The days of a month that are not wholly excluded by one exclusion, by those that match a part.
    fn groups(&self, relevant: &Relevant, shape: MonthShape) -> Vec<Group> {
        let mut left = all_days(shape.length);
        let mut partial = Vec::new();
        for index in &relevant.exclusions {
            let exclusion = &self.exclusions[*index as usize];
            let days = exclusion.days.in_month(shape);
            if exclusion.times.are_all() {
                left &= !days;
            } else if days != 0 {
                partial.push((*index, days));
            }
        }
        if left == 0 {
            return Vec::new();
        }
        let mut groups = vec![Group { days: left, excluded_by: Vec::new() }];
        let mut group_of_day = [0; 32];
        for (index, days) in partial {
            let mut days_left = days & left;
            while days_left != 0 {
                let group = &mut groups[group_of_day[days_left.trailing_zeros() as usize]];
                let outside = group.days & !days;
                let rest = (outside != 0).then(|| Group { days: outside, ..group.clone() });
                group.days &= days;
                group.excluded_by.push(index);
                days_left &= !group.days;
                if let Some(rest) = rest {
                    bits(rest.days).for_each(|day| group_of_day[day] = groups.len());
                    groups.push(rest);
                }
            }
        }
        groups
    }

    fn class_of(&mut self, excluded_by: Vec<u32>) -> ClassId {
        *self.class_by_exclusions.entry(excluded_by).or_insert_with_key(|excluded_by| {
            let class = DayClass::new(excluded_by.iter().map(|index| &self.exclusions[*index as usize].times));
            class.has_open(&WHOLE_DAY).then(|| {
                self.classes.push(class);
                self.classes.len() - 1
            })
        })
    }
}

static EXCLUDED_MONTH: Month = Month { classes: [None; 32], open_classes: Vec::new(), days_with_entries: 0 };

impl Relevant {
    /// Those among these of whose days something holds.
    fn only(&self, entries: &[Entry], exclusions: &[Exclusion], holds: impl Fn(&Days) -> bool) -> Self {
        let entries = |index: &u32| holds(entries[*index as usize].calendar.days());
        let exclusions = |index: &u32| holds(&exclusions[*index as usize].days);
        Self {
            entries: self.entries.iter().copied().filter(entries).collect(),
            exclusions: self.exclusions.iter().copied().filter(exclusions).collect(),
        }
    }
}
