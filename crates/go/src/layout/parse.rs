//! Texts into moments, by a layout.

use crate::quote::quote_bytes as quote;

use super::{Element, MONTHS, Pad, WEEKDAYS, next, short};

/// What a text says about its zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zone {
    /// Nothing: it is for the reader to know.
    Unknown,
    Utc,
    /// Seconds east of UTC, and the name beside them.
    Offset(i32, Option<String>),
    /// An abbreviation (`CET`), or `GMT+3`.
    Name(String),
}

/// What a text says by its layout; numbers that are not in the layout are those of January 1 of the year 0, midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    pub year: i32,
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub nanosecond: u32,
    pub zone: Zone,
}

/// Reads a text by its layout. The error is Go's: `parsing time "x" as "2006": cannot parse "x" as "2006"`.
pub fn parse(layout: &str, text: &str) -> Result<Parsed, String> {
    let mut reading = Reading::default();
    let (mut layout_rest, mut rest) = (layout, text);
    loop {
        let (before, element, behind) = next(layout_rest);
        let cannot = |what: &str, rest: &str| {
            let [text, layout, rest, what] = [text, layout, rest, what].map(quote);
            format!("parsing time {text} as {layout}: cannot parse {rest} as {what}")
        };
        let wrong = |what: &str| format!("parsing time {}: {what}", quote(text));
        rest = skip(rest, before).map_err(|rest| cannot(before, rest))?;
        let Some(element) = element else {
            if !rest.is_empty() {
                return Err(wrong(&format!("extra text: {}", quote(rest))));
            }
            return reading.finish().map_err(|what| wrong(&what));
        };
        let written = &layout_rest[before.len()..layout_rest.len() - behind.len()];
        rest = match reading.take(element, rest, behind) {
            Ok(rest) => rest,
            Err(Wrong::Form) => return Err(cannot(written, rest)),
            Err(Wrong::Range(what)) => return Err(wrong(&format!("{what} out of range"))),
        };
        layout_rest = behind;
    }
}

/// What stands between elements has to stand in the text, too; any number of spaces is as good as any other.
fn skip<'a>(mut text: &'a str, mut between: &str) -> Result<&'a str, &'a str> {
    while let Some(character) = between.chars().next() {
        if character == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return Err(text);
            }
            (between, text) = (between.trim_start_matches(' '), text.trim_start_matches(' '));
            continue;
        }
        text = text.strip_prefix(character).ok_or(text)?;
        between = &between[character.len_utf8()..];
    }
    Ok(text)
}

