use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use super::generate;
use crate::model::{Process, Value};
use crate::proto::*;

fn request(batch: Batch) -> Vec<u8> {
    PostSpansRequest { batch: Some(batch) }.encode_to_vec()
}

fn span() -> Span {
    Span { trace_id: vec![1; 16], span_id: vec![2; 8], operation_name: b"get".to_vec(), ..Span::default() }
}

#[test]
fn a_message_that_is_mostly_empty_is_refused() {
    let hollow = [
        Batch { spans: vec![Span::default(); 10_000], process: None },
        Batch { spans: vec![Span { tags: vec![KeyValue::default(); 10_000], ..span() }], process: None },
        Batch { spans: vec![Span { references: vec![SpanRef::default(); 10_000], ..span() }], process: None },
    ];
    for batch in hollow {
        let bytes = request(batch);
        assert_eq!(read_post_spans(&bytes), Err(ProtoError::Hollow(bytes.len())));
    }
    let few = request(Batch { spans: vec![Span::default(), span(), Span::default()], process: None });
    assert_eq!(read_post_spans(&few).unwrap().spans.len(), 1);
}

#[test]
fn ids_may_be_shorter_but_not_longer() {
    let read = |trace_id: usize, span_id: usize| {
        let span = Span { trace_id: vec![1; trace_id], span_id: vec![1; span_id], ..span() };
        read_post_spans(&request(Batch { spans: vec![span], process: None })).map(|batch| batch.spans[0].trace_id)
    };
    assert_eq!(read(8, 8).unwrap(), 0x0101_0101_0101_0101);
    assert_eq!(read(17, 8).unwrap_err().to_string(), "trace_id has 17 bytes, more than 16");
    assert_eq!(read(16, 9).unwrap_err().to_string(), "span_id has 9 bytes, more than 8");
}

#[test]
fn text_that_is_no_utf_8_is_replaced() {
    let tag = KeyValue { key: b"k\xff".to_vec(), v_str: b"\xfe".to_vec(), ..KeyValue::default() };
    let process = Process { service_name: "\u{fffd}".into(), ..Process::default() };
    let batch = Batch {
        spans: vec![Span { tags: vec![tag], ..span() }],
        process: Some(crate::proto::Process { service_name: vec![0xff], tags: Vec::new() }),
    };
    let request = request(batch);
    let read = read_post_spans(&request).unwrap();
    assert_eq!((read.process, &*read.spans[0].tags[0].key), (Some(process), "k\u{fffd}"));
    assert_eq!(read.spans[0].tags[0].value, Value::String("\u{fffd}".into()));
}

#[test]
fn times_before_1970_are_its_beginning() {
    let span = Span {
        start_time: Some(Time { seconds: -5, nanos: 0 }),
        duration: Some(Time { seconds: i64::MAX, nanos: 999_999_999 }),
        ..span()
    };
    let request = request(Batch { spans: vec![span], process: None });
    let read = read_post_spans(&request).unwrap();
    assert_eq!((read.spans[0].start, read.spans[0].duration), (0, u64::MAX));
}

#[test]
fn what_is_not_jaegers_is_refused() {
    let unknown = KeyValue { key: b"k".to_vec(), v_type: 9, ..KeyValue::default() };
    let batch = Batch { spans: vec![Span { tags: vec![unknown], ..span() }], process: None };
    assert_eq!(read_post_spans(&request(batch)).unwrap_err().to_string(), "ValueType knows no 9");
    assert!(matches!(read_post_spans(b"\x0a\x09"), Err(ProtoError::Malformed(_))));
    let other_type = "malformed protobuf at byte 0: field 1 must be length-delimited, found a varint";
    assert_eq!(read_post_spans(b"\x08\x09").unwrap_err().to_string(), other_type);
    assert_eq!(read_post_spans(b"").unwrap(), crate::model::Batch::default());
}

proptest! {
    #[test]
    fn batches_are_read_as_they_were_written(batch in generate::mixed()) {
        let written = write_post_spans(&batch);
        prop_assert_eq!(read_post_spans(&written).unwrap(), batch);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in vec(any::<u8>(), 0..100),
        batch in generate::batch(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let _ = read_post_spans(&bytes);
        let mut written = write_post_spans(&batch);
        *at.get_mut(&mut written) = byte;
        let _ = read_post_spans(&written);
    }
}
