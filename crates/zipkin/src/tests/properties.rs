//! Whatever is written can be read, and nothing from outside makes it panic.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use trefoil_model::{Signal, wire};

use super::*;
use crate::problem::Problem;
use crate::{Kind, from_otlp, json, protobuf, to_json, to_protobuf};

const FORMATS: [Format; 4] = [Format::JsonV2, Format::ProtobufV2, Format::JsonV1, Format::ThriftV1];

/// About 110 years.
const MICROS: std::ops::Range<u64> = 1..3_500_000_000_000_000;

fn endpoint() -> impl Strategy<Value = Option<Endpoint<'static>>> {
    let ipv6 = any::<[u8; 16]>().prop_map(|mut octets| {
        // Those that are IPv4 in disguise are read as such.
        octets[0] |= 0x20;
        Ipv6Addr::from(octets)
    });
    let parts = ("[a-z ü\"]{0,5}", of(any::<Ipv4Addr>()), of(ipv6), any::<u16>());
    parts.prop_map(|(service_name, ipv4, ipv6, port)| {
        Endpoint { service_name: service_name.into(), ipv4, ipv6, port }.some()
    })
}

fn span() -> impl Strategy<Value = Span<'static>> {
    let annotation =
        (0..MICROS.end, "[^{]{0,8}").prop_map(|(timestamp, value)| Annotation { timestamp, value: value.into() });
    let ids = (1..=u128::MAX, of(1..=u64::MAX), 1..=u64::MAX, of(proptest::sample::select(&Kind::ALL[..])));
    let times = (of(MICROS), of(MICROS));
    // Names that mean nothing to the translation.
    let tags = btree_map("k[0-9]", ".{0,8}", 0..4);
    let rest = (".{0,8}", endpoint(), endpoint(), vec(annotation, 0..3), tags, any::<bool>(), any::<bool>());
    (ids, times, rest).prop_map(|(ids, (timestamp, duration), rest)| {
        let (trace_id, parent_id, id, kind) = ids;
        let (name, local_endpoint, remote_endpoint, annotations, tags, debug, shared) = rest;
        let parent_id = parent_id.filter(|parent| *parent != id);
        let tags: BTreeMap<String, String> = tags;
        Span {
            trace_id,
            parent_id,
            id,
            kind,
            name: name.into(),
            timestamp,
            duration,
            local_endpoint,
            remote_endpoint,
            annotations,
            tags: tags.into_iter().map(|(name, text)| (name.into(), text.into())).collect(),
            debug,
            shared,
        }
    })
}

fn by_id(mut spans: Vec<Span<'static>>) -> Vec<Span<'static>> {
    spans.sort_by_key(|span| (span.trace_id, span.id));
    spans
}

fn collect(read: impl FnOnce(&mut dyn FnMut(Result<Span<'_>, Problem>)) -> Result<(), String>) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    read(&mut |span| spans.push(owned(span.unwrap()))).unwrap();
    spans
}

proptest! {
    #[test]
    fn what_is_written_can_be_read(spans in vec(span(), 0..4)) {
        let json = to_json(&spans).unwrap();
        prop_assert_eq!(&collect(|each| json::read(&json, each)), &spans);
        let message = to_protobuf(&spans);
        prop_assert_eq!(&collect(|each| protobuf::read(&message, each)), &spans);
    }

    #[test]
    fn spans_survive_opentelemetry(spans in vec(span(), 0..4)) {
        let translated = translated(Format::JsonV2, to_json(&spans).unwrap());
        prop_assert_eq!((translated.spans, translated.rejected.spans), (spans.len() as u64, 0));
        prop_assert_eq!(by_id(from_otlp(&request(&translated), "").spans), by_id(spans));
    }

    #[test]
    fn opentelemetrys_events_survive(
        name in "[^{]{0,8}",
        attributes in btree_map("[a-z|{]{1,3}", ".{0,8}", 0..4),
        dropped in 0_u32..3,
    ) {
        use crate::any_value::{attribute, string};
        let attributes: BTreeMap<String, String> = attributes;
        let attributes = attributes.into_iter().map(|(key, value)| attribute(key, string(value))).collect();
        let event = opentelemetry_proto::tonic::trace::v1::span::Event {
            time_unix_nano: 1, name, attributes, dropped_attributes_count: dropped,
        };
        prop_assert_eq!(crate::embedded::event_from_text(1, &crate::embedded::event_to_text(&event)), event);
    }

    #[test]
    fn nothing_from_outside_makes_it_panic(noise in vec(any::<u8>(), 0..200)) {
        for format in FORMATS {
            let _ = translate(format, &noise, &Options::default());
        }
    }

    #[test]
    fn what_is_broken_in_one_place_is_still_otlp(
        spans in vec(span(), 1..4),
        noise in vec(any::<u8>(), 1..4),
        position in any::<proptest::sample::Index>(),
        parse_string_tags in any::<bool>(),
    ) {
        let thrift = thrift_body::body(spans.iter().map(thrift_span).collect());
        let json = to_json(&spans).unwrap();
        let bodies = [json.clone(), to_protobuf(&spans), json, thrift];
        for (format, mut body) in FORMATS.into_iter().zip(bodies) {
            let start = position.index(body.len());
            let end = (start + noise.len()).min(body.len());
            body.splice(start..end, noise.iter().copied());
            let options = Options { parse_string_tags, received: RECEIVED };
            if let Ok(translated) = translate(format, &body, &options) {
                prop_assert_eq!(super::spans(&request(&translated)).len() as u64, translated.spans);
                prop_assert!(wire::Reader::new(&translated.request).all(|field| field.is_ok()));
                prop_assert!(trefoil_model::json::from_protobuf(Signal::Traces, &translated.request).is_ok());
            }
        }
    }
}

fn thrift_span(span: &Span<'_>) -> thrift_body::Thrift {
    use thrift_body::Thrift;
    let annotation = |annotation: &Annotation<'_>| {
        thrift_body::annotation(annotation.timestamp as i64, &annotation.value, thrift_body::endpoint("a", 1, 2))
    };
    let tag = |(key, value): (&str, &str)| thrift_body::binary_annotation(key, value.as_bytes(), 6, None);
    Thrift::Struct(vec![
        (1, Thrift::I64(span.trace_id as i64)),
        (3, (*span.name).into()),
        (4, Thrift::I64(span.id as i64)),
        (6, Thrift::List(span.annotations.iter().map(annotation).collect())),
        (8, Thrift::List(span.tags.iter().map(tag).collect())),
        (12, Thrift::I64((span.trace_id >> 64) as i64)),
    ])
}
