//! A receiver with a consumer that records, exporters from YAML, and requests to send.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::{Notify, Semaphore};
use trefoil_model::{Signal, Tenancy, Tenant};
use trefoil_pipeline::component::{Component, Context, Downstream, Exporter, Health};
use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::receivers::otlp::OtlpReceiver;
use trefoil_pipeline::receivers::otlp::config::Config;
use trefoil_pipeline::{Accepted, Consumer, Metrics, Payload, Refused, Store, Telemetry, exporters};

/// Long enough for a busy machine; nothing waits this long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn traces(spans: usize) -> ExportTraceServiceRequest {
    let span = |id: usize| Span {
        trace_id: vec![7; 16],
        span_id: (id as u64 + 1).to_be_bytes().to_vec(),
        name: format!("span {id}"),
        ..Span::default()
    };
    let scope = ScopeSpans { spans: (0..spans).map(span).collect(), ..ScopeSpans::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() }],
    }
}

pub fn metrics() -> ExportMetricsServiceRequest {
    let point = NumberDataPoint { time_unix_nano: 5, ..NumberDataPoint::default() };
    let data = Some(metric::Data::Gauge(Gauge { data_points: vec![point] }));
    let metric = Metric { name: "temperature".into(), data, ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() }],
    }
}

pub fn logs() -> ExportLogsServiceRequest {
    let record = LogRecord { severity_text: "INFO".into(), ..LogRecord::default() };
    let scope = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() }],
    }
}

/// A request of each signal.
pub fn request(signal: Signal) -> Bytes {
    match signal {
        Signal::Traces => traces(3).encode_to_vec().into(),
        Signal::Metrics => metrics().encode_to_vec().into(),
        Signal::Logs => logs().encode_to_vec().into(),
    }
}

pub fn telemetry(signal: Signal) -> Telemetry {
    Telemetry::new(Tenant::default(), Payload::from_bytes(signal, request(signal)))
}

/// Keeps what it gets and answers as it was told, or "taken" when nothing is left to answer.
#[derive(Default)]
pub struct Recorder {
    pub seen: Mutex<Vec<Telemetry>>,
    answers: Mutex<VecDeque<Result<Accepted, Refused>>>,
    changed: Notify,
    /// With it, requests wait for permits.
    gate: Option<Semaphore>,
}

impl Recorder {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub fn answering(answers: impl IntoIterator<Item = Result<Accepted, Refused>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    pub fn closed() -> Arc<Self> {
        Arc::new(Self { gate: Some(Semaphore::new(0)), ..Self::default() })
    }

    pub fn open(&self) {
        self.gate.as_ref().unwrap().add_permits(1000);
    }

    /// Waits until `count` requests were seen.
    pub async fn wait_for(&self, count: usize) -> Vec<Telemetry> {
        let wait = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                let seen = self.seen.lock().clone();
                if seen.len() >= count {
                    return seen;
                }
                changed.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the requests did not arrive")
    }

    pub fn last_bytes(&self) -> Bytes {
        self.seen.lock().last().unwrap().payload.clone().into_bytes()
    }
}

#[async_trait]
impl Consumer for Recorder {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        self.seen.lock().push(telemetry);
        self.changed.notify_waiters();
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        self.answers.lock().pop_front().unwrap_or_else(|| Ok(Accepted::all()))
    }
}

pub fn to_all(consumer: Arc<dyn Consumer>) -> Downstream {
    Downstream::new(Signal::ALL.map(|signal| (signal, consumer.clone())))
}

/// A running receiver; its configuration says port 0.
pub struct Running {
    pub receiver: Arc<OtlpReceiver>,
    addresses: Vec<SocketAddr>,
}

impl Running {
    /// Of the only protocol, or of gRPC where there are both.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }
}

pub fn receiver(yaml: &str, tenancy: Tenancy, downstream: Downstream) -> OtlpReceiver {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    let config = Config::parse(&Section::new(document.root(), &[])).unwrap();
    OtlpReceiver::new(&config, tenancy, downstream, &Metrics::default().receiver("otlp")).unwrap()
}

pub async fn start(yaml: &str, tenancy: Tenancy, downstream: Downstream) -> Running {
    let receiver = Arc::new(receiver(yaml, tenancy, downstream));
    receiver.start().await.unwrap();
    Running { addresses: receiver.addresses(), receiver }
}

/// With `options` (flow style) for the HTTP protocol.
pub async fn start_http(options: &str, consumer: Arc<dyn Consumer>) -> Running {
    let yaml = format!("protocols: {{http: {{endpoint: '127.0.0.1:0', {options}}}}}");
    start(&yaml, Tenancy::Single, to_all(consumer)).await
}

pub async fn start_grpc(options: &str, consumer: Arc<dyn Consumer>) -> Running {
    let yaml = format!("protocols: {{grpc: {{endpoint: '127.0.0.1:0', {options}}}}}");
    start(&yaml, Tenancy::Single, to_all(consumer)).await
}

struct NoStore;

#[async_trait]
impl Store for NoStore {
    async fn append(&self, tenant: &Tenant, signal: Signal, body: Bytes) -> Result<Accepted, Refused> {
        Err(Refused::unavailable(format!("no store in this test: {tenant}, {signal}, {} bytes", body.len())))
    }
}

pub fn context(id: &str, data_dir: &Path) -> Context {
    Context {
        id: id.parse().unwrap(),
        store: Arc::new(NoStore),
        tenancy: Tenancy::Single,
        data_dir: data_dir.to_path_buf(),
        health: Health::default(),
        metrics: Metrics::default(),
        scraping: Default::default(),
        zipkin_queries: None,
        overrides: Default::default(),
        storages: Default::default(),
    }
}

/// A started exporter of the id's kind.
pub async fn exporter(id: &str, yaml: &str, data_dir: &Path) -> Arc<dyn Exporter> {
    let exporter = build_exporter(id, yaml, data_dir).unwrap();
    exporter.start().await.unwrap();
    exporter
}

/// The error is the text a user sees.
pub fn build_exporter(id: &str, yaml: &str, data_dir: &Path) -> Result<Arc<dyn Exporter>, String> {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    let kind = id.split('/').next().unwrap();
    let factory = exporters::FACTORIES.iter().find(|factory| factory.kind == kind).unwrap();
    let config = (factory.parse)(&Section::new(document.root(), &[])).map_err(|error| error.to_string())?;
    config.build(context(id, data_dir)).map_err(|error| error.to_string())
}

pub const RETRY_FAST: &str = "retry_on_failure: {initial_interval: 5ms, max_interval: 20ms}";
pub const NO_QUEUE: &str = "sending_queue: {enabled: false}";
