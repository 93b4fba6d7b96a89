//! What bad data points get: a reason with a place, and everything valid in the same request kept.

#![allow(clippy::unwrap_used)]

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, Gauge, Histogram, HistogramDataPoint, Metric, MetricsData, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use trefoil_model::decode::{DecodeContext, DecodeError, Decoded, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Table, Tenant};

/// 2026-01-01 in nanoseconds.
const NOW: u64 = 1_767_225_600_000_000_000;

fn try_decode(body: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let (promoted, series) = (Promoted::default(), SeriesIndex::default());
    let context = DecodeContext { promoted: &promoted, limits, series: &series, received: 77, trace_ids: None };
    decode(Signal::Metrics, &Tenant::default(), body, &context)
}

fn body(metrics: Vec<Metric>) -> Vec<u8> {
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    MetricsData { resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }] }
        .encode_to_vec()
}

fn decode_metrics(metrics: Vec<Metric>) -> Decoded {
    try_decode(&body(metrics), &Limits::default()).unwrap()
}

fn gauge(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    Metric { name: name.into(), data: Some(Data::Gauge(Gauge { data_points })), ..Metric::default() }
}

fn histogram(data_points: Vec<HistogramDataPoint>) -> Metric {
    let data = Data::Histogram(Histogram { data_points, aggregation_temporality: 2 });
    Metric { name: "h".into(), data: Some(data), ..Metric::default() }
}

fn point(value: f64) -> NumberDataPoint {
    let value = Some(number_data_point::Value::AsDouble(value));
    NumberDataPoint { time_unix_nano: NOW, value, ..NumberDataPoint::default() }
}

