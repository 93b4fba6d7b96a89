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
