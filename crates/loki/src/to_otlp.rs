//! Streams of a body as OpenTelemetry sees them, written into an export request one by one.

use std::borrow::Cow;

use trefoil_model::logs::{PUSH_SCOPE, SERVICE_NAME_LABEL, attribute_of_label};
use trefoil_model::wire::otlp::{Any, attribute, field, resource_logs, text_value};
use trefoil_model::wire::write::{bytes, bytes_always, fixed64};

use crate::ids;
use crate::labels::Labels;
use crate::limits::Limits;
use crate::rejected::{Rejected, cut};
use crate::times::Time;
use crate::translate::{LARGEST, Options, Translated, Unreadable};

/// The service where nothing tells it.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// Names of structured metadata that are the ids of the record, too.
const TRACE_ID: &str = "trace_id";
const SPAN_ID: &str = "span_id";

/// An entry as it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub time: Time,
    /// Bytes, because senders promise no UTF-8.
    pub line: &'a [u8],
    pub metadata: &'a [(Cow<'a, str>, Cow<'a, str>)],
}

/// Puts streams into an export request. Who reads a body calls [`Writer::begin`] for each stream, then [`Writer::entry`] for each of
/// its entries, then [`Writer::end`].
pub(crate) struct Writer<'o, 'b> {
    options: &'o Options,
    /// Nanoseconds since the epoch.
    received: u64,
    stream: Current<'b>,
    /// Memory that serves one stream, or one record, after another.
    resource: Vec<u8>,
    records: Vec<u8>,
    record: Vec<u8>,
    scope: Vec<u8>,
    translated: Translated,
}

/// The stream at hand.
enum Current<'b> {
    Good(Labels<'b>),
    /// What is wrong, which nobody hears of unless there is an entry.
    Bad(String),
    /// It has been told.
    Told,
}

impl<'o, 'b> Writer<'o, 'b> {
    pub fn new(options: &'o Options, received: u64) -> Self {
        let mut scope = Vec::new();
        bytes(&mut scope, field::scope::NAME, PUSH_SCOPE.as_bytes());
        let (resource, records, record, translated) = Default::default();
        Self { options, received, stream: Current::Told, resource, records, record, scope, translated }
    }

    /// The next stream; the error is why it has no labels.
    pub fn begin(&mut self, labels: Result<Labels<'b>, String>) {
        let limits = &self.options.limits;
        let checked = labels.and_then(|labels| check(&labels, limits).map(|()| labels));
        self.stream = match checked {
            Ok(labels) => Current::Good(with_service(labels, &limits.discover_service_name)),
            Err(reason) => Current::Bad(reason),
        };
    }

    /// The next entry of the stream; the error is why it is none.
    pub fn entry(&mut self, entry: Result<Incoming<'_>, String>) {
        let rejected = &mut self.translated.rejected;
        let labels = match &self.stream {
            Current::Good(labels) => labels,
            Current::Told => return rejected.again(),
            Current::Bad(reason) => {
                rejected.add(1, format_args!("{reason}"));
                self.stream = Current::Told;
                return;
            }
        };
        let entry = match entry {
            Ok(entry) => entry,
            Err(reason) => return rejected.add(1, format_args!("entry for stream '{labels}' {reason}")),
        };
        let time = match self.options.use_incoming_timestamp {
            true => entry.time,
            false => Time(self.received.into()),
        };
        let Some(time) = admit(&self.options.limits, self.received, labels, time, &entry, rejected) else { return };
        if self.translated.request.len() + self.records.len() > LARGEST {
            // `finish` refuses the whole.
            return;
        }
        write(&mut self.record, time, self.received, &entry);
        bytes_always(&mut self.records, field::scope_spans::SPANS, &self.record);
        self.translated.entries += 1;
    }

    /// The stream has no more entries.
    pub fn end(&mut self) {
        if let Current::Good(labels) = &self.stream
            && !self.records.is_empty()
        {
            self.resource.clear();
            for (name, value) in labels.iter() {
                let name = attribute_of_label(name);
                attribute(&mut self.resource, field::resource::ATTRIBUTES, name, Any::String(value));
            }
            resource_logs(&mut self.translated.request, &self.resource, &self.scope, &self.records);
        }
        self.records.clear();
    }

    /// The error is for a body that became too large.
    pub fn finish(self) -> Result<Translated, Unreadable> {
        match self.translated.request.len() > LARGEST {
            true => Err(Unreadable::TooLarge),
            false => Ok(self.translated),
        }
    }
}

/// Bytes of a name or value that an error shows.
const LONGEST_SHOWN: usize = 1 << 10;

