//! Any bytes as an OTLP/JSON request: no panic, what is accepted is valid protobuf for the generated messages, and the way
//! there and back ends where it began.
//!
//! The first byte chooses the signal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use trefoil_model::{Signal, json};

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let signal = Signal::ALL[usize::from(*choice) % 3];
    let Ok(protobuf) = json::to_protobuf(signal, body) else { return };
    match signal {
        Signal::Traces => drop(ExportTraceServiceRequest::decode(protobuf.as_slice()).expect("valid protobuf")),
        Signal::Metrics => drop(ExportMetricsServiceRequest::decode(protobuf.as_slice()).expect("valid protobuf")),
        Signal::Logs => drop(ExportLogsServiceRequest::decode(protobuf.as_slice()).expect("valid protobuf")),
    }
    let text = json::from_protobuf(signal, &protobuf).expect("what was read can be written");
    let again = json::to_protobuf(signal, &text).expect("what was written can be read");
    let last = json::from_protobuf(signal, &again).expect("what was read can be written");
    assert_eq!(text, last, "{}", String::from_utf8_lossy(&text));
});
