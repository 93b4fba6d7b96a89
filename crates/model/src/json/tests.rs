use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point};
use prost::Message;

use super::to_protobuf;
use crate::Signal;

fn traces(json: &str) -> ExportTraceServiceRequest {
    let bytes = to_protobuf(Signal::Traces, json.as_bytes()).unwrap();
    ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap()
}

fn span(fields: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#)
}

fn error(signal: Signal, json: &str) -> String {
    to_protobuf(signal, json.as_bytes()).unwrap_err().to_string()
}

#[test]
fn reads_every_way_to_write_a_value() {
    let request = traces(&span(
        r#""traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","parentSpanId":"","name":"a\"\u00e9",
           "kind":"SPAN_KIND_SERVER","startTimeUnixNano":"18446744073709551615","endTimeUnixNano":1e3,"flags":257,
           "unknown":{"x":[1]},"links":null,"dropped_attributes_count":"3","status":{"code":2},
           "attributes":[
             {"key":"i","value":{"intValue":"-5"}},{"key":"n","value":{"intValue":7}},{"key":"d","value":{"doubleValue":"NaN"}},
             {"key":"f","value":{"boolValue":false}},{"key":"e","value":{"stringValue":""}},{"key":"none","value":{}},
             {"key":"b","value":{"bytesValue":"_-8"}},
             {"key":"l","value":{"arrayValue":{"values":[{"kvlistValue":{"values":[{"key":"k","value":{"doubleValue":1}}]}}]}}}]"#,
    ));
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!((span.trace_id.len(), span.span_id.len(), span.parent_span_id.len()), (16, 8, 0));
    assert_eq!((span.name.as_str(), span.kind, span.start_time_unix_nano), ("a\"é", 2, u64::MAX));
    assert_eq!((span.end_time_unix_nano, span.flags, span.dropped_attributes_count), (1000, 257, 3));
    assert_eq!(span.status.as_ref().unwrap().code, 2);
    let value = |index: usize| span.attributes[index].value.clone().unwrap().value;
    assert_eq!(value(0), Some(Value::IntValue(-5)));
    assert_eq!(value(1), Some(Value::IntValue(7)));
    assert!(matches!(value(2), Some(Value::DoubleValue(number)) if number.is_nan()));
    assert_eq!(value(3), Some(Value::BoolValue(false)));
    assert_eq!(value(4), Some(Value::StringValue(String::new())));
    assert_eq!(value(5), None);
    assert_eq!(value(6), Some(Value::BytesValue(vec![0xff, 0xef])));
    assert!(matches!(value(7), Some(Value::ArrayValue(array)) if array.values.len() == 1));
}

#[test]
fn reads_ids_and_names_as_tempo_and_grafana_write_them() {
    let json = r#"{"resourceSpans":[{"instrumentationLibrarySpans":[{"instrumentationLibrary":{"name":"lib"},"spans":[
        {"traceId":"AQEBAQEBAQEBAQEBAQEBAQ==","spanId":"AgICAgICAgI=","parentSpanId":""}]}]}]}"#;
    let request = traces(json);
    let scope = &request.resource_spans[0].scope_spans[0];
    assert_eq!(scope.scope.as_ref().unwrap().name, "lib");
    let span = &scope.spans[0];
    assert_eq!((span.trace_id.as_slice(), span.span_id.as_slice()), (&[1; 16][..], &[2; 8][..]));
    assert!(error(Signal::Traces, &span_of("AQ==")).contains("`traceId` must be hexadecimal digits"));
    // Without its padding, Base64 might be digits.
    assert!(error(Signal::Traces, &span_of("AQEBAQEBAQEBAQEBAQEBAQ")).contains("`traceId` must be hexadecimal digits"));
}

fn span_of(trace_id: &str) -> String {
    span(&format!(r#""traceId":"{trace_id}""#))
}

#[test]
fn reads_numbers_of_all_kinds_in_metrics() {
    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"s","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"-3","timeUnixNano":1}]}},
        {"name":"e","exponentialHistogram":{"dataPoints":[{"scale":-2,"count":"9","sum":0,
            "positive":{"offset":-7,"bucketCounts":["1",300]}}]}}]}]}]}"#;
    let bytes = to_protobuf(Signal::Metrics, json.as_bytes()).unwrap();
    let request = ExportMetricsServiceRequest::decode(bytes.as_slice()).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("{:?}", metrics[0]) };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
    assert_eq!(sum.data_points[0].value, Some(number_data_point::Value::AsInt(-3)));
    let Some(Data::ExponentialHistogram(histogram)) = &metrics[1].data else { panic!("{:?}", metrics[1]) };
    let point = &histogram.data_points[0];
    assert_eq!((point.scale, point.count, point.sum), (-2, 9, Some(0.0)));
    let positive = point.positive.as_ref().unwrap();
    assert_eq!((positive.offset, positive.bucket_counts.as_slice()), (-7, &[1, 300][..]));
}

#[test]
fn an_error_names_the_field_and_the_place() {
    let wrong = [
        (span(r#""traceId":"xyz""#), "`traceId` must be hexadecimal digits, found \"xyz\" at line 1"),
        (span(r#""name":5"#), "`name` must be a string, found 5"),
        (span(r#""kind":true"#), "`kind` must be an enum's number, found true"),
        (span(r#""flags":-1"#), "`flags` must be an unsigned 32-bit integer, found -1"),
        (span(r#""startTimeUnixNano":"1.5""#), "`startTimeUnixNano` must be an unsigned 64-bit integer"),
        (r#"{"resourceSpans":{}}"#.into(), "expected `resourceSpans` to be a list of ResourceSpans"),
        (r#"{"resourceSpans":[5]}"#.into(), "expected an object (ResourceSpans)"),
        ("[]".into(), "expected an object (ExportTraceServiceRequest)"),
        ("{".into(), "EOF while parsing"),
        ("{} x".into(), "trailing characters"),
        ("".into(), "EOF"),
    ];
    for (json, expected) in wrong {
        let found = error(Signal::Traces, &json);
        assert!(found.contains(expected), "{json}: {found}");
    }
}

#[test]
fn nesting_is_bounded() {
    let open = r#"{"arrayValue":{"values":["#;
    let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{}"#, open.repeat(100_000));
    assert!(error(Signal::Logs, &json).contains("recursion limit"));
}

#[test]
fn reads_the_examples_of_the_protocol() {
    let Some(examples) = crate::conformance::directory("opentelemetry-proto/examples") else { return };
    let read = |name: &str| std::fs::read(examples.join(name)).unwrap();
    let request = traces(&String::from_utf8(read("trace.json")).unwrap());
    assert_eq!(request.resource_spans[0].scope_spans[0].spans[0].name, "I'm a server span");
    let bytes = to_protobuf(Signal::Metrics, &read("metrics.json")).unwrap();
    let request = ExportMetricsServiceRequest::decode(bytes.as_slice()).unwrap();
    assert!(request.resource_metrics[0].scope_metrics[0].metrics.len() >= 4);
    for name in ["logs.json", "events.json"] {
        let bytes = to_protobuf(Signal::Logs, &read(name)).unwrap();
        let request = ExportLogsServiceRequest::decode(bytes.as_slice()).unwrap();
        assert!(!request.resource_logs[0].scope_logs[0].log_records.is_empty(), "{name}");
    }
}
