//! What a schedule means, in words: "at 09:00 on Monday to Friday, Europe/Berlin, except 25 December".

use sundial_model::duration::in_words;
use sundial_model::schedule::{
    CalendarUnit, DayOfWeek, DaylightSaving, Fold, Gap, Interval, Month, ScheduleSpecification,
};

use super::CompiledSchedule;
use super::civil::FIRST_YEAR;
use super::cron_string;
use super::fields::{ALL_HOURS, ALL_MINUTES, ALL_YEARS, Fields};

impl CompiledSchedule {
    /// The schedule in words; `specification` is what it was compiled from.
    pub fn in_words(&self, specification: &ScheduleSpecification) -> String {
        let has_zone = specification.timezone.is_some();
        let intervals = specification.intervals.iter().map(|interval| interval_in_words(*interval, has_zone));
        let calendars = specification.calendars.iter().map(Fields::of_entry);
        // It was compiled, so that its cron strings can be read.
        let cron = specification.cron.iter().filter_map(|text| cron_string::read(text).ok());
        let calendars = calendars.chain(cron).map(|fields| calendar_in_words(&fields));
        let mut words = intervals.chain(calendars).collect::<Vec<_>>().join("; and ");
        let has_local_times = !self.entries.is_empty() || !self.exclusions.is_empty();
        if has_local_times {
            words += &format!(", {}", specification.timezone.as_deref().unwrap_or("UTC"));
        }
        if !self.exclusions.is_empty() {
            let exclusions: Vec<_> =
                specification.exclusions.iter().map(|it| exclusion_in_words(&Fields::of_exclusion(it))).collect();
            words += &format!(", except {}", exclusions.join(" and except "));
        }
        if let Some(policy) = specification.dst.filter(|_| has_local_times) {
            words += dst_in_words(policy);
        }
        if let Some(start) = specification.start_at {
            words += &format!(", from {start}");
        }
        if let Some(end) = specification.end_at {
            words += &format!(", until {end}");
        }
        if self.jitter_ms > 0 {
            words += &format!(", each up to {} later", in_words(self.jitter_ms));
        }
        words
    }
}

fn dst_in_words(policy: DaylightSaving) -> &'static str {
    match (policy.gap, policy.fold) {
        (Gap::Shift, Fold::First) => "",
        (Gap::Shift, Fold::Last) => ", the second time when local time repeats itself",
        (Gap::Shift, Fold::Both) => ", both times when local time repeats itself",
        (Gap::Skip, Fold::First) => ", not when local time leaves it out",
        (Gap::Skip, Fold::Last) => ", not when local time leaves it out and the second time when it repeats itself",
        (Gap::Skip, Fold::Both) => ", not when local time leaves it out and both times when it repeats itself",
    }
}

/// Intervals are those of UTC, which is said where a time zone stands beside them.
fn interval_in_words(interval: Interval, has_zone: bool) -> String {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let (every, offset) = (interval.every.get(), interval.offset.get());
    let offset = if offset == 0 { String::new() } else { format!(" and {} past", in_words(offset)) };
    // Below a day nobody asks what it is counted from.
    let origin = match every {
        every if every > DAY_MS => ", counted from Thursday, 1 January 1970, 00:00 UTC",
        _ if has_zone => " (UTC)",
        _ => "",
    };
    let weekday = every.is_multiple_of(7 * DAY_MS).then(|| {
        let name = weekday_name(u32::try_from((interval.offset.get() / DAY_MS + 4) % 7).unwrap_or(0));
        format!(", so on {name}s")
    });
    format!("every {}{offset}{origin}{}", in_words(every), weekday.unwrap_or_default())
}

