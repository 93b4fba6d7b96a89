//! What becomes of messages, shown as one line each.

mod framing;
mod properties;
mod records;
mod rfc3164;
mod rfc5424;

use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;

use super::cursor::Malformed;
use super::message::Message;
use super::rfc3164::Reading;

/// The 15th of January 2026, noon.
pub const NOW: u64 = 1_768_478_400_000_000_000;

pub fn reading(location: Tz) -> Reading {
    Reading { location, may_lack_priority: false, now: NOW }
}

pub fn time(nanos: u64) -> String {
    DateTime::from_timestamp_nanos(i64::try_from(nanos).unwrap()).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// `<priority> facility.severity time host=… app=… proc=… id=… [structured data] message`
pub fn shown(read: &Result<Message<'_>, Malformed>) -> String {
    let message = match read {
        Ok(message) => message,
        Err(error) => return format!("ERROR {error}"),
    };
    let mut parts = Vec::new();
    if let Some(priority) = message.priority {
        parts.push(format!("{}.{}", priority.facility_text(), priority.severity_text()));
    }
    parts.extend(message.version.filter(|version| *version != 1).map(|version| format!("version={version}")));
    parts.extend(message.timestamp.map(time));
    let names =
        [("host", message.hostname), ("app", message.appname), ("proc", message.proc_id), ("id", message.msg_id)];
    parts.extend(names.iter().filter_map(|(key, name)| Some(format!("{key}={}", (*name)?))));
    for element in &message.structured_data {
        let params = element.params.iter().map(|(name, value)| format!(" {name}={value:?}"));
        parts.push(format!("[{}{}]", element.id, params.collect::<String>()));
    }
    parts.extend(message.message.map(|message| format!("{message:?}")));
    parts.join(" ")
}

/// A report of all messages, for a snapshot.
pub fn report<'a>(messages: &[&'a str], parse: impl Fn(&'a str) -> Result<Message<'a>, Malformed>) -> String {
    messages.iter().map(|text| format!("{}\n    {}\n", text.escape_debug(), shown(&parse(text)))).collect()
}
