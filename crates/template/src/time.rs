//! Instants with the zone that they are shown in.

use std::sync::Arc;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::{OffsetName, Tz};
use trefoil_go::layout::{self, Moment};

/// A zone, as Go has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zone {
    Utc,
    /// Of the time zone database.
    Named(Tz),
    /// Seconds east of UTC, and the name that a text had for it.
    Fixed(i32, Option<Arc<str>>),
}

/// An instant and the zone that it is shown in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970 in UTC.
    seconds: i64,
    nanoseconds: u32,
    zone: Zone,
}

/// The first second of the year 1, which is Go's zero.
const YEAR_ONE: i64 = -62_135_596_800;
/// Years between -9999 and 9999, within which every zone can say what time it is.
const EARLIEST: i64 = -377_705_116_800;
const LATEST: i64 = 253_402_300_799;

impl Zone {
    /// By the name in the time zone database. `Local` is UTC.
    pub fn load(name: &str) -> Option<Zone> {
        match name {
            "" | "UTC" | "Local" => Some(Zone::Utc),
            name => name.parse().ok().map(Zone::Named),
        }
    }

    fn offset(&self, utc: &NaiveDateTime) -> i32 {
        match self {
            Zone::Utc => 0,
            Zone::Named(zone) => zone.offset_from_utc_datetime(utc).fix().local_minus_utc(),
            Zone::Fixed(offset, _) => *offset,
        }
    }

    /// Where a wall clock shows a time twice or never, Go promises neither of the two offsets around it. This is the one that it takes.
    fn offset_of_local(&self, local: &NaiveDateTime) -> i32 {
        let near = self.offset(local);
        let utc = local.checked_sub_signed(chrono::TimeDelta::seconds(i64::from(near)));
        utc.map_or(near, |utc| self.offset(&utc))
    }

    /// The offset that the zone has, or has at another time of the year, under a name.
    fn offset_by_name(&self, local: &NaiveDateTime, name: &str) -> Option<i32> {
        let seconds = local.and_utc().timestamp();
        let half_year = 182 * 86_400;
        let recent = 1_704_067_200;
        let offsets = [seconds, seconds + half_year, recent, recent + half_year].map(|seconds| {
            let there = Time::new(seconds, 0).with_zone(self.clone());
            (there.zone_name() == name).then(|| there.offset())
        });
        let now = self.offset_of_local(local);
        let here = Time::new(seconds - i64::from(now), 0).with_zone(self.clone());
        if here.zone_name() == name { Some(now) } else { offsets.into_iter().flatten().next() }
    }
}

impl Time {
    /// In UTC. Instants outside of the years -9999 to 9999 become the nearest within.
    pub fn new(seconds: i64, nanoseconds: u32) -> Time {
        Time { seconds: seconds.clamp(EARLIEST, LATEST), nanoseconds: nanoseconds.min(999_999_999), zone: Zone::Utc }
    }

    /// Since 1970, in UTC.
    pub fn from_nanoseconds(nanoseconds: i64) -> Time {
        Time::new(nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000) as u32)
    }

    /// What Go has where a time could not be read: the first of January of the year 1.
    pub fn zero() -> Time {
        Time::new(YEAR_ONE, 0)
    }

    pub fn is_zero(&self) -> bool {
        (self.seconds, self.nanoseconds) == (YEAR_ONE, 0)
    }

    pub fn with_zone(mut self, zone: Zone) -> Time {
        self.zone = zone;
        self
    }

    /// Reads a text by Go's layout; where it names no zone, it is in this one.
    pub fn parse(layout: &str, text: &str, zone: &Zone) -> Result<Time, String> {
        let parsed = layout::parse(layout, text)?;
        let date = NaiveDate::from_ymd_opt(parsed.year, parsed.month, parsed.day);
        let local = date.and_then(|date| date.and_hms_opt(parsed.hour, parsed.minute, parsed.second));
        let local =
            local.ok_or_else(|| format!("parsing time {}: day out of range", trefoil_go::quote::quote_bytes(text)))?;
        let seconds = local.and_utc().timestamp();
        let (offset, zone) = match parsed.zone {
            layout::Zone::Unknown => (zone.offset_of_local(&local), zone.clone()),
            layout::Zone::Utc => (0, Zone::Utc),
            layout::Zone::Offset(offset, name) => {
                let instant = Time::new(seconds - i64::from(offset), 0);
                let here = instant.clone().with_zone(zone.clone());
                match here.offset() == offset && name.as_deref().is_none_or(|name| name == here.zone_name()) {
                    true => (offset, zone.clone()),
                    false => (offset, Zone::Fixed(offset, name.map(Arc::from))),
                }
            }
            layout::Zone::Name(name) => {
                match zone.offset_by_name(&local, &name) {
                    Some(offset) => (offset, zone.clone()),
                    // An abbreviation says nothing to those who are elsewhere: Go takes it for UTC of another name.
                    None => {
                        let hours = name.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok());
                        let offset = hours.unwrap_or(0) * 3600;
                        (offset, Zone::Fixed(offset, Some(name.into())))
                    }
                }
            }
        };
        Ok(Time::new(seconds - i64::from(offset), parsed.nanosecond).with_zone(zone))
    }

    /// By Go's layout.
    pub fn format(&self, layout: &str) -> String {
        let utc = self.utc();
        let offset = self.zone.offset(&utc);
        let local = utc.checked_add_signed(chrono::TimeDelta::seconds(i64::from(offset))).unwrap_or(utc);
        let zone = self.zone_name();
        let moment = Moment {
            year: local.year(),
            month: local.month(),
            day: local.day(),
            weekday: local.weekday().num_days_from_sunday(),
            day_of_year: local.ordinal(),
            hour: local.hour(),
            minute: local.minute(),
            second: local.second(),
            nanosecond: self.nanoseconds,
            offset,
            zone: &zone,
        };
        layout::format(layout, &moment)
    }

    /// Numbers of the calendar and the clock in its zone.
    pub(crate) fn local(&self) -> DateTime<FixedOffset> {
        let utc = self.utc();
        let offset = FixedOffset::east_opt(self.zone.offset(&utc)).unwrap_or_else(|| Utc.fix());
        DateTime::from_naive_utc_and_offset(utc, offset)
    }

    fn utc(&self) -> NaiveDateTime {
        DateTime::from_timestamp(self.seconds, self.nanoseconds).unwrap_or_default().naive_utc()
    }

    fn offset(&self) -> i32 {
        self.zone.offset(&self.utc())
    }

    /// Empty: it is shown by its offset.
    fn zone_name(&self) -> String {
        match &self.zone {
            Zone::Utc => "UTC".to_owned(),
            Zone::Fixed(_, name) => name.as_deref().unwrap_or_default().to_owned(),
            Zone::Named(zone) => {
                let offset = zone.offset_from_utc_datetime(&self.utc());
                let numeric = || numeric_name(offset.fix().local_minus_utc());
                offset.abbreviation().map_or_else(numeric, str::to_owned)
            }
        }
    }

    /// Since 1970, in seconds.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// Within the second.
    pub fn subsecond_nanoseconds(&self) -> u32 {
        self.nanoseconds
    }

    /// Since 1970. What does not fit 64 bits is the nearest that does.
    pub fn nanoseconds(&self) -> i64 {
        self.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(self.nanoseconds))
    }

    /// Later, or earlier, by so many nanoseconds, in the same zone.
    pub fn plus(&self, nanoseconds: i64) -> Time {
        let nanos = i64::from(self.nanoseconds) + nanoseconds.rem_euclid(1_000_000_000);
        let seconds = self.seconds + nanoseconds.div_euclid(1_000_000_000) + nanos / 1_000_000_000;
        Time::new(seconds, (nanos % 1_000_000_000) as u32).with_zone(self.zone.clone())
    }
}

