//! OpenTelemetry for all pods: an SDK with its own resource for each, and one way out for all of them.

mod batch;
mod exception;
mod exemplars;
mod export;
mod instruments;
mod log_line;
mod otlp;
mod pod;
mod queue;
mod reader;
mod resource;
mod status;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use exception::Exception;
pub use pod::Pod;
pub use status::Status;

use crate::options::Options;
use crate::services::ServiceName;
use crate::tenants::Tenant;
use batch::Source;
use exemplars::Exemplars;
use export::Exporter;
use otlp::Client;
use queue::{CAPACITY, Intake};
use reader::Reader;

/// How long the end waits for a receiver that does not answer.
const FLUSH: Duration = Duration::from_secs(5);
const METRICS_INTERVAL: Duration = Duration::from_secs(5);

/// The pods and what sends their telemetry.
pub struct Telemetry {
    /// By tenant, then by service.
    pods: Vec<Arc<Pod>>,
    tenants: usize,
    pub status: Arc<Status>,
    stop: CancellationToken,
    give_up: CancellationToken,
    tasks: parking_lot::Mutex<Vec<JoinHandle<()>>>,
}

impl Telemetry {
    /// Makes the pods of all tenants and begins to send. The error is an endpoint that cannot be used.
    pub fn start(options: &Options, tenants: &[Tenant]) -> anyhow::Result<Self> {
        let endpoint = options.endpoint();
        let client = Client::new(&endpoint, options.protocol())?;
        let status = Arc::new(Status::default());
        let (stop, give_up) = (CancellationToken::new(), CancellationToken::new());
        let (spans, span_queue) = mpsc::channel(CAPACITY);
        let (records, record_queue) = mpsc::channel(CAPACITY);

        let (mut pods, mut sources, mut collected) = (Vec::new(), Vec::new(), Vec::new());
        for tenant in tenants {
            for service in ServiceName::ALL {
                let resource = resource::resource(service, *tenant);
                let source = pods.len();
                sources.push(Source { tenant: tenant.name, resource: ResourceAttributesWithSchema::from(&resource) });
                let intake =
                    |sender: &mpsc::Sender<_>| Intake { source, sender: sender.clone(), status: status.clone() };
                let intakes = (intake(&spans), intake(&records));
                let (reader, exemplars) = (Reader::default(), Arc::new(Exemplars::default()));
                pods.push(Arc::new(Pod::new(service, *tenant, resource, intakes, reader.clone(), &exemplars)));
                collected.push(Collected { tenant: tenant.name, reader, exemplars });
            }
        }

        let exporter = Exporter {
            client,
            endpoint,
            status: status.clone(),
            sources: Arc::new(sources),
            tenant_header: options.tenant_header,
            stop: stop.clone(),
            give_up: give_up.clone(),
        };
        let tasks = vec![
            tokio::spawn(exporter.clone().run(span_queue)),
            tokio::spawn(exporter.clone().run(record_queue)),
            tokio::spawn(collect(collected, exporter)),
        ];
        Ok(Self { pods, tenants: tenants.len(), status, stop, give_up, tasks: parking_lot::Mutex::new(tasks) })
    }

    /// The pod of a service that serves a tenant; an unknown tenant's is the last one's.
    pub fn pod(&self, service: ServiceName, tenant: Tenant) -> &Arc<Pod> {
        let tenant = tenant.index.min(self.tenants - 1);
        &self.pods[tenant * ServiceName::ALL.len() + service.index()]
    }

    /// Sends what is left, for as long as the receiver may take.
    pub async fn flush(&self) {
        self.stop.cancel();
        let mut tasks = futures::future::join_all(std::mem::take(&mut *self.tasks.lock()));
        if tokio::time::timeout(FLUSH, &mut tasks).await.is_err() {
            self.give_up.cancel();
            tasks.await;
        }
    }
}

/// The metrics of one pod.
struct Collected {
    tenant: &'static str,
    reader: Reader,
    exemplars: Arc<Exemplars>,
}

