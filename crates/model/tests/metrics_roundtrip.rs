//! Data points → columns → data points gives back an equal message, for every kind of metric.

#![allow(clippy::unwrap_used)]

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message;
use trefoil_model::decode::{DecodeContext, Decoded, decode};
use trefoil_model::native::{self, ResetHint};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Table, Tenant, encode};

fn decode_bytes(body: &[u8], series: &SeriesIndex) -> Decoded {
    let (promoted, limits) = (Promoted::default(), Limits::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series, received: 1, trace_ids: None };
    decode(Signal::Metrics, &Tenant::default(), body, &context).unwrap()
}

fn encode_again(decoded: &Decoded) -> MetricsData {
    let of = |wanted: Table| -> Vec<_> {
        let batches = decoded.batches.iter().filter(|(table, _)| *table == wanted);
        batches.map(|(_, batch)| batch.clone()).collect()
    };
    encode::metrics(&of(Table::Samples), &of(Table::Series), &of(Table::Exemplars)).unwrap()
}

fn key_value(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Distinct keys in any order. (Values have tests of their own.)
fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let value = prop_oneof![
        "[a-z\"\\\\]{0,3}".prop_map(Value::StringValue),
        any::<bool>().prop_map(Value::BoolValue),
        any::<i64>().prop_map(Value::IntValue),
        (-1e9..1e9).prop_map(Value::DoubleValue),
        vec(any::<u8>(), 0..3).prop_map(Value::BytesValue),
        vec(any::<i64>(), 0..3).prop_map(|numbers| {
            let values = numbers.into_iter().map(|number| AnyValue { value: Some(Value::IntValue(number)) }).collect();
            Value::ArrayValue(ArrayValue { values })
        }),
    ];
    let keys = vec!["a", "b", "http.route", "service.name", "$x", ""];
    prop::sample::subsequence(keys, 0..4).prop_shuffle().prop_flat_map(move |keys| {
        let values = vec(value.clone(), keys.len());
        values.prop_map(move |values| keys.iter().zip(values).map(|(key, value)| key_value(*key, value)).collect())
    })
}

/// Adds to a histogram's attributes what [`trefoil_model::native`] has, for as many counts as the point has.
fn with_native(
    mut attributes: Vec<KeyValue>,
    hint: Option<ResetHint>,
    counts: Option<Vec<f64>>,
    number: usize,
) -> Vec<KeyValue> {
    attributes.extend(hint.map(ResetHint::attribute));
    attributes.extend(counts.map(|counts| native::float_counts(counts.into_iter().cycle().take(number))));
    attributes
}

fn reset_hint() -> impl Strategy<Value = Option<ResetHint>> {
    option::of(prop::sample::select(vec![ResetHint::Reset, ResetHint::NotReset, ResetHint::Gauge]))
}

fn float_counts() -> impl Strategy<Value = Option<Vec<f64>>> {
    option::of(vec(double(), 1..12))
}

/// Every bit pattern counts: staleness markers are NaNs.
fn double() -> impl Strategy<Value = f64> {
    let special = vec![0.0, -0.0, 200.0, f64::INFINITY, f64::NAN, f64::from_bits(0x7ff0_0000_0000_0002), 2e53, -9e15];
    prop_oneof![any::<u64>().prop_map(f64::from_bits), prop::sample::select(special), (0..1000).prop_map(f64::from)]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(i64::MAX as u64), 0..=i64::MAX as u64]
}

fn flags() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(0), 1 => Just(1), 1 => any::<u32>()]
}

prop_compose! {
    fn an_exemplar()(
        filtered_attributes in attributes(),
        time_unix_nano in time(),
        value in option::of(prop_oneof![
            double().prop_map(exemplar::Value::AsDouble),
            any::<i64>().prop_map(exemplar::Value::AsInt),
        ]),
        (trace_id, span_id) in (option::of(1..=u128::MAX), option::of(1..=u64::MAX)),
    ) -> Exemplar {
        Exemplar {
            filtered_attributes, time_unix_nano, value,
            trace_id: trace_id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
            span_id: span_id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
        }
    }
}

fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    vec(an_exemplar(), 0..3)
}

prop_compose! {
    fn number_point()(
        (attributes, start_time_unix_nano, exemplars, flags) in (attributes(), time(), exemplars(), flags()),
        value in option::of(prop_oneof![
            double().prop_map(number_data_point::Value::AsDouble),
            any::<i64>().prop_map(number_data_point::Value::AsInt),
        ]),
    ) -> NumberDataPoint {
        NumberDataPoint { attributes, start_time_unix_nano, time_unix_nano: 0, exemplars, flags, value }
    }
}

