//! A program that takes orders and tells OpenTelemetry about it: a trace with two spans an order, a counter and a
//! histogram, and log records inside the spans. It prints the trace id of each order.

use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use opentelemetry::metrics::{Counter, Histogram, MeterProvider};
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Takes a few orders and sends traces, metrics and logs of it over OTLP.
///
/// Where to: OTEL_EXPORTER_OTLP_ENDPOINT, by default http://localhost:4317 (gRPC) or http://localhost:4318 (HTTP).
/// As whom: OTEL_SERVICE_NAME.
#[derive(Parser)]
struct Arguments {
    #[arg(long, value_enum, default_value = "grpc")]
    protocol: Protocol,
    #[arg(long, default_value_t = 5)]
    orders: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    Grpc,
    Http,
}

/// The providers of the three signals; they must be shut down so that the last batch leaves.
struct Telemetry {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: SdkLoggerProvider,
}

impl Telemetry {
    fn start(protocol: Protocol) -> anyhow::Result<Telemetry> {
        let (spans, metrics, logs) = match protocol {
            Protocol::Grpc => (
                SpanExporter::builder().with_tonic().build()?,
                MetricExporter::builder().with_tonic().build()?,
                LogExporter::builder().with_tonic().build()?,
            ),
            Protocol::Http => (
                SpanExporter::builder().with_http().build()?,
                MetricExporter::builder().with_http().build()?,
                LogExporter::builder().with_http().build()?,
            ),
        };
        let resource =
            Resource::builder().with_attribute(KeyValue::new("deployment.environment.name", "example")).build();
        Ok(Telemetry {
            traces: SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(spans).build(),
            metrics: SdkMeterProvider::builder()
                .with_resource(resource.clone())
                .with_periodic_exporter(metrics)
                .build(),
            logs: SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(logs).build(),
        })
    }

    fn shutdown(self) -> anyhow::Result<()> {
        self.traces.shutdown()?;
        self.logs.shutdown()?;
        self.metrics.shutdown()?;
        Ok(())
    }
}

struct Shop {
    tracer: SdkTracer,
    orders: Counter<u64>,
    duration: Histogram<f64>,
}

impl Shop {
    fn take_order(&self, number: u32) {
        let begin = Instant::now();
        let span = self.tracer.span_builder("place order").with_kind(SpanKind::Server).start(&self.tracer);
        let context = Context::current_with_span(span);
        let _active = context.clone().attach();
        context.span().set_attribute(KeyValue::new("order.number", i64::from(number)));
        tracing::info!(order.number = number, "order received");
        let outcome = self.charge(number);
        context.span().set_status(outcome);
        let attributes = [KeyValue::new("order.channel", if number.is_multiple_of(2) { "web" } else { "app" })];
        self.orders.add(1, &attributes);
        self.duration.record(begin.elapsed().as_secs_f64(), &attributes);
        println!("{}", context.span().span_context().trace_id());
    }

    /// Every fifth card is declined.
    fn charge(&self, number: u32) -> Status {
        let mut span = self.tracer.span_builder("charge card").with_kind(SpanKind::Client).start(&self.tracer);
        span.set_attribute(KeyValue::new("payment.amount", 19.5 + f64::from(number)));
        std::thread::sleep(Duration::from_millis(2));
        if number % 5 != 4 {
            return Status::Ok;
        }
        span.add_event("declined", vec![KeyValue::new("reason", "insufficient funds")]);
        let status = Status::error("card was declined");
        span.set_status(status.clone());
        tracing::warn!(order.number = number, "card was declined");
        status
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let telemetry = Telemetry::start(arguments.protocol)?;
    // Only this program's own events: the exporters' transport logs too, and must not log about sending logs.
    let bridge = OpenTelemetryTracingBridge::new(&telemetry.logs)
        .with_filter(tracing_subscriber::filter::Targets::new().with_target(module_path!(), LevelFilter::INFO));
    tracing_subscriber::registry().with(bridge).init();
    let meter = telemetry.metrics.meter("bookshop");
    let shop = Shop {
        tracer: telemetry.traces.tracer("bookshop"),
        orders: meter.u64_counter("shop.orders").with_unit("{order}").build(),
        duration: meter.f64_histogram("shop.order.duration").with_unit("s").build(),
    };
    for number in 0..arguments.orders {
        shop.take_order(number);
    }
    telemetry.shutdown()
}
