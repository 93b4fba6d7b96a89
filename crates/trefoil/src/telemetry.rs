//! What Trefoil says about itself: log lines, and (switched on) its own traces.
//!
//! Own traces go the way of any others: into the trace pipelines of the first `otlp` receiver. Taking them in makes no
//! spans, so there is no loop.

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use prost::Message;
use serde::{Deserialize, Serialize};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};
use trefoil_model::{Signal, Tenant};
use trefoil_pipeline::component::Downstream;
use trefoil_pipeline::config::{self, LogEncoding, LogLevel};
use trefoil_pipeline::telemetry::{self as pipeline, Consumer, Payload};

/// `telemetry`: Trefoil's own traces. (Its log lines follow the Collector's `service.telemetry.logs`, and its metrics are
/// always at `/metrics` of the internal listener.)
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySection {
    pub traces: TracesSection,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesSection {
    /// Off by default.
    pub enabled: bool,
    /// Whose data they are.
    pub tenant: String,
}

impl Default for TracesSection {
    fn default() -> Self {
        Self { enabled: false, tenant: trefoil_model::tenant::DEFAULT_TENANT.into() }
    }
}

/// Where log lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Stderr,
    /// `trefoil.log` in the data directory, where something else uses the terminal.
    DataDir,
}

impl Output {
    /// The log file, if there is one.
    pub fn file(self, data_dir: &Path) -> Option<PathBuf> {
        (self == Output::DataDir).then(|| data_dir.join("trefoil.log"))
    }
}

/// A log file that has grown beyond this begins anew at the next start; the last one is kept beside it.
const MAX_LOG_FILE: u64 = 16 << 20;

/// Keeps the telemetry running; the pipelines come when they are there.
pub struct Telemetry {
    tracer: Option<SdkTracerProvider>,
    pipelines: Arc<OnceLock<Downstream>>,
}

impl Telemetry {
    /// Installs the logger (and tracer) for the whole process; it writes to standard error, or into a file.
    ///
    /// The environment variable `TREFOIL_LOG` overrides the level, with filters such as `info,trefoil_storage=debug`.
    pub fn start(logs: &config::Telemetry, section: &TelemetrySection, file: Option<&Path>) -> anyhow::Result<Self> {
        let level = std::env::var("TREFOIL_LOG").unwrap_or_else(|_| match logs.log_level.unwrap_or(LogLevel::Info) {
            // At this level the object store's client tells of every retry, and what fails in the end we tell ourselves; the
            // SDK of the demo tells of every provider.
            LogLevel::Info => "info,object_store=warn,opentelemetry_sdk=warn".to_owned(),
            other => other.as_str().to_owned(),
        });
        let filter =
            EnvFilter::try_new(&level).with_context(|| format!("TREFOIL_LOG={level:?} is not a log filter"))?;
        let colour = file.is_none() && std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let writer = match file {
            Some(path) => BoxMakeWriter::new(Arc::new(log_file(path)?)),
            None => BoxMakeWriter::new(std::io::stderr),
        };
        let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colour);
        let lines = match logs.log_encoding.unwrap_or(LogEncoding::Console) {
            LogEncoding::Console => layer.with_target(false).boxed(),
            // `span.trace_id` ties a line to its request.
            LogEncoding::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
        };
        let pipelines = Arc::new(OnceLock::new());
        let tracer = match section.traces.enabled {
            true => {
                let tenant = Tenant::new(&section.traces.tenant).context("telemetry.traces.tenant")?;
                Some(tracer(tenant, pipelines.clone()))
            }
            false => None,
        };
        let spans =
            tracer.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("trefoil")));
        tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans.map(only_ours)).init();
        Ok(Self { tracer, pipelines })
    }

    /// From now on own traces are kept; those of the start before it are lost.
    pub fn send_to(&self, pipelines: Downstream) {
        if self.tracer.is_some() && !pipelines.takes(Signal::Traces) {
            tracing::warn!("telemetry.traces is on, but no trace pipeline has an `otlp` receiver: own traces are lost");
        }
        let _ = self.pipelines.set(pipelines);
    }

    /// Hands over what is left, while the pipelines still run; what comes later is lost.
    pub async fn stop(self) {
        let Some(tracer) = self.tracer else { return };
        let stopped = tokio::task::spawn_blocking(move || tracer.shutdown_with_timeout(Duration::from_secs(5))).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last own traces were not kept");
        }
    }
}

/// Opens the log file to write at its end.
fn log_file(path: &Path) -> anyhow::Result<File> {
    let open = || {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        if std::fs::metadata(path).is_ok_and(|file| file.len() > MAX_LOG_FILE) {
            std::fs::rename(path, path.with_extension("log.1"))?;
        }
        File::options().create(true).append(true).open(path)
    };
    open().with_context(|| format!("the log file {} cannot be written", path.display()))
}

/// The libraries' own spans (HTTP/2 frames, SQL statements) are of no use to an operator.
fn only_ours<S, L>(layer: L) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    L: Layer<S>,
{
    layer.with_filter(tracing_subscriber::filter::filter_fn(|metadata| metadata.target().starts_with("trefoil")))
}

fn tracer(tenant: Tenant, pipelines: Arc<OnceLock<Downstream>>) -> SdkTracerProvider {
    let resource = Resource::builder().with_service_name("trefoil").build();
    let exporter = PipelineExporter {
        tenant,
        pipelines,
        resource: ResourceAttributesWithSchema::from(&resource),
        runtime: tokio::runtime::Handle::current(),
    };
    SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build()
}

/// Puts spans into the pipelines.
struct PipelineExporter {
    tenant: Tenant,
    pipelines: Arc<OnceLock<Downstream>>,
    resource: ResourceAttributesWithSchema,
    /// The SDK exports from a thread of its own.
    runtime: tokio::runtime::Handle,
}

impl std::fmt::Debug for PipelineExporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipelineExporter").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl SpanExporter for PipelineExporter {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        let Some(pipelines) = self.pipelines.get().cloned() else { return Ok(()) };
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let body = Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
        let telemetry = pipeline::Telemetry::new(self.tenant.clone(), Payload::from_bytes(Signal::Traces, body));
        let consume = self.runtime.spawn(async move { pipelines.consume(telemetry).await });
        match consume.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(refused)) => Err(OTelSdkError::InternalFailure(refused.to_string())),
            Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
        }
    }
}
