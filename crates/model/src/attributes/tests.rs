//! The encoding is stored in files: these tests pin it.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{self as proto, ArrayValue, KeyValueList};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::Limits;

fn wrap(value: Value) -> proto::AnyValue {
    proto::AnyValue { value: Some(value) }
}

fn member(key: &str, value: Value) -> proto::KeyValue {
    proto::KeyValue { key: key.into(), value: Some(wrap(value)), ..Default::default() }
}

fn text_of(value: &proto::AnyValue) -> String {
    let bytes = value.encode_to_vec();
    let mut text = String::new();
    push_value(&mut text, AnyValue::parse(Reader::new(&bytes)).unwrap(), 32, &mut Tally::default()).unwrap();
    text
}

#[test]
fn every_type_has_its_text() {
    let list =
        |keys: &[&str]| KeyValueList { values: keys.iter().map(|key| member(key, Value::IntValue(1))).collect() };
    let array = ArrayValue {
        values: vec![wrap(Value::IntValue(1)), wrap(Value::DoubleValue(1.0)), proto::AnyValue::default()],
    };
    for (value, expected) in [
        (Value::StringValue("a\"\\\n\r\t\u{1}é\u{7f}".into()), "\"a\\\"\\\\\\n\\r\\t\\u0001é\u{7f}\""),
        (Value::BoolValue(true), "true"),
        (Value::IntValue(i64::MIN), "-9223372036854775808"),
        (Value::DoubleValue(200.0), "200.0"),
        (Value::DoubleValue(-0.0), "-0.0"),
        (Value::DoubleValue(0.1), "0.1"),
        (Value::DoubleValue(1e300), "1e300"),
        (Value::DoubleValue(f64::NAN), r#"{"$double":"NaN"}"#),
        (Value::DoubleValue(f64::NEG_INFINITY), r#"{"$double":"-Infinity"}"#),
        (Value::BytesValue(vec![0, 255]), r#"{"$bytes":"AP8="}"#),
        (Value::ArrayValue(array), "[1,1.0,null]"),
        (Value::KvlistValue(list(&["a", "a", "$bytes", "$$"])), r#"{"a":1,"a":1,"$$bytes":1,"$$$":1}"#),
        (Value::KvlistValue(list(&[])), "{}"),
    ] {
        let value = wrap(value);
        assert_eq!(text_of(&value), expected);
        let back = read_value(expected).unwrap();
        assert_eq!(text_of(&back), expected, "NaN is not equal to itself, its text is");
    }
    assert_eq!(text_of(&proto::AnyValue::default()), "null");
    assert_eq!(read_value("null").unwrap(), proto::AnyValue::default());
}

#[test]
fn an_attribute_list_keeps_its_keys() {
    let attributes = [member("$x", Value::IntValue(1)), member("$x", Value::BoolValue(false))];
    let encoded: Vec<Vec<u8>> = attributes.iter().map(Message::encode_to_vec).collect();
    let mut text = "before ".to_string();
    let messages = encoded.iter().map(|bytes| Reader::new(bytes));
    assert!(push_attributes(&mut text, messages, &Limits::default(), &mut Tally::default()).unwrap());
    assert_eq!(text, r#"before {"$x":1,"$x":false}"#);
    assert_eq!(read_attributes(&text[7..]).unwrap(), attributes);
    assert!(!push_attributes(&mut text, [], &Limits::default(), &mut Tally::default()).unwrap());
}

#[test]
fn damaged_text_is_an_error_that_says_what_is_wrong() {
    for (text, expected) in [
        ("{\"a\":", "EOF while parsing"),
        ("18446744073709551615", "an integer of 64 bits"),
        (r#"{"$bytes":"?"}"#, "Invalid symbol"),
        (r#"{"$bytes":1}"#, "must hold a string"),
        (r#"{"$double":"1"}"#, "unknown special value"),
        (r#"{"$new":"1"}"#, "unknown special value"),
        (r#"{"a":1,"$bytes":""}"#, "must be the only member"),
        (r#"{"$bytes":"","a":1}"#, "must be the only member"),
    ] {
        let error = read_value(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert!(read_attributes("[]").is_err());
}

#[test]
fn limits_cut_strings_and_drop_the_rest() {
    assert_eq!(truncate_string("aé".as_bytes(), 2), b"a");
    assert_eq!(truncate_string("aé".as_bytes(), 3), "aé".as_bytes());
    assert_eq!(truncate_string(&[0x80; 9], 4), &[0x80; 4], "never mind characters where there are none");
    let limits =
        Limits { max_attributes: 3, max_attribute_value_bytes: 2, max_attribute_key_bytes: 2, ..Limits::default() };
    let attributes = [
        member("a", Value::StringValue("xyz".into())),
        member("key", Value::IntValue(1)),
        member("b", Value::BytesValue(vec![1; 3])),
        member("c", Value::IntValue(1)),
    ];
    let encoded: Vec<Vec<u8>> = attributes.iter().map(Message::encode_to_vec).collect();
    let (mut text, mut tally) = (String::new(), Tally::default());
    push_attributes(&mut text, encoded.iter().map(|bytes| Reader::new(bytes)), &limits, &mut tally).unwrap();
    assert_eq!((text.as_str(), tally.dropped), (r#"{"a":"xy"}"#, 3));
}

proptest! {
    #[test]
    fn any_bytes_become_valid_json(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut text = String::new();
        push_string(&mut text, &bytes, &mut Tally::default());
        let back: String = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back, String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn doubles_come_back_bit_by_bit(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        let back = read_value(&text_of(&wrap(Value::DoubleValue(number)))).unwrap();
        let Some(Value::DoubleValue(back)) = back.value else { panic!("{back:?}") };
        prop_assert!(back.to_bits() == bits || back.is_nan() && number.is_nan());
    }
}
