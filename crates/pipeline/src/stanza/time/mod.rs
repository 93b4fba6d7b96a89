//! Times in logs: by layouts of `strptime` and of Go, or as numbers since the epoch.

use chrono::{DateTime, Datelike, Local, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};
use chrono_tz::{OffsetName, Tz};
use serde::Deserialize;

use self::layout::{Layout, Parsed, Zone};
use super::entry::Entry;
use super::field::Field;
use super::value::Value;
use crate::config::Section;

mod epoch;
mod layout;
mod read;
#[cfg(test)]
mod tests;

/// The block `timestamp` of a parser, and the operator `time_parser`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeConfig {
    parse_from: Field,
    layout: String,
    #[serde(default)]
    layout_type: LayoutType,
    #[serde(default)]
    location: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayoutType {
    #[default]
    Strptime,
    Gotime,
    Epoch,
}

/// Reads times of one form.
#[derive(Debug, Clone)]
pub struct TimeParser {
    parse_from: Field,
    form: Form,
    location: Location,
}

#[derive(Debug, Clone)]
enum Form {
    Layout(Layout),
    Epoch(epoch::Unit),
}

/// Where a time is from that does not say so itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    Local,
    Named(Tz),
}

impl TimeConfig {
    /// For a text that stands alone.
    pub fn of_body(layout: String, layout_type: LayoutType, location: Option<String>) -> Self {
        Self { parse_from: Field::body(), layout, layout_type, location }
    }

    /// The errors name the options below `place` in the section.
    pub fn build(self, section: &Section<'_>, place: &str) -> Result<TimeParser, crate::config::ConfigError> {
        let TimeConfig { parse_from, layout, layout_type, location } = self;
        let wrong = |option: &str, reason: String| section.invalid(&joined(place, option), reason);
        let form = match layout_type {
            LayoutType::Strptime => Layout::strptime(&layout).map(Form::Layout),
            LayoutType::Gotime => Layout::go(&layout).map(Form::Layout),
            LayoutType::Epoch => layout.parse().map(Form::Epoch),
        };
        let form = form.map_err(|reason| wrong("layout", reason))?;
        let location = match location.as_deref().filter(|name| !name.is_empty()) {
            Some("Local") => Location::Local,
            Some(name) => Location::Named(
                name.parse()
                    .map_err(|_| wrong("location", format!("`{name}` is no time zone such as Europe/Vienna")))?,
            ),
            // Such a time says itself that it is of no other zone.
            None if layout.ends_with('Z') && !layout.ends_with("%Z") => Location::Named(Tz::UTC),
            None => Location::Local,
        };
        Ok(TimeParser { parse_from, form, location })
    }
}

fn joined(place: &str, option: &str) -> String {
    match place {
        "" => option.to_owned(),
        place => format!("{place}.{option}"),
    }
}

impl TimeParser {
    /// Reads the time of the entry; the error says why there is none.
    pub fn parse(&self, entry: &mut Entry) -> Result<(), String> {
        let value = self.parse_from.get(entry);
        let value = value.ok_or_else(|| format!("there is no {} to read a time from", self.parse_from))?;
        entry.timestamp = self.read(value, Utc::now())?;
        Ok(())
    }

    /// Nanoseconds since the epoch. `now` gives what the text leaves out: the year, or the whole date.
    fn read(&self, value: &Value, now: DateTime<Utc>) -> Result<u64, String> {
        let nanos = match (&self.form, value) {
            (Form::Epoch(unit), value) => unit.read(value)?,
            (Form::Layout(layout), Value::String(text)) => read_text(layout, text, self.location, now)?,
            (Form::Layout(_), other) => return Err(format!("{} is not the text of a time", other.kind())),
        };
        u64::try_from(nanos).map_err(|_| "the time is before 1970 or after 2554".to_owned())
    }
}

fn read_text(layout: &Layout, text: &str, location: Location, now: DateTime<Utc>) -> Result<i128, String> {
    let parsed = read::read(layout, text)?;
    let date = date(&parsed, layout.has_date(), location, now)?;
    let (hour, minute, second) = parsed.clock()?;
    let time = NaiveTime::from_hms_nano_opt(hour, minute, second.min(59), parsed.nanos);
    let naive = NaiveDateTime::new(date, time.ok_or_else(|| format!("`{text}` is at no time of a day"))?);
    let seconds = match &parsed.zone {
        Zone::Unsaid => at(location, &naive)?,
        Zone::Offset(offset) => naive.and_utc().timestamp() - i64::from(*offset),
        Zone::Name(name) => named(name, location, &naive)?,
    };
    // A leap second is the end of its minute.
    let leap = i64::from(second > 59);
    Ok(i128::from(seconds + leap) * 1_000_000_000 + i128::from(parsed.nanos))
}

fn date(parsed: &Parsed, has_date: bool, location: Location, now: DateTime<Utc>) -> Result<NaiveDate, String> {
    let today = match location {
        Location::Local => now.with_timezone(&Local).date_naive(),
        Location::Named(zone) => now.with_timezone(&zone).date_naive(),
    };
    if !has_date {
        return Ok(today);
    }
    let of = |year| match parsed.day_of_year {
        Some(day) => NaiveDate::from_yo_opt(year, day),
        None => NaiveDate::from_ymd_opt(year, parsed.month.unwrap_or(1), parsed.day.unwrap_or(1)),
    };
    let missing = || "there is no such day".to_owned();
    match parsed.year {
        Some(year) => of(year).ok_or_else(missing),
        None => {
            // Logs of December are still read in January.
            let this_year = of(today.year()).filter(|date| *date <= today + chrono::Days::new(7));
            this_year.or_else(|| of(today.year() - 1)).ok_or_else(missing)
        }
    }
}

/// Seconds since the epoch of a time at the place. One that comes twice is the first of both, and in a gap the clock has not
/// been put forward yet.
fn at(location: Location, naive: &NaiveDateTime) -> Result<i64, String> {
    fn seconds<Z: TimeZone>(zone: &Z, naive: &NaiveDateTime) -> Option<i64> {
        match zone.from_local_datetime(naive) {
            MappedLocalTime::Single(time) | MappedLocalTime::Ambiguous(time, _) => Some(time.timestamp()),
            MappedLocalTime::None => {
                let before = zone.from_local_datetime(&(*naive - chrono::TimeDelta::hours(3))).earliest()?;
                Some(naive.and_utc().timestamp() - i64::from(before.offset().fix().local_minus_utc()))
            }
        }
    }
    let seconds = match location {
        Location::Local => seconds(&Local, naive),
        Location::Named(zone) => seconds(&zone, naive),
    };
    seconds.ok_or_else(|| "there is no such time at the place".to_owned())
}

/// An abbreviation is that of the place if it is in use there then, else a time zone of that name.
fn named(name: &str, location: Location, naive: &NaiveDateTime) -> Result<i64, String> {
    if matches!(name, "UTC" | "GMT" | "Z") {
        return Ok(naive.and_utc().timestamp());
    }
    if let Location::Named(zone) = location {
        let times = zone.from_local_datetime(naive);
        let times = [times.earliest(), times.latest()];
        let found = times.into_iter().flatten().find(|time| time.offset().abbreviation() == Some(name));
        if let Some(time) = found {
            return Ok(time.timestamp());
        }
    }
    let zone: Tz = name.parse().map_err(|_| format!("`{name}` is no time zone that is known"))?;
    at(Location::Named(zone), naive)
}
