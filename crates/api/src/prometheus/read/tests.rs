use std::sync::Arc;

use proptest::prelude::*;
use trefoil_pipeline::receivers::prometheus::Scraping;
use trefoil_promql::histogram::{CounterResetHint, FloatHistogram, Span};
use trefoil_promql::points::PointRef;
use trefoil_promql::source::{STALE_NAN_BITS, Samples, is_stale_nan};

use super::chunks::chunks;
use super::decode;
use trefoil_prometheus::remote::Label;
use trefoil_prometheus::remote::read::{
    ChunkedReadResponse, LabelMatcher, Query, ReadHints, ReadRequest, ReadResponse,
};

fn shown(samples: &Samples) -> Vec<(i64, String)> {
    let point = |index| match samples.point(index) {
        PointRef::Float(value) => format!("{:x}", value.to_bits()),
        PointRef::Histogram(histogram) if is_stale_nan(histogram.sum) => "stale".to_owned(),
        PointRef::Histogram(histogram) => {
            // What a reader is told of resets is looked at on its own.
            let histogram =
                FloatHistogram { counter_reset_hint: CounterResetHint::Unknown, ..histogram.as_ref().clone() };
            format!("{histogram:?}")
        }
    };
    (0..samples.len()).map(|index| (samples.times[index], point(index))).collect()
}

fn histogram(count: f64, offset: i32, buckets: &[f64]) -> FloatHistogram {
    FloatHistogram {
        schema: 3,
        zero_threshold: 2.0_f64.powi(-128),
        count,
        sum: count * 2.0,
        positive_spans: vec![Span { offset, length: buckets.len() as u32 }],
        positive_buckets: buckets.to_vec(),
        ..FloatHistogram::default()
    }
}

/// Bytes that Prometheus' own encoder writes for these samples (`tsdb/chunkenc`, by hand from the format).
#[test]
fn floats_are_written_as_prometheus_writes_them() {
    let mut samples = Samples::default();
    for (time, value) in [(1000, 1.0), (2000, 1.0), (3000, 1.0)] {
        samples.push_float(time, value);
    }
    let [chunk] = chunks(&samples).try_into().unwrap();
    // Three samples; zigzag 2000; 1.0; delta 1000; bits 0 (same value), 0 (same delta), 0 (same value).
    let expected = [0, 3, 0xd0, 0x0f, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xe8, 0x07, 0];
    assert_eq!((chunk.data.as_slice(), chunk.encoding), (&expected[..], 1));
    assert_eq!((chunk.min_time_ms, chunk.max_time_ms), (1000, 3000));
}

#[test]
fn a_chunk_has_at_most_120_samples_of_one_kind() {
    let mut samples = Samples::default();
    (0..250).for_each(|index| samples.push_float(index * 15_000, index as f64));
    samples.push_histogram(250 * 15_000, Arc::new(histogram(1.0, 0, &[1.0])));
    samples.push_float(251 * 15_000, 5.0);
    let chunks = chunks(&samples);
    let counts: Vec<_> = chunks.iter().map(|chunk| (chunk.encoding, chunk.data[1])).collect();
    assert_eq!(counts, [(1, 120), (1, 120), (1, 10), (3, 1), (1, 1)]);
    assert_eq!(shown(&decode::samples(&chunks)), shown(&samples));
}

#[test]
fn histograms_begin_a_chunk_where_they_change() {
    let mut samples = Samples::default();
    let gauge = FloatHistogram { counter_reset_hint: CounterResetHint::Gauge, ..histogram(2.0, 0, &[2.0]) };
    let custom = FloatHistogram {
        schema: -53,
        custom_values: vec![0.5, 1e300],
        zero_threshold: 0.0,
        ..histogram(3.0, 0, &[1.0, 1.0, 1.0])
    };
    let stale = FloatHistogram { sum: f64::from_bits(STALE_NAN_BITS), ..FloatHistogram::default() };
    let all = [
        histogram(3.0, 0, &[1.0, 2.0]),
        histogram(4.0, 0, &[1.0, 3.0]),
        histogram(1.0, 0, &[1.0, 0.0]),
        histogram(9.0, 1, &[1.0, 8.0]),
        stale,
        histogram(9.0, 1, &[1.0, 8.0]),
        gauge.clone(),
        FloatHistogram { count: 1.0, positive_buckets: vec![1.0], ..gauge },
        custom,
    ];
    for (time, histogram) in (0..).zip(all) {
        samples.push_histogram(time, Arc::new(histogram));
    }
    let chunks = chunks(&samples);
    let counts: Vec<_> = chunks.iter().map(|chunk| (chunk.data[1], chunk.data[2])).collect();
    let (reset, gauge) = (0b1000_0000, 0b1100_0000);
    assert_eq!(counts, [(2, 0), (1, reset), (1, reset), (1, 0), (1, 0), (2, gauge), (1, reset)]);
    assert_eq!(shown(&decode::samples(&chunks)), shown(&samples));
}

