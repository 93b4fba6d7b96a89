//! The priority of a message: its facility and severity (RFC 5424, 6.2.1), by the names and numbers that the Collector gives them.

use super::cursor::{Cursor, Malformed};

const LARGEST: u8 = 191;

/// RFC 5427's keywords.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "security", "console", "cron2", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// Text, and OpenTelemetry's number: FATAL, ERROR3, ERROR2, ERROR, WARN, INFO2, INFO, DEBUG.
const SEVERITIES: [(&str, i32); 8] = [
    ("emerg", 21),
    ("alert", 19),
    ("crit", 18),
    ("err", 17),
    ("warning", 13),
    ("notice", 10),
    ("info", 9),
    ("debug", 5),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority(u8);

impl Priority {
    /// `<34>` at the beginning of a message. `None` where there is none and none is needed.
    pub fn read(cursor: &mut Cursor<'_>, may_be_missing: bool) -> Result<Option<Self>, Malformed> {
        if !cursor.eat(b'<') {
            return match may_be_missing {
                true => Ok(None),
                false => Err(cursor
                    .malformed("expected the priority, such as <34> (allow_skip_pri_header takes messages without)")),
            };
        }
        let start = *cursor;
        let value = cursor.digits(3).parse().ok().filter(|value| *value <= LARGEST);
        let value = value.ok_or_else(|| start.malformed("expected a priority between 0 and 191"))?;
        cursor.expect(b'>', "`>` after the priority")?;
        Ok(Some(Self(value)))
    }

    pub fn value(self) -> u8 {
        self.0
    }

    pub fn facility(self) -> u8 {
        self.0 / 8
    }

    pub fn facility_text(self) -> &'static str {
        FACILITIES.get(usize::from(self.facility())).copied().unwrap_or_default()
    }

    pub fn severity_text(self) -> &'static str {
        SEVERITIES[usize::from(self.0 % 8)].0
    }

    /// OpenTelemetry's `SeverityNumber`.
    pub fn severity_number(self) -> i32 {
        SEVERITIES[usize::from(self.0 % 8)].1
    }
}
