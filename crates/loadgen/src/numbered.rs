//! Items that can be told apart: each carries its connection and its number, in a place every store keeps.
//!
//! A span's name, a log record's body and a point's attributes and value say `connection` and `number`; the time of
//! item `number` is `base + number` microseconds, so that a query can ask for a range of them.

use std::ops::Range;

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use crate::Signal;
use crate::bookstore::{int, text};
use crate::random::mix;

/// One request with the items `numbers` of `connection`; `base` in nanoseconds since the epoch.
pub fn request(signal: Signal, connection: u32, numbers: Range<u64>, base: u64) -> Vec<u8> {
    let resource = Some(Resource { attributes: vec![text("service.name", "verify")], ..Default::default() });
    match signal {
        Signal::Traces => {
            let spans = numbers.map(|number| span(connection, number, base)).collect();
            let scope_spans = vec![ScopeSpans { spans, ..Default::default() }];
            let resource_spans = vec![ResourceSpans { resource, scope_spans, ..Default::default() }];
            ExportTraceServiceRequest { resource_spans }.encode_to_vec()
        }
        Signal::Logs => {
            let log_records = numbers.map(|number| record(connection, number, base)).collect();
            let scope_logs = vec![ScopeLogs { log_records, ..Default::default() }];
            let resource_logs = vec![ResourceLogs { resource, scope_logs, ..Default::default() }];
            ExportLogsServiceRequest { resource_logs }.encode_to_vec()
        }
        Signal::Metrics => {
            let data_points = numbers.map(|number| point(connection, number, base)).collect();
            let metric = Metric {
                name: format!("verify.{connection}"),
                data: Some(Data::Gauge(Gauge { data_points })),
                ..Default::default()
            };
            let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }];
            let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..Default::default() }];
            ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
        }
    }
}

fn time(number: u64, base: u64) -> u64 {
    base + number * 1000
}

/// What identifies an item of traces (span name) and logs (body).
pub fn label(connection: u32, number: u64) -> String {
    format!("verify-{connection}-{number}")
}

fn span(connection: u32, number: u64, base: u64) -> Span {
    // Never 0: an id of zeros is not one.
    let random = mix(u64::from(connection + 1) << 48, number) | 1;
    Span {
        trace_id: [random.to_be_bytes(), mix(random, base).to_be_bytes()].concat(),
        span_id: random.to_be_bytes().to_vec(),
        name: label(connection, number),
        kind: 1,
        start_time_unix_nano: time(number, base),
        end_time_unix_nano: time(number, base) + 1000,
        attributes: vec![int("verify.number", number as i64), text("verify.padding", "x".repeat(120))],
        ..Default::default()
    }
}

fn record(connection: u32, number: u64, base: u64) -> LogRecord {
    LogRecord {
        time_unix_nano: time(number, base),
        observed_time_unix_nano: time(number, base),
        severity_number: 9,
        body: Some(AnyValue { value: Some(Value::StringValue(label(connection, number))) }),
        attributes: vec![int("verify.number", number as i64), text("verify.padding", "x".repeat(120))],
        ..Default::default()
    }
}

fn point(connection: u32, number: u64, base: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![int("verify.connection", i64::from(connection))],
        time_unix_nano: time(number, base),
        value: Some(number_data_point::Value::AsInt(number as i64)),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_say_their_number() {
        let request = ExportTraceServiceRequest::decode(request(Signal::Traces, 2, 10..13, 1000).as_slice()).unwrap();
        let spans = &request.resource_spans[0].scope_spans[0].spans;
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["verify-2-10", "verify-2-11", "verify-2-12"]);
        assert_eq!(spans[0].start_time_unix_nano, 11_000);
        assert_ne!(spans[0].trace_id, spans[1].trace_id);
    }
}
