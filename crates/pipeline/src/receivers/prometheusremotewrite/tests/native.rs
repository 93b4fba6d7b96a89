//! Native histograms.

use super::*;
use crate::receivers::prometheusremotewrite::histogram::{Unfit, convert};
use crate::receivers::prometheusremotewrite::message::{BucketSpan, Histogram};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, ExponentialHistogram};
use trefoil_model::native::{self, ResetHint};

fn span(offset: i32, length: u32) -> BucketSpan {
    BucketSpan { offset, length }
}

pub fn integers() -> Histogram {
    Histogram {
        count_int: Some(12),
        sum: 18.4,
        schema: 1,
        zero_threshold: 0.001,
        zero_count_int: Some(2),
        positive_spans: vec![span(0, 2), span(1, 2)],
        positive_deltas: vec![1, 1, -1, 0],
        negative_spans: vec![span(-2, 1), span(0, 1)],
        negative_deltas: vec![2, 1],
        timestamp: NOW_MS,
        ..Histogram::default()
    }
}

pub fn custom() -> Histogram {
    Histogram {
        count_int: Some(6),
        sum: 3.0,
        schema: -53,
        positive_spans: vec![span(1, 1), span(1, 1)],
        positive_deltas: vec![1, 4],
        custom_values: vec![0.5, 1.0, 2.0],
        timestamp: NOW_MS,
        ..Histogram::default()
    }
}

/// As series of 1.0.
pub fn request(histograms: &[Histogram]) -> Vec<u8> {
    let fields = histograms.iter().flat_map(|histogram| bytes(4, histogram.encode_to_vec()));
    series(&[labels("__name__=h job=a"), fields.collect()])
}

fn exponential(metric: &Metric) -> &ExponentialHistogram {
    match &metric.data {
        Some(Data::ExponentialHistogram(histogram)) => histogram,
        other => panic!("{other:?}"),
    }
}

#[test]
fn spans_and_deltas_become_dense_buckets() {
    let translated = v1(&[request(&[integers()])]);
    assert_eq!(translated.report.message(), None);
    assert_eq!(translated.report.written.histograms, 1);
    let metrics = metrics(&translated);
    let histogram = exponential(&metrics[0]);
    assert_eq!(histogram.aggregation_temporality(), AggregationTemporality::Cumulative);
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum, point.scale), (12, Some(18.4), 1));
    assert_eq!((point.zero_count, point.zero_threshold, point.time_unix_nano), (2, 0.001, NOW));
    // Prometheus' bucket 0 ends at 1, as OTLP's bucket -1 does.
    assert_eq!(point.positive, Some(Buckets { offset: -1, bucket_counts: vec![1, 2, 0, 1, 1] }));
    assert_eq!(point.negative, Some(Buckets { offset: -3, bucket_counts: vec![2, 3] }));
    assert_eq!(attributes(&point.attributes), pairs("job=a"));
}

#[test]
fn buckets_that_are_too_fine_are_put_together() {
    let fine = Histogram { schema: 9, ..integers() };
    let metrics = metrics(&v1(&[request(&[fine])]));
    let point = &exponential(&metrics[0]).data_points[0];
    assert_eq!((point.count, point.scale), (12, 8));
    // 0 1 and 3 4 are 0 | 1 2 | 3 4, and -2 -1 are -3 -2 | -1 0.
    assert_eq!(point.positive, Some(Buckets { offset: -1, bucket_counts: vec![1, 2, 2] }));
    assert_eq!(point.negative, Some(Buckets { offset: -2, bucket_counts: vec![2, 3] }));
}

