//! Cutting a message into messages of a limited number of items. Order is kept; resources and scopes are repeated.

use std::mem::{replace, take};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1 as points;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics, metric::Data};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use crate::telemetry::Message;
use crate::telemetry::count::data_points;

/// At most `max` items in each; `max` must not be 0.
pub fn split(message: Message, max: usize) -> Vec<Message> {
    match message {
        Message::Traces(request) => {
            let groups = request.resource_spans.into_iter().map(|mut group| {
                let scopes = take(&mut group.scope_spans).into_iter().map(|mut scope| {
                    let items = take(&mut scope.spans);
                    (scope, items)
                });
                (group, scopes.collect())
            });
            let scope = |(scope, spans)| ScopeSpans { spans, ..scope };
            let group = |(group, scopes): Group<ResourceSpans, ScopeSpans, Span>| ResourceSpans {
                scope_spans: scopes.into_iter().map(scope).collect(),
                ..group
            };
            let message =
                |groups: Vec<_>| ExportTraceServiceRequest { resource_spans: groups.into_iter().map(group).collect() };
            chunks(groups, max).into_iter().map(message).map(Message::Traces).collect()
        }
        Message::Logs(request) => {
            let groups = request.resource_logs.into_iter().map(|mut group| {
                let scopes = take(&mut group.scope_logs).into_iter().map(|mut scope| {
                    let items = take(&mut scope.log_records);
                    (scope, items)
                });
                (group, scopes.collect())
            });
            let scope = |(scope, log_records)| ScopeLogs { log_records, ..scope };
            let group = |(group, scopes): Group<ResourceLogs, ScopeLogs, LogRecord>| ResourceLogs {
                scope_logs: scopes.into_iter().map(scope).collect(),
                ..group
            };
            let message =
                |groups: Vec<_>| ExportLogsServiceRequest { resource_logs: groups.into_iter().map(group).collect() };
            chunks(groups, max).into_iter().map(message).map(Message::Logs).collect()
        }
        Message::Metrics(request) => {
            let groups = request.resource_metrics.into_iter().map(|mut group| {
                let scopes = take(&mut group.scope_metrics).into_iter().map(|mut scope| {
                    let items = take(&mut scope.metrics);
                    (scope, items)
                });
                (group, scopes.collect())
            });
            let scope = |(scope, metrics)| ScopeMetrics { metrics, ..scope };
            let group = |(group, scopes): Group<ResourceMetrics, ScopeMetrics, Metric>| ResourceMetrics {
                scope_metrics: scopes.into_iter().map(scope).collect(),
                ..group
            };
            let message = |groups: Vec<_>| ExportMetricsServiceRequest {
                resource_metrics: groups.into_iter().map(group).collect(),
            };
            chunks(groups, max).into_iter().map(message).map(Message::Metrics).collect()
        }
    }
}

/// A resource, and its scopes with their items.
type Group<R, S, T> = (R, Vec<(S, Vec<T>)>);

/// Something that counts as a number of items and can be cut between them.
trait Divisible: Sized {
    fn items(&self) -> usize;
    /// Keeps the first `at` items and gives back the rest; `at` is at least 1 and less than the number of items.
    fn split_off(&mut self, at: usize) -> Self;
}

fn chunks<R: Clone, S: Clone, T: Divisible>(
    groups: impl Iterator<Item = Group<R, S, T>>,
    max: usize,
) -> Vec<Vec<Group<R, S, T>>> {
    let mut done = Vec::new();
    let mut chunk: Vec<Group<R, S, T>> = Vec::new();
    let mut room = max;
    for (resource, scopes) in groups {
        chunk.push((resource.clone(), Vec::new()));
        for (scope, items) in scopes {
            let mut taken = Vec::new();
            let mut items = items.into_iter();
            let mut next = items.next();
            while let Some(mut item) = next {
                if room == 0 {
                    close_scope(&mut chunk, &scope, take(&mut taken));
                    done.push(replace(&mut chunk, vec![(resource.clone(), Vec::new())]));
                    room = max;
                }
                next = if item.items() > room { Some(item.split_off(room)) } else { items.next() };
                room -= item.items();
                taken.push(item);
            }
            close_scope(&mut chunk, &scope, taken);
        }
    }
    done.push(chunk);
    done
}

fn close_scope<R, S: Clone, T>(chunk: &mut [Group<R, S, T>], scope: &S, items: Vec<T>) {
    if let Some((_, scopes)) = chunk.last_mut().filter(|_| !items.is_empty()) {
        scopes.push((scope.clone(), items));
    }
}

impl Divisible for Span {
    fn items(&self) -> usize {
        1
    }

    fn split_off(&mut self, _at: usize) -> Self {
        take(self)
    }
}

impl Divisible for LogRecord {
    fn items(&self) -> usize {
        1
    }

    fn split_off(&mut self, _at: usize) -> Self {
        take(self)
    }
}

impl Divisible for Metric {
    fn items(&self) -> usize {
        data_points(self.data.as_ref())
    }

    fn split_off(&mut self, at: usize) -> Self {
        let data = match &mut self.data {
            None => None,
            Some(Data::Gauge(data)) => {
                let data_points = data.data_points.split_off(at);
                Some(Data::Gauge(points::Gauge { data_points }))
            }
            Some(Data::Sum(data)) => {
                let data_points = data.data_points.split_off(at);
                let (aggregation_temporality, is_monotonic) = (data.aggregation_temporality, data.is_monotonic);
                Some(Data::Sum(points::Sum { data_points, aggregation_temporality, is_monotonic }))
            }
            Some(Data::Histogram(data)) => {
                let data_points = data.data_points.split_off(at);
                let aggregation_temporality = data.aggregation_temporality;
                Some(Data::Histogram(points::Histogram { data_points, aggregation_temporality }))
            }
            Some(Data::ExponentialHistogram(data)) => {
                let data_points = data.data_points.split_off(at);
                let aggregation_temporality = data.aggregation_temporality;
                Some(Data::ExponentialHistogram(points::ExponentialHistogram { data_points, aggregation_temporality }))
            }
            Some(Data::Summary(data)) => {
                let data_points = data.data_points.split_off(at);
                Some(Data::Summary(points::Summary { data_points }))
            }
        };
        let (name, description, unit) = (self.name.clone(), self.description.clone(), self.unit.clone());
        Metric { name, description, unit, metadata: self.metadata.clone(), data }
    }
}
