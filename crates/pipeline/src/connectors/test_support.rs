//! What the tests of connectors share: a clock, spans, and a sink that shows what comes.

use std::cell::Cell;
use std::sync::Arc;

use async_trait::async_trait;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Metric, exemplar, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use parking_lot::Mutex;
use trefoil_model::{Signal, Tenant};
use trefoil_prometheus::attributes::text;

use super::series::Outlet;
use super::spans::attributes::{attribute, text_attribute};
use crate::component::{ComponentId, Downstream};
use crate::metrics::Metrics;
use crate::telemetry::{Accepted, Consumer, Message, Payload, Refused, Telemetry};

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1000 * MS;
pub const T0: u64 = 1_800_000_000 * SECOND;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(T0) };
}

pub fn clock() -> u64 {
    NOW.get()
}

pub fn set_clock(seconds: u64) {
    NOW.set(T0 + seconds * SECOND);
}

#[derive(Default)]
pub struct Sink {
    pub received: Mutex<Vec<(Tenant, ExportMetricsServiceRequest)>>,
    pub refuses: Mutex<bool>,
}

#[async_trait]
impl Consumer for Sink {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        if *self.refuses.lock() {
            return Err(Refused::Invalid("not today".to_owned()));
        }
        let tenant = telemetry.tenant.clone();
        match telemetry.payload.into_message()? {
            Message::Metrics(request) => self.received.lock().push((tenant, request)),
            other => panic!("{other:?}"),
        }
        Ok(Accepted::all())
    }
}

impl Sink {
    pub fn outlet(self: &Arc<Self>, metrics: &Metrics) -> Outlet {
        let id: ComponentId = "test".parse().unwrap();
        let downstream = Downstream::new([(Signal::Metrics, self.clone() as Arc<dyn Consumer>)]);
        Outlet { metrics: metrics.outlet(&id), id, downstream }
    }

    /// What came since the last call, a line for each point, sorted; without those that only say that a series begins.
    pub fn shown(&self) -> Vec<String> {
        let lines = self.all_shown().into_iter().filter(|line| !is_beginning(line));
        lines.collect()
    }

    pub fn all_shown(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (tenant, request) in std::mem::take(&mut *self.received.lock()) {
            for group in request.resource_metrics {
                let resource = labels(&group.resource.unwrap_or_default().attributes);
                let tenant = if tenant == Tenant::default() { String::new() } else { format!("{tenant}: ") };
                let begin = if resource.is_empty() { tenant } else { format!("{tenant}[{resource}] ") };
                for metric in group.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
                    lines.extend(points(metric).into_iter().map(|line| format!("{begin}{line}")));
                }
            }
        }
        lines.sort();
        lines
    }

    /// Those of [`Sink::shown`] that are of this metric, without its name.
    pub fn shown_of(&self, metric: &str) -> Vec<String> {
        let name = format!("{metric}{{");
        let lines = self.shown().into_iter().filter(|line| line.contains(&name));
        lines.map(|line| line.replacen(metric, "", 1)).collect()
    }
}

/// A count of zero over no time.
fn is_beginning(line: &str) -> bool {
    let rest = line.rsplit_once("} ").map_or("", |(_, rest)| rest);
    let (times, value) = rest.split_once("s ").unwrap_or_default();
    let (start, time) = times.split_once("..").unwrap_or_default();
    start == time && (value == "0" || value.starts_with("count=0 "))
}

fn labels(attributes: &[KeyValue]) -> String {
    let label =
        |attribute: &KeyValue| format!("{}={}", attribute.key, attribute.value.as_ref().map(text).unwrap_or_default());
    attributes.iter().map(label).collect::<Vec<_>>().join(",")
}

fn points(metric: &Metric) -> Vec<String> {
    let name = match metric.unit.as_str() {
        "" => metric.name.clone(),
        unit => format!("{}/{unit}", metric.name),
    };
    let head = |attributes: &[KeyValue], start: u64, time: u64| {
        format!("{name}{{{}}} {}..{}s", labels(attributes), seconds(start), seconds(time))
    };
    let kind = |temporality: i32| if temporality == 1 { " delta" } else { "" };
    match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => {
            assert!(sum.is_monotonic);
            let shown = sum.data_points.iter().map(|point| {
                let Some(number_data_point::Value::AsInt(value)) = point.value else { panic!("{point:?}") };
                let head = head(&point.attributes, point.start_time_unix_nano, point.time_unix_nano);
                format!("{head}{} {value}{}", kind(sum.aggregation_temporality), exemplars(&point.exemplars))
            });
            shown.collect()
        }
        Data::Histogram(histogram) => {
            let shown = histogram.data_points.iter().map(|point| {
                assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                let bounds = point.explicit_bounds.iter().copied().chain([f64::INFINITY]);
                let buckets = bounds.zip(&point.bucket_counts).filter(|(_, count)| **count > 0);
                let buckets: Vec<String> = buckets.map(|(bound, count)| format!("≤{bound}:{count}")).collect();
                let head = head(&point.attributes, point.start_time_unix_nano, point.time_unix_nano);
                let kind = kind(histogram.aggregation_temporality);
                let (count, sum, exemplars) = (point.count, point.sum.unwrap(), exemplars(&point.exemplars));
                format!("{head}{kind} count={count} sum={sum} {}{exemplars}", buckets.join(" "))
            });
            shown.collect()
        }
        Data::ExponentialHistogram(histogram) => {
            let shown = histogram.data_points.iter().map(|point| {
                let head = head(&point.attributes, point.start_time_unix_nano, point.time_unix_nano);
                let buckets = point.positive.clone().unwrap();
                let (count, sum, zero) = (point.count, point.sum.unwrap(), point.zero_count);
                let (scale, offset, counts) = (point.scale, buckets.offset, buckets.bucket_counts);
                format!("{head} count={count} sum={sum} zero={zero} scale={scale} {offset}+{counts:?}")
            });
            shown.collect()
        }
        other => panic!("{other:?}"),
    }
}