#[test]
fn whole_floats_are_integers_and_others_stay_exact() {
    let floats = Histogram {
        count_int: None,
        count_float: Some(12.0),
        zero_count_int: None,
        zero_count_float: Some(2.0),
        positive_deltas: vec![],
        positive_counts: vec![1.0, 2.0, 1.0, 1.0],
        negative_deltas: vec![],
        negative_counts: vec![2.0, 3.0],
        ..integers()
    };
    let as_integers = metrics(&v1(&[request(&[integers()])]));
    assert_eq!(metrics(&v1(&[request(std::slice::from_ref(&floats))])), as_integers);
    // Floats need not add up.
    let fractions = Histogram { count_float: Some(11.5), zero_count_float: Some(1.25), ..floats };
    let translated = v1(&[request(&[fractions.clone(), integers()])]);
    assert_eq!((translated.report.refused, translated.report.written.histograms), (0, 2));
    let both = metrics(&translated);
    let points = &exponential(&both[0]).data_points;
    assert_eq!((points[0].count, points[0].zero_count), (12, 1));
    assert_eq!((&points[0].positive, &points[0].negative), (&points[1].positive, &points[1].negative));
    let exact = native::float_counts([11.5, 1.25, 1.0, 2.0, 0.0, 1.0, 1.0, 2.0, 3.0]);
    assert_eq!(points[0].attributes, [vec![exact], points[1].attributes.clone()].concat());
    // 2^64 is no u64, and nobody knows how many NaN are.
    for huge in [18_446_744_073_709_551_616.0, 1e300, f64::INFINITY, f64::NAN] {
        let huge = Histogram { count_float: Some(huge), ..fractions.clone() };
        assert_eq!(v1(&[request(&[huge])]).report.written.histograms, 1);
    }
    let negative = Histogram { zero_count_float: Some(-0.5), ..fractions };
    assert!(v1(&[request(&[negative])]).report.message().unwrap().contains("a bucket has a negative count"));
}

#[test]
fn custom_buckets_become_explicit_bounds() {
    let translated = v1(&[request(&[custom(), integers()])]);
    let metrics = metrics(&translated);
    assert_eq!(metadata(&metrics[0]), pairs("prometheus.type=unknown prometheus.nhcb=true"));
    let Some(Data::Histogram(histogram)) = &metrics[0].data else { panic!("{metrics:?}") };
    assert_eq!(histogram.aggregation_temporality(), AggregationTemporality::Cumulative);
    let point = &histogram.data_points[0];
    assert_eq!(point.explicit_bounds, [0.5, 1.0, 2.0]);
    assert_eq!(point.bucket_counts, [0, 1, 0, 5]);
    assert_eq!((point.count, point.sum, attributes(&point.attributes)), (6, Some(3.0), pairs("job=a")));
    // The other kind in the same series is another metric.
    assert_eq!(exponential(&metrics[1]).data_points.len(), 1);
}

#[test]
fn hints_stay_with_their_points() {
    let hinted = [1, 2, 3, 0, 7].map(|reset_hint| Histogram { reset_hint, ..integers() });
    let metrics = metrics(&v1(&[request(&hinted)]));
    assert_eq!((metrics.len(), metadata(&metrics[0])), (1, pairs("prometheus.type=unknown")));
    let points = &exponential(&metrics[0]).data_points;
    let plain = points[3].attributes.clone();
    for (point, hint) in points.iter().zip([ResetHint::Reset, ResetHint::NotReset, ResetHint::Gauge]) {
        assert_eq!(point.attributes, [vec![hint.attribute()], plain.clone()].concat());
    }
    assert_eq!(points[4].attributes, plain);
}

#[test]
fn stale_sums_tell_ends() {
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let ended = Histogram { sum: stale, timestamp: NOW_MS + 1, ..Histogram::default() };
    let of = |before| metrics(&v1(&[request(&[before, ended.clone()])]));
    let exponential_ = of(integers());
    let point = &exponential(&exponential_[0]).data_points[1];
    assert_eq!((point.flags, point.count, point.sum, point.positive.as_ref()), (1, 0, None, None));
    // It says schema 0 whatever there was.
    let custom = of(custom());
    let Some(Data::Histogram(histogram)) = &custom[0].data else { panic!("{custom:?}") };
    let point = &histogram.data_points[1];
    assert_eq!((custom.len(), point.flags, point.count, point.bucket_counts.len()), (1, 1, 0, 0));
}

