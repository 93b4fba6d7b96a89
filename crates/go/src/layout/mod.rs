//! Times as text by Go's layouts, which show how the instant 2006-01-02 15:04:05 -0700 MST is to be written.
//!
//! A layout is written by [`format`] and read by [`parse`] from and into the numbers on a calendar and a clock; what instant
//! that is in which zone is for others to say. Source: <https://pkg.go.dev/time#pkg-constants>.

mod parse;

use std::fmt::Write;

pub use parse::{Parsed, Zone, parse};

/// What stands in a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Year,
    YearOfCentury,
    MonthName,
    MonthShort,
    Month(Pad),
    WeekdayName,
    WeekdayShort,
    Day(Pad),
    DayOfYear(Pad),
    Hour,
    Hour12(Pad),
    Minute(Pad),
    Second(Pad),
    /// `PM` or `pm`.
    Half {
        upper: bool,
    },
    Offset {
        zulu: bool,
        colons: bool,
        parts: usize,
    },
    ZoneName,
    /// `.000`: so many digits; `.999`: up to so many.
    Fraction {
        separator: char,
        digits: usize,
        exact: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pad {
    None,
    Space,
    Zero,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// January is 1.
pub fn month_name(month: u32) -> &'static str {
    MONTHS.get((month as usize).wrapping_sub(1)).copied().unwrap_or("")
}

/// Sunday is 0.
pub fn weekday_name(weekday: u32) -> &'static str {
    WEEKDAYS.get(weekday as usize).copied().unwrap_or("")
}

/// Longer ones of the same beginning first.
const ELEMENTS: [(&str, Element); 33] = [
    ("January", Element::MonthName),
    ("Monday", Element::WeekdayName),
    ("MST", Element::ZoneName),
    ("002", Element::DayOfYear(Pad::Zero)),
    ("01", Element::Month(Pad::Zero)),
    ("02", Element::Day(Pad::Zero)),
    ("03", Element::Hour12(Pad::Zero)),
    ("04", Element::Minute(Pad::Zero)),
    ("05", Element::Second(Pad::Zero)),
    ("06", Element::YearOfCentury),
    ("15", Element::Hour),
    ("1", Element::Month(Pad::None)),
    ("2006", Element::Year),
    ("2", Element::Day(Pad::None)),
    ("__2", Element::DayOfYear(Pad::Space)),
    ("_2", Element::Day(Pad::Space)),
    ("3", Element::Hour12(Pad::None)),
    ("4", Element::Minute(Pad::None)),
    ("5", Element::Second(Pad::None)),
    ("PM", Element::Half { upper: true }),
    ("pm", Element::Half { upper: false }),
    ("-07:00:00", Element::Offset { zulu: false, colons: true, parts: 3 }),
    ("-070000", Element::Offset { zulu: false, colons: false, parts: 3 }),
    ("-07:00", Element::Offset { zulu: false, colons: true, parts: 2 }),
    ("-0700", Element::Offset { zulu: false, colons: false, parts: 2 }),
    ("-07", Element::Offset { zulu: false, colons: false, parts: 1 }),
    ("Z07:00:00", Element::Offset { zulu: true, colons: true, parts: 3 }),
    ("Z070000", Element::Offset { zulu: true, colons: false, parts: 3 }),
    ("Z07:00", Element::Offset { zulu: true, colons: true, parts: 2 }),
    ("Z0700", Element::Offset { zulu: true, colons: false, parts: 2 }),
    ("Z07", Element::Offset { zulu: true, colons: false, parts: 1 }),
    ("Jan", Element::MonthShort),
    ("Mon", Element::WeekdayShort),
];

/// What stands between elements, the first element, and what is behind it.
pub(crate) fn next(layout: &str) -> (&str, Option<Element>, &str) {
    for (at, character) in layout.char_indices() {
        let (before, rest) = layout.split_at(at);
        if matches!(character, '.' | ',')
            && let Some((element, length)) = fraction(rest)
        {
            return (before, Some(element), &rest[length..]);
        }
        // An underscore in front of a year is one.
        if let Some(behind) = rest.strip_prefix("_2006") {
            return (&layout[..at + 1], Some(Element::Year), behind);
        }
        let found = ELEMENTS.iter().find(|(text, _)| rest.starts_with(text));
        let Some((text, element)) = found else { continue };
        let behind = &rest[text.len()..];
        // Words such as `Money` and `Janus` are none.
        let within_word = matches!(element, Element::MonthShort | Element::WeekdayShort)
            && behind.starts_with(|next: char| next.is_ascii_lowercase());
        if !within_word {
            return (before, Some(*element), behind);
        }
    }
    (layout, None, "")
}

/// Zeros or nines behind a point or a comma, and not followed by other digits.
fn fraction(text: &str) -> Option<(Element, usize)> {
    let (separator, digits) = (text.chars().next()?, &text[1..]);
    let digit = digits.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
    let behind = digits.trim_start_matches(digit);
    if behind.starts_with(|next: char| next.is_ascii_digit()) {
        return None;
    }
    let digits = digits.len() - behind.len();
    Some((Element::Fraction { separator, digits, exact: digit == '0' }, 1 + digits))
}

/// An instant on a calendar and a clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moment<'a> {
    pub year: i32,
    /// January is 1.
    pub month: u32,
    pub day: u32,
    /// Sunday is 0.
    pub weekday: u32,
    /// From 1.
    pub day_of_year: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub nanosecond: u32,
    /// Seconds east of UTC.
    pub offset: i32,
    /// `CET`; empty: it has none and its offset is shown instead.
    pub zone: &'a str,
}

