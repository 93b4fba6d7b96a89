//! Events with attributes as the value of an annotation, and links as that of a tag, in the Collector's forms:
//! `name|attributes as JSON|number of dropped ones`, and ids before that.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use prost::Message as _;
use serde_json::{Map, Value};
use trefoil_model::wire::otlp::field::event;
use trefoil_model::wire::write::{bytes, bytes_always, fixed64, message};

use crate::any_value::{attributes, object};
use crate::ids::{SpanId, parse_span_id, parse_trace_id};

/// The value of the annotation that an event becomes.
pub(crate) fn event_to_text(event: &Event) -> String {
    if event.attributes.is_empty() && event.dropped_attributes_count == 0 {
        return event.name.clone();
    }
    format!("{}|{}", event.name, with_dropped(&event.attributes, event.dropped_attributes_count))
}

/// The event that an annotation is. What is not of the form is a name as a whole.
pub(crate) fn event_from_text(nanos: u64, value: &str) -> Event {
    // A name may hold bars, JSON begins with a brace.
    let parts = value.find("|{").and_then(|at| Some((&value[..at], parse_with_dropped(&value[at + 1..])?)));
    let (name, attributes, dropped_attributes_count) = match parts {
        Some((name, (attributes, dropped))) => (name, attributes, dropped),
        None => (value, Vec::new(), 0),
    };
    Event { time_unix_nano: nanos, name: name.to_owned(), attributes, dropped_attributes_count }
}

/// Appends the event that an annotation is, as an element of the list in `field`.
pub(crate) fn write_event(out: &mut Vec<u8>, field: u32, nanos: u64, value: &str) {
    if value.contains("|{") {
        return bytes_always(out, field, &event_from_text(nanos, value).encode_to_vec());
    }
    message(out, field, |out| {
        fixed64(out, event::TIME_UNIX_NANO, nanos);
        bytes(out, event::NAME, value.as_bytes());
    });
}

/// The value of the tag that a link becomes.
pub(crate) fn link_to_text(link: &Link) -> String {
    let trace_id = <[u8; 16]>::try_from(&link.trace_id[..]).map(u128::from_be_bytes).unwrap_or_default();
    let span_id = <[u8; 8]>::try_from(&link.span_id[..]).map(u64::from_be_bytes).unwrap_or_default();
    let rest = with_dropped(&link.attributes, link.dropped_attributes_count);
    format!("{trace_id:032x}|{}|{}|{rest}", SpanId(span_id), link.trace_state)
}

/// `None` if it is not of the form.
pub(crate) fn link_from_text(text: &str) -> Option<Link> {
    let (trace_id, rest) = text.split_once('|')?;
    let (span_id, rest) = rest.split_once('|')?;
    // A trace state may hold bars as well.
    let at = rest.find("|{")?;
    let (attributes, dropped_attributes_count) = parse_with_dropped(&rest[at + 1..])?;
    let (trace_id, span_id) = (parse_trace_id(trace_id).ok()?, parse_span_id(span_id).ok()?);
    if trace_id == 0 || span_id == 0 {
        return None;
    }
    Some(Link {
        trace_id: trace_id.to_be_bytes().to_vec(),
        span_id: span_id.to_be_bytes().to_vec(),
        trace_state: rest[..at].to_owned(),
        attributes,
        dropped_attributes_count,
        flags: 0,
    })
}

fn with_dropped(attributes: &[KeyValue], dropped: u32) -> String {
    format!("{}|{dropped}", object(attributes))
}

fn parse_with_dropped(text: &str) -> Option<(Vec<KeyValue>, u32)> {
    let (json, dropped) = text.rsplit_once('|')?;
    let members = serde_json::from_str::<Map<String, Value>>(json).ok()?;
    Some((attributes(members), dropped.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::any_value::{attribute, int, string};

    #[test]
    fn events_are_read_as_the_collector_writes_them() {
        let event = event_from_text(7, r#"retry|{"after":"1|s","attempt":2}|3"#);
        let attributes = vec![attribute("after", string("1|s")), attribute("attempt", int(2))];
        let expected = Event { time_unix_nano: 7, name: "retry".into(), attributes, dropped_attributes_count: 3 };
        assert_eq!(event, expected);
        assert_eq!(event_to_text(&event), r#"retry|{"after":"1|s","attempt":2}|3"#);
    }

    #[test]
    fn other_texts_are_names() {
        for text in ["", "a", "a|b", "a|b|c", "a|{}", "a|{}|", "a|{}|-1", "a|[]|0", "a|{\"b\"}|0", "a|b|{|0", "|"] {
            let event = event_from_text(0, text);
            assert_eq!((event.name.as_str(), event.attributes.len()), (text, 0));
        }
    }

    #[test]
    fn links_are_read_as_the_collector_writes_them() {
        let text = r#"4fd0b6131f19f39af59518d127b0cafe|0000000000000456|a=b|{"k":"v"}|1"#;
        let link = link_from_text(text).unwrap();
        assert_eq!((link.trace_state.as_str(), link.dropped_attributes_count), ("a=b", 1));
        assert_eq!(link.attributes, [attribute("k", string("v"))]);
        assert_eq!(link_to_text(&link), text);
        for text in ["", "1|2|{}|0", "1|2||{}", "0|2||{}|0", "1|0||{}|0", "x|2||{}|0", "1|2||{|0"] {
            assert_eq!(link_from_text(text), None, "{text}");
        }
    }
}