/// Zones without an abbreviation are called by their hours, and minutes if there are some: `-03`, `+0545`.
fn numeric_name(offset: i32) -> String {
    let layout = if offset % 3600 == 0 { "-07" } else { "-0700" };
    layout::format(layout, &Moment { offset, ..Moment::default() })
}

/// As Go's `String`.
impl std::fmt::Display for Time {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_in_their_zones() {
        let berlin = Zone::load("Europe/Berlin").unwrap();
        let written = |layout, text, zone: &Zone| Time::parse(layout, text, zone).map(|time| time.to_string());
        for (layout, text, zone, expected) in [
            ("2006-01-02 15:04", "2024-07-01 12:00", &berlin, "2024-07-01 12:00:00 +0200 CEST"),
            ("2006-01-02 15:04", "2024-01-01 12:00", &berlin, "2024-01-01 12:00:00 +0100 CET"),
            ("2006-01-02 15:04", "2024-01-01 12:00", &Zone::Utc, "2024-01-01 12:00:00 +0000 UTC"),
            ("2006-01-02 15:04 MST", "2024-07-01 12:00 CEST", &berlin, "2024-07-01 12:00:00 +0200 CEST"),
            ("2006-01-02 15:04 MST", "2024-07-01 12:00 CET", &berlin, "2024-07-01 13:00:00 +0200 CEST"),
            ("2006-01-02 15:04 MST", "2024-07-01 12:00 PST", &berlin, "2024-07-01 12:00:00 +0000 PST"),
            ("2006-01-02 15:04 MST", "2024-07-01 12:00 GMT+3", &berlin, "2024-07-01 12:00:00 +0300 GMT+3"),
            ("2006-01-02 15:04 -07:00", "2024-07-01 12:00 +02:00", &berlin, "2024-07-01 12:00:00 +0200 CEST"),
            ("2006-01-02 15:04 -07:00", "2024-07-01 12:00 +05:30", &berlin, "2024-07-01 12:00:00 +0530 +0530"),
            ("2006-01-02T15:04Z07:00", "2024-07-01T12:00Z", &berlin, "2024-07-01 12:00:00 +0000 UTC"),
            ("2006-01-02", "0000-01-01", &Zone::Utc, "0000-01-01 00:00:00 +0000 UTC"),
        ] {
            assert_eq!(written(layout, text, zone), Ok(expected.to_owned()), "{text}");
        }
        assert!(Time::zero().is_zero());
        assert_eq!(Time::zero().to_string(), "0001-01-01 00:00:00 +0000 UTC");
        assert_eq!(Time::from_nanoseconds(-1).to_string(), "1969-12-31 23:59:59.999999999 +0000 UTC");
        assert_eq!(Time::new(i64::MAX, 0).to_string(), "9999-12-31 23:59:59 +0000 UTC");
        assert_eq!(Time::from_nanoseconds(5).plus(-10).nanoseconds(), -5);
        let sao_paulo = Time::new(0, 0).with_zone(Zone::load("America/Sao_Paulo").unwrap());
        assert_eq!(sao_paulo.to_string(), "1969-12-31 21:00:00 -0300 -03");
        assert_eq!(Zone::load("Mars/Olympus"), None);
    }
}
