//! Batches that say everything Jaeger can say, in the form that comes back from OpenTelemetry.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::model::*;

pub fn tag() -> impl Strategy<Value = Tag<'static>> {
    let value = prop_oneof![
        any::<String>().prop_map(|text| Value::String(text.into())),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int64),
        // Halves are the same in every form, JSON included.
        any::<i32>().prop_map(|number| Value::Float64(f64::from(number) / 2.0)),
        vec(any::<u8>(), 0..9).prop_map(|bytes| Value::Binary(bytes.into())),
    ];
    ("k[a-z.]{0,6}", value).prop_map(|(key, value)| Tag { key: key.into(), value })
}

fn log() -> impl Strategy<Value = Log<'static>> {
    (microseconds(), option::of("[a-z]{1,5}"), vec(tag(), 0..3)).prop_map(|(time, event, fields)| {
        let event = event.map(|event| Tag::string("event", event));
        Log { time, fields: event.into_iter().chain(fields).collect() }
    })
}

fn microseconds() -> impl Strategy<Value = u64> {
    (0u64..1 << 50).prop_map(|microseconds| microseconds * 1000)
}

fn process() -> impl Strategy<Value = Process<'static>> {
    ("[a-z]{1,8}", vec(tag(), 0..4))
        .prop_map(|(service_name, tags)| Process { service_name: service_name.into(), tags })
}

fn span(trace_id: u128) -> impl Strategy<Value = Span<'static>> {
    let kind = prop_oneof![Just(ReferenceType::ChildOf), Just(ReferenceType::FollowsFrom)];
    let elsewhere =
        (kind, any::<u64>()).prop_map(move |(kind, span_id)| Reference { kind, trace_id: trace_id ^ 1 << 64, span_id });
    let parent = option::of(1..=u64::MAX);
    let numbers = (any::<u64>(), any::<u32>(), microseconds(), microseconds());
    let lists = (vec(elsewhere, 0..3), vec(tag(), 0..6), vec(log(), 0..3), vec(any::<String>(), 0..2));
    (any::<String>(), parent, numbers, lists).prop_map(move |(operation_name, parent, numbers, lists)| {
        let ((span_id, flags, start, duration), (references, tags, logs, warnings)) = (numbers, lists);
        let kind = ReferenceType::ChildOf;
        let parent = parent.map(|span_id| Reference { kind, trace_id, span_id });
        let references = parent.into_iter().chain(references).collect();
        let (operation_name, process) = (operation_name.into(), None);
        let warnings = warnings.into_iter().map(Into::into).collect();
        Span { trace_id, span_id, operation_name, references, flags, start, duration, tags, logs, process, warnings }
    })
}

/// A process' spans of one trace.
pub fn batch() -> impl Strategy<Value = Batch<'static>> {
    let spans = any::<u128>().prop_flat_map(|trace_id| vec(span(trace_id), 1..4));
    (process(), spans).prop_map(|(process, spans)| Batch { process: Some(process), spans })
}

/// Batches of which some spans have a process of their own.
pub fn mixed() -> impl Strategy<Value = Batch<'static>> {
    (batch(), vec(option::of(process()), 4)).prop_map(|(mut batch, processes)| {
        for (span, process) in batch.spans.iter_mut().zip(processes) {
            span.process = process;
        }
        batch
    })
}