#[test]
fn a_frame_has_length_and_checksum() {
    let mut samples = Samples::default();
    samples.push_float(0, 1.0);
    let labels = [Label { name: "__name__".into(), value: "up".into() }];
    let mut out = Vec::new();
    super::frames::write(&mut out, 3, &labels, &samples);
    let (length, message) = (usize::from(out[0]), &out[5..]);
    assert_eq!(message.len(), length);
    assert_eq!(out[1..5], crc32c::crc32c(message).to_be_bytes());
    // Many samples of a series are several frames.
    let mut samples = Samples::default();
    (0..200_000)
        .for_each(|time| samples.push_float(time, f64::from_bits((time as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))));
    let mut out = Vec::new();
    super::frames::write(&mut out, 0, &labels, &samples);
    let (mut rest, mut frames) = (out.as_slice(), 0);
    while !rest.is_empty() {
        let length = prost::encoding::decode_varint(&mut rest).unwrap() as usize;
        assert!(length < (1 << 20) + (4 << 10));
        rest = &rest[4 + length..];
        frames += 1;
    }
    assert!(frames >= 2, "{frames}");
}

fn times(count: usize) -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![3 => Just(15_000_i64), 2 => 1..20_000_i64, 1 => 1..i64::from(u32::MAX)];
    (-1_000_000_i64..2_000_000_000_000, prop::collection::vec(step, count)).prop_map(|(start, steps)| {
        let later = steps.into_iter().scan(start, |time, step| {
            *time += step;
            Some(*time)
        });
        later.collect()
    })
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (0..100_000_u32).prop_map(f64::from),
        2 => any::<u64>().prop_map(f64::from_bits),
        1 => Just(f64::from_bits(STALE_NAN_BITS)),
    ]
}

fn any_histogram() -> impl Strategy<Value = FloatHistogram> {
    let spans = prop::collection::vec((-50..50_i32, 0..4_u32), 0..3);
    let threshold =
        prop_oneof![Just(0.0), Just(2.0_f64.powi(-128)), Just(1e-128), Just(2.0_f64.powi(10)), Just(2048.0)];
    let schema = prop_oneof![-4..=8_i32, Just(-53)];
    (schema, threshold, spans, any::<bool>(), prop::collection::vec(value(), 20)).prop_map(
        |(schema, zero_threshold, spans, is_gauge, values)| {
            let spans: Vec<Span> = spans.into_iter().map(|(offset, length)| Span { offset, length }).collect();
            let length: usize = spans.iter().map(|span| span.length as usize).sum();
            let is_custom = schema == -53;
            FloatHistogram {
                schema,
                zero_threshold,
                counter_reset_hint: if is_gauge { CounterResetHint::Gauge } else { CounterResetHint::Unknown },
                count: values[0],
                zero_count: values[1],
                sum: values[2],
                positive_buckets: values[3..3 + length].to_vec(),
                positive_spans: spans,
                custom_values: if is_custom {
                    vec![0.001, 0.5, 33_554.43, 1e18 + values[3].abs().min(1.0)]
                } else {
                    vec![]
                },
                ..FloatHistogram::default()
            }
        },
    )
}

