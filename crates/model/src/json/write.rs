//! OTLP protobuf bytes → OTLP/JSON: 64-bit integers as strings, ids in hexadecimal, enums as numbers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::ser::{CompactFormatter, Formatter};

use super::descriptor::{self, Field, Kind, Message};
use crate::Signal;
use crate::wire::{self, Problem, Reader, WireError};

/// Messages nested deeper than this (lists in lists in attribute values) are an error, as in the decoder.
const MAX_DEPTH: usize = 100;

/// The OTLP/JSON text of an export request of `signal` in protobuf. Unknown fields are left out; text that is not UTF-8
/// gets U+FFFD where it is broken.
pub fn from_protobuf(signal: Signal, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let message = match signal {
        Signal::Traces => &descriptor::TRACES,
        Signal::Metrics => &descriptor::METRICS,
        Signal::Logs => &descriptor::LOGS,
    };
    let mut out = Vec::with_capacity(body.len() * 2);
    object(message, Reader::new(body), 0, &mut out)?;
    Ok(out)
}

fn object(message: &'static Message, reader: Reader<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
    if depth > MAX_DEPTH {
        return Err(WireError { offset: reader.offset(), problem: Problem::Depth });
    }
    let fields: Vec<wire::Field<'_>> = reader.collect::<Result<_, _>>()?;
    out.push(b'{');
    let mut first = true;
    for field in message.fields() {
        // Protobuf lets the occurrences of a field lie apart; of one that is not repeated, the last counts.
        let occurrences = fields.iter().filter(|found| found.number == field.number);
        let mut values: Vec<&wire::Field<'_>> = occurrences.collect();
        if !field.repeated {
            values = values.pop().into_iter().collect();
        }
        if values.is_empty() {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        string(field.name, out);
        out.push(b':');
        if field.repeated {
            list(field, &values, depth, out)?;
        } else {
            value(field, values[0], depth, out)?;
        }
    }
    out.push(b'}');
    Ok(())
}

fn list(field: &'static Field, values: &[&wire::Field<'_>], depth: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
    out.push(b'[');
    let start = out.len();
    let separate = |out: &mut Vec<u8>| {
        if out.len() > start {
            out.push(b',');
        }
    };
    for found in values {
        match field.kind {
            Kind::Double => found.each_fixed64(|bits| {
                separate(out);
                double(f64::from_bits(bits), out);
            })?,
            Kind::Fixed64 => found.each_fixed64(|number| {
                separate(out);
                quoted(number, out);
            })?,
            Kind::Uint64 => found.each_varint(|number| {
                separate(out);
                quoted(number, out);
            })?,
            _ => {
                separate(out);
                value(field, found, depth, out)?;
            }
        }
    }
    out.push(b']');
    Ok(())
}

fn value(field: &'static Field, found: &wire::Field<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
    match field.kind {
        Kind::Message(message) => object(message, found.message()?, depth + 1, out)?,
        Kind::String => string(&String::from_utf8_lossy(found.bytes()?), out),
        Kind::Bool => out.extend_from_slice(if found.bool()? { b"true" } else { b"false" }),
        Kind::Double => double(found.double()?, out),
        Kind::Int64 => quoted(found.int64()?, out),
        Kind::Sfixed64 => quoted(found.sfixed64()?, out),
        Kind::Uint64 => quoted(found.uint64()?, out),
        Kind::Fixed64 => quoted(found.fixed64()?, out),
        Kind::Sint32 => out.extend_from_slice(found.sint32()?.to_string().as_bytes()),
        Kind::Uint32 => out.extend_from_slice(found.uint32()?.to_string().as_bytes()),
        Kind::Fixed32 => out.extend_from_slice(found.fixed32()?.to_string().as_bytes()),
        Kind::Enum(..) => out.extend_from_slice(found.int32()?.to_string().as_bytes()),
        Kind::Base64 => string(&STANDARD.encode(found.bytes()?), out),
        Kind::Id => {
            out.push(b'"');
            for byte in found.bytes()? {
                out.extend_from_slice(format!("{byte:02x}").as_bytes());
            }
            out.push(b'"');
        }
    }
    Ok(())
}

fn quoted(number: impl std::fmt::Display, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\"{number}\"").as_bytes());
}

fn double(number: f64, out: &mut Vec<u8>) {
    let text = match number {
        nan if nan.is_nan() => "\"NaN\"",
        f64::INFINITY => "\"Infinity\"",
        f64::NEG_INFINITY => "\"-Infinity\"",
        finite => {
            // Writing to a vector cannot fail.
            let _ = CompactFormatter.write_f64(out, finite);
            return;
        }
    };
    out.extend_from_slice(text.as_bytes());
}

fn string(text: &str, out: &mut Vec<u8>) {
    // Strings always serialize, and a vector takes them.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::super::to_protobuf;
    use super::*;

    #[test]
    fn what_was_read_is_written_again() {
        let traces = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"a\"é","value":{"stringValue":"x"}}]},"scopeSpans":[{"scope":{"name":"s"},"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"n","kind":2,"startTimeUnixNano":"18446744073709551615","attributes":[{"key":"i","value":{"intValue":"-5"}},{"key":"d","value":{"doubleValue":1.5}},{"key":"nan","value":{"doubleValue":"NaN"}},{"key":"b","value":{"bytesValue":"+/8="}},{"key":"f","value":{"boolValue":false}},{"key":"l","value":{"arrayValue":{"values":[{"kvlistValue":{"values":[{"key":"k","value":{}}]}}]}}}],"flags":257}]}]}]}"#;
        let metrics = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"h","histogram":{"dataPoints":[{"timeUnixNano":"5","count":"3","sum":-2.0,"bucketCounts":["1","2"],"explicitBounds":[0.5]}],"aggregationTemporality":2}},{"name":"e","exponentialHistogram":{"dataPoints":[{"scale":-3,"positive":{"offset":-1,"bucketCounts":["7","300"]}}]}}]}]}]}"#;
        let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":9,"body":{"stringValue":"hello"}}]}],"schemaUrl":"u"}]}"#;
        for (signal, json) in [(Signal::Traces, traces), (Signal::Metrics, metrics), (Signal::Logs, logs)] {
            let protobuf = to_protobuf(signal, json.as_bytes()).unwrap();
            let written = from_protobuf(signal, &protobuf).unwrap();
            let parse = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
            assert_eq!(parse(&written), parse(json.as_bytes()));
            assert_eq!(to_protobuf(signal, &written).unwrap().len(), protobuf.len());
        }
    }

    #[test]
    fn broken_bytes_are_an_error() {
        assert!(from_protobuf(Signal::Logs, b"\x0a\xff").is_err());
        assert_eq!(from_protobuf(Signal::Logs, b"").unwrap(), b"{}");
    }
}