/// Writes the moment as the layout says.
pub fn format(layout: &str, moment: &Moment<'_>) -> String {
    let mut text = String::with_capacity(layout.len() + 10);
    let mut rest = layout;
    loop {
        let (before, element, behind) = next(rest);
        text.push_str(before);
        let Some(element) = element else { return text };
        push(&mut text, element, moment);
        rest = behind;
    }
}

fn push(text: &mut String, element: Element, moment: &Moment<'_>) {
    let hour12 = match moment.hour % 12 {
        0 => 12,
        hour => hour,
    };
    match element {
        Element::Year if moment.year < 0 => push_all(text, format_args!("-{:04}", moment.year.unsigned_abs())),
        Element::Year => push_all(text, format_args!("{:04}", moment.year)),
        Element::YearOfCentury => push_number(text, moment.year.unsigned_abs() % 100, Pad::Zero, 2),
        Element::MonthName => text.push_str(month_name(moment.month)),
        Element::MonthShort => text.push_str(short(month_name(moment.month))),
        Element::Month(pad) => push_number(text, moment.month, pad, 2),
        Element::WeekdayName => text.push_str(weekday_name(moment.weekday)),
        Element::WeekdayShort => text.push_str(short(weekday_name(moment.weekday))),
        Element::Day(pad) => push_number(text, moment.day, pad, 2),
        Element::DayOfYear(pad) => push_number(text, moment.day_of_year, pad, 3),
        Element::Hour => push_number(text, moment.hour, Pad::Zero, 2),
        Element::Hour12(pad) => push_number(text, hour12, pad, 2),
        Element::Minute(pad) => push_number(text, moment.minute, pad, 2),
        Element::Second(pad) => push_number(text, moment.second, pad, 2),
        Element::Half { upper } => text.push_str(match (moment.hour >= 12, upper) {
            (true, true) => "PM",
            (true, false) => "pm",
            (false, true) => "AM",
            (false, false) => "am",
        }),
        Element::Offset { zulu: true, .. } if moment.offset == 0 => text.push('Z'),
        Element::Offset { colons, parts, .. } => push_offset(text, moment.offset, colons, parts),
        Element::ZoneName if moment.zone.is_empty() => push_offset(text, moment.offset, false, 2),
        Element::ZoneName => text.push_str(moment.zone),
        Element::Fraction { separator, digits, exact } => {
            push_fraction(text, moment.nanosecond, separator, digits, exact)
        }
    }
}

fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

fn push_all(text: &mut String, written: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(written);
    debug_assert!(written.is_ok(), "writing to a text does not fail");
}

fn push_number(text: &mut String, number: u32, pad: Pad, width: usize) {
    match pad {
        Pad::None => push_all(text, format_args!("{number}")),
        Pad::Space => push_all(text, format_args!("{number:width$}")),
        Pad::Zero => push_all(text, format_args!("{number:0width$}")),
    }
}

fn push_offset(text: &mut String, offset: i32, colons: bool, parts: usize) {
    // Go takes the sign from the minutes: less than one of them is written as `+`.
    let minutes = offset / 60;
    text.push(if minutes < 0 { '-' } else { '+' });
    let (minutes, seconds) = (minutes.unsigned_abs(), offset.unsigned_abs() % 60);
    for (part, number) in [minutes / 60, minutes % 60, seconds].into_iter().take(parts).enumerate() {
        if colons && part > 0 {
            text.push(':');
        }
        push_number(text, number, Pad::Zero, 2);
    }
}

fn push_fraction(text: &mut String, nanosecond: u32, separator: char, digits: usize, exact: bool) {
    let nanos = format!("{nanosecond:09}");
    let shown = nanos.get(..digits).unwrap_or(&nanos);
    if exact {
        text.push(separator);
        text.push_str(shown);
        // More of them than nanoseconds have is nothing that Go writes, either.
        return;
    }
    let shown = shown.trim_end_matches('0');
    if !shown.is_empty() {
        text.push(separator);
        text.push_str(shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Moment<'static> {
        Moment {
            year: 2024,
            month: 3,
            day: 5,
            weekday: 2,
            day_of_year: 65,
            hour: 14,
            minute: 7,
            second: 9,
            nanosecond: 12_300_000,
            offset: -12_600,
            zone: "NST",
        }
    }

    #[test]
    fn moments_are_written_by_their_layout() {
        for (layout, expected) in [
            ("2006-01-02T15:04:05Z07:00", "2024-03-05T14:07:09-03:30"),
            ("2006-01-02T15:04:05.999999999Z07:00", "2024-03-05T14:07:09.0123-03:30"),
            ("2006-01-02T15:04:05.000Z0700", "2024-03-05T14:07:09.012-0330"),
            ("Mon, 02 Jan 2006 15:04:05 MST", "Tue, 05 Mar 2024 14:07:09 NST"),
            ("Monday, January _2, 06 3:04:5PM", "Tuesday, March  5, 24 2:07:9PM"),
            ("1/2 03h 4m pm", "3/5 02h 7m pm"),
            ("002 __2 _2006", "065  65 _2024"),
            ("-07 -0700 -07:00 -070000 -07:00:00", "-03 -0330 -03:30 -033000 -03:30:00"),
            ("Money Janus", "Money Janus"),
            ("05,000", "09,012"),
            ("é 2006 ü", "é 2024 ü"),
            (".0001", ".0003"),
            ("", ""),
        ] {
            assert_eq!(format(layout, &moment()), expected, "{layout}");
        }
        let utc = Moment { offset: 0, zone: "", hour: 0, ..moment() };
        assert_eq!(format("3PM Z07:00 -07 MST", &utc), "12AM Z +00 +0000");
    }
}
