//! A trace by its id, over a real store.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use trefoil_model::{Signal, Tenant};
use trefoil_query::{Engine, Limits};
use trefoil_storage::{Storage, StorageConfig};

const TRACE: [u8; 16] = [7; 16];

/// Spans that start so many nanoseconds after `start`; their number is their id.
fn request(start: u64, spans: &[(u64, u8)]) -> Vec<u8> {
    let span = |&(offset, id): &(u64, u8)| Span {
        trace_id: TRACE.to_vec(),
        span_id: [id; 8].to_vec(),
        start_time_unix_nano: start + offset,
        end_time_unix_nano: start + offset + 1,
        ..Default::default()
    };
    let scope_spans = vec![ScopeSpans { spans: spans.iter().map(span).collect(), ..Default::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_come_in_the_order_they_started() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageConfig::in_directory(directory.path())).await.unwrap();
    let engine = Engine::new(storage.clone(), 64 << 20).unwrap();
    let tenant = Tenant::default();
    let start = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let limits = Limits { max_rows: 100, timeout: Duration::from_secs(60), ..Limits::default() };
    // The newest are in a file, those before them in memory; two start at once.
    for (number, spans) in [&[(50, 5), (40, 4)][..], &[(30, 3)], &[(10, 2), (10, 1)]].into_iter().enumerate() {
        storage.append(&tenant, Signal::Traces, request(start, spans).into()).await.unwrap();
        if number == 0 {
            storage.flush().await.unwrap();
        }
    }
    let trace = engine.trace(&tenant, TRACE, None, limits).await.unwrap();
    let spans = trace.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
    assert_eq!(spans.map(|span| span.span_id[0]).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_that_was_written_more_than_once_is_its_last_version() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageConfig::in_directory(directory.path())).await.unwrap();
    let engine = Engine::new(storage.clone(), 64 << 20).unwrap();
    let tenant = Tenant::default();
    let start = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    // The last comes first, so that it is in a file; then an earlier one.
    for (version, length) in [(2, 9), (1, 5)] {
        let mut request = ExportTraceServiceRequest::decode(request(start, &[(0, 1), (1, 2)]).as_slice()).unwrap();
        let span = &mut request.resource_spans[0].scope_spans[0].spans[0];
        span.trace_state = trefoil_model::versions::stamped("a=b", version);
        span.end_time_unix_nano = start + length;
        storage.append(&tenant, Signal::Traces, request.encode_to_vec().into()).await.unwrap();
        storage.flush().await.unwrap();
    }
    let seen = |trace: opentelemetry_proto::tonic::trace::v1::TracesData| {
        let spans = trace.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        let spans = spans.flat_map(|scope| scope.spans);
        spans.map(|span| (span.span_id[0], span.end_time_unix_nano - start, span.trace_state)).collect::<Vec<_>>()
    };
    // Those without a version are not touched, also when they come twice.
    let expected = [(1, 9, "a=b".to_owned()), (2, 2, String::new()), (2, 2, String::new())];
    assert_eq!(seen(engine.trace(&tenant, TRACE, None, Limits::default()).await.unwrap()), expected);
    assert_eq!(seen(engine.span(&tenant, TRACE, [1; 8], Limits::default()).await.unwrap()), expected[..1]);
}
