//! A trace by its id, over a real store.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use prost::Message;
use trefoil_model::{Signal, Tenant};
use trefoil_query::traces::{ExceptionsOf, ExceptionsRequest, RateRequest};
use trefoil_query::{Engine, Limits, QueryError};
use trefoil_storage::{Storage, StorageConfig};
use trefoil_traceql::value::Kind;

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

    let limits = Limits::default();
    let window = (start as i64, start as i64 + 10);
    let paths = engine.critical_path(&tenant, TRACE, 0, 10, limits).await.unwrap().unwrap();
    // What was sent twice is there once.
    assert_eq!((paths.span_count, paths.duration), (2, 9));
    assert_eq!(engine.service_graph(&tenant, window, 10, limits).await.unwrap().inspected_spans, 3);
    let request = ExceptionsRequest {
        of: ExceptionsOf::Window(window.0, window.1),
        service: None,
        exception_type: None,
        limit: 10,
    };
    assert_eq!(engine.exceptions(&tenant, &request, limits).await.unwrap().inspected_spans, 3);
    let request = RateRequest {
        services: vec![String::new()],
        kinds: vec![Kind::Unspecified],
        by_operation: false,
        start: window.1,
        end: window.1,
        step: 100,
        window: 100,
    };
    let rates = engine.span_rates(&tenant, &request, limits).await.unwrap();
    let calls: Vec<u64> = rates.iter().flat_map(|rates| rates.windows(|window| window.calls)).collect();
    assert_eq!(calls, [3]);
}

/// Spans `(trace, id, parent, name, kind, offset, has failed)` of a service.
type Told<'a> = (u8, u8, u8, &'a str, i32, u64, bool);

fn of_service(name: &str, start: u64, spans: &[Told<'_>]) -> Vec<u8> {
    let value = Some(AnyValue { value: Some(Value::StringValue(name.to_owned())) });
    let attributes = vec![KeyValue { key: "service.name".to_owned(), value, ..Default::default() }];
    let span = |&(trace, id, parent, name, kind, offset, has_failed): &Told<'_>| Span {
        trace_id: [trace; 16].to_vec(),
        span_id: [id; 8].to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { [parent; 8].to_vec() },
        name: name.to_owned(),
        kind,
        start_time_unix_nano: start + offset * SECOND,
        end_time_unix_nano: start + offset * SECOND + 1_000_000,
        status: has_failed.then(|| Status { code: 2, ..Default::default() }),
        ..Default::default()
    };
    let scope_spans = vec![ScopeSpans { spans: spans.iter().map(span).collect(), ..Default::default() }];
    let resource = Some(Resource { attributes, ..Default::default() });
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..Default::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

const SECOND: u64 = 1_000_000_000;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn traces_operations_dependencies_and_rates_come_from_files_and_memory() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageConfig::in_directory(directory.path())).await.unwrap();
    let engine = Engine::new(storage.clone(), 64 << 20).unwrap();
    let (tenant, other) = (Tenant::default(), Tenant::new("other").unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let start = now - 600 * SECOND;
    let limits = Limits { max_rows: 100, timeout: Duration::from_secs(60), ..Limits::default() };
    // Children are in a file, their parents partly in another, partly in memory.
    let requests = [
        of_service("cart", start, &[(1, 3, 2, "load", SERVER, 2, true), (2, 6, 5, "load", SERVER, 3, false)]),
        of_service("web", start, &[(1, 1, 0, "GET /", SERVER, 0, false), (1, 2, 1, "call", CLIENT, 1, false)]),
        of_service("web", start, &[(2, 5, 0, "GET /", SERVER, 2, false), (3, 7, 99, "lost", SERVER, 4, false)]),
    ];
    for (number, request) in requests.into_iter().enumerate() {
        storage.append(&tenant, Signal::Traces, request.into()).await.unwrap();
        if number < 2 {
            storage.flush().await.unwrap();
        }
    }

    let ids = [[2; 16], [9; 16], [1; 16]];
    let traces = engine.traces(&tenant, &ids, limits).await.unwrap();
    let names = |trace: &TracesData| {
        let groups = trace.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        groups.flat_map(|scope| &scope.spans).map(|span| span.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(traces.iter().map(names).collect::<Vec<_>>(), [vec!["GET /", "load"], vec!["GET /", "call", "load"]]);
    let one = engine.trace(&tenant, [1; 16], None, limits).await.unwrap();
    assert_eq!(traces[1], one);
    let few = Limits { max_rows: 4, ..limits };
    assert!(matches!(engine.traces(&tenant, &ids, few).await, Err(QueryError::LimitExceeded(_))));
    assert!(engine.traces(&other, &ids, limits).await.unwrap().is_empty());

    let operations = engine.span_operations(&tenant, |name| name == "web", 10, limits).await.unwrap();
    let told: Vec<_> = operations.iter().map(|of| (of.name.as_str(), of.kind.name())).collect();
    assert_eq!(told, [("GET /", "server"), ("call", "client"), ("lost", "server")]);
    assert_eq!(engine.span_operations(&tenant, |_| true, 2, limits).await.unwrap().len(), 2);
    assert!(engine.span_operations(&other, |_| true, 2, limits).await.unwrap().is_empty());

    let dependencies = |tenant: Tenant, first: u64| {
        let engine = engine.clone();
        async move {
            let period = ((start + first * SECOND) as i64, now as i64);
            let found = engine.service_dependencies(&tenant, period, &[], limits).await.unwrap();
            found
                .iter()
                .map(|of| (of.parent.to_string(), of.child.to_string(), of.calls, of.errors))
                .collect::<Vec<_>>()
        }
    };
    let link = |calls, errors| vec![("web".to_owned(), "cart".to_owned(), calls, errors)];
    assert_eq!(dependencies(tenant.clone(), 0).await, link(2, 1));
    assert_eq!(dependencies(tenant.clone(), 3).await, link(1, 0), "parents before the period count");
    assert!(dependencies(tenant.clone(), 10).await.is_empty());
    assert!(dependencies(other.clone(), 0).await.is_empty());

    let request = RateRequest {
        services: vec!["web".to_owned(), "cart".to_owned()],
        kinds: vec![Kind::Server],
        by_operation: true,
        start: start as i64,
        end: (start + 4 * SECOND) as i64,
        step: 2 * SECOND as i64,
        window: 4 * SECOND as i64,
    };
    let rates = engine.span_rates(&tenant, &request, limits).await.unwrap();
    let told: Vec<_> = rates
        .iter()
        .map(|of| {
            let windows = of.windows(|window| (window.calls, window.errors));
            (of.service.as_ref(), of.operation.as_deref().unwrap_or_default(), windows)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("cart", "load", vec![(0, 0), (1, 1), (2, 1)]),
            ("web", "GET /", vec![(1, 0), (2, 0), (1, 0)]),
            ("web", "lost", vec![(0, 0), (0, 0), (1, 0)]),
        ]
    );
    assert!(engine.span_rates(&other, &request, limits).await.unwrap().is_empty());
}
