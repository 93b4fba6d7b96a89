//! Messages of RFC 3164, which only says what was seen: besides the form that it describes, what glibc, Python, rsyslog and
//! Cisco's devices (IOS, NX-OS, ASA) send.
//!
//! ```text
//! <34>Oct 11 22:14:15 mymachine su[123]: failed         the form itself; host, tag and process id may be missing
//! <34>2003-10-11T22:14:15.003+02:00 mymachine su: …     a timestamp of RFC 3339
//! <34>su: failed                                        no timestamp, and then no host
//! <189>29: *Mar  1 18:48:50.483 UTC: %SYS-5-CONFIG_I: … IOS: the sequence number is the message id
//! <189>: 2024 Mar  1 18:48:50 UTC: %ETHPORT-5-IF_UP: …  NX-OS
//! <166>Nov 16 2024 13:58:45 fw1 : %ASA-6-302013: …      ASA
//! ```

use chrono_tz::Tz;

use super::cursor::{Cursor, Malformed};
use super::message::Message;
use super::priority::Priority;
use super::time::{MONTHS, Zone, clock, instant, iso_date, offset, without_year};

/// A tag or a process id that is longer is none.
const LONGEST_TAG: usize = 128;

/// Names of zones behind Cisco's timestamps. What they mean depends on where one is, so all but the first hold for `location`.
const ZONES: [&str; 34] = [
    "UTC", "GMT", "Z", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "AKST", "AKDT", "HST", "WET", "WEST",
    "BST", "IST", "CET", "CEST", "EET", "EEST", "MSK", "SGT", "HKT", "JST", "KST", "AWST", "ACST", "ACDT", "AEST",
    "AEDT", "NZST", "NZDT",
];

/// How to understand what messages leave out.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Where timestamps without a zone are told.
    pub location: Tz,
    pub may_lack_priority: bool,
    /// Nanoseconds since the epoch, for timestamps without a year.
    pub now: u64,
}

pub fn parse<'a>(text: &'a str, reading: &Reading) -> Result<Message<'a>, Malformed> {
    let mut cursor = Cursor::new(text);
    let priority = Priority::read(&mut cursor, reading.may_lack_priority)?;
    if is_rfc5424(&cursor) {
        return Err(cursor.malformed("this is a message of RFC 5424 (protocol: rfc5424)"));
    }
    let mut message = Message { priority, msg_id: sequence(&mut cursor), ..Message::default() };
    if message.msg_id.is_some() {
        message.hostname = origin(&mut cursor, reading);
        uptime(&mut cursor);
    }
    let before = cursor;
    if let Some(time) = timestamp(&mut cursor, reading)? {
        message.timestamp = Some(time);
        let is_ciscos = cursor.eat(b':');
        cursor.skip_spaces();
        if !is_ciscos && tag(cursor).is_none() {
            message.hostname = host(&mut cursor);
        }
    } else {
        cursor = before;
    }
    if let Some(Tag { name, proc_id, behind }) = tag(cursor) {
        message.appname = Some(name);
        message.proc_id = proc_id;
        cursor = behind;
    }
    message.message = Some(cursor.rest()).filter(|rest| !rest.is_empty());
    Ok(message)
}

/// A version and then a timestamp or none.
fn is_rfc5424(cursor: &Cursor<'_>) -> bool {
    let mut cursor = *cursor;
    cursor.digits(1) == "1" && cursor.eat(b' ') && {
        let mut nil = cursor;
        nil.word() == "-" || (iso_date(&mut cursor).is_some() && cursor.eat(b'T'))
    }
}

/// Cisco's counters before the timestamp, `29: ` or `29: 000024: `, of which the last is given; a colon alone, as of NX-OS, is none.
fn sequence<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    cursor.eat_text(": ");
    let mut last = None;
    for _ in 0..2 {
        let mut behind = *cursor;
        let digits = behind.digits(10);
        if digits.is_empty() || !behind.eat_text(": ") {
            break;
        }
        last = Some(digits);
        *cursor = behind;
    }
    cursor.skip_spaces();
    last
}

/// The name that a device of Cisco puts before the timestamp where it is told to (`logging origin-id`), `router1: *Mar  1 …`.
fn origin<'a>(cursor: &mut Cursor<'a>, reading: &Reading) -> Option<&'a str> {
    let mut behind = *cursor;
    let name = behind.until(|byte| matches!(byte, b' ' | b':'));
    (!name.is_empty() && behind.eat_text(": ")).then_some(())?;
    behind.skip_spaces();
    let mut time = behind;
    timestamp(&mut time, reading).ok().flatten()?;
    *cursor = behind;
    Some(name)
}

