//! From a message to a log record, as the Collector makes it: the text is the body, its parts are attributes.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::charset::Charset;
use super::config::{Config, OnError, Protocol};
use super::cursor::{Cursor, Malformed};
use super::framing::Frame;
use super::message::{Element, Message};
use super::rfc3164::{self, Reading};
use super::rfc5424;
use crate::metrics::SyslogMetrics;
use crate::receivers::log_records::values::{any, array, int, map, member, members, string};

/// On a record of a message that could not be parsed: why. (An attribute of Trefoil.)
pub const PARSE_ERROR: &str = "syslog.parse_error";
/// On a record of a message that was longer than its limit, or whose end never came. (An attribute of Trefoil.)
pub const TRUNCATED: &str = "syslog.truncated";

/// How messages of one listener are read.
pub struct Translator {
    protocol: Protocol,
    reading: Reading,
    max_octets: usize,
    on_error: OnError,
    charset: Charset,
    trim: Trim,
    attributes: Vec<KeyValue>,
    metrics: SyslogMetrics,
}

/// White space that is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trim {
    pub keeps_leading: bool,
    pub keeps_trailing: bool,
}

impl Trim {
    fn of(self, text: &str) -> &str {
        let text = if self.keeps_leading { text } else { text.trim_start() };
        if self.keeps_trailing { text } else { text.trim_end() }
    }
}

impl Translator {
    pub fn new(config: &Config, charset: Charset, trim: Trim, metrics: SyslogMetrics) -> Self {
        Self {
            protocol: config.protocol,
            reading: Reading { location: config.location, may_lack_priority: config.allow_skip_pri_header, now: 0 },
            max_octets: if config.max_octets == 0 { usize::MAX } else { config.max_octets },
            on_error: config.on_error,
            charset,
            trim,
            attributes: members(&config.attributes),
            metrics,
        }
    }

    /// `addresses` are further attributes, `now` is in nanoseconds since the epoch. `None` for nothing but white space, and for what is
    /// malformed where that is dropped.
    pub fn record(&self, frame: &Frame<'_>, addresses: &[KeyValue], now: u64) -> Option<LogRecord> {
        let (text, is_exact) = self.charset.read(frame.bytes);
        let text = self.trim.of(&text);
        if text.is_empty() {
            return None;
        }
        let body = match is_exact {
            true => string(text),
            false => any(Value::BytesValue(frame.bytes.to_vec())),
        };
        let attributes = self.attributes.iter().chain(addresses).cloned().collect();
        let mut record =
            LogRecord { observed_time_unix_nano: now, body: Some(body), attributes, ..LogRecord::default() };
        match self.parse(text, frame.bytes.len(), now) {
            Ok(message) => fill(&mut record, message),
            Err(error) => {
                self.tell(&error);
                if self.on_error.drops() {
                    return None;
                }
                record.attributes.push(member(PARSE_ERROR, string(error.to_string())));
            }
        }
        if frame.is_cut {
            self.metrics.truncated.inc();
            record.attributes.push(member(TRUNCATED, any(Value::BoolValue(true))));
        }
        Some(record)
    }

    fn parse<'a>(&self, text: &'a str, bytes: usize, now: u64) -> Result<Message<'a>, Malformed> {
        if bytes > self.max_octets {
            let reason = format!("its {bytes} bytes are more than max_octets, {}", self.max_octets);
            return Err(Cursor::new(text).malformed(reason));
        }
        match self.protocol {
            Protocol::Rfc5424 => rfc5424::parse(text, self.reading.may_lack_priority),
            Protocol::Rfc3164 => rfc3164::parse(text, &Reading { now, ..self.reading }),
        }
    }

    /// Counts; only the first one is worth a warning.
    fn tell(&self, error: &Malformed) {
        let before = self.metrics.malformed.inc();
        match before {
            0 if !self.on_error.is_quiet() => tracing::warn!(
                %error,
                "a syslog message cannot be parsed; more are counted in otelcol_syslog_receiver_malformed_messages_total"
            ),
            _ => tracing::debug!(%error, "a syslog message cannot be parsed"),
        }
    }
}

/// Puts what a message says where the Collector puts it.
pub fn fill(record: &mut LogRecord, message: Message<'_>) {
    record.time_unix_nano = message.timestamp.unwrap_or_default();
    let attributes = &mut record.attributes;
    if let Some(priority) = message.priority {
        record.severity_number = priority.severity_number();
        record.severity_text = priority.severity_text().to_owned();
        attributes.push(member("priority", int(priority.value())));
        attributes.push(member("facility", int(priority.facility())));
        attributes.push(member("facility_text", string(priority.facility_text())));
    }
    if let Some(version) = message.version {
        attributes.push(member("version", int(version)));
    }
    let texts = [
        ("hostname", message.hostname),
        ("appname", message.appname),
        ("proc_id", message.proc_id),
        ("msg_id", message.msg_id),
        ("message", message.message),
    ];
    attributes.extend(texts.into_iter().filter_map(|(key, text)| Some(member(key, string(text?)))));
    if !message.structured_data.is_empty() {
        attributes.push(member("structured_data", structured_data(message.structured_data)));
    }
}

/// Values by the names of their parameters.
type Values<'a> = Vec<(&'a str, Vec<Cow<'a, str>>)>;

/// A map of the elements by id, each a map of its parameters. Elements with the same id are one; parameters with the same name are a
/// list.
fn structured_data(elements: Vec<Element<'_>>) -> AnyValue {
    let mut by_id: Vec<(&str, Values<'_>)> = Vec::new();
    for Element { id, params } in elements {
        let of_id = position(&mut by_id, id);
        for (name, value) in params {
            position(of_id, name).push(value);
        }
    }
    let param = |(name, values): (&str, Vec<Cow<'_, str>>)| {
        let mut values: Vec<AnyValue> = values.into_iter().map(|value| string(value.into_owned())).collect();
        let value = if values.len() == 1 { values.remove(0) } else { array(values) };
        member(name, value)
    };
    map(by_id.into_iter().map(|(id, params)| member(id, map(params.into_iter().map(param).collect()))).collect())
}

/// What is known by the name; nothing yet if it is new. Elements and parameters are few.
fn position<'m, 'a, T: Default>(known: &'m mut Vec<(&'a str, T)>, name: &'a str) -> &'m mut T {
    let at = known.iter().position(|(other, _)| *other == name).unwrap_or_else(|| {
        known.push((name, T::default()));
        known.len() - 1
    });
    &mut known[at].1
}