prop_compose! {
    fn histogram_point()(
        (attributes, start_time_unix_nano, exemplars, flags) in (attributes(), time(), exemplars(), flags()),
        (count, sum, min, max) in (any::<u64>(), option::of(double()), option::of(double()), option::of(double())),
        bounds in vec(any::<f64>().prop_filter("comparable", |bound| !bound.is_nan()), 0..5),
        counts in vec(any::<u64>(), 6),
        has_buckets in any::<bool>(),
        (hint, float_counts) in (reset_hint(), float_counts()),
    ) -> HistogramDataPoint {
        let mut explicit_bounds = bounds;
        explicit_bounds.sort_by(f64::total_cmp);
        explicit_bounds.dedup_by(|a, b| a == b);
        let mut bucket_counts = counts[..explicit_bounds.len() + 1].to_vec();
        if !has_buckets {
            explicit_bounds.clear();
            bucket_counts.clear();
        }
        let attributes = with_native(attributes, hint, float_counts, 1 + bucket_counts.len());
        HistogramDataPoint {
            attributes, start_time_unix_nano, time_unix_nano: 0, count, sum, bucket_counts, explicit_bounds, exemplars,
            flags, min, max,
        }
    }
}

fn buckets() -> impl Strategy<Value = Option<Buckets>> {
    option::of(
        (any::<i32>(), vec(any::<u64>(), 0..5)).prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts }),
    )
}

prop_compose! {
    fn exponential_histogram_point()(
        (attributes, start_time_unix_nano, exemplars, flags) in (attributes(), time(), exemplars(), flags()),
        (count, sum, min, max) in (any::<u64>(), option::of(double()), option::of(double()), option::of(double())),
        (scale, zero_count, zero_threshold) in (any::<i32>(), any::<u64>(), double()),
        (positive, negative) in (buckets(), buckets()),
        (hint, float_counts) in (reset_hint(), float_counts()),
    ) -> ExponentialHistogramDataPoint {
        let buckets = [&positive, &negative].into_iter().flatten().map(|buckets| buckets.bucket_counts.len());
        let attributes = with_native(attributes, hint, float_counts, 2 + buckets.sum::<usize>());
        ExponentialHistogramDataPoint {
            attributes, start_time_unix_nano, time_unix_nano: 0, count, sum, scale, zero_count, positive, negative, flags,
            exemplars, min, max, zero_threshold,
        }
    }
}

prop_compose! {
    fn summary_point()(
        (attributes, start_time_unix_nano, flags) in (attributes(), time(), flags()),
        (count, sum) in (any::<u64>(), double()),
        quantile_values in vec((double(), double()), 0..4),
    ) -> SummaryDataPoint {
        let quantile_values =
            quantile_values.into_iter().map(|(quantile, value)| ValueAtQuantile { quantile, value }).collect();
        SummaryDataPoint { attributes, start_time_unix_nano, time_unix_nano: 0, count, sum, quantile_values, flags }
    }
}

fn data() -> impl Strategy<Value = Option<Data>> {
    let temporality = || prop_oneof![0..3i32, any::<i32>()];
    prop_oneof![
        vec(number_point(), 0..4).prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (vec(number_point(), 0..4), temporality(), any::<bool>()).prop_map(
            |(data_points, aggregation_temporality, is_monotonic)| {
                Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
            }
        ),
        (vec(histogram_point(), 0..4), temporality()).prop_map(|(data_points, aggregation_temporality)| {
            Data::Histogram(Histogram { data_points, aggregation_temporality })
        }),
        (vec(exponential_histogram_point(), 0..4), temporality()).prop_map(|(data_points, aggregation_temporality)| {
            Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality })
        }),
        vec(summary_point(), 0..4).prop_map(|data_points| Data::Summary(Summary { data_points })),
    ]
    .prop_map(Some)
}

prop_compose! {
    fn a_metric()(
        (description, unit) in ("[a-z]?", "(s|By|1)?"),
        (metadata, data) in (attributes(), data()),
    ) -> Metric {
        Metric { name: String::new(), description, unit, metadata, data }
    }
}