/// Devices without a clock tell how long they run, `00:00:46: ` or `1w2d: `, before the mnemonic.
fn uptime(cursor: &mut Cursor<'_>) {
    let mut behind = *cursor;
    let word = behind.word();
    let is_uptime = word.len() <= 16 && word.ends_with(':') && word.starts_with(|c: char| c.is_ascii_digit());
    if is_uptime && behind.rest().starts_with(" %") {
        behind.skip_spaces();
        *cursor = behind;
    }
}

/// `None` if there is none; an error if there is one of an instant that does not exist.
fn timestamp(cursor: &mut Cursor<'_>, reading: &Reading) -> Result<Option<u64>, Malformed> {
    // Cisco's marks of a clock that was not set or has lost its source.
    if !cursor.eat(b'*') {
        cursor.eat(b'.');
    }
    let start = *cursor;
    let found = iso(cursor).or_else(|| {
        *cursor = start;
        traditional(cursor)
    });
    let Some((year, month, day, clock)) = found else { return Ok(None) };
    let zone = zone(cursor, reading.location);
    if !matches!(cursor.peek(), None | Some(b' ' | b':')) {
        return Ok(None);
    }
    let nanos = match year {
        Some(year) => instant(year, month, day, clock, zone),
        None => without_year(month, day, clock, zone, reading.now),
    };
    nanos.map(Some).map_err(|reason| start.malformed(reason))
}

type DateAndTime = (Option<i32>, u32, u32, super::time::Clock);

/// `2003-10-11T22:14:15`, also with a space in between.
fn iso(cursor: &mut Cursor<'_>) -> Option<DateAndTime> {
    let (year, month, day) = iso_date(cursor)?;
    let is_between = cursor.eat(b'T') || cursor.eat(b't') || cursor.eat(b' ');
    is_between.then_some(())?;
    Some((Some(year), month, day, clock(cursor)?))
}

/// `Oct 11 22:14:15`, with a year before the month or after the day.
fn traditional(cursor: &mut Cursor<'_>) -> Option<DateAndTime> {
    let mut year = year(cursor);
    let month = MONTHS.iter().position(|name| cursor.eat_text(name))? as u32 + 1;
    cursor.eat(b' ').then_some(())?;
    cursor.skip_spaces();
    let day = cursor.digits(2).parse().ok()?;
    cursor.eat(b' ').then_some(())?;
    cursor.skip_spaces();
    if year.is_none() {
        year = self::year(cursor);
    }
    Some((year, month, day, clock(cursor)?))
}

fn year(cursor: &mut Cursor<'_>) -> Option<i32> {
    let mut behind = *cursor;
    let digits = behind.digits(4);
    (digits.len() == 4 && behind.eat(b' ')).then_some(())?;
    behind.skip_spaces();
    *cursor = behind;
    digits.parse().ok()
}

/// A zone behind the time, or that of the location. A name counts only before a colon, as Cisco writes it: else it could be a host's.
fn zone(cursor: &mut Cursor<'_>, location: Tz) -> Zone {
    if let Some(seconds) = offset(cursor) {
        return Zone::Offset(seconds);
    }
    let mut behind = *cursor;
    if behind.eat(b' ') {
        let name = behind.until(|byte| matches!(byte, b' ' | b':'));
        if behind.peek() == Some(b':') && ZONES.contains(&name) {
            *cursor = behind;
            if matches!(name, "UTC" | "GMT" | "Z") {
                return Zone::Offset(0);
            }
        }
    }
    Zone::Named(location)
}

/// A word that can be the name or the address of a host; else it is text.
fn host<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    let mut behind = *cursor;
    let host = behind.word();
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b".-_:%[]/@".contains(&byte);
    (!host.is_empty() && host.bytes().all(is_of_host)).then_some(())?;
    behind.skip_spaces();
    // ASA has a colon of its own there.
    behind.eat_text(": ");
    *cursor = behind;
    Some(host)
}

struct Tag<'a> {
    name: &'a str,
    proc_id: Option<&'a str>,
    behind: Cursor<'a>,
}

/// `name: `, `name[123]: ` or `name[123] `; what ends otherwise is no tag but text.
fn tag(mut cursor: Cursor<'_>) -> Option<Tag<'_>> {
    let name = cursor.until(|byte| matches!(byte, b' ' | b':' | b'['));
    let is_of_tag = |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"-_./%()@+#".contains(&byte);
    ((1..=LONGEST_TAG).contains(&name.len()) && name.bytes().all(is_of_tag)).then_some(())?;
    let mut proc_id = None;
    if cursor.eat(b'[') {
        let id = cursor.until(|byte| byte == b']');
        ((1..=LONGEST_TAG).contains(&id.len()) && cursor.eat(b']')).then_some(())?;
        let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
        (is_number || cursor.peek() == Some(b':')).then_some(())?;
        cursor.eat(b':');
        proc_id = Some(id);
    } else {
        cursor.eat(b':').then_some(())?;
    }
    (cursor.eat(b' ') || cursor.is_at_end()).then_some(Tag { name, proc_id, behind: cursor })
}
