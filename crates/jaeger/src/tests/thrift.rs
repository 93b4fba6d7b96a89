use proptest::collection::vec;
use proptest::prelude::*;

use super::generate;
use crate::model::*;
use crate::thrift::{Problem, Protocol, ThriftError, read_batch, read_emit_batch, write_batch, write_emit_batch};

const PROTOCOLS: [Protocol; 2] = [Protocol::Binary, Protocol::Compact];

pub fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim().as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What Jaeger's client for Python sends, over Apache's library.
fn of_a_client() -> [(Protocol, Vec<u8>); 2] {
    [
        (Protocol::Binary, bytes(include_str!("data/emit_batch.binary.hex"))),
        (Protocol::Compact, bytes(include_str!("data/emit_batch.compact.hex"))),
    ]
}

fn its_batch() -> Batch<'static> {
    let tag = |key: &'static str, value| Tag { key: key.into(), value };
    let trace_id = 1 << 64 | u128::from(u64::MAX);
    let span = Span {
        trace_id,
        span_id: 2,
        operation_name: "get".into(),
        references: vec![
            Reference { kind: ReferenceType::ChildOf, trace_id, span_id: 3 },
            Reference { kind: ReferenceType::FollowsFrom, trace_id: 9, span_id: 8 },
        ],
        flags: SAMPLED,
        start: 1_700_000_000_000_001_000,
        duration: 1_500_000,
        tags: vec![
            tag("s", Value::String("x".into())),
            tag("d", Value::Float64(-0.5)),
            tag("b", Value::Bool(true)),
            tag("f", Value::Bool(false)),
            tag("l", Value::Int64(-70000)),
            tag("y", Value::Binary(b"\0y".into())),
        ],
        logs: vec![Log { time: 1_700_000_000_000_002_000, fields: vec![Tag::string("event", "e")] }],
        ..Span::default()
    };
    let process = Process { service_name: "svc".into(), tags: vec![Tag::string("ip", "10.0.0.1")] };
    Batch { process: Some(process), spans: vec![span] }
}

#[test]
fn what_a_client_sends_is_read() {
    for (protocol, packet) in of_a_client() {
        assert_eq!(read_emit_batch(protocol, &packet).unwrap(), its_batch(), "{protocol:?}");
    }
}

#[test]
fn what_is_written_is_what_a_client_sends() {
    for (protocol, packet) in of_a_client() {
        let mut batch = its_batch();
        // The parent is told beside the references.
        batch.spans[0].references.remove(0);
        let mut written = write_emit_batch(protocol, &batch).unwrap();
        let parent = |zero: &[u8], three: &[u8]| (zero.to_vec(), three.to_vec());
        let (zero, three) = match protocol {
            Protocol::Binary => parent(&[10, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0], &[10, 0, 4, 0, 0, 0, 0, 0, 0, 0, 3]),
            Protocol::Compact => parent(&[0x16, 4, 0x16, 0, 0x18], &[0x16, 4, 0x16, 6, 0x18]),
        };
        let at = written.windows(zero.len()).position(|window| window == zero).unwrap();
        written[at..at + three.len()].copy_from_slice(&three);
        assert_eq!(written, packet, "{protocol:?}");
    }
}

#[test]
fn a_packet_that_is_cut_off_is_refused_wherever_it_is_cut() {
    for (protocol, packet) in of_a_client() {
        for end in 0..packet.len() {
            read_emit_batch(protocol, &packet[..end]).unwrap_err();
        }
    }
}

#[test]
fn what_is_announced_and_does_not_come_is_refused() {
    // Two thousand million spans, and two thousand million characters.
    let list = [&[15, 0, 2, 12][..], &0x7fff_ffff_u32.to_be_bytes()].concat();
    let text = [&[12, 0, 1, 11, 0, 1][..], &0x7fff_ffff_u32.to_be_bytes()].concat();
    let negative = [&[12, 0, 1, 11, 0, 1][..], &u32::MAX.to_be_bytes()].concat();
    let error = |protocol, bytes: &[u8]| read_batch(protocol, bytes).unwrap_err().to_string();
    for bytes in [list, text] {
        let error = error(Protocol::Binary, &bytes);
        assert!(error.contains("2147483647 exceeds maximum allowed size"), "{error}");
    }
    assert!(
        error(Protocol::Binary, &negative).contains("Negative byte array size"),
        "{}",
        error(Protocol::Binary, &negative)
    );
    let compact = [0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07];
    assert!(error(Protocol::Compact, &compact).contains("exceeds maximum allowed size"));
    let endless = [0x26, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80];
    assert!(
        error(Protocol::Compact, &endless).contains("malformed Thrift at byte 11"),
        "{}",
        error(Protocol::Compact, &endless)
    );
}

#[test]
fn nesting_has_an_end() {
    let structs: Vec<u8> = [12, 0, 9].repeat(100_000);
    let lists: Vec<u8> = std::iter::once(0x99).chain([0x19].repeat(100_000)).collect();
    for (protocol, bytes) in [(Protocol::Binary, structs), (Protocol::Compact, lists)] {
        let error = read_batch(protocol, &bytes).unwrap_err();
        assert!(matches!(error.problem, Problem::Protocol(_)) && error.offset < 300, "{error}");
    }
}

