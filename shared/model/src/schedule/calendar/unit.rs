//! The units of time that a calendar entry restricts, with the bounds and the names of their values.

/// A unit of time that a calendar entry restricts.
pub trait CalendarUnit {
    /// Its name in words.
    const NAME: &'static str;
    /// Its smallest value.
    const MIN: u32;
    /// Its largest value.
    const MAX: u32;
    /// The names of its values from `MIN` on; empty when they have none.
    const VALUE_NAMES: &'static [&'static str] = &[];
    /// Whether an end of `MIN` counts as the value after `MAX` when the start is another value.
    const END_WRAPS: bool = false;
    /// Whether values may be counted from the end, as in `"L-3"`.
    const COUNTS_FROM_END: bool = false;
}

macro_rules! unit {
    ($(#[$documentation:meta])* $name:ident { $($constant:ident: $type:ty = $value:expr),+ }) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;
        impl CalendarUnit for $name { $(const $constant: $type = $value;)+ }
    };
}

unit!(/// 0 to 59.
    Second { NAME: &'static str = "second", MIN: u32 = 0, MAX: u32 = 59 });
unit!(/// 0 to 59.
    Minute { NAME: &'static str = "minute", MIN: u32 = 0, MAX: u32 = 59 });
unit!(/// 0 to 23.
    Hour { NAME: &'static str = "hour", MIN: u32 = 0, MAX: u32 = 23 });
unit!(/// 1 to 31, or counted from the month's end.
    DayOfMonth { NAME: &'static str = "day of month", MIN: u32 = 1, MAX: u32 = 31, COUNTS_FROM_END: bool = true });
unit!(/// 1 to 12, or its name.
Month {
    NAME: &'static str = "month", MIN: u32 = 1, MAX: u32 = 12,
    VALUE_NAMES: &'static [&'static str] = &[
        "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER",
        "NOVEMBER", "DECEMBER",
    ]
});
unit!(/// 0 (Sunday) to 6, or its name.
DayOfWeek {
    NAME: &'static str = "day of week", MIN: u32 = 0, MAX: u32 = 6,
    VALUE_NAMES: &'static [&'static str] =
        &["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"],
    END_WRAPS: bool = true
});
unit!(/// 2000 to 2100.
    Year { NAME: &'static str = "year", MIN: u32 = 2000, MAX: u32 = 2100 });