fn attribute(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn table(decoded: &Decoded, table: Table) -> &RecordBatch {
    &decoded.batches.iter().find(|(found, _)| *found == table).unwrap().1
}

fn strings(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let values = cast(batch.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    values.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn points_with_wrong_times_are_named_and_the_others_kept() {
    let decoded = decode_metrics(vec![
        gauge("first", vec![point(1.0), NumberDataPoint { time_unix_nano: 0, ..point(2.0) }]),
        gauge(
            "second",
            vec![
                NumberDataPoint { time_unix_nano: u64::MAX, ..point(3.0) },
                NumberDataPoint { start_time_unix_nano: 1 << 63, ..point(4.0) },
                NumberDataPoint { time_unix_nano: i64::MAX as u64, start_time_unix_nano: 7, ..point(5.0) },
                NumberDataPoint { time_unix_nano: 1, ..point(6.0) },
            ],
        ),
    ]);
    assert_eq!((decoded.accepted, decoded.rejected), (3, 3));
    insta::assert_snapshot!(decoded.reasons.as_deref().unwrap(), @"3 data points rejected: resource_metrics[0].scope_metrics[0].metrics[0].data_points[1]: time_unix_nano is missing; resource_metrics[0].scope_metrics[0].metrics[1].data_points[0]: time_unix_nano 18446744073709551615 is after the year 2262 (or negative); resource_metrics[0].scope_metrics[0].metrics[1].data_points[1]: start_time_unix_nano 9223372036854775808 is after the year 2262 (or negative); …");
    let samples = table(&decoded, Table::Samples);
    let times = samples["time_unix_nano"].as_primitive::<TimestampNanosecondType>();
    assert_eq!(*times.values(), [NOW as i64, i64::MAX, 1]);
    assert_eq!(*samples["value_int"].as_primitive::<Int64Type>().values(), [1, 5, 6]);
    assert_eq!(samples["start_time_unix_nano"].null_count(), 2);
    let days = table(&decoded, Table::Series)["day"].as_primitive::<Date32Type>();
    assert_eq!(*days.values(), [20_454, 106_751, 0]);
}

#[test]
fn histograms_whose_buckets_do_not_fit_are_rejected() {
    let with = |bucket_counts: &[u64], explicit_bounds: &[f64]| HistogramDataPoint {
        time_unix_nano: NOW,
        bucket_counts: bucket_counts.to_vec(),
        explicit_bounds: explicit_bounds.to_vec(),
        ..HistogramDataPoint::default()
    };
    let decode_one = |point| {
        let decoded = decode_metrics(vec![histogram(vec![with(&[1, 2], &[0.5]), point])]);
        assert_eq!(decoded.accepted + decoded.rejected, 2);
        decoded.reasons.map(|reasons| reasons.rsplit("data_points[1]: ").next().unwrap().to_owned())
    };
    assert_eq!(decode_one(with(&[], &[])), None);
    assert_eq!(decode_one(with(&[7], &[])), None);
    assert_eq!(decode_one(with(&[1, 2, 3], &[f64::NEG_INFINITY, f64::INFINITY])), None);
    insta::assert_snapshot!(decode_one(with(&[1, 2], &[1.0, 2.0])).unwrap(), @"2 bucket_counts do not fit 2 explicit_bounds (one more is needed, or none of both)");
    insta::assert_snapshot!(decode_one(with(&[], &[1.0])).unwrap(), @"0 bucket_counts do not fit 1 explicit_bounds (one more is needed, or none of both)");
    insta::assert_snapshot!(decode_one(with(&[1, 2, 3], &[2.0, 1.0])).unwrap(), @"explicit_bounds[1] = 1 is not greater than 2 before it");
    insta::assert_snapshot!(decode_one(with(&[1, 2, 3], &[2.0, 2.0])).unwrap(), @"explicit_bounds[1] = 2 is not greater than 2 before it");
    insta::assert_snapshot!(decode_one(with(&[1, 2, 3], &[2.0, f64::NAN])).unwrap(), @"explicit_bounds[1] = NaN is not greater than 2 before it");
    insta::assert_snapshot!(decode_one(with(&[1, 2], &[f64::NAN])).unwrap(), @"explicit_bounds[0] = NaN is not greater than -inf before it");
}

#[test]
fn metrics_without_name_or_data_are_reported() {
    let decoded = decode_metrics(vec![
        gauge("", vec![point(1.0), point(2.0)]),
        Metric { name: "empty".into(), ..Metric::default() },
        gauge("no points", vec![]),
        gauge("good", vec![point(3.0)]),
    ]);
    assert_eq!((decoded.accepted, decoded.rejected), (1, 2));
    insta::assert_snapshot!(decoded.reasons.as_deref().unwrap(), @"2 data points rejected: resource_metrics[0].scope_metrics[0].metrics[0]: the metric has no name | 1 warnings: resource_metrics[0].scope_metrics[0].metrics[1]: the metric has neither gauge, sum, histogram, exponential_histogram nor summary data");
    assert_eq!(strings(table(&decoded, Table::Samples), "metric_name"), [Some("good".into())]);

    // IntGauge of OTLP before 1.0, a data type that is no more: { name: "x", 4: {} }.
    let from_the_past = [0x0a, 9, 0x12, 7, 0x12, 5, 0x0a, 1, b'x', 0x22, 0];
    let decoded = try_decode(&from_the_past, &Limits::default()).unwrap();
    assert_eq!((decoded.accepted, decoded.rejected), (0, 1));
}

#[test]
fn numbers_keep_their_bits_and_unrecorded_values_are_null() {
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let values = [stale, f64::NAN, f64::INFINITY, -0.0, 0.5];
    let mut points: Vec<NumberDataPoint> = values.iter().map(|value| point(*value)).collect();
    points.push(NumberDataPoint { flags: 1, ..point(9.0) });
    points.push(NumberDataPoint { value: None, ..point(0.0) });
    let decoded = decode_metrics(vec![gauge("g", points)]);
    let samples = table(&decoded, Table::Samples);
    let doubles = samples["value_double"].as_primitive::<Float64Type>();
    let bits: Vec<_> = doubles.iter().map(|value| value.map(f64::to_bits)).collect();
    assert_eq!(bits[..5], values.map(|value| Some(value.to_bits())));
    assert_eq!(bits[5..], [None, None]);
    assert_eq!(samples["value_int"].null_count(), 7);
    assert_eq!(samples["flags"].as_primitive::<UInt32Type>().values()[5], 1);
    assert_eq!(table(&decoded, Table::Series).num_rows(), 1);
}

#[test]
fn attributes_beyond_a_limit_reject_the_point_but_only_shorten_the_resource() {
    let limits =
        Limits { max_attributes: 2, max_attribute_key_bytes: 5, max_attribute_value_bytes: 4, ..Limits::default() };
    let text = |key: &str, value: &str| attribute(key, Value::StringValue(value.into()));
    let with = |attributes: Vec<KeyValue>| NumberDataPoint { attributes, ..point(1.0) };
    let points = vec![
        with(vec![text("a", "1234")]),
        with(vec![text("a", "12345")]),
        with(vec![text("abcdef", "1")]),
        with(vec![text("a", "1"), text("b", "1"), text("c", "1")]),
        with(vec![attribute("a", Value::BytesValue(vec![0; 5]))]),
    ];
    let resource = Resource {
        attributes: vec![text("a", "12345"), text("abcdef", "1"), text("c", "1")],
        dropped_attributes_count: 5,
        ..Resource::default()
    };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![gauge("g", points)], ..ScopeMetrics::default() }];
    let data = vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }];
    let decoded = try_decode(&MetricsData { resource_metrics: data }.encode_to_vec(), &limits).unwrap();
    assert_eq!((decoded.accepted, decoded.rejected), (1, 4));
    insta::assert_snapshot!(decoded.reasons.as_deref().unwrap(), @"4 data points rejected: resource_metrics[0].scope_metrics[0].metrics[0].data_points[1]: its attributes exceed the limits of number, length or nesting; resource_metrics[0].scope_metrics[0].metrics[0].data_points[2]: its attributes exceed the limits of number, length or nesting; resource_metrics[0].scope_metrics[0].metrics[0].data_points[3]: its attributes exceed the limits of number, length or nesting; …");
    let series = table(&decoded, Table::Series);
    assert_eq!(strings(series, "resource_attributes"), [Some(r#"{"a":"1234"}"#.into())]);
    assert_eq!(*series["resource_dropped_attributes_count"].as_primitive::<UInt32Type>().values(), [7]);
}

#[test]
fn an_oversize_point_is_rejected() {
    let limits = Limits { max_item_bytes: 100, ..Limits::default() };
    let big = NumberDataPoint { attributes: vec![attribute("a".repeat(90), Value::IntValue(1))], ..point(1.0) };
    let decoded = try_decode(&body(vec![gauge("g", vec![big, point(2.0)])]), &limits).unwrap();
    assert_eq!((decoded.accepted, decoded.rejected), (1, 1));
    assert!(decoded.reasons.unwrap().ends_with("bytes, more than the limit of 100"));
}

#[test]
fn a_bad_exemplar_does_not_cost_the_point() {
    let exemplar = |trace_id: Vec<u8>, time_unix_nano| Exemplar { trace_id, time_unix_nano, ..Exemplar::default() };
    let exemplars = vec![
        exemplar(vec![1; 16], NOW),
        exemplar(vec![1; 15], NOW),
        exemplar(vec![1; 16], u64::MAX),
        exemplar(vec![0; 16], NOW),
    ];
    let decoded = decode_metrics(vec![gauge("g", vec![NumberDataPoint { exemplars, ..point(1.0) }])]);
    assert_eq!((decoded.accepted, decoded.rejected), (1, 0));
    insta::assert_snapshot!(decoded.reasons.as_deref().unwrap(), @"2 warnings: resource_metrics[0].scope_metrics[0].metrics[0].data_points[0]: an exemplar's trace_id has not 16 or its span_id not 8 bytes; it is left out; resource_metrics[0].scope_metrics[0].metrics[0].data_points[0]: an exemplar's time_unix_nano 18446744073709551615 is after the year 2262; it is left out");
    let kept = table(&decoded, Table::Exemplars);
    assert_eq!((kept.num_rows(), kept["trace_id"].null_count()), (2, 1));
    let series = table(&decoded, Table::Series)["series_id"].as_primitive::<UInt64Type>().value(0);
    assert_eq!(*kept["series_id"].as_primitive::<UInt64Type>().values(), [series, series]);
}

#[test]
fn repeated_numbers_come_unpacked_too() {
    let wrap = |tag: u8, inner: Vec<u8>| [vec![tag, inner.len() as u8], inner].concat();
    // time_unix_nano, then bucket_counts 1 and 2 and explicit_bounds 0.5, each with its own tag.
    let mut point = vec![0x19];
    point.extend(NOW.to_le_bytes());
    for (tag, bits) in [(0x31, 1u64), (0x31, 2), (0x39, 0.5f64.to_bits())] {
        point.push(tag);
        point.extend(bits.to_le_bytes());
    }
    let metric = [vec![0x0a, 1, b'h'], wrap(0x4a, wrap(0x0a, point))].concat();
    let decoded = try_decode(&wrap(0x0a, wrap(0x12, wrap(0x12, metric))), &Limits::default()).unwrap();
    assert_eq!((decoded.accepted, decoded.rejected), (1, 0));
    let samples = table(&decoded, Table::Samples);
    let counts = samples["bucket_counts"].as_list::<i32>().value(0);
    assert_eq!(*counts.as_primitive::<UInt64Type>().values(), [1, 2]);
}

#[test]
fn invalid_utf8_is_replaced_and_counted() {
    let mut bytes = body(vec![gauge("name", vec![point(1.0)])]);
    let at = bytes.windows(4).position(|window| window == b"name").unwrap();
    bytes[at] = 0xff;
    let decoded = try_decode(&bytes, &Limits::default()).unwrap();
    assert_eq!((decoded.accepted, decoded.replaced_utf8), (1, 1));
    assert_eq!(strings(table(&decoded, Table::Samples), "metric_name"), [Some("\u{fffd}ame".into())]);
}

#[test]
fn a_cut_request_is_malformed_as_a_whole() {
    let bytes = body(vec![gauge("g", vec![point(1.0), point(2.0)])]);
    let error = try_decode(&bytes[..bytes.len() - 1], &Limits::default()).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed(_)), "{error}");
}
