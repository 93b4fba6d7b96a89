//! `syslog_parser`: the parser of the receiver `syslog`, for messages that came in another way.

use chrono_tz::Tz;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use serde::Deserialize;

use crate::config::ConfigError;
use crate::receivers::syslog::config::Protocol;
use crate::receivers::syslog::rfc3164::{self, Reading};
use crate::receivers::syslog::rfc5424;
use crate::receivers::syslog::translate::fill;
use crate::stanza::config::Options;
use crate::stanza::value::{Map, members_of};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogConfig {
    protocol: Protocol,
    #[serde(default)]
    location: Option<String>,
    #[serde(default)]
    enable_octet_counting: bool,
    #[serde(default)]
    allow_skip_pri_header: bool,
    #[serde(default)]
    max_octets: usize,
}

#[derive(Debug, Clone)]
pub struct Syslog {
    protocol: Protocol,
    location: Tz,
    /// A message begins with the number of its bytes.
    is_counted: bool,
    may_lack_priority: bool,
    max_octets: usize,
}

/// What a message says beside its parts.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    /// Nanoseconds since the epoch; 0: nothing.
    pub timestamp: u64,
    pub severity: i32,
    pub severity_text: String,
}

impl Syslog {
    pub fn parse(config: SyslogConfig, options: &Options<'_>) -> Result<Self, ConfigError> {
        let location = match config.location.as_deref() {
            None | Some("") => Tz::UTC,
            Some(name) => name.parse().map_err(|_| {
                let reason = format!("`{name}` is not the name of a time zone such as Europe/Berlin or UTC");
                options.invalid("location", reason)
            })?,
        };
        Ok(Self {
            protocol: config.protocol,
            location,
            is_counted: config.enable_octet_counting,
            may_lack_priority: config.allow_skip_pri_header,
            max_octets: if config.max_octets == 0 { usize::MAX } else { config.max_octets },
        })
    }

    /// `now` is in nanoseconds since the epoch, for timestamps without a year.
    pub fn read(&self, text: &str, now: u64) -> Result<(Map, Said), String> {
        let text = if self.is_counted { counted(text)? } else { text };
        if text.len() > self.max_octets {
            return Err(format!("its {} bytes are more than max_octets, {}", text.len(), self.max_octets));
        }
        let message = match self.protocol {
            Protocol::Rfc5424 => rfc5424::parse(text, self.may_lack_priority),
            Protocol::Rfc3164 => {
                let may_lack_priority = self.may_lack_priority;
                rfc3164::parse(text, &Reading { location: self.location, may_lack_priority, now })
            }
        };
        let mut record = LogRecord::default();
        fill(&mut record, message.map_err(|error| error.to_string())?);
        let (timestamp, severity, severity_text) =
            (record.time_unix_nano, record.severity_number, record.severity_text);
        Ok((members_of(record.attributes), Said { timestamp, severity, severity_text }))
    }
}

/// The message behind its length, which a line ends anyway.
fn counted(text: &str) -> Result<&str, String> {
    match text.split_once(' ') {
        Some((count, message)) if !count.is_empty() && count.bytes().all(|digit| digit.is_ascii_digit()) => Ok(message),
        _ => Err("it does not begin with its length (enable_octet_counting)".to_owned()),
    }
}
