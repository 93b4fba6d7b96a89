//! The `debug` exporter: what passes by, in Trefoil's own log.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use parking_lot::Mutex;
use serde::Deserialize;
use trefoil_model::Signal;

use super::counted::Counted;
use crate::component::{Component, ComponentError, Context, Exporter, ExporterConfig, ExporterFactory};
use crate::config::{ConfigError, Section};
use crate::telemetry::{Accepted, Consumer, Message, Refused, Telemetry};

pub const FACTORY: ExporterFactory = ExporterFactory { kind: "debug", signals: &Signal::ALL, parse };

const UNSUPPORTED: &[(&str, &str)] = &[
    ("use_internal_logger", "output always goes to the log of Trefoil; use the exporter `file` to write elsewhere"),
    ("output_paths", "output always goes to the log of Trefoil; use the exporter `file` to write elsewhere"),
    ("sending_queue", "nothing here can fail, so nothing has to wait"),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    verbosity: Verbosity,
    /// Requests logged in each second before sampling begins.
    sampling_initial: u64,
    /// After that, one of so many is logged; 0 for none.
    sampling_thereafter: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { verbosity: Verbosity::Basic, sampling_initial: 2, sampling_thereafter: 1 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verbosity {
    /// One line a request: how many of what.
    Basic,
    /// One line an item.
    Normal,
    /// Everything.
    Detailed,
}

fn parse(section: &Section<'_>) -> Result<Box<dyn ExporterConfig>, ConfigError> {
    Ok(Box::new(section.without(UNSUPPORTED).parse::<Config>()?))
}

impl ExporterConfig for Config {
    fn build(&self, context: Context) -> Result<Arc<dyn Exporter>, ComponentError> {
        let name = context.id.to_string();
        let exporter = DebugExporter { name, config: self.clone(), sampler: Mutex::new(Sampler::default()) };
        Ok(Counted::new(&context, exporter))
    }
}

struct DebugExporter {
    name: String,
    config: Config,
    sampler: Mutex<Sampler>,
}

/// Counts the requests of the present second.
#[derive(Default)]
struct Sampler {
    second: Option<Instant>,
    seen: u64,
}

impl Sampler {
    fn take(&mut self, config: &Config, now: Instant) -> bool {
        if self.second.is_none_or(|start| now.duration_since(start) >= Duration::from_secs(1)) {
            *self = Sampler { second: Some(now), seen: 0 };
        }
        self.seen += 1;
        let beyond = self.seen.saturating_sub(config.sampling_initial);
        beyond == 0 || (config.sampling_thereafter > 0 && beyond.is_multiple_of(config.sampling_thereafter))
    }
}

impl Exporter for DebugExporter {}

impl Component for DebugExporter {}

#[async_trait]
impl Consumer for DebugExporter {
    async fn consume(&self, mut telemetry: Telemetry) -> Result<Accepted, Refused> {
        if !self.sampler.lock().take(&self.config, Instant::now()) {
            return Ok(Accepted::all());
        }
        let (exporter, tenant) = (self.name.as_str(), telemetry.tenant.to_string());
        let (signal, bytes) = (telemetry.signal(), telemetry.payload.size());
        let message = telemetry.payload.message()?;
        let summary = summary(message);
        match self.config.verbosity {
            Verbosity::Basic => tracing::info!(exporter, tenant, bytes, "{signal}: {summary}"),
            Verbosity::Normal => tracing::info!(exporter, tenant, bytes, "{signal}: {summary}\n{}", lines(message)),
            Verbosity::Detailed => {
                tracing::info!(exporter, tenant, bytes, "{signal}: {summary}\n{}", details(message))
            }
        }
        Ok(Accepted::all())
    }
}

fn summary(message: &Message) -> String {
    match message {
        Message::Traces(request) => {
            let spans = request.resource_spans.iter().flat_map(|r| &r.scope_spans).map(|s| s.spans.len());
            format!("resources: {}, spans: {}", request.resource_spans.len(), spans.sum::<usize>())
        }
        Message::Metrics(request) => {
            let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
            let points = metrics.clone().map(|metric| metric.data.as_ref().map_or(0, points));
            let (resources, points) = (request.resource_metrics.len(), points.sum::<usize>());
            format!("resources: {resources}, metrics: {}, data points: {points}", metrics.count())
        }
        Message::Logs(request) => {
            let records = request.resource_logs.iter().flat_map(|r| &r.scope_logs).map(|s| s.log_records.len());
            format!("resources: {}, log records: {}", request.resource_logs.len(), records.sum::<usize>())
        }
    }
}

fn points(data: &Data) -> usize {
    match data {
        Data::Gauge(gauge) => gauge.data_points.len(),
        Data::Sum(sum) => sum.data_points.len(),
        Data::Histogram(histogram) => histogram.data_points.len(),
        Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
        Data::Summary(summary) => summary.data_points.len(),
    }
}

/// One line an item: what it is, then its attributes.
fn lines(message: &Message) -> String {
    let mut out = String::new();
    match message {
        Message::Traces(request) => {
            for span in request.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans) {
                let (trace, id) = (hex::encode(&span.trace_id), hex::encode(&span.span_id));
                let _ = writeln!(out, "{} {trace} {id}{}", span.name, pairs(&span.attributes));
            }
        }
        Message::Logs(request) => {
            for record in request.resource_logs.iter().flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records) {
                let body = record.body.as_ref().map(text).unwrap_or_default();
                let _ = writeln!(out, "{body}{}", pairs(&record.attributes));
            }
        }
        Message::Metrics(request) => {
            for metric in request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics) {
                metric_lines(&metric.name, metric.data.as_ref(), &mut out);
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn metric_lines(name: &str, data: Option<&Data>, out: &mut String) {
    let mut line = |attributes: &[KeyValue], values: String| {
        let _ = writeln!(out, "{name}{{{}}} {values}", pairs(attributes).trim_start());
    };
    match data {
        None => {}
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().for_each(|p| line(&p.attributes, number(p.value))),
        Some(Data::Sum(sum)) => sum.data_points.iter().for_each(|p| line(&p.attributes, number(p.value))),
        Some(Data::Histogram(histogram)) => histogram
            .data_points
            .iter()
            .for_each(|p| line(&p.attributes, format!("count={} sum={}", p.count, p.sum.unwrap_or_default()))),
        Some(Data::ExponentialHistogram(histogram)) => histogram
            .data_points
            .iter()
            .for_each(|p| line(&p.attributes, format!("count={} sum={}", p.count, p.sum.unwrap_or_default()))),
        Some(Data::Summary(summary)) => {
            summary.data_points.iter().for_each(|p| line(&p.attributes, format!("count={} sum={}", p.count, p.sum)));
        }
    }
}

fn number(value: Option<opentelemetry_proto::tonic::metrics::v1::number_data_point::Value>) -> String {
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    match value {
        Some(Value::AsDouble(double)) => double.to_string(),
        Some(Value::AsInt(int)) => int.to_string(),
        None => "none".to_string(),
    }
}

/// Every field of every item, below its resource and scope.
fn details(message: &Message) -> String {
    let mut out = String::new();
    match message {
        Message::Traces(request) => {
            for spans in &request.resource_spans {
                resource(spans.resource.as_ref(), &mut out);
                for scoped in &spans.scope_spans {
                    scope(scoped.scope.as_ref(), &mut out);
                    for span in &scoped.spans {
                        let _ = writeln!(out, "    span {}", span.name);
                        let _ = writeln!(out, "      trace id: {}", hex::encode(&span.trace_id));
                        let _ = writeln!(out, "      span id: {}", hex::encode(&span.span_id));
                        let _ = writeln!(out, "      parent span id: {}", hex::encode(&span.parent_span_id));
                        let _ = writeln!(out, "      kind: {:?}", span.kind());
                        let _ = writeln!(out, "      start: {}", time(span.start_time_unix_nano));
                        let _ = writeln!(out, "      end: {}", time(span.end_time_unix_nano));
                        if let Some(status) = &span.status {
                            let _ = writeln!(out, "      status: {:?} {}", status.code(), status.message);
                        }
                        if !span.trace_state.is_empty() {
                            let _ = writeln!(out, "      trace state: {}", span.trace_state);
                        }
                        attributes(&span.attributes, 6, &mut out);
                        for event in &span.events {
                            let _ = writeln!(out, "      event {} at {}", event.name, time(event.time_unix_nano));
                            attributes(&event.attributes, 8, &mut out);
                        }
                        for link in &span.links {
                            let (trace, id) = (hex::encode(&link.trace_id), hex::encode(&link.span_id));
                            let _ = writeln!(out, "      link to {trace} {id}");
                            attributes(&link.attributes, 8, &mut out);
                        }
                    }
                }
            }
        }
        Message::Logs(request) => {
            for logs in &request.resource_logs {
                resource(logs.resource.as_ref(), &mut out);
                for scoped in &logs.scope_logs {
                    scope(scoped.scope.as_ref(), &mut out);
                    for record in &scoped.log_records {
                        let _ = writeln!(out, "    log record at {}", time(record.time_unix_nano));
                        let _ = writeln!(out, "      observed: {}", time(record.observed_time_unix_nano));
                        let _ =
                            writeln!(out, "      severity: {:?} {}", record.severity_number(), record.severity_text);
                        if !record.event_name.is_empty() {
                            let _ = writeln!(out, "      event name: {}", record.event_name);
                        }
                        let _ = writeln!(out, "      body: {}", record.body.as_ref().map(text).unwrap_or_default());
                        let _ = writeln!(out, "      trace id: {}", hex::encode(&record.trace_id));
                        let _ = writeln!(out, "      span id: {}", hex::encode(&record.span_id));
                        attributes(&record.attributes, 6, &mut out);
                    }
                }
            }
        }
        Message::Metrics(request) => {
            for metrics in &request.resource_metrics {
                resource(metrics.resource.as_ref(), &mut out);
                for scoped in &metrics.scope_metrics {
                    scope(scoped.scope.as_ref(), &mut out);
                    for metric in &scoped.metrics {
                        let _ = writeln!(out, "    metric {} [{}] {}", metric.name, metric.unit, metric.description);
                        // Points have a dozen shapes; their own debug form shows each in full.
                        let _ = writeln!(out, "      {:?}", metric.data);
                    }
                }
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn resource(resource: Option<&Resource>, out: &mut String) {
    let _ = writeln!(out, "resource");
    attributes(resource.map_or(&[], |resource| &resource.attributes), 2, out);
}

fn scope(scope: Option<&InstrumentationScope>, out: &mut String) {
    let Some(scope) = scope else { return };
    let _ = writeln!(out, "  scope {} {}", scope.name, scope.version);
    attributes(&scope.attributes, 4, out);
}

fn attributes(attributes: &[KeyValue], indent: usize, out: &mut String) {
    for attribute in attributes {
        let value = attribute.value.as_ref().map(text).unwrap_or_default();
        let _ = writeln!(out, "{:indent$}{}: {value}", "", attribute.key);
    }
}

fn pairs(attributes: &[KeyValue]) -> String {
    attributes.iter().fold(String::new(), |mut out, attribute| {
        let _ = write!(out, " {}={}", attribute.key, attribute.value.as_ref().map(text).unwrap_or_default());
        out
    })
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::BytesValue(bytes)) => hex::encode(bytes),
        Some(Value::ArrayValue(list)) => format!("[{}]", list.values.iter().map(text).collect::<Vec<_>>().join(", ")),
        Some(Value::KvlistValue(list)) => format!("{{{}}}", pairs(&list.values).trim_start()),
        Some(other) => format!("{other:?}"),
    }
}

fn time(unix_nanos: u64) -> String {
    let nanos = i64::try_from(unix_nanos).unwrap_or(i64::MAX);
    chrono::DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(signal: Signal, json: &str) -> Message {
        Message::decode(signal, &trefoil_model::json::to_protobuf(signal, json.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn spans_are_shown() {
        let json = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
            "scopeSpans":[{"scope":{"name":"lib","version":"1"},"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10",
            "spanId":"0102030405060708","name":"GET /","kind":2,"startTimeUnixNano":"1000000000","endTimeUnixNano":"1000000001",
            "status":{"code":2,"message":"no"},"attributes":[{"key":"n","value":{"intValue":"5"}}],
            "events":[{"name":"oops","timeUnixNano":"1000000000"}]}]}]}]}"#;
        let message = message(Signal::Traces, json);
        insta::assert_snapshot!(summary(&message), @"resources: 1, spans: 1");
        insta::assert_snapshot!(lines(&message), @"GET / 0102030405060708090a0b0c0d0e0f10 0102030405060708 n=5");
        insta::assert_snapshot!(details(&message), @r"
        resource
          service.name: shop
          scope lib 1
            span GET /
              trace id: 0102030405060708090a0b0c0d0e0f10
              span id: 0102030405060708
              parent span id: 
              kind: Server
              start: 1970-01-01T00:00:01.000000000Z
              end: 1970-01-01T00:00:01.000000001Z
              status: Error no
              n: 5
              event oops at 1970-01-01T00:00:01.000000000Z
        ");
    }

    #[test]
    fn metrics_and_logs_are_shown() {
        let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
            {"name":"requests","sum":{"dataPoints":[{"asInt":"3","attributes":[{"key":"code","value":{"intValue":200}}]}]}},
            {"name":"latency","histogram":{"dataPoints":[{"count":"2","sum":1.5}]}}]}]}]}"#;
        let metrics = message(Signal::Metrics, json);
        insta::assert_snapshot!(summary(&metrics), @"resources: 1, metrics: 2, data points: 2");
        insta::assert_snapshot!(lines(&metrics), @r"
        requests{code=200} 3
        latency{} count=2 sum=1.5
        ");
        let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"}}]}]}]}"#;
        insta::assert_snapshot!(lines(&message(Signal::Logs, logs)), @"hello");
    }

    #[test]
    fn sampling_begins_anew_each_second() {
        let config = Config { sampling_initial: 2, sampling_thereafter: 3, ..Config::default() };
        let mut sampler = Sampler::default();
        let start = Instant::now();
        let taken: Vec<bool> = (0..8).map(|_| sampler.take(&config, start)).collect();
        assert_eq!(taken, [true, true, false, false, true, false, false, true]);
        assert!(sampler.take(&config, start + Duration::from_secs(1)));
        let none = Config { sampling_initial: 0, sampling_thereafter: 0, ..Config::default() };
        assert!(!Sampler::default().take(&none, start));
    }
}