enum Wrong {
    Form,
    Range(&'static str),
}

#[derive(Default)]
struct Reading {
    year: i32,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
    afternoon: Option<bool>,
    utc: bool,
    offset: Option<i32>,
    zone: Option<String>,
}

impl Reading {
    /// What is left of the text.
    fn take<'a>(&mut self, element: Element, text: &'a str, behind: &str) -> Result<&'a str, Wrong> {
        match element {
            Element::Year => {
                let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
                self.year = digits.and_then(|digits| digits.parse().ok()).ok_or(Wrong::Form)?;
                Ok(&text[4..])
            }
            Element::YearOfCentury => {
                let (year, rest) = number(text, true)?;
                self.year = year as i32 + if year >= 69 { 1900 } else { 2000 };
                Ok(rest)
            }
            Element::MonthName | Element::MonthShort => {
                let (index, rest) = name(&MONTHS, text, element == Element::MonthShort)?;
                self.month = Some(index + 1);
                Ok(rest)
            }
            Element::WeekdayName | Element::WeekdayShort => {
                Ok(name(&WEEKDAYS, text, element == Element::WeekdayShort)?.1)
            }
            Element::Month(pad) => {
                let (month, rest) = within(number(text, pad == Pad::Zero)?, 1, 12, "month")?;
                self.month = Some(month);
                Ok(rest)
            }
            Element::Day(pad) => {
                let text = if pad == Pad::Space { text.strip_prefix(' ').unwrap_or(text) } else { text };
                let (day, rest) = number(text, pad == Pad::Zero)?;
                self.day = Some(day);
                Ok(rest)
            }
            Element::DayOfYear(pad) => {
                let mut text = text;
                for _ in 0..2 {
                    text = if pad == Pad::Space { text.strip_prefix(' ').unwrap_or(text) } else { text };
                }
                let digits = text.bytes().take(3).take_while(u8::is_ascii_digit).count();
                if digits == 0 || (pad == Pad::Zero && digits < 3) {
                    return Err(Wrong::Form);
                }
                self.day_of_year = text[..digits].parse().ok();
                Ok(&text[digits..])
            }
            Element::Hour => {
                let (hour, rest) = within(number(text, false)?, 0, 23, "hour")?;
                self.hour = hour;
                Ok(rest)
            }
            Element::Hour12(pad) => {
                let (hour, rest) = within(number(text, pad == Pad::Zero)?, 0, 12, "hour")?;
                self.hour = hour;
                Ok(rest)
            }
            Element::Minute(pad) => {
                let (minute, rest) = within(number(text, pad == Pad::Zero)?, 0, 59, "minute")?;
                self.minute = minute;
                Ok(rest)
            }
            Element::Second(pad) => {
                let (second, rest) = within(number(text, pad == Pad::Zero)?, 0, 59, "second")?;
                self.second = second;
                // A fraction may stand where the layout has none.
                if matches!(next(behind), ("", Some(Element::Fraction { .. }), _)) {
                    return Ok(rest);
                }
                Ok(self.take_fraction(rest).unwrap_or(rest))
            }
            Element::Half { upper } => {
                let (before, after) = if upper { ("AM", "PM") } else { ("am", "pm") };
                self.afternoon = Some(text.starts_with(after));
                text.strip_prefix(after).or(text.strip_prefix(before)).ok_or(Wrong::Form)
            }
            Element::Offset { zulu, colons, parts } => self.take_offset(text, zulu, colons, parts),
            Element::ZoneName => self.take_zone(text),
            Element::Fraction { digits, exact: true, .. } => {
                let fraction = text.get(..1 + digits).ok_or(Wrong::Form)?;
                match self.take_fraction(fraction) {
                    Some("") => Ok(&text[1 + digits..]),
                    _ => Err(Wrong::Form),
                }
            }
            Element::Fraction { exact: false, .. } => Ok(self.take_fraction(text).unwrap_or(text)),
        }
    }

    /// A point or comma and digits, of which nine count.
    fn take_fraction<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let digits = text.strip_prefix(['.', ','])?;
        let behind = digits.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let digits = &digits[..digits.len() - behind.len()];
        if digits.is_empty() {
            return None;
        }
        let nanos = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
        self.nanosecond = nanos.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
        Some(behind)
    }

    fn take_offset<'a>(&mut self, text: &'a str, zulu: bool, colons: bool, parts: usize) -> Result<&'a str, Wrong> {
        if zulu && let Some(rest) = text.strip_prefix('Z') {
            self.utc = true;
            return Ok(rest);
        }
        let negative = text.starts_with('-');
        let mut rest = text.strip_prefix(['+', '-']).ok_or(Wrong::Form)?;
        let mut offset = 0;
        let limits = [
            (3600, 24, "time zone offset hour"),
            (60, 60, "time zone offset minute"),
            (1, 60, "time zone offset second"),
        ];
        for (part, (seconds, largest, what)) in limits.into_iter().take(parts).enumerate() {
            if colons && part > 0 {
                rest = rest.strip_prefix(':').ok_or(Wrong::Form)?;
            }
            let (value, behind) = within(number(rest, true)?, 0, largest, what)?;
            offset += value as i32 * seconds;
            rest = behind;
        }
        self.offset = Some(if negative { -offset } else { offset });
        Ok(rest)
    }

    fn take_zone<'a>(&mut self, text: &'a str) -> Result<&'a str, Wrong> {
        if let Some(rest) = text.strip_prefix("UTC") {
            self.utc = true;
            return Ok(rest);
        }
        let length = zone_length(text).ok_or(Wrong::Form)?;
        self.zone = Some(text[..length].to_owned());
        Ok(&text[length..])
    }

    fn finish(mut self) -> Result<Parsed, String> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let (month, day) = match self.day_of_year {
            Some(of_year) => {
                let (month, day) = of_the_year(self.year, of_year).ok_or("day-of-year out of range")?;
                if self.month.is_some_and(|other| other != month) {
                    return Err("day-of-year does not match month".to_owned());
                }
                if self.day.is_some_and(|other| other != day) {
                    return Err("day-of-year does not match day".to_owned());
                }
                (month, day)
            }
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
        };
        if day < 1 || day > days_in(month, self.year) {
            return Err("day out of range".to_owned());
        }
        let zone = match (self.utc, self.offset, self.zone) {
            (true, ..) => Zone::Utc,
            (false, Some(offset), name) => Zone::Offset(offset, name),
            (false, None, Some(name)) => Zone::Name(name),
            (false, None, None) => Zone::Unknown,
        };
        let Reading { year, hour, minute, second, nanosecond, .. } = self;
        Ok(Parsed { year, month, day, hour, minute, second, nanosecond, zone })
    }
}

