//! One service for one tenant, and the SDK's providers of its three signals.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};

use super::exception::Exception;
use super::exemplars::Exemplars;
use super::instruments::Instruments;
use super::log_line::{Line, LineFormat};
use super::queue::Intake;
use super::reader::Reader;
use super::resource;
use crate::services::ServiceName;
use crate::tenants::Tenant;

const SCOPE: &str = "trefoil-demo";

pub struct Pod {
    pub service: ServiceName,
    pub tenant: Tenant,
    pub instruments: Instruments,
    tracer: SdkTracer,
    logger: SdkLogger,
    format: LineFormat,
    /// A provider that is dropped shuts down.
    _providers: (SdkTracerProvider, SdkLoggerProvider, SdkMeterProvider),
}

impl Pod {
    /// Spans and records go into the intakes, metrics wait for the reader.
    pub fn new(
        service: ServiceName,
        tenant: Tenant,
        resource: Resource,
        intakes: (Intake, Intake),
        reader: Reader,
        exemplars: &Arc<Exemplars>,
    ) -> Self {
        let (spans, records) = intakes;
        let traces = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_span_processor(spans)
            .build();
        let logs = SdkLoggerProvider::builder().with_resource(resource.clone()).with_log_processor(records).build();
        let metrics = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();
        let scope = InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION")).build();
        let meter = metrics.meter_with_scope(scope.clone());
        Self {
            service,
            tenant,
            instruments: Instruments::new(&meter, exemplars, resource::hash(service, tenant)),
            tracer: traces.tracer_with_scope(scope.clone()),
            logger: logs.logger_with_scope(scope),
            format: LineFormat::of(service),
            _providers: (traces, logs, metrics),
        }
    }

    pub fn span(&self, name: impl Into<Cow<'static, str>>, kind: SpanKind) -> SpanBuilder {
        self.tracer.span_builder(name).with_kind(kind)
    }

    /// Begins a span under `parent`; the context is the one to work in. The span ends with its last context.
    pub fn start(&self, span: SpanBuilder, parent: &Context) -> Context {
        parent.with_span(self.tracer.build_with_context(span, parent))
    }

    /// Writes a log line about the span of the current context.
    pub fn log(&self, severity: Severity, message: &str, attributes: &[KeyValue]) {
        let context = Context::current();
        let time = SystemTime::now();
        let line = Line {
            time,
            severity,
            service: self.service,
            message,
            attributes,
            trace_id: context.span().span_context().trace_id(),
        };
        let mut record = self.logger.create_log_record();
        record.set_timestamp(time);
        record.set_severity_number(severity);
        record.set_severity_text(severity.name());
        record.set_body(AnyValue::from(self.format.body(&line)));
        match self.format {
            LineFormat::Fields => {
                record
                    .add_attributes(attributes.iter().map(|attribute| (attribute.key.clone(), text(&attribute.value))));
                self.logger.emit(record);
            }
            LineFormat::Json | LineFormat::Pipes => {
                // What collects these lines from a file knows no trace.
                record.add_attribute("log.iostream", "stdout");
                let _untraced = Context::new().attach();
                self.logger.emit(record);
            }
        }
    }

    /// Marks the span of the current context as failed: an exception event with a stack, and the status.
    pub fn record_exception(&self, exception: &Exception) {
        let context = Context::current();
        context.span().add_event("exception", exception.attributes());
        context.span().set_status(Status::error(exception.message.clone()));
    }
}

fn text(value: &opentelemetry::Value) -> AnyValue {
    match value {
        opentelemetry::Value::Bool(value) => AnyValue::Boolean(*value),
        opentelemetry::Value::I64(value) => AnyValue::Int(*value),
        opentelemetry::Value::F64(value) => AnyValue::Double(*value),
        other => AnyValue::from(other.to_string()),
    }
}