fn calendar_in_words(calendar: &Fields) -> String {
    let parts = [
        Some(time_in_words(calendar, true)),
        days_in_words(calendar),
        months_in_words(calendar),
        years_in_words(calendar),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn exclusion_in_words(calendar: &Fields) -> String {
    let is_whole_day =
        calendar.hours == ALL_HOURS && calendar.minutes == ALL_MINUTES && calendar.seconds == ALL_MINUTES;
    if let (true, [day], [month], None, None) = (
        is_whole_day && calendar.days_from_end == 0,
        bits(calendar.days_of_month, 1, 31).as_slice(),
        bits(calendar.months, 1, 12).as_slice(),
        weekdays_in_words(calendar),
        years_in_words(calendar),
    ) {
        return format!("{day} {}", month_name(*month));
    }
    let time = (!is_whole_day).then(|| time_in_words(calendar, false));
    let parts = [time, days_in_words(calendar), months_in_words(calendar), years_in_words(calendar)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// An entry is due at a second; an exclusion covers minutes and hours, so that a second 0 is worth a word.
fn time_in_words(calendar: &Fields, is_entry: bool) -> String {
    let (hours, minutes, seconds) =
        (bits(calendar.hours, 0, 23), bits(calendar.minutes, 0, 59), bits(calendar.seconds, 0, 59));
    let has_every_minute = calendar.minutes == ALL_MINUTES;
    match (hours.as_slice(), minutes.as_slice(), seconds.as_slice()) {
        (hours, [minute], [second]) if hours.len() <= 4 => {
            let second = if *second == 0 { String::new() } else { format!(":{second:02}") };
            let times = hours.iter().map(|hour| format!("{hour:02}:{minute:02}{second}"));
            format!("at {}", times.collect::<Vec<_>>().join(", "))
        }
        (_, _, [0]) if is_entry && has_every_minute => format!("every minute{}", of_hours(calendar)),
        (_, _, [0]) if is_entry => {
            format!("at {}{}", list("minute", &minutes, |it| it.to_string()), of_hours(calendar))
        }
        _ => {
            let seconds = if calendar.seconds == ALL_MINUTES {
                "every second".to_owned()
            } else {
                format!("at {}", list("second", &seconds, |it| it.to_string()))
            };
            let minutes = match has_every_minute {
                true if calendar.seconds == ALL_MINUTES => String::new(),
                true => " of every minute".to_owned(),
                false => format!(" of {}", list("minute", &minutes, |it| it.to_string())),
            };
            format!("{seconds}{minutes}{}", of_hours(calendar))
        }
    }
}

fn of_hours(calendar: &Fields) -> String {
    if calendar.hours == ALL_HOURS {
        return " of every hour".to_owned();
    }
    format!(" of {}", list("hour", &bits(calendar.hours, 0, 23), |hour| hour.to_string()))
}

fn days_in_words(calendar: &Fields) -> Option<String> {
    let days: Vec<_> = [weekdays_in_words(calendar), days_of_month_in_words(calendar)].into_iter().flatten().collect();
    (!days.is_empty()).then(|| format!("on {}", days.join(" when that is ")))
}

fn weekdays_in_words(calendar: &Fields) -> Option<String> {
    let days = bits(calendar.days_of_week, 0, 6);
    if days.len() == 7 && calendar.nth.is_none() {
        return None;
    }
    // Weeks begin on Monday here, so that a weekend is one run.
    let mut days: Vec<u32> = days.into_iter().map(|day| (day + 6) % 7).collect();
    days.sort_unstable();
    let name = |day: u32| weekday_name((day + 1) % 7);
    let Some(nth) = calendar.nth else { return Some(runs(&days, name)) };
    let which = match nth {
        -1 => "last".to_owned(),
        nth if nth < 0 => format!("{} from its end", ordinal(nth.unsigned_abs().into())),
        nth => ordinal(nth.unsigned_abs().into()).to_owned(),
    };
    let each: Vec<_> = days.iter().map(|day| name(*day)).collect();
    let each = each.join(&format!(" and the {which} "));
    Some(format!("the {which} {each} of the month"))
}

fn weekday_name(day: u32) -> String {
    capitalized(DayOfWeek::VALUE_NAMES[(day % 7) as usize])
}

fn days_of_month_in_words(calendar: &Fields) -> Option<String> {
    let days = bits(calendar.days_of_month, 1, 31);
    if days.len() == 31 {
        return None;
    }
    let from_start = (!days.is_empty()).then(|| list("day", &days, |day| day.to_string()));
    let from_end = bits(calendar.days_from_end, 0, 31).into_iter().map(|before| match before {
        0 => "the last day".to_owned(),
        1 => "the day before the last".to_owned(),
        before => format!("the day {before} days before the last"),
    });
    let days: Vec<_> = from_start.into_iter().chain(from_end).collect();
    Some(format!("{} of the month", days.join(" and ")))
}

fn months_in_words(calendar: &Fields) -> Option<String> {
    let months = bits(calendar.months, 1, 12);
    (months.len() < 12).then(|| format!("in {}", runs(&months, month_name)))
}

fn years_in_words(calendar: &Fields) -> Option<String> {
    if calendar.years == ALL_YEARS {
        return None;
    }
    let is_set = |year: &u32| {
        let bit = *year as usize - FIRST_YEAR as usize;
        calendar.years.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    };
    let years: Vec<u32> = (1970..=2100).filter(is_set).collect();
    Some(format!("in {}", runs(&years, |year| year.to_string())))
}

fn bits(mask: u64, first: u32, last: u32) -> Vec<u32> {
    (first..=last).filter(|bit| mask >> bit & 1 == 1).collect()
}

/// "minute 5", or "minutes 0, 15 and 30 to 40".
fn list(unit: &str, numbers: &[u32], name: impl Fn(u32) -> String) -> String {
    let plural = if numbers.len() == 1 { "" } else { "s" };
    format!("{unit}{plural} {}", runs(numbers, name))
}

/// Numbers in order, three and more in a row as a range.
fn runs(numbers: &[u32], name: impl Fn(u32) -> String) -> String {
    let mut parts = Vec::new();
    for run in numbers.chunk_by(|one, other| one + 1 == *other) {
        match run {
            [first, _, .., last] => parts.push(format!("{} to {}", name(*first), name(*last))),
            few => parts.extend(few.iter().map(|number| name(*number))),
        }
    }
    match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => parts.concat(),
    }
}

fn month_name(month: u32) -> String {
    capitalized(Month::VALUE_NAMES[(month as usize).saturating_sub(1) % 12])
}

fn capitalized(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{first}{}", rest.to_lowercase())
}

fn ordinal(number: u32) -> &'static str {
    ["zeroth", "first", "second", "third", "fourth", "fifth"].get(number as usize).copied().unwrap_or("next")
}

#[cfg(test)]
mod tests;
