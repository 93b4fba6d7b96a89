//! Instants as messages write them: those of RFC 3339, and the parts of all others.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::cursor::{Cursor, Malformed};

pub const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    hour: u32,
    minute: u32,
    /// 60 is a leap second.
    second: u32,
    nanos: u32,
}

/// Where a time is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Seconds east of Greenwich.
    Offset(i32),
    Named(Tz),
}

/// `hh:mm:ss`, with a fraction behind `.` or `,`; beyond nanoseconds it is cut. `None` if it is nothing of that form, so that the
/// cursor has to be set back.
pub fn clock(cursor: &mut Cursor<'_>) -> Option<Clock> {
    let hour = cursor.digits(2).parse().ok()?;
    let minute = cursor.eat(b':').then(|| cursor.digits(2).parse().ok()).flatten()?;
    let second = cursor.eat(b':').then(|| cursor.digits(2).parse().ok()).flatten()?;
    let mut behind = *cursor;
    let is_fraction = (behind.eat(b'.') || behind.eat(b',')) && behind.peek().is_some_and(|byte| byte.is_ascii_digit());
    let nanos = match is_fraction {
        true => {
            *cursor = behind;
            let digits = cursor.until(|byte| !byte.is_ascii_digit());
            let kept: String =
                digits.chars().take_while(char::is_ascii_digit).chain("000000000".chars()).take(9).collect();
            kept.parse().ok()?
        }
        false => 0,
    };
    Some(Clock { hour, minute, second, nanos })
}

/// `Z`, `+02:00` or `+0200`, if any is next.
pub fn offset(cursor: &mut Cursor<'_>) -> Option<i32> {
    let mut behind = *cursor;
    let sign = match behind.peek()? {
        b'Z' | b'z' => {
            behind.eat(b'Z');
            behind.eat(b'z');
            *cursor = behind;
            return Some(0);
        }
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    behind.eat(b'+');
    behind.eat(b'-');
    let hours: i32 = Some(behind.digits(2)).filter(|digits| digits.len() == 2)?.parse().ok()?;
    behind.eat(b':');
    let minutes: i32 = Some(behind.digits(2)).filter(|digits| digits.len() == 2)?.parse().ok()?;
    if hours > 23 || minutes > 59 {
        return None;
    }
    *cursor = behind;
    Some(sign * (hours * 3600 + minutes * 60))
}

/// `2003-10-11`; `None` if it is nothing of that form.
pub fn iso_date(cursor: &mut Cursor<'_>) -> Option<(i32, u32, u32)> {
    let year = Some(cursor.digits(4)).filter(|digits| digits.len() == 4)?.parse().ok()?;
    let month = cursor.eat(b'-').then(|| cursor.digits(2).parse().ok()).flatten()?;
    let day = cursor.eat(b'-').then(|| cursor.digits(2).parse().ok()).flatten()?;
    Some((year, month, day))
}

/// The timestamp of RFC 5424 (6.2.3), which has a zone.
pub fn rfc3339(cursor: &mut Cursor<'_>) -> Result<u64, Malformed> {
    let start = *cursor;
    let (year, month, day) = iso_date(cursor).ok_or_else(|| start.malformed("expected a date such as 2003-10-11"))?;
    if !cursor.eat(b'T') && !cursor.eat(b't') {
        return Err(cursor.malformed("expected `T` between date and time"));
    }
    let before = *cursor;
    let clock = clock(cursor).ok_or_else(|| before.malformed("expected a time such as 22:14:15.003"))?;
    let offset = offset(cursor).ok_or_else(|| cursor.malformed("expected the zone, Z or such as +02:00"))?;
    instant(year, month, day, clock, Zone::Offset(offset)).map_err(|reason| start.malformed(reason))
}

/// Nanoseconds since the epoch.
pub fn instant(year: i32, month: u32, day: u32, clock: Clock, zone: Zone) -> Result<u64, &'static str> {
    let naive = naive(year, month, day, clock)?;
    let utc = match zone {
        Zone::Offset(seconds) => {
            naive.checked_sub_signed(TimeDelta::seconds(seconds.into())).map(|naive| naive.and_utc())
        }
        Zone::Named(zone) => local(naive, zone),
    };
    let nanos = utc.and_then(|utc| utc.timestamp_nanos_opt()).and_then(|nanos| u64::try_from(nanos).ok());
    nanos.ok_or("the year is not between 1970 and 2262")
}

fn naive(year: i32, month: u32, day: u32, clock: Clock) -> Result<NaiveDateTime, &'static str> {
    let date = NaiveDate::from_ymd_opt(year, month, day).ok_or("there is no such day")?;
    let (second, leap) = match clock.second {
        60 => (59, 1),
        second => (second, 0),
    };
    let time =
        date.and_hms_nano_opt(clock.hour, clock.minute, second, clock.nanos).ok_or("there is no such time of day")?;
    time.checked_add_signed(TimeDelta::seconds(leap)).ok_or("there is no such time")
}

/// What clocks show twice is taken for the first time, what they leave out as if they had not been put forward yet.
fn local(naive: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&naive) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.to_utc()),
        LocalResult::None => {
            let hour = TimeDelta::hours(1);
            let before = zone.from_local_datetime(&naive.checked_sub_signed(hour)?).earliest()?;
            before.to_utc().checked_add_signed(hour)
        }
    }
}

/// A date without a year is the last one that is not more than a week ahead of `now` (as in the Collector): in January,
/// December is that of last year.
pub fn without_year(month: u32, day: u32, clock: Clock, zone: Zone, now: u64) -> Result<u64, &'static str> {
    const AHEAD: u64 = 7 * 86_400 * 1_000_000_000;
    let this_year = chrono::Datelike::year(&DateTime::from_timestamp_nanos(i64::try_from(now).unwrap_or(i64::MAX)));
    // The 29th of February may be eight years away.
    let years = (this_year - 8..=this_year + 1).rev();
    let mut instants = years.map(|year| instant(year, month, day, clock, zone));
    let fits = instants.clone().flatten().find(|nanos| *nanos <= now.saturating_add(AHEAD));
    match fits {
        Some(nanos) => Ok(nanos),
        None => instants.next().unwrap_or(Err("there is no such day")),
    }
}