/// Names, scopes, resources and times are numbered, because rows of equal ones would be merged into one series.
fn metrics_data() -> impl Strategy<Value = MetricsData> {
    let scope = || {
        let scope = (attributes(), "[12]?", 0..2u32).prop_map(|(attributes, version, dropped_attributes_count)| {
            InstrumentationScope { attributes, version, dropped_attributes_count, ..InstrumentationScope::default() }
        });
        (scope, vec(a_metric(), 0..4), "[xy]?").prop_map(|(mut scope, mut metrics, schema_url)| {
            for (index, metric) in metrics.iter_mut().enumerate() {
                metric.name = format!("metric.{index}");
                number_times(metric);
            }
            scope.attributes.retain(|attribute| !attribute.key.is_empty());
            ScopeMetrics { scope: Some(scope), metrics, schema_url }
        })
    };
    let entity_refs = vec(("(service|host)?", vec("[ab]?", 0..3)), 0..3);
    let resource = (attributes(), vec(scope(), 0..3), 0..2u32, "[xy]?", entity_refs).prop_map(
        |(attributes, mut scope_metrics, dropped_attributes_count, schema_url, entity_refs)| {
            for (index, scope_metrics) in scope_metrics.iter_mut().enumerate() {
                scope_metrics.scope.as_mut().unwrap().name = format!("scope.{index}");
            }
            let entity_ref = |(r#type, id_keys)| EntityRef { r#type, id_keys, ..EntityRef::default() };
            let entity_refs = entity_refs.into_iter().map(entity_ref).collect();
            let resource = Some(Resource { attributes, dropped_attributes_count, entity_refs });
            ResourceMetrics { resource, scope_metrics, schema_url }
        },
    );
    vec(resource, 0..3).prop_map(|mut resource_metrics| {
        for (index, resource_metrics) in resource_metrics.iter_mut().enumerate() {
            let attributes = &mut resource_metrics.resource.as_mut().unwrap().attributes;
            attributes.push(key_value("host.id", Value::IntValue(index as i64)));
        }
        MetricsData { resource_metrics }
    })
}

/// A point every seven hours, so that the points of a metric spread over two days.
fn number_times(metric: &mut Metric) {
    let time = |index: usize| (19_000 * 24 + 20 + 7 * index as u64) * 3_600_000_000_000;
    match metric.data.as_mut().unwrap() {
        Data::Gauge(data) => data.data_points.iter_mut().enumerate().for_each(|(i, p)| p.time_unix_nano = time(i)),
        Data::Sum(data) => data.data_points.iter_mut().enumerate().for_each(|(i, p)| p.time_unix_nano = time(i)),
        Data::Histogram(data) => data.data_points.iter_mut().enumerate().for_each(|(i, p)| p.time_unix_nano = time(i)),
        Data::ExponentialHistogram(data) => {
            data.data_points.iter_mut().enumerate().for_each(|(i, p)| p.time_unix_nano = time(i));
        }
        Data::Summary(data) => data.data_points.iter_mut().enumerate().for_each(|(i, p)| p.time_unix_nano = time(i)),
    }
}

/// The canonical form, computed the slow and simple way: sorted attributes, no value where none was recorded, nothing
/// without points.
mod canonical {
    use super::*;

    fn sort(attributes: &mut [KeyValue]) {
        attributes.sort_by(|a, b| a.key.cmp(&b.key));
    }

    fn sort_exemplars(exemplars: &mut [Exemplar]) {
        exemplars.iter_mut().for_each(|exemplar| sort(&mut exemplar.filtered_attributes));
    }

    fn number_points(points: &mut [NumberDataPoint]) -> bool {
        for point in points.iter_mut() {
            sort(&mut point.attributes);
            sort_exemplars(&mut point.exemplars);
            if point.flags & 1 == 1 {
                point.value = None;
            }
        }
        !points.is_empty()
    }

    fn metric(metric: &mut Metric) -> bool {
        sort(&mut metric.metadata);
        match metric.data.as_mut().unwrap() {
            Data::Gauge(data) => number_points(&mut data.data_points),
            Data::Sum(data) => number_points(&mut data.data_points),
            Data::Histogram(data) => {
                for point in &mut data.data_points {
                    sort(&mut point.attributes);
                    sort_exemplars(&mut point.exemplars);
                }
                !data.data_points.is_empty()
            }
            Data::ExponentialHistogram(data) => {
                for point in &mut data.data_points {
                    sort(&mut point.attributes);
                    sort_exemplars(&mut point.exemplars);
                }
                !data.data_points.is_empty()
            }
            Data::Summary(data) => {
                data.data_points.iter_mut().for_each(|point| sort(&mut point.attributes));
                !data.data_points.is_empty()
            }
        }
    }

    pub fn metrics(mut data: MetricsData) -> MetricsData {
        data.resource_metrics.retain_mut(|resource_metrics| {
            sort(&mut resource_metrics.resource.as_mut().unwrap().attributes);
            resource_metrics.scope_metrics.retain_mut(|scope_metrics| {
                sort(&mut scope_metrics.scope.as_mut().unwrap().attributes);
                scope_metrics.metrics.retain_mut(metric);
                !scope_metrics.metrics.is_empty()
            });
            !resource_metrics.scope_metrics.is_empty()
        });
        data
    }
}

fn rows(decoded: &Decoded, wanted: Table) -> usize {
    decoded.batches.iter().filter(|(table, _)| *table == wanted).map(|(_, batch)| batch.num_rows()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn metrics_come_back_equal(data in metrics_data()) {
        let decoded = decode_bytes(&data.encode_to_vec(), &SeriesIndex::default());
        prop_assert_eq!(&decoded.reasons, &None);
        for (table, batch) in &decoded.batches {
            let names = |schema: &arrow::datatypes::Schema| schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
            prop_assert_eq!(names(batch.schema_ref()), names(&table.base_schema()));
        }
        let back = encode_again(&decoded);
        let expected = canonical::metrics(data);
        // Compared as bytes: NaN is equal to nothing, and 0.0 to -0.0.
        prop_assert!(back.encode_to_vec() == expected.encode_to_vec(), "{back:#?}\nis not\n{expected:#?}");
    }

    #[test]
    fn series_rows_come_once(data in metrics_data()) {
        let (index, body) = (SeriesIndex::default(), data.encode_to_vec());
        let first = decode_bytes(&body, &index);
        prop_assert_eq!(rows(&first, Table::Series), first.new_series.len());
        let again = decode_bytes(&body, &index);
        prop_assert_eq!(&again.new_series, &first.new_series, "nothing was remembered yet");
        index.remember(&Tenant::default(), &first.new_series);
        let known = decode_bytes(&body, &index);
        prop_assert_eq!(&known.new_series, &vec![]);
        prop_assert_eq!(rows(&known, Table::Samples), rows(&first, Table::Samples));
        prop_assert_eq!(rows(&known, Table::Series), 0);
    }

    /// They are of a point, not of its series.
    #[test]
    fn hints_and_float_counts_make_no_series(hint in reset_hint(), counts in float_counts()) {
        let of = |attributes| {
            let point = ExponentialHistogramDataPoint {
                attributes, time_unix_nano: 1, positive: Some(Buckets { offset: 0, bucket_counts: vec![1, 2] }),
                ..ExponentialHistogramDataPoint::default()
            };
            let data = ExponentialHistogram { data_points: vec![point], aggregation_temporality: 2 };
            let metrics = vec![Metric { name: "h".into(), data: Some(Data::ExponentialHistogram(data)), ..Metric::default() }];
            let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
            let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
            decode_bytes(&MetricsData { resource_metrics }.encode_to_vec(), &SeriesIndex::default())
        };
        let label = || vec![key_value("a", Value::StringValue("b".into()))];
        let (plain, native) = (of(label()), of(with_native(label(), hint, counts, 4)));
        prop_assert_eq!(&native.reasons, &None);
        prop_assert_eq!(&plain.new_series, &native.new_series);
        let series = |decoded: &Decoded| decoded.batches.iter().find(|(table, _)| *table == Table::Series).unwrap().1.clone();
        prop_assert_eq!(series(&plain), series(&native));
    }

    #[test]
    fn the_order_of_attributes_does_not_change_the_series(data in metrics_data()) {
        let mut reversed = data.clone();
        for resource_metrics in &mut reversed.resource_metrics {
            resource_metrics.resource.as_mut().unwrap().attributes.reverse();
            for scope_metrics in &mut resource_metrics.scope_metrics {
                scope_metrics.scope.as_mut().unwrap().attributes.reverse();
                for metric in &mut scope_metrics.metrics {
                    if let Some(Data::Gauge(gauge)) = &mut metric.data {
                        gauge.data_points.iter_mut().for_each(|point| point.attributes.reverse());
                    }
                }
            }
        }
        let ids = |data: &MetricsData| decode_bytes(&data.encode_to_vec(), &SeriesIndex::default()).new_series;
        prop_assert_eq!(ids(&data), ids(&reversed));
    }

    #[test]
    fn damaged_requests_never_panic_and_do_not_depend_on_what_is_known(
        data in metrics_data(), at in any::<usize>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut body = data.encode_to_vec();
        if body.is_empty() {
            return Ok(());
        }
        let known = SeriesIndex::default();
        known.remember(&Tenant::default(), &decode_bytes(&body, &known).new_series);
        let at = at % body.len();
        body[at] = byte;
        if cut {
            body.truncate(at);
        }
        let (promoted, limits, unknown) = (Promoted::default(), Limits::default(), SeriesIndex::default());
        let outcome = |series: &SeriesIndex| {
            let context = DecodeContext { promoted: &promoted, limits: &limits, series, received: 1, trace_ids: None };
            let decoded = decode(Signal::Metrics, &Tenant::default(), &body, &context);
            decoded.map(|decoded| (decoded.accepted, decoded.rejected)).map_err(|error| error.to_string())
        };
        prop_assert_eq!(outcome(&known), outcome(&unknown));
    }
}
