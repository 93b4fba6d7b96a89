//! Any bytes as Jaeger's Thrift, protobuf or JSON: no panic, what was read is read again as it was written, and it becomes an OTLP
//! request that the store can read. Some bytes are a file of sampling strategies.
//!
//! The first byte chooses the form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use trefoil_jaeger::model::Batch;
use trefoil_jaeger::sampling::Strategies;
use trefoil_jaeger::thrift::{self, Protocol};
use trefoil_jaeger::{json, otlp, proto};
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Tenant};

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let protocol = if choice % 2 == 0 { Protocol::Binary } else { Protocol::Compact };
    match choice % 7 {
        0 | 1 => {
            let Ok(batch) = thrift::read_batch(protocol, body) else { return };
            let written = thrift::write_batch(protocol, &batch).expect("it can be written");
            let read = thrift::read_batch(protocol, &written).expect("it was written here");
            assert_eq!(thrift::write_batch(protocol, &read).expect("it can be written"), written);
            translate(batch);
        }
        2 | 3 => {
            let Ok(batch) = thrift::read_emit_batch(protocol, body) else { return };
            let written = thrift::write_emit_batch(protocol, &batch).expect("it can be written");
            let read = thrift::read_emit_batch(protocol, &written).expect("it was written here");
            assert_eq!(thrift::write_emit_batch(protocol, &read).expect("it can be written"), written);
            translate(batch);
        }
        4 => {
            let Ok(batch) = proto::read_post_spans(body) else { return };
            let written = proto::write_post_spans(&batch);
            let read = proto::read_post_spans(&written).expect("it was written here");
            assert_eq!(proto::write_post_spans(&read), written);
            translate(batch);
        }
        5 => {
            let Ok(request) = json::read(body).and_then(json::to_otlp) else { return };
            otlp::from_otlp(&request.resource_spans).into_iter().for_each(translate);
        }
        _ => {
            let Ok(strategies) = std::str::from_utf8(body).map_err(drop).and_then(|text| Strategies::parse(text).map_err(drop))
            else {
                return;
            };
            serde_json::to_string(strategies.of("x")).expect("it has only finite numbers");
        }
    }
});

/// To OpenTelemetry, into columns, and to the UI and back.
fn translate(batch: Batch<'_>) {
    let bytes = otlp::to_otlp([batch]);
    let (promoted, series, limits) = (Promoted::default(), SeriesIndex::new(100), Limits::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    decode(Signal::Traces, &Tenant::default(), &bytes, &context).expect("it is an OTLP request");
    let request = ExportTraceServiceRequest::decode(&bytes[..]).expect("it is an OTLP request");
    assert_eq!(request.encode_to_vec(), bytes, "it is written as generated code writes it");

    let text = serde_json::to_vec(&json::traces(&request.resource_spans)).expect("it is JSON");
    let read = json::read(&text).expect("it was written here");
    json::to_otlp(read).expect("it was written here");
}
