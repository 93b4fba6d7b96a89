//! Any text as stored attributes (a file another program wrote, or a damaged one): no panic, and what is read is written
//! by the decoder as a text that reads back equal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::common::v1::KeyValueList;
use prost::Message;
use trefoil_model::Limits;
use trefoil_model::attributes::{AnyValue, Tally, push_attributes, push_value, read_attributes, read_value};
use trefoil_model::wire::Reader;

fuzz_target!(|text: &str| {
    if let Ok(value) = read_value(text) {
        let bytes = value.encode_to_vec();
        let parsed = AnyValue::parse(Reader::new(&bytes)).expect("an encoded value is well-formed");
        let mut written = String::new();
        push_value(&mut written, parsed, usize::MAX, &mut Tally::default()).expect("no value is too deep");
        let again = read_value(&written).expect("what was written is read").encode_to_vec();
        assert_eq!(again, bytes, "{text} became {written}");
    }
    if let Ok(values) = read_attributes(text) {
        let limits = Limits { max_attributes: usize::MAX, max_nesting: usize::MAX, ..Limits::default() };
        let bytes = KeyValueList { values }.encode_to_vec();
        let attributes = Reader::new(&bytes).map(|field| field.and_then(|field| field.message()));
        let attributes: Vec<Reader<'_>> = attributes.collect::<Result<_, _>>().expect("an encoded list is well-formed");
        let mut written = String::new();
        let mut tally = Tally::default();
        push_attributes(&mut written, attributes, &limits, &mut tally).expect("an encoded list is well-formed");
        if tally == Tally::default() && !written.is_empty() {
            let values = read_attributes(&written).expect("what was written is read");
            assert_eq!(KeyValueList { values }.encode_to_vec(), bytes, "{text} became {written}");
        }
    }
});
