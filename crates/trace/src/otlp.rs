//! Corrections of OTLP's messages.

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};

use crate::clock::clock;
use crate::skew::{Timed, Verdict, judge};

/// Moves spans whose clocks disagree, with their events, and tells what was found out: a verdict and the place of its span, counted
/// through the message. `most` nanoseconds is how far spans may be moved; 0 only tells. See [`crate::skew`].
///
/// All spans are taken for ones of the same trace; those without an id of 8 bytes are left alone.
pub fn correct_clock_skew(trace: &mut TracesData, most: i64) -> Vec<(usize, Verdict)> {
    let mut clocks: HashMap<String, u32> = HashMap::new();
    let (mut timed, mut places) = (Vec::new(), Vec::new());
    let mut place = 0;
    for group in &trace.resource_spans {
        let attributes = group.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
        let clock = clock(|name| attribute_text(attributes, name));
        let next = clocks.len() as u32;
        let clock = (!clock.is_empty()).then(|| *clocks.entry(clock).or_insert(next));
        for span in group.scope_spans.iter().flat_map(|scope| &scope.spans) {
            if let Ok(id) = span.span_id.as_slice().try_into() {
                places.push(place);
                timed.push(Timed {
                    id,
                    parent: parent(span),
                    start: nanos(span.start_time_unix_nano),
                    end: nanos(span.end_time_unix_nano),
                    clock,
                });
            }
            place += 1;
        }
    }
    let verdicts: Vec<(usize, Verdict)> =
        places.into_iter().zip(judge(&timed, most)).filter_map(|(place, verdict)| Some((place, verdict?))).collect();
    let mut moved = verdicts.iter().filter(|(_, verdict)| verdict.delta() != 0).peekable();
    let spans =
        trace.resource_spans.iter_mut().flat_map(|group| &mut group.scope_spans).flat_map(|scope| &mut scope.spans);
    for (place, span) in spans.enumerate() {
        if let Some((_, verdict)) = moved.next_if(|(moved, _)| *moved == place) {
            shift(span, verdict.delta());
        }
    }
    verdicts
}

fn parent(span: &Span) -> Option<[u8; 8]> {
    span.parent_span_id.as_slice().try_into().ok().filter(|id| *id != [0; 8])
}

fn nanos(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

fn shift(span: &mut Span, by: i64) {
    let times = [&mut span.start_time_unix_nano, &mut span.end_time_unix_nano];
    for time in times.into_iter().chain(span.events.iter_mut().map(|event| &mut event.time_unix_nano)) {
        *time = time.saturating_add_signed(by);
    }
}

/// The text of an attribute; of an array that of its first element, nothing of one that has none.
pub fn attribute_text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == name)?.value.as_ref()?;
    match value.value.as_ref()? {
        Value::ArrayValue(array) => Some(array.values.first().and_then(scalar_text).unwrap_or_default()),
        _ => scalar_text(value),
    }
}

fn scalar_text(value: &AnyValue) -> Option<String> {
    match value.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        Value::BoolValue(value) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::ArrayValue;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::span::Event;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    use super::*;

    fn text(value: &str) -> AnyValue {
        AnyValue { value: Some(Value::StringValue(value.into())) }
    }

    fn on(host: &str, spans: Vec<Span>) -> ResourceSpans {
        let value = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![text(host), text("other")] })) };
        let attributes = vec![KeyValue { key: "host.ip".into(), value: Some(value), ..KeyValue::default() }];
        ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans: spans
                .into_iter()
                .map(|span| ScopeSpans { spans: vec![span], ..ScopeSpans::default() })
                .collect(),
            ..ResourceSpans::default()
        }
    }

    fn span(id: u8, parent: u8, start: u64, end: u64, events: &[u64]) -> Span {
        let event = |time: &u64| Event { time_unix_nano: *time, ..Event::default() };
        Span {
            span_id: vec![id; 8],
            parent_span_id: if parent == 0 { vec![] } else { vec![parent; 8] },
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            events: events.iter().map(event).collect(),
            ..Span::default()
        }
    }

    #[test]
    fn spans_move_with_their_events() {
        let nameless = Span { span_id: vec![1], ..span(9, 0, 1, 2, &[]) };
        let mut trace = TracesData {
            resource_spans: vec![
                on("a", vec![nameless, span(1, 0, 10, 110, &[])]),
                on("b", vec![span(2, 1, 0, 50, &[5, 10]), span(3, 2, 5, 8, &[])]),
                on("a", vec![span(4, 9, 0, 1, &[])]),
            ],
        };
        let untouched = trace.clone();
        let told = correct_clock_skew(&mut trace, 0);
        assert_eq!(trace, untouched);
        assert_eq!(told[0], (2, Verdict::Off { by: 35 }));
        let told = correct_clock_skew(&mut trace, 1000);
        assert_eq!(told, [(2, Verdict::Moved(35)), (3, Verdict::Moved(35)), (4, Verdict::NoParent([9; 8]))]);
        let moved = &trace.resource_spans[1];
        assert_eq!(moved.scope_spans[0].spans[0], span(2, 1, 35, 85, &[40, 45]));
        assert_eq!(moved.scope_spans[1].spans[0], span(3, 2, 40, 43, &[]));
        assert_eq!(trace.resource_spans[0], untouched.resource_spans[0]);
    }

    #[test]
    fn attributes_have_texts() {
        let of = |value| vec![KeyValue { key: "k".into(), value: Some(AnyValue { value }), ..KeyValue::default() }];
        assert_eq!(attribute_text(&of(Some(Value::IntValue(5))), "k"), Some("5".into()));
        assert_eq!(attribute_text(&of(Some(Value::ArrayValue(ArrayValue::default()))), "k"), Some("".into()));
        assert_eq!(attribute_text(&of(None), "k"), None);
        assert_eq!(attribute_text(&of(Some(Value::BoolValue(true))), "other"), None);
    }
}