/// One digit or two; two for sure where the layout pads.
fn number(text: &str, two: bool) -> Result<(u32, &str), Wrong> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if digits == 0 || (two && digits < 2) {
        return Err(Wrong::Form);
    }
    let number = text[..digits].parse().map_err(|_| Wrong::Form)?;
    Ok((number, &text[digits..]))
}

fn within<'a>(
    (value, rest): (u32, &'a str),
    least: u32,
    most: u32,
    what: &'static str,
) -> Result<(u32, &'a str), Wrong> {
    if (least..=most).contains(&value) { Ok((value, rest)) } else { Err(Wrong::Range(what)) }
}

/// The index of a name, in any case, and what is behind it.
fn name<'a>(names: &[&str], text: &'a str, shortened: bool) -> Result<(u32, &'a str), Wrong> {
    for (index, full) in names.iter().enumerate() {
        let name = if shortened { short(full) } else { full };
        if text.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return Ok((index as u32, &text[name.len()..]));
        }
    }
    Err(Wrong::Form)
}

/// Three or four capitals, five that end in `T`, `GMT` with hours, or hours with a sign alone.
fn zone_length(text: &str) -> Option<usize> {
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix("GMT") {
        return Some(3 + signed_hours(rest).unwrap_or(0));
    }
    if text.starts_with(['+', '-']) {
        return signed_hours(text);
    }
    let letters = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    match letters {
        5 if text.as_bytes()[4] == b'T' => Some(5),
        4 if text.as_bytes()[3] == b'T' || text.starts_with("WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

fn signed_hours(text: &str) -> Option<usize> {
    let digits = text.strip_prefix(['+', '-'])?;
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let hours: u32 = digits[..length].parse().ok()?;
    (hours < 24).then_some(1 + length)
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(month: u32, year: i32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn of_the_year(year: i32, mut day: u32) -> Option<(u32, u32)> {
    for month in 1..=12 {
        let days = days_in(month, year);
        if (1..=days).contains(&day) {
            return Some((month, day));
        }
        day = day.checked_sub(days)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_by_their_layout() {
        let parsed = |year, month, day, hour, minute, second, nanosecond, zone| {
            Ok(Parsed { year, month, day, hour, minute, second, nanosecond, zone })
        };
        for (layout, text, expected) in [
            ("2006-01-02T15:04:05Z07:00", "2024-03-05T14:07:09Z", parsed(2024, 3, 5, 14, 7, 9, 0, Zone::Utc)),
            (
                "2006-01-02T15:04:05Z07:00",
                "2024-03-05T14:07:09.5+02:00",
                parsed(2024, 3, 5, 14, 7, 9, 500_000_000, Zone::Offset(7200, None)),
            ),
            ("2006-01-02", "2024-02-29", parsed(2024, 2, 29, 0, 0, 0, 0, Zone::Unknown)),
            ("Jan _2 15:04:05", "feb  7 01:02:03", parsed(0, 2, 7, 1, 2, 3, 0, Zone::Unknown)),
            ("3:04PM", "12:30AM", parsed(0, 1, 1, 0, 30, 0, 0, Zone::Unknown)),
            ("3:04pm", "1:30pm", parsed(0, 1, 1, 13, 30, 0, 0, Zone::Unknown)),
            ("06 002", "24 060", parsed(2024, 2, 29, 0, 0, 0, 0, Zone::Unknown)),
            ("15 MST", "07 CEST", parsed(0, 1, 1, 7, 0, 0, 0, Zone::Name("CEST".to_owned()))),
            (
                "15 -0700 MST",
                "07 -0330 NST",
                parsed(0, 1, 1, 7, 0, 0, 0, Zone::Offset(-12_600, Some("NST".to_owned()))),
            ),
            ("Monday 2 January 2006", "friday 1 may 2020", parsed(2020, 5, 1, 0, 0, 0, 0, Zone::Unknown)),
            ("2006", "20x6", Err("parsing time \"20x6\" as \"2006\": cannot parse \"20x6\" as \"2006\"".to_owned())),
            ("2006", "2006x", Err("parsing time \"2006x\": extra text: \"x\"".to_owned())),
            ("2006-01", "2006-13", Err("parsing time \"2006-13\": month out of range".to_owned())),
            ("01-02", "02-30", Err("parsing time \"02-30\": day out of range".to_owned())),
            (
                "2006 01",
                "2006x01",
                Err("parsing time \"2006x01\" as \"2006 01\": cannot parse \"x01\" as \" \"".to_owned()),
            ),
        ] {
            assert_eq!(parse(layout, text), expected, "{layout} {text}");
        }
    }
}
