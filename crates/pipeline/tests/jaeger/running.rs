//! A running receiver and what to send to it.

use std::net::SocketAddr;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use prost::Message as _;
use trefoil_jaeger::model::{Batch, Process, Reference, ReferenceType, SAMPLED, Span, Tag};
use trefoil_model::Tenancy;
use trefoil_pipeline::component::{Component, Downstream};
use trefoil_pipeline::receivers::jaeger::JaegerReceiver;
use trefoil_pipeline::{Consumer, Metrics, Telemetry};

use crate::configuration::parse;
use crate::support::to_all;

pub struct Running {
    pub receiver: Arc<JaegerReceiver>,
    metrics: Registry,
}

impl Running {
    pub fn address(&self, protocol: &str) -> SocketAddr {
        self.receiver.address(protocol).unwrap()
    }

    /// The value of a series, as `/metrics` shows it.
    pub fn metric(&self, series: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.metrics).unwrap();
        let line =
            text.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_else(|| panic!("{series}\n{text}"));
        line.trim().parse().unwrap()
    }
}

pub async fn start_with(yaml: &str, tenancy: Tenancy, downstream: Downstream) -> Running {
    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let config = parse(yaml).unwrap();
    let receiver = Arc::new(JaegerReceiver::new(&config, tenancy, downstream, &metrics, "jaeger").unwrap());
    receiver.start().await.unwrap();
    Running { receiver, metrics: registry }
}

/// With one protocol and options in flow style.
pub async fn start(protocol: &str, options: &str, consumer: Arc<dyn Consumer>) -> Running {
    let yaml = format!("protocols: {{{protocol}: {{endpoint: '127.0.0.1:0', {options}}}}}");
    start_with(&yaml, Tenancy::Single, to_all(consumer)).await
}

pub fn batch() -> Batch<'static> {
    let (trace_id, kind) = (0x0123_4567_89ab_cdef, ReferenceType::ChildOf);
    let span = Span {
        trace_id,
        span_id: 2,
        operation_name: "get".into(),
        references: vec![Reference { kind, trace_id, span_id: 1 }],
        flags: SAMPLED,
        start: 1_700_000_000_000_000_000,
        duration: 5_000_000,
        tags: vec![Tag::string("span.kind", "server"), Tag::string("http.method", "GET")],
        ..Span::default()
    };
    let process = Process { service_name: "shop".into(), tags: vec![Tag::string("hostname", "h1")] };
    Batch { process: Some(process), spans: vec![span] }
}

pub fn request(telemetry: &Telemetry) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(telemetry.payload.clone().into_bytes()).unwrap()
}

/// The one span of what arrived.
pub fn span(telemetry: &Telemetry) -> OtlpSpan {
    request(telemetry).resource_spans.remove(0).scope_spans.remove(0).spans.remove(0)
}

pub fn check(telemetry: &Telemetry) {
    assert_eq!(request(telemetry), trefoil_jaeger::otlp::to_request([batch()]));
    let span = span(telemetry);
    assert_eq!((span.name.as_str(), span.kind, span.parent_span_id[7]), ("get", 2, 1));
    assert!(telemetry.origin.address.unwrap().ip().is_loopback());
}