#[test]
fn unfit_histograms_are_refused_with_reasons() {
    let with = |change: fn(&mut Histogram)| {
        let mut histogram = integers();
        change(&mut histogram);
        convert(&histogram, &mut 100_000, None).err()
    };
    let of_custom = |change: fn(&mut Histogram)| {
        let mut histogram = custom();
        change(&mut histogram);
        convert(&histogram, &mut 0, None).err()
    };
    let cases = [
        (with(|_| ()), None),
        (with(|h| h.schema = 52), None),
        (with(|h| h.schema = 53), Some(Unfit::Schema(53))),
        (with(|h| (h.schema, h.positive_spans[1].offset) = (9, -1)), Some(Unfit::Overlap)),
        (with(|h| (h.schema, h.positive_deltas) = (9, vec![1])), Some(Unfit::SpanCount { spans: 4, counts: 1 })),
        (with(|h| h.schema = -5), Some(Unfit::Schema(-5))),
        (with(|h| h.positive_deltas = vec![1]), Some(Unfit::SpanCount { spans: 4, counts: 1 })),
        (with(|h| h.positive_spans[0].length = u32::MAX), Some(Unfit::SpanCount { spans: 4_294_967_297, counts: 4 })),
        (with(|h| h.positive_deltas[0] = -1), Some(Unfit::NegativeCount)),
        (with(|h| h.positive_deltas = vec![i64::MAX, 1, 0, 0]), Some(Unfit::NegativeCount)),
        (with(|h| h.positive_spans[1].offset = -1), Some(Unfit::Overlap)),
        (with(|h| h.positive_spans[1].offset = 20_000), Some(Unfit::TooWide)),
        (with(|h| h.positive_spans[0].offset = i32::MAX), Some(Unfit::TooWide)),
        (with(|h| h.negative_spans[0].offset = i32::MIN), Some(Unfit::TooWide)),
        (with(|h| h.count_int = Some(13)), Some(Unfit::Count { count: 13, buckets: 12 })),
        (with(|h| (h.count_int, h.sum) = (Some(13), f64::NAN)), None),
        (
            with(|h| (h.count_int, h.count_float) = (None, Some(f64::NAN))),
            Some(Unfit::SpanCount { spans: 4, counts: 0 }),
        ),
        (with(|h| h.custom_values = vec![1.0]), Some(Unfit::NotExponential)),
        (of_custom(|_| ()), None),
        (of_custom(|h| h.custom_values.truncate(2)), Some(Unfit::BeyondBounds)),
        (of_custom(|h| h.positive_spans[0].offset = -1), Some(Unfit::BeyondBounds)),
        (of_custom(|h| h.positive_spans[1].offset = i32::MAX), Some(Unfit::BeyondBounds)),
        (of_custom(|h| h.custom_values[1] = 0.5), Some(Unfit::Bounds)),
        (of_custom(|h| h.custom_values[2] = f64::INFINITY), Some(Unfit::Bounds)),
        (of_custom(|h| h.custom_values[0] = f64::NAN), Some(Unfit::Bounds)),
        (of_custom(|h| h.custom_values[2] = f64::NAN), Some(Unfit::Bounds)),
        (of_custom(|h| h.custom_values[0] = f64::NEG_INFINITY), None),
        (of_custom(|h| h.custom_values[1] = f64::NEG_INFINITY), Some(Unfit::Bounds)),
        (of_custom(|h| (h.custom_values, h.positive_spans) = (vec![f64::NAN], vec![span(0, 2)])), Some(Unfit::Bounds)),
        (of_custom(|h| (h.custom_values, h.positive_spans) = (vec![f64::NEG_INFINITY], vec![span(0, 2)])), None),
        (of_custom(|h| h.zero_count_int = Some(1)), Some(Unfit::NotCustom)),
        (of_custom(|h| h.zero_threshold = 0.1), Some(Unfit::NotCustom)),
        (of_custom(|h| h.negative_deltas = vec![1]), Some(Unfit::NotCustom)),
        (
            of_custom(|h| {
                (h.count_float, h.zero_count_float, h.positive_counts) = (Some(6.0), Some(-1.0), vec![1.0, 5.0])
            }),
            Some(Unfit::NotCustom),
        ),
        (of_custom(|h| h.negative_spans = vec![span(0, 0)]), Some(Unfit::NotCustom)),
        (of_custom(|h| h.positive_spans.push(span(9, 0))), Some(Unfit::BeyondBounds)),
        (of_custom(|h| h.positive_spans.insert(0, span(-1, 0))), Some(Unfit::BeyondBounds)),
        (of_custom(|h| h.count_int = None), Some(Unfit::Count { count: 0, buckets: 6 })),
    ];
    for (index, (found, expected)) in cases.into_iter().enumerate() {
        assert_eq!(found, expected, "case {index}");
    }
}

#[test]
fn gaps_of_all_histograms_together_are_bounded() {
    let wide = Histogram {
        count_int: Some(2),
        positive_spans: vec![span(0, 1), span(900, 1)],
        positive_deltas: vec![1, 0],
        ..Histogram::default()
    };
    let mut zeros = 2000;
    assert!(convert(&wide, &mut zeros, None).is_ok());
    assert!(convert(&wide, &mut zeros, None).is_ok());
    assert_eq!(convert(&wide, &mut zeros, None).err(), Some(Unfit::TooWide));
}