proptest! {
    #[test]
    fn floats_come_back(values in prop::collection::vec(value(), 1..300), times in times(300)) {
        let mut samples = Samples::default();
        times.iter().zip(&values).for_each(|(time, value)| samples.push_float(*time, *value));
        prop_assert_eq!(shown(&decode::samples(&chunks(&samples))), shown(&samples));
    }

    #[test]
    fn histograms_come_back(
        histograms in prop::collection::vec((any_histogram(), 1..5_usize), 1..20),
        times in times(100),
    ) {
        let mut samples = Samples::default();
        // Each several times, so that chunks grow.
        let all = histograms.iter().flat_map(|(histogram, count)| std::iter::repeat_n(histogram, *count));
        times.iter().zip(all).for_each(|(time, histogram)| samples.push_histogram(*time, Arc::new(histogram.clone())));
        let encoded = chunks(&samples);
        let decoded = decode::samples(&encoded);
        prop_assert_eq!(shown(&decoded), shown(&samples));
        // Nowhere is a reset hidden from the reader.
        for index in 1..samples.len() {
            let (PointRef::Histogram(before), PointRef::Histogram(after)) = (samples.point(index - 1), samples.point(index)) else {
                unreachable!("all are histograms")
            };
            let PointRef::Histogram(read) = decoded.point(index) else { unreachable!("all are histograms") };
            if read.counter_reset_hint == CounterResetHint::NotCounterReset {
                prop_assert!(!after.detect_reset(before));
            }
        }
    }
}

mod whole {
    //! Over a real store.