/// After the beginning.
fn seconds(nanos: u64) -> f64 {
    (i128::from(nanos) - i128::from(T0)) as f64 / SECOND as f64
}

fn exemplars(exemplars: &[Exemplar]) -> String {
    let shown = exemplars.iter().map(|exemplar| {
        let Some(exemplar::Value::AsDouble(value)) = exemplar.value else { panic!("{exemplar:?}") };
        assert_eq!((exemplar.trace_id.len(), exemplar.span_id.len()), (16, 8));
        let seconds = seconds(exemplar.time_unix_nano);
        format!(" #{}/{} {value} at {seconds}s", exemplar.trace_id[15], exemplar.span_id[7])
    });
    shown.collect()
}

pub fn trace_id(number: u8) -> Vec<u8> {
    let mut id = vec![0; 16];
    id[15] = number;
    id
}

pub fn span_id(number: u8) -> Vec<u8> {
    let mut id = vec![0; 8];
    id[7] = number;
    id
}

/// A span of trace 1; `parent` 0: none. Times in milliseconds after the beginning.
pub fn span(id: u8, parent: u8, kind: SpanKind, name: &str, start: u64, duration: u64) -> Span {
    Span {
        trace_id: trace_id(1),
        span_id: span_id(id),
        parent_span_id: if parent == 0 { Vec::new() } else { span_id(parent) },
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: T0 + start * MS,
        end_time_unix_nano: T0 + (start + duration) * MS,
        ..Span::default()
    }
}

pub fn with(mut span: Span, attributes: &[(&str, &str)]) -> Span {
    span.attributes.extend(attributes.iter().map(|(key, value)| text_attribute(key, *value)));
    span
}

pub fn failed(mut span: Span) -> Span {
    span.status = Some(Status { code: 2, message: "card was declined".to_owned() });
    span
}

pub fn linked(mut span: Span, trace: u8, id: u8) -> Span {
    span.links.push(Link { trace_id: trace_id(trace), span_id: span_id(id), ..Link::default() });
    span
}

/// Of one service.
pub fn of(service: &str, spans: Vec<Span>) -> ResourceSpans {
    of_resource(&[("service.name", service)], spans)
}

pub fn of_resource(attributes: &[(&str, &str)], spans: Vec<Span>) -> ResourceSpans {
    let attributes = attributes.iter().map(|(key, value)| text_attribute(key, *value)).collect();
    let scope = InstrumentationScope { name: "shop".into(), version: "1.2".into(), ..InstrumentationScope::default() };
    ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

pub fn telemetry(tenant: &str, resource_spans: Vec<ResourceSpans>) -> Telemetry {
    let message = Message::Traces(ExportTraceServiceRequest { resource_spans });
    Telemetry::new(Tenant::new(tenant).unwrap(), Payload::from_message(message))
}

/// A checkout: seven services, a database, a queue whose consumer begins a trace of its own, a charge that is declined by
/// somebody who sends no spans.
pub fn bookstore() -> Vec<ResourceSpans> {
    use SpanKind::{Client, Consumer, Internal, Producer, Server};
    let mut charge = failed(with(
        span(9, 8, Client, "POST /v1/charges", 45, 95),
        &[("peer.service", "stripe"), ("http.request.method", "POST")],
    ));
    charge.attributes.push(attribute("http.response.status_code", Value::IntValue(402)));
    charge.events.push(Event {
        time_unix_nano: T0 + 140 * MS,
        name: "exception".into(),
        attributes: vec![text_attribute("exception.type", "CardDeclined")],
        ..Event::default()
    });
    let consumed = linked(span(20, 0, Consumer, "process orders.placed", 400, 13), 1, 7);
    vec![
        of("gateway", vec![span(1, 0, Server, "POST /checkout", 0, 180), span(2, 1, Client, "POST", 2, 176)]),
        of(
            "storefront",
            vec![
                span(3, 2, Server, "POST /checkout", 4, 170),
                span(12, 3, Internal, "rank similar books", 5, 24),
                span(4, 3, Client, "POST", 18, 150),
            ],
        ),
        of(
            "orders",
            vec![
                failed(span(5, 4, Server, "POST /orders", 20, 145)),
                with(
                    span(6, 5, Client, "INSERT orders", 21, 6),
                    &[("db.name", "bookstore"), ("db.system", "postgresql")],
                ),
                span(7, 5, Producer, "publish orders.placed", 30, 3),
                span(10, 5, Client, "POST", 40, 118),
            ],
        ),
        of("payments", vec![failed(span(8, 10, Server, "POST /v1/payments", 41, 116)), charge]),
        of("outbox", vec![Span { trace_id: trace_id(2), ..consumed }]),
    ]
}
