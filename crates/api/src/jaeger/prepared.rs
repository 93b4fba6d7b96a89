//! What Jaeger does to traces before it shows them, unless they are asked for raw.

use std::collections::HashSet;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use prost::Message;
use trefoil_jaeger::otlp::WARNINGS;
use trefoil_trace::otlp::correct_clock_skew;

/// A trace as it is shown: what came twice is there once, and spans whose clocks disagree are moved, by so much at most.
pub(super) fn prepared(mut trace: TracesData, max_clock_skew: Duration) -> TracesData {
    without_repetitions(&mut trace);
    if !max_clock_skew.is_zero() {
        adjust_clocks(&mut trace, i64::try_from(max_clock_skew.as_nanos()).unwrap_or(i64::MAX));
    }
    trace
}

/// As Jaeger does it, which tells in the warnings of a span what was done to it, or why nothing was.
fn adjust_clocks(trace: &mut TracesData, most: i64) {
    let mut verdicts = correct_clock_skew(trace, most).into_iter().peekable();
    let groups = trace.resource_spans.iter_mut().flat_map(|group| &mut group.scope_spans);
    for (place, span) in groups.flat_map(|group| &mut group.spans).enumerate() {
        while let Some((_, verdict)) = verdicts.next_if(|(of, _)| *of == place) {
            warn(span, verdict.to_string());
        }
    }
}

fn warn(span: &mut Span, warning: String) {
    let text = AnyValue { value: Some(Value::StringValue(warning)) };
    let known = span.attributes.iter_mut().find(|attribute| attribute.key == WARNINGS);
    if let Some(KeyValue { value: Some(AnyValue { value: Some(Value::ArrayValue(list)) }), .. }) = known {
        list.values.push(text);
        return;
    }
    let value = Some(AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![text] })) });
    span.attributes.push(KeyValue { key: WARNINGS.to_owned(), value, ..KeyValue::default() });
}

/// Spans that came twice, as a sender that had no answer sends again, are there once.
fn without_repetitions(trace: &mut TracesData) {
    let mut seen = HashSet::new();
    for (place, group) in trace.resource_spans.iter_mut().enumerate() {
        for group in &mut group.scope_spans {
            group.spans.retain(|span| seen.insert((place, span.encode_to_vec())));
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    use super::*;

    fn group(host: &str, spans: Vec<Span>) -> ResourceSpans {
        let value = Some(AnyValue { value: Some(Value::StringValue(host.to_owned())) });
        let attributes = vec![KeyValue { key: "host.name".to_owned(), value, ..KeyValue::default() }];
        let resource = Some(Resource { attributes, ..Resource::default() });
        ResourceSpans {
            resource,
            scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }
    }

    fn span(id: u8, parent: u8, start: u64, end: u64) -> Span {
        Span {
            trace_id: vec![1; 16],
            span_id: vec![id; 8],
            parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            ..Span::default()
        }
    }

    #[test]
    fn repetitions_are_left_out() {
        let trace =
            TracesData { resource_spans: vec![group("a", vec![span(1, 0, 0, 9), span(2, 1, 1, 2), span(1, 0, 0, 9)])] };
        assert_eq!(prepared(trace, Duration::ZERO).resource_spans[0].scope_spans[0].spans.len(), 2);
    }

    #[test]
    fn clocks_that_go_wrong_are_put_right_and_it_is_told() {
        const SECOND: u64 = 1_000_000_000;
        let wrong = || TracesData {
            resource_spans: vec![
                group("a", vec![span(1, 0, 100 * SECOND, 110 * SECOND)]),
                group("b", vec![span(2, 1, 98 * SECOND, 102 * SECOND)]),
            ],
        };
        let child = |trace: TracesData| trace.resource_spans[1].scope_spans[0].spans[0].clone();
        assert_eq!(child(prepared(wrong(), Duration::ZERO)), child(wrong()));
        let moved = child(prepared(wrong(), Duration::from_secs(60)));
        assert_eq!((moved.start_time_unix_nano, moved.end_time_unix_nano), (103 * SECOND, 107 * SECOND));
        assert_eq!(moved.attributes[0].key, WARNINGS);
        let too_far = child(prepared(wrong(), Duration::from_millis(1)));
        assert_eq!(too_far.start_time_unix_nano, 98 * SECOND);
        assert_eq!(too_far.attributes[0].key, WARNINGS);
    }
}