    use std::collections::BTreeMap;

    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, Response, header};
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Kind};
    use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
    use opentelemetry_proto::tonic::metrics::v1::{
        ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
        NumberDataPoint, ResourceMetrics, ScopeMetrics,
    };
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use prost::Message;
    use tower::ServiceExt;
    use trefoil_model::{Signal, Tenancy, Tenant};
    use trefoil_query::Engine;
    use trefoil_storage::{Storage, StorageConfig};

    use super::*;
    use crate::{ApiState, OtlpEndpoints, PrometheusApi, prometheus_router};

    const NOW: u64 = 1_767_225_600;

    fn attribute(key: &str, value: &str) -> KeyValue {
        let value = Some(AnyValue { value: Some(Kind::StringValue(value.into())) });
        KeyValue { key: key.into(), value, ..KeyValue::default() }
    }

    fn nanos(second: u64) -> u64 {
        (NOW + second) * 1_000_000_000
    }

    /// A gauge, a classic histogram of several series whose buckets lie between each other, and an exponential one.
    fn metrics() -> ExportMetricsServiceRequest {
        let gauge = (0..300).map(|second| NumberDataPoint {
            time_unix_nano: nanos(second),
            value: Some(Number::AsDouble(second as f64 / 3.0)),
            ..NumberDataPoint::default()
        });
        let classic = (0..20).flat_map(|second| {
            ["a", "b", "c"].map(|method| HistogramDataPoint {
                attributes: vec![attribute("method", method)],
                time_unix_nano: nanos(second),
                count: 4 * second,
                sum: Some(second as f64),
                bucket_counts: vec![second, 2 * second, second],
                explicit_bounds: vec![0.1, 0.5],
                ..HistogramDataPoint::default()
            })
        });
        let native = (0..20).map(|second| ExponentialHistogramDataPoint {
            time_unix_nano: nanos(second),
            count: 2 * second,
            sum: Some(second as f64),
            scale: 2,
            positive: Some(Buckets { offset: -3, bucket_counts: vec![second, 0, 0, second] }),
            ..ExponentialHistogramDataPoint::default()
        });
        let metric = |name: &str, data| Metric { name: name.into(), data: Some(data), ..Metric::default() };
        let metrics = vec![
            metric("gauge", Data::Gauge(Gauge { data_points: gauge.collect() })),
            metric(
                "classic",
                Data::Histogram(Histogram { data_points: classic.collect(), aggregation_temporality: 2 }),
            ),
            metric(
                "native",
                Data::ExponentialHistogram(ExponentialHistogram {
                    data_points: native.collect(),
                    aggregation_temporality: 2,
                }),
            ),
        ];
        let attributes =
            vec![attribute("service.name", "web"), attribute("service.instance.id", "1"), attribute("zone", "z")];
        let resource = Some(Resource { attributes, ..Resource::default() });
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }],
        }
    }

    struct Server {
        router: Router,
        engine: Engine,
        storage: Storage,
        _directory: tempfile::TempDir,
    }

    impl Server {
        async fn new(tenancy: Tenancy) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let storage = Storage::open(StorageConfig::in_directory(directory.path())).await.unwrap();
            let engine = Engine::new(storage.clone(), 64 << 20).unwrap();
            let state = ApiState {
                admin_api: false,
                delete_logs: false,
                scraping: Scraping::default(),
                overrides: Default::default(),
                engine: engine.clone(),
                tenancy,
                otlp: Arc::new(OtlpEndpoints::default),
                max_clock_skew_adjustment: std::time::Duration::ZERO,
                tails: Default::default(),
                prometheus: PrometheusApi {
                    external_labels: BTreeMap::from([("replica".to_owned(), "x".to_owned())]),
                    ..PrometheusApi::default()
                },
            };
            let body = metrics().encode_to_vec().into();
            storage.append(&Tenant::default(), Signal::Metrics, body).await.unwrap();
            Self { router: prometheus_router(state), engine, storage, _directory: directory }
        }

        async fn ask(&self, request: &ReadRequest) -> Response<Body> {
            let body = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap();
            self.router.clone().oneshot(Request::post("/api/v1/read").body(Body::from(body)).unwrap()).await.unwrap()
        }

        async fn samples(&self, queries: Vec<Query>) -> Vec<Vec<(String, Vec<(i64, String)>)>> {
            let response = self.ask(&ReadRequest { queries, accepted_response_types: vec![0] }).await;
            assert_eq!(response.headers()[header::CONTENT_ENCODING], "snappy");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/x-protobuf");
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
            let results = ReadResponse::decode(message.as_slice()).unwrap().results.into_iter();
            let series = |series: trefoil_prometheus::remote::read::TimeSeries| {
                let floats =
                    series.samples.iter().map(|sample| (sample.timestamp, format!("{:x}", sample.value.to_bits())));
                let histograms = series.histograms.iter().map(|histogram| (histogram.timestamp, of_message(histogram)));
                let mut points: Vec<_> = floats.chain(histograms).collect();
                points.sort();
                (text(&series.labels), points)
            };
            results.map(|result| result.timeseries.into_iter().map(series).collect()).collect()
        }

        async fn chunks(&self, queries: Vec<Query>) -> Vec<Vec<(String, Vec<(i64, String)>)>> {
            let mut results = vec![Vec::new(); queries.len()];
            let response = self.ask(&ReadRequest { queries, accepted_response_types: vec![1, 0] }).await;
            let content_type = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
            assert_eq!(response.headers()[header::CONTENT_TYPE], content_type);
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let mut rest = &body[..];
            while !rest.is_empty() {
                let length = prost::encoding::decode_varint(&mut rest).unwrap() as usize;
                let (message, after) = rest[4..].split_at(length);
                assert_eq!(rest[..4], crc32c::crc32c(message).to_be_bytes());
                rest = after;
                let message = ChunkedReadResponse::decode(message).unwrap();
                let [series] = message.chunked_series.try_into().unwrap();
                let samples = decode::samples(&series.chunks);
                results[message.query_index as usize].push((text(&series.labels), shown(&samples)));
            }
            results
        }
    }

    fn text(labels: &[Label]) -> String {
        assert!(labels.is_sorted_by_key(|label| label.name.as_str()));
        labels.iter().map(|label| format!("{}={};", label.name, label.value)).collect()
    }

    fn of_message(message: &trefoil_prometheus::remote::Histogram) -> String {
        let spans = |spans: &[trefoil_prometheus::remote::BucketSpan]| {
            spans.iter().map(|span| Span { offset: span.offset, length: span.length }).collect()
        };
        let histogram = FloatHistogram {
            schema: message.schema,
            zero_threshold: message.zero_threshold,
            zero_count: message.zero_count_float.unwrap(),
            count: message.count_float.unwrap(),
            sum: message.sum,
            positive_spans: spans(&message.positive_spans),
            negative_spans: spans(&message.negative_spans),
            positive_buckets: message.positive_counts.clone(),
            negative_buckets: message.negative_counts.clone(),
            custom_values: message.custom_values.clone(),
            ..FloatHistogram::default()
        };
        format!("{histogram:?}")
    }

    fn query(kind: i32, name: &str, value: &str) -> Query {
        let millis = |second| i64::try_from(NOW + second).unwrap() * 1000;
        Query {
            start_timestamp_ms: millis(0),
            end_timestamp_ms: millis(1_000),
            matchers: vec![LabelMatcher { kind, name: name.into(), value: value.into() }],
            hints: None,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn both_kinds_of_answers_hold_the_same_in_order() {
        let server = Server::new(Tenancy::Single).await;
        for flushed in [false, true] {
            if flushed {
                server.storage.flush().await.unwrap();
            }
            let queries = || vec![query(2, "__name__", ".+"), query(0, "__name__", "none"), query(0, "method", "b")];
            let samples = server.samples(queries()).await;
            assert_eq!(server.chunks(queries()).await, samples);
            // One gauge, three times three buckets, a count and a sum, one native histogram, one target.
            assert_eq!(samples.iter().map(Vec::len).collect::<Vec<_>>(), [1 + 15 + 1 + 1, 0, 5]);
            let labels: Vec<_> = samples[0].iter().map(|(labels, _)| labels.clone()).collect();
            assert!(labels.is_sorted(), "{labels:#?}");
            assert_eq!(labels[0], "__name__=classic_bucket;instance=1;job=web;le=+Inf;method=a;replica=x;");
            assert_eq!(labels[1], "__name__=classic_bucket;instance=1;job=web;le=+Inf;method=b;replica=x;");
            let gauge = samples[0].iter().find(|(labels, _)| labels.starts_with("__name__=gauge;")).unwrap();
            assert_eq!((gauge.1.len(), gauge.1[3].0), (300, i64::try_from(NOW + 3).unwrap() * 1000));
        }
        server.storage.close().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn hints_and_external_labels_are_honoured() {
        let server = Server::new(Tenancy::Single).await;
        let start_ms = i64::try_from(NOW).unwrap() * 1000 + 10_000;
        let hints = |func: &str| Some(ReadHints { func: func.into(), start_ms, end_ms: start_ms + 5_000 });
        let narrowed = Query { hints: hints("rate"), ..query(0, "__name__", "gauge") };
        let series = Query { hints: hints("series"), ..query(0, "__name__", "gauge") };
        let external = query(0, "replica", "x");
        let other = query(0, "replica", "y");
        let queries = || vec![narrowed.clone(), series.clone(), external.clone(), other.clone()];
        let samples = server.samples(queries()).await;
        assert_eq!(samples[0][0].1.len(), 6);
        assert_eq!(samples[1], [("__name__=gauge;instance=1;job=web;replica=x;".to_owned(), vec![])]);
        assert_eq!((samples[2].len(), samples[3].len()), (18, 0));
        let chunks = server.chunks(queries()).await;
        assert_eq!((&chunks[0], chunks[1].len(), chunks[2].len()), (&samples[0], 0, 18));
        server.storage.close().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_does_not_fit_beside_others_is_refused() {
        let server = Server::new(Tenancy::Single).await;
        let point = |step: u64| NumberDataPoint {
            time_unix_nano: nanos(0) + step * 10_000_000,
            value: Some(Number::AsDouble(step as f64)),
            ..NumberDataPoint::default()
        };
        let large = Data::Gauge(Gauge { data_points: (0..50_000).map(point).collect() });
        let metrics = vec![Metric { name: "large".into(), data: Some(large), ..Metric::default() }];
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
        let body = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec().into();
        server.storage.append(&Tenant::default(), Signal::Metrics, body).await.unwrap();

        let others = server.engine.memory();
        others.grow(64 << 20).unwrap();
        for accepted in [0, 1] {
            let queries = vec![query(0, "__name__", "large")];
            let response = server.ask(&ReadRequest { queries, accepted_response_types: vec![accepted] }).await;
            assert_eq!(response.status(), 422);
            let text = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            assert!(String::from_utf8_lossy(&text).contains("query.max_memory"), "{text:?}");
        }
        assert_eq!(server.samples(vec![query(0, "__name__", "gauge")]).await[0][0].1.len(), 300);
        drop(others);
        assert_eq!(server.samples(vec![query(0, "__name__", "large")]).await[0][0].1.len(), 50_000);
        assert_eq!(server.chunks(vec![query(0, "__name__", "large")]).await[0].len(), 1);
        server.storage.close().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_answered_is_told_as_text() {
        let server = Server::new(Tenancy::Multi).await;
        let response = server.ask(&ReadRequest::default()).await;
        assert_eq!(response.status(), 401);
        let request = Request::post("/api/v1/read").header("X-Scope-OrgID", "a").body(Body::from("no snappy")).unwrap();
        let response = server.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 400);
        let text = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(text.starts_with(b"snappy"), "{text:?}");
        let request = Request::get("/api/v1/read").body(Body::empty()).unwrap();
        assert_eq!(server.router.clone().oneshot(request).await.unwrap().status(), 405);
        server.storage.close().await.unwrap();
    }
}