/// Loki's checks and texts, which its clients' users look for.
fn check(labels: &Labels<'_>, limits: &Limits) -> Result<(), String> {
    if labels.is_empty() {
        return Err("error at least one label pair is required per stream".to_owned());
    }
    // The service is often put there by others than the sender.
    let count = labels.len() - usize::from(labels.get(SERVICE_NAME_LABEL).is_some());
    let limit = limits.max_label_names_per_series;
    if count > limit {
        return Err(format!("entry for stream '{labels}' has {count} label names; limit {limit}"));
    }
    for (name, value) in labels.iter() {
        if name.len() > limits.max_label_name_length {
            return Err(format!("stream '{labels}' has label name too long: '{}'", cut(name, LONGEST_SHOWN)));
        }
        if value.len() > limits.max_label_value_length {
            return Err(format!("stream '{labels}' has label value too long: '{}'", cut(value, LONGEST_SHOWN)));
        }
    }
    match labels.duplicate() {
        Some(name) => Err(format!("stream '{labels}' has duplicate label name: '{name}'")),
        None => Ok(()),
    }
}

fn with_service<'b>(mut labels: Labels<'b>, discover: &[String]) -> Labels<'b> {
    if labels.get(SERVICE_NAME_LABEL).is_none() && !discover.is_empty() {
        let service = discover.iter().find_map(|name| labels.get(name)).unwrap_or(UNKNOWN_SERVICE).to_owned();
        labels.set(SERVICE_NAME_LABEL, service);
    }
    labels
}

/// The time in nanoseconds of an entry that can be taken; zero is none.
fn admit(
    limits: &Limits,
    received: u64,
    labels: &Labels<'_>,
    time: Time,
    entry: &Incoming<'_>,
    rejected: &mut Rejected,
) -> Option<u64> {
    let (oldest, newest) = (oldest(limits, received), newest(limits, received));
    if time < oldest {
        let text = "oldest acceptable timestamp is";
        rejected.add(1, format_args!("entry for stream '{labels}' has timestamp too old: {time}, {text}: {oldest}"));
        return None;
    }
    if time > newest {
        rejected.add(1, format_args!("entry for stream '{labels}' has timestamp too new: {time}"));
        return None;
    }
    let (length, limit) = (entry.line.len(), limits.max_line_size);
    if length > limit {
        rejected.add(
            1,
            format_args!(
                "Max entry size '{limit}' bytes exceeded for stream '{labels}' while adding an entry with length \
                 '{length}' bytes"
            ),
        );
        return None;
    }
    let size: usize = entry.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    let limit = limits.max_structured_metadata_size;
    if size > limit {
        rejected.add(
            1,
            format_args!("stream '{labels}' has structured metadata too large: '{size}' bytes, limit: '{limit}' bytes"),
        );
        return None;
    }
    let (count, limit) = (entry.metadata.len(), limits.max_structured_metadata_entries_count);
    if count > limit {
        rejected.add(
            1,
            format_args!("stream '{labels}' has too many structured metadata labels: '{count}', limit: '{limit}'"),
        );
        return None;
    }
    u64::try_from(time.0).ok()
}

/// Nothing before 1970 can be told.
fn oldest(limits: &Limits, received: u64) -> Time {
    match limits.reject_old_samples_max_age.as_nanos() {
        0 => Time(0),
        age => Time(i128::from(received).saturating_sub(i128::try_from(age).unwrap_or(i128::MAX)).max(0)),
    }
}

/// Nothing after 2262 can be stored.
fn newest(limits: &Limits, received: u64) -> Time {
    let last = i128::from(i64::MAX);
    match limits.creation_grace_period.as_nanos() {
        0 => Time(last),
        grace => Time(i128::from(received).saturating_add(i128::try_from(grace).unwrap_or(i128::MAX)).min(last)),
    }
}

/// A `LogRecord`, in place of what was in `record`.
fn write(record: &mut Vec<u8>, time: u64, received: u64, entry: &Incoming<'_>) {
    record.clear();
    fixed64(record, field::log_record::TIME_UNIX_NANO, time);
    text_value(record, field::log_record::BODY, &String::from_utf8_lossy(entry.line));
    let (mut trace_id, mut span_id) = (None, None);
    for (name, value) in entry.metadata {
        attribute(record, field::log_record::ATTRIBUTES, name, Any::String(value));
        match &**name {
            TRACE_ID => trace_id = ids::parse::<16>(value),
            SPAN_ID => span_id = ids::parse::<8>(value),
            _ => {}
        }
    }
    if let Some(id) = trace_id {
        bytes_always(record, field::log_record::TRACE_ID, &id);
    }
    if let Some(id) = span_id {
        bytes_always(record, field::log_record::SPAN_ID, &id);
    }
    fixed64(record, field::log_record::OBSERVED_TIME_UNIX_NANO, received);
}