#[test]
fn what_the_schema_does_not_know_is_left_out() {
    // A struct with each type before the batch's fields: map, set, list of booleans, double, i16, byte, uuid.
    let binary = [
        &[13, 0, 20, 8, 11, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 1, b'x'][..],
        &[14, 0, 21, 3, 0, 0, 0, 2, 1, 2],
        &[4, 0, 22, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 23, 1, 2, 3, 0, 24, 5, 2, 0, 25, 1],
        &[16, 0, 26],
        &[7; 16],
        &[12, 0, 27, 10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0],
        &write_batch(Protocol::Binary, &its_batch()).unwrap(),
    ];
    assert_eq!(read_batch(Protocol::Binary, &binary.concat()).unwrap(), its_batch());
    let compact = [
        // A long field number, a map, an empty map, a list of booleans, a double, i16, byte, both booleans, uuid, a struct.
        &[0x0b, 40, 1, 0x58, 14, 1, b'x', 0x1b, 0, 0x19, 0x21, 1, 2, 0x17, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &[0x14, 2, 0x13, 9, 0x11, 0x12, 0x1d],
        &[7; 16],
        &[0x1c, 0x16, 2, 0],
        // Back to the first field, by its number.
        &[0x0c, 2],
        &write_batch(Protocol::Compact, &its_batch()).unwrap()[1..],
    ];
    assert_eq!(read_batch(Protocol::Compact, &compact.concat()).unwrap(), its_batch());
}

#[test]
fn only_batches_are_taken() {
    let call = |name: &str, kind: u8| {
        let header = [&[0x80, 1, 0, kind, 0, 0, 0, name.len() as u8][..], name.as_bytes(), &[0; 4], &[0]].concat();
        read_emit_batch(Protocol::Binary, &header).unwrap_err().to_string()
    };
    assert!(call("emitZipkinBatch", 4).contains("\"emitZipkinBatch\" is not supported"));
    assert!(call("emitBatch", 2).contains("the message is no call"));
    assert!(call("emitBatch", 1).contains("emitBatch has no batch"));
    let wrong = |protocol, bytes: &[u8]| read_emit_batch(protocol, bytes).unwrap_err().problem;
    assert!(matches!(wrong(Protocol::Compact, &of_a_client()[0].1), Problem::Protocol(_)));
    assert!(matches!(wrong(Protocol::Binary, &of_a_client()[1].1), Problem::Protocol(_)));
    // Without a version, as old clients call.
    let old = [&[0, 0, 0, 9][..], b"emitBatch", &[1, 0, 0, 0, 0]].concat();
    let argument = [&old[..], &[12, 0, 1], &write_batch(Protocol::Binary, &its_batch()).unwrap(), &[0]].concat();
    assert_eq!(read_emit_batch(Protocol::Binary, &argument).unwrap(), its_batch());
}

#[test]
fn required_fields_are_required() {
    let error = |bytes: &[u8]| read_batch(Protocol::Binary, bytes).unwrap_err();
    assert_eq!(error(&[0]), ThriftError { offset: 1, problem: Problem::Missing("Batch", "process") });
    let empty_span = [15, 0, 2, 12, 0, 0, 0, 1, 0];
    assert_eq!(error(&empty_span).problem, Problem::Missing("Span", "traceIdLow"));
    assert_eq!(error(&empty_span).to_string(), "malformed Thrift at byte 9: Span has no traceIdLow");
    // A field of another type is not that field.
    assert_eq!(error(&[12, 0, 1, 8, 0, 1, 0, 0, 0, 0, 0]).problem, Problem::Missing("Process", "serviceName"));
}

#[test]
fn the_parent_is_the_one_that_the_span_names() {
    let reference = |kind, span_id| Reference { kind, trace_id: 5, span_id };
    let (child, follows) = (ReferenceType::ChildOf, ReferenceType::FollowsFrom);
    let cases = [
        (vec![], 0, vec![]),
        (vec![], 7, vec![reference(child, 7)]),
        (vec![reference(follows, 7)], 7, vec![reference(follows, 7)]),
        (vec![reference(child, 3), reference(child, 7)], 7, vec![reference(child, 7), reference(child, 3)]),
        (
            vec![reference(child, 3), reference(follows, 7)],
            7,
            vec![reference(child, 7), reference(child, 3), reference(follows, 7)],
        ),
    ];
    for (references, parent, expected) in cases {
        let mut span = Span { trace_id: 5, references, ..Span::default() };
        span.set_parent(parent);
        assert_eq!(span.references, expected);
        assert_eq!(span.parent(), Some(parent).filter(|id| *id != 0));
    }
}

proptest! {
    #[test]
    fn batches_are_read_as_they_were_written(batch in generate::batch()) {
        let mut batch = batch;
        for span in &mut batch.spans {
            span.warnings.clear();
        }
        for protocol in PROTOCOLS {
            let written = write_batch(protocol, &batch).unwrap();
            prop_assert_eq!(&read_batch(protocol, &written).unwrap(), &batch);
            let called = write_emit_batch(protocol, &batch).unwrap();
            prop_assert_eq!(&read_emit_batch(protocol, &called).unwrap(), &batch);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in vec(any::<u8>(), 0..100), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        for protocol in PROTOCOLS {
            let _ = read_batch(protocol, &bytes);
            let _ = read_emit_batch(protocol, &bytes);
        }
        for (protocol, mut packet) in of_a_client() {
            *at.get_mut(&mut packet) = byte;
            let _ = read_emit_batch(protocol, &packet);
        }
    }
}
