//! Any bytes as a push of Loki's clients, in each form: no panic, what it becomes is an OTLP request with as many records as it says, and the
//! store rejects none of them. As streams again, they can be written in both forms and say the same.
//!
//! The first byte chooses the form, and whether services are looked for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;
use trefoil_loki::{DefaultLabels, Format, Labels, Limits, Options, Stream, from_otlp, to_json, to_protobuf, translate};
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Promoted, Signal, Tenant};

/// After everything that can be told, so that no entry is in the future.
const RECEIVED: u64 = i64::MAX as u64;

/// The streams of a request, and how many entries are in them.
fn streams(request: &[u8]) -> (Vec<Stream>, u64) {
    let request = ExportLogsServiceRequest::decode(request).expect("valid protobuf");
    let found = from_otlp(&request, DefaultLabels::default(), RECEIVED);
    assert_eq!(found.rejected.entries, 0);
    assert!(found.tenants.len() <= 1, "a push has no hints");
    found.tenants.into_iter().next().map(|tenant| (tenant.streams, tenant.entries)).unwrap_or_default()
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    if let Ok(text) = std::str::from_utf8(body)
        && let Ok(labels) = Labels::parse(text)
    {
        let written = labels.to_string();
        assert_eq!(Labels::parse(&written).as_ref(), Ok(&labels), "{written}");
    }
    let format = [Format::Protobuf, Format::Json][usize::from(choice % 2)];
    let mut options = Options::default();
    if choice & 2 != 0 {
        options.limits = Limits { discover_service_name: Vec::new(), ..Limits::default() };
    }
    let Ok(translated) = translate(format, body, &options, RECEIVED) else { return };

    let (promoted, series, limits) = (Promoted::default(), SeriesIndex::new(100), trefoil_model::Limits::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    let decoded = decode(Signal::Logs, &Tenant::default(), &translated.request, &context);
    let decoded = decoded.expect("it is an OTLP request");
    assert_eq!(decoded.rejected, 0, "{:?}", decoded.reasons);

    let (found, entries) = streams(&translated.request);
    assert_eq!(entries, translated.entries);
    let json = to_json(&found).expect("JSON");
    for (format, body) in [(Format::Protobuf, to_protobuf(&found)), (Format::Json, json)] {
        let again = translate(format, &body, &options, RECEIVED).expect("what is written can be read");
        assert_eq!((again.entries, again.rejected.message()), (entries, None));
        assert_eq!(streams(&again.request).0, found);
    }
});