/// Collects and sends the metrics of all pods every few seconds, and once at the end.
async fn collect(pods: Vec<Collected>, exporter: Exporter) {
    let mut ticks = tokio::time::interval(METRICS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = false;
    while !last {
        tokio::select! {
            _ = ticks.tick() => {}
            () = exporter.stop.cancelled() => last = true,
        }
        let mut metrics = Vec::with_capacity(pods.len());
        for pod in &pods {
            let mut collected = pod.reader.collect();
            for resource in &mut collected {
                pod.exemplars.attach(resource);
            }
            metrics.push((pod.tenant, collected));
            // So many pods are work for a while.
            tokio::task::yield_now().await;
        }
        exporter.send_metrics(metrics).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::post;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use opentelemetry::Context;
    use opentelemetry::trace::{SpanKind, TraceContextExt as _};
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use parking_lot::Mutex;
    use prost::Message as _;

    use super::*;
    use crate::options::tests::parse;
    use crate::tenants;

    /// A receiver that answers the first requests for traces with `answers` and then takes them. It keeps tenant and spans.
    async fn receiver(answers: Vec<StatusCode>) -> (String, Arc<Mutex<Vec<(String, usize)>>>) {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (kept, asked) = (taken.clone(), Arc::new(AtomicUsize::new(0)));
        let traces = post(async move |headers: HeaderMap, body: Bytes| {
            if let Some(answer) = answers.get(asked.fetch_add(1, Ordering::Relaxed)) {
                return *answer;
            }
            let tenant = headers.get("x-scope-orgid").map(|name| name.to_str().unwrap().to_owned()).unwrap_or_default();
            for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                kept.lock().push((tenant.clone(), resource.scope_spans.iter().map(|scope| scope.spans.len()).sum()));
            }
            StatusCode::OK
        });
        let router = Router::new().route("/v1/traces", traces).route("/v1/metrics", post(async || StatusCode::OK));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (endpoint, taken)
    }

    fn start(endpoint: &str, flags: &[&str]) -> (Telemetry, Vec<Tenant>) {
        let tenants = tenants::first(2);
        let flags = [&["--endpoint", endpoint, "--protocol", "http/protobuf"], flags].concat();
        (Telemetry::start(&parse(&flags).unwrap(), &tenants).unwrap(), tenants)
    }

    fn span(telemetry: &Telemetry, tenant: Tenant) {
        let pod = telemetry.pod(ServiceName::Orders, tenant);
        pod.start(pod.span("work", SpanKind::Internal), &Context::new()).span().end();
    }

    #[tokio::test]
    async fn what_waits_is_sent_when_the_receiver_is_back() {
        let (endpoint, taken) = receiver(vec![StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS]).await;
        let (telemetry, tenants) = start(&endpoint, &[]);
        span(&telemetry, tenants[0]);
        span(&telemetry, tenants[1]);
        telemetry.flush().await;
        assert_eq!(*taken.lock(), [(String::new(), 1), (String::new(), 1)], "a resource for each pod");
        assert_eq!(telemetry.status.spans.sent.load(Ordering::Relaxed), 2);
        assert_eq!((telemetry.status.lost(), telemetry.status.problem()), (0, None));
    }

    #[tokio::test]
    async fn what_is_refused_is_lost_and_said() {
        let (endpoint, taken) = receiver(vec![StatusCode::BAD_REQUEST]).await;
        let (telemetry, tenants) = start(&endpoint, &[]);
        span(&telemetry, tenants[0]);
        telemetry.flush().await;
        assert!(taken.lock().is_empty());
        assert_eq!(telemetry.status.spans.lost.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn tenants_are_named_by_the_header() {
        let (endpoint, taken) = receiver(Vec::new()).await;
        let (telemetry, tenants) = start(&endpoint, &["--tenant-header"]);
        for tenant in [tenants[0], tenants[1], tenants[0]] {
            span(&telemetry, tenant);
        }
        telemetry.flush().await;
        assert_eq!(*taken.lock(), [("acme-books".to_owned(), 2), ("north-shore-books".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn a_receiver_that_is_away_costs_no_more_than_the_queue() {
        // Nobody listens at port 1.
        let (telemetry, tenants) = start("http://127.0.0.1:1", &[]);
        for _ in 0..CAPACITY + 5000 {
            span(&telemetry, tenants[0]);
        }
        assert_eq!(telemetry.status.lost(), 5000, "the exporter has not run yet, and the queue is full");
    }
}
