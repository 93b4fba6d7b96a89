use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message as _;
use trefoil_model::{Signal, json};

use crate::{DefaultLabels, Entry, Format, Labels, Limits, Options, Stream, Translated, from_otlp, translate};

mod forms;
mod otlp;
mod properties;
mod refused;

/// 2026-11-21T03:42:04Z, in nanoseconds.
const RECEIVED: u64 = 1_795_232_524_000_000_000;

/// Without looking for the service.
fn literal() -> Options {
    let limits = Limits { discover_service_name: Vec::new(), ..Limits::default() };
    Options { limits, ..Options::default() }
}

fn translated(format: Format, body: impl AsRef<[u8]>, options: &Options) -> Translated {
    translate(format, body.as_ref(), options, RECEIVED).unwrap()
}

fn request(translated: &Translated) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest::decode(&translated.request[..]).unwrap()
}

/// As OTLP/JSON, for snapshots.
fn otlp_json(translated: &Translated) -> serde_json::Value {
    assert_eq!(translated.rejected.message(), None);
    serde_json::from_slice(&json::from_protobuf(Signal::Logs, &translated.request).unwrap()).unwrap()
}

/// What a push becomes when it is sent on.
fn again(translated: &Translated) -> Vec<Stream> {
    let found = from_otlp(&request(translated), DefaultLabels::default(), RECEIVED);
    assert_eq!(found.rejected.message(), None);
    assert!(found.tenants.iter().all(|of_tenant| of_tenant.tenant.is_none()));
    assert_eq!(found.tenants.iter().map(|of_tenant| of_tenant.entries).sum::<u64>(), translated.entries);
    found.tenants.into_iter().flat_map(|of_tenant| of_tenant.streams).collect()
}

fn stream(labels: &str, entries: &[(u64, &str)]) -> Stream {
    let entry = |(time, line): &(u64, &str)| Entry { time: *time, line: (*line).to_owned(), metadata: Vec::new() };
    Stream { labels: Labels::parse(labels).unwrap().into_owned(), entries: entries.iter().map(entry).collect() }
}
