//! Any bytes as a body of Zipkin's clients, in each format: no panic, what it becomes is an OTLP request with as many spans as
//! it says, and the store rejects none of them. As spans of Zipkin again, they can be written and read.
//!
//! The first byte chooses the format and whether tags are parsed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Tenant};
use trefoil_zipkin::{Format, Options, from_otlp, to_json, to_protobuf, translate};

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let format = [Format::JsonV2, Format::ProtobufV2, Format::JsonV1, Format::ThriftV1][usize::from(choice % 4)];
    let options = Options { parse_string_tags: choice & 4 != 0, received: 1 };
    let Ok(translated) = translate(format, body, &options) else { return };

    let (promoted, series, limits) = (Promoted::default(), SeriesIndex::new(100), Limits::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    let decoded = decode(Signal::Traces, &Tenant::default(), &translated.request, &context);
    let decoded = decoded.expect("it is an OTLP request");
    assert_eq!(decoded.rejected, 0, "{:?}", decoded.reasons);

    let request = ExportTraceServiceRequest::decode(&translated.request[..]).expect("valid protobuf");
    let spans = from_otlp(&request, "");
    assert_eq!((spans.spans.len() as u64, spans.rejected.spans), (translated.spans, 0));
    let json = to_json(&spans.spans).expect("JSON");
    for (format, body) in [(Format::JsonV2, json), (Format::ProtobufV2, to_protobuf(&spans.spans))] {
        let again = translate(format, &body, &options).expect("what is written can be read");
        assert_eq!((again.spans, again.rejected.message()), (translated.spans, None));
    }
});
