//! Whatever is written can be read, and nothing from outside makes it panic.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use trefoil_model::wire;

use super::*;
use crate::{to_json, to_protobuf};

const FORMATS: [Format; 2] = [Format::Protobuf, Format::Json];

fn entry() -> impl Strategy<Value = Entry> {
    let metadata = btree_map("[a-z_.]{0,8}|trace_id|span_id", ".{0,8}|[0-9a-f]{16}|[0-9a-f]{32}", 0..4);
    // An entry without a time has that of its arrival.
    (1..=RECEIVED, ".{0,20}", metadata).prop_map(|(time, line, metadata)| {
        let metadata: BTreeMap<String, String> = metadata;
        Entry { time, line, metadata: metadata.into_iter().collect() }
    })
}

/// No two with the same labels.
fn streams() -> impl Strategy<Value = Vec<Stream>> {
    let labels = btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,4}|service_name", "[^\u{0}]{1,8}", 1..5);
    btree_map(labels, vec(entry(), 1..4), 0..4).prop_map(|streams| {
        let labels = |pairs: BTreeMap<String, String>| {
            Labels::of(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()).unwrap()
        };
        streams.into_iter().map(|(pairs, entries)| Stream { labels: labels(pairs), entries }).collect()
    })
}

fn written(format: Format, streams: &[Stream]) -> Vec<u8> {
    match format {
        Format::Protobuf => to_protobuf(streams),
        Format::Json => to_json(streams).unwrap(),
    }
}

proptest! {
    #[test]
    fn a_push_survives_opentelemetry(streams in streams()) {
        for format in FORMATS {
            let translated = translated(format, written(format, &streams), &literal());
            prop_assert_eq!(translated.rejected.message(), None);
            prop_assert_eq!(&again(&translated), &streams);
        }
    }

    #[test]
    fn both_forms_become_the_same(streams in streams()) {
        let [protobuf, json] = FORMATS.map(|format| translated(format, written(format, &streams), &Options::default()));
        prop_assert_eq!(&protobuf, &json);
        // With no zeros or empty fields that other writers would leave out.
        prop_assert_eq!(request(&protobuf).encode_to_vec(), protobuf.request);
    }

    #[test]
    fn nothing_from_outside_makes_it_panic(noise in vec(any::<u8>(), 0..200)) {
        for format in FORMATS {
            let _ = translate(format, &noise, &Options::default(), RECEIVED);
        }
    }

    #[test]
    fn what_is_broken_in_one_place_is_still_otlp(
        streams in streams(),
        noise in vec(any::<u8>(), 1..4),
        position in any::<proptest::sample::Index>(),
    ) {
        for format in FORMATS {
            let mut body = written(format, &streams);
            let start = position.index(body.len() + 1);
            let end = (start + noise.len()).min(body.len());
            body.splice(start..end, noise.iter().copied());
            if let Ok(translated) = translate(format, &body, &Options::default(), RECEIVED) {
                let request = request(&translated);
                let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
                let records: usize = scopes.map(|scope| scope.log_records.len()).sum();
                prop_assert_eq!(records as u64, translated.entries);
                prop_assert!(wire::Reader::new(&translated.request).all(|field| field.is_ok()));
            }
        }
    }
}
