//! What holds for all histograms.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, Span, almost_equal};

/// Spans and their counts, integers so that sums are exact.
fn side(lowest: i32) -> impl Strategy<Value = (Vec<Span>, Vec<f64>)> {
    let spans = vec((0..4i32, vec(0..100u32, 1..5)), 0..4);
    (lowest..20, spans).prop_map(|(start, runs)| {
        let mut spans = Vec::new();
        let mut counts = Vec::new();
        for (number, (gap, run)) in runs.into_iter().enumerate() {
            let offset = if number == 0 { start } else { gap };
            spans.push(Span { offset, length: run.len() as u32 });
            counts.extend(run.into_iter().map(f64::from));
        }
        (spans, counts)
    })
}

fn hint() -> impl Strategy<Value = CounterResetHint> {
    use CounterResetHint::{CounterReset, Gauge, NotCounterReset, Unknown};
    prop::sample::select(vec![Unknown, CounterReset, NotCounterReset, Gauge])
}

fn exponential() -> impl Strategy<Value = FloatHistogram> {
    let thresholds = prop::sample::select(vec![0.0, 1e-9, 0.001, 0.1, 1.0, 3.0]);
    (-4..9i32, thresholds, 0..100u32, side(-20), side(-20), hint(), -1e3..1e3).prop_map(
        |(schema, zero_threshold, zero_count, positive, negative, counter_reset_hint, sum)| {
            let mut histogram = FloatHistogram {
                counter_reset_hint,
                schema,
                zero_count: f64::from(zero_count),
                sum,
                positive_spans: positive.0,
                positive_buckets: positive.1,
                negative_spans: negative.0,
                negative_buckets: negative.1,
                ..FloatHistogram::default()
            };
            // The zero bucket overlaps no populated one.
            let zero = FloatHistogram { schema, zero_threshold, ..FloatHistogram::default() };
            histogram.reconcile_zero_buckets(&zero, None);
            histogram.count = total(&histogram);
            histogram
        },
    )
}

fn custom() -> impl Strategy<Value = FloatHistogram> {
    let gaps = vec(1..4i32, 30);
    (gaps, vec(0..100u32, 0..20), 0..10i32, hint()).prop_map(|(gaps, counts, offset, counter_reset_hint)| {
        let bounds = gaps.into_iter().scan(-30, |bound, gap| {
            *bound += gap;
            Some(f64::from(*bound))
        });
        let positive_buckets: Vec<_> = counts.into_iter().map(f64::from).collect();
        FloatHistogram {
            counter_reset_hint,
            schema: CUSTOM_BUCKETS_SCHEMA,
            count: positive_buckets.iter().fold(0.0, |sum, count| sum + count),
            sum: 1.5,
            positive_spans: vec![Span { offset, length: positive_buckets.len() as u32 }],
            positive_buckets,
            custom_values: bounds.collect(),
            ..FloatHistogram::default()
        }
    })
}

fn any_histogram() -> impl Strategy<Value = FloatHistogram> {
    prop_oneof![exponential(), custom()]
}

/// Two that can be added.
fn pair() -> impl Strategy<Value = (FloatHistogram, FloatHistogram)> {
    prop_oneof![(exponential(), exponential()), (custom(), custom())]
}

/// Anything that can be written down, however little sense it makes.
fn broken() -> impl Strategy<Value = FloatHistogram> {
    let spans = || vec((any::<i32>(), 0..9u32).prop_map(|(offset, length)| Span { offset, length }), 0..4);
    let counts = || vec(any::<f64>(), 0..9);
    let schema = prop_oneof![any::<i32>(), -9..60i32, Just(CUSTOM_BUCKETS_SCHEMA)];
    (schema, any::<[f64; 4]>(), spans(), spans(), counts(), counts(), counts()).prop_map(
        |(schema, [zero_threshold, zero_count, count, sum], positive, negative, above, below, custom_values)| {
            FloatHistogram {
                counter_reset_hint: CounterResetHint::Unknown,
                schema,
                zero_threshold,
                zero_count,
                count,
                sum,
                positive_spans: positive,
                negative_spans: negative,
                positive_buckets: above,
                negative_buckets: below,
                custom_values,
            }
        },
    )
}

fn total(histogram: &FloatHistogram) -> f64 {
    histogram.zero_count
        + histogram.positive_buckets.iter().sum::<f64>()
        + histogram.negative_buckets.iter().sum::<f64>()
}

fn compact(mut histogram: FloatHistogram) -> FloatHistogram {
    histogram.compact(0);
    histogram
}

proptest! {
    #[test]
    fn text_is_read_as_it_was_written(histogram in any_histogram()) {
        let parsed = FloatHistogram::parse(&histogram.to_string()).unwrap().histogram;
        prop_assert_eq!(parsed.counter_reset_hint, histogram.counter_reset_hint);
        prop_assert!(compact(parsed).equals(&compact(histogram)));
    }

    #[test]
    fn subtracting_what_was_added_changes_nothing((a, b) in pair()) {
        let sum = a.add(&b).unwrap().0;
        prop_assert_eq!(total(&sum), total(&a) + total(&b));
        prop_assert_eq!(sum.count, a.count + b.count);
        prop_assert_eq!(sum.validate(), Ok(()));
        let difference = sum.sub(&b).unwrap().0;
        prop_assert!(almost_equal(difference.sum, a.sum, 1e-9) || (difference.sum - a.sum).abs() < 1e-9);
        // The layout may be coarser now; that of `a` gets as coarse by adding nothing in it.
        let nothing = b.mul(0.0);
        let mut same = a.add(&nothing).unwrap().0;
        same.reduce_resolution(difference.schema);
        if same.zero_threshold == difference.zero_threshold {
            same.sum = difference.sum;
            prop_assert!(compact(difference).equals(&compact(same)));
        }
    }

    #[test]
    fn compensated_sums_are_sums((a, b) in pair()) {
        let (sum, notes) = a.add(&b).unwrap();
        let mut compensation = None;
        let mut compensated = a;
        prop_assert_eq!(compensated.kahan_add_assign(&b, &mut compensation), Ok(notes));
        compensated.add_assign(&compensation.unwrap()).unwrap();
        prop_assert!(compact(compensated).almost_equals(&compact(sum), 1e-12));
    }

    #[test]
    fn lower_resolution_counts_the_same(histogram in exponential(), levels in 0..12i32) {
        let target = (histogram.schema - levels).max(-4);
        let reduced = histogram.copy_to_schema(target);
        prop_assert_eq!((total(&reduced), reduced.schema), (total(&histogram), target));
        prop_assert_eq!(reduced.validate(), Ok(()));
        // Each bucket lies inside one of the coarser ones.
        for bucket in histogram.positive().filter(|bucket| bucket.count != 0.0) {
            let inside = reduced.positive().any(|wide| wide.lower <= bucket.lower && bucket.upper <= wide.upper);
            prop_assert!(inside, "{} in {}", bucket, reduced);
        }
    }

    #[test]
    fn compact_histograms_count_the_same(histogram in any_histogram(), max_empty in 0..4usize) {
        let mut compacted = histogram.clone();
        compacted.compact(max_empty);
        prop_assert_eq!(compacted.validate(), Ok(()));
        prop_assert_eq!(compacted.api_buckets(), histogram.api_buckets());
        for counts in [&compacted.positive_buckets, &compacted.negative_buckets] {
            let longest = counts.split(|count| *count != 0.0).map(<[f64]>::len).max().unwrap_or(0);
            prop_assert!(longest <= max_empty);
            prop_assert!(counts.first() != Some(&0.0) && counts.last() != Some(&0.0));
        }
        let mut again = compacted.clone();
        again.compact(max_empty);
        prop_assert_eq!(again, compacted);
    }

    #[test]
    fn buckets_ascend_without_overlap(histogram in any_histogram()) {
        let ascending: Vec<_> = histogram.ascending().collect();
        let mut descending: Vec<_> = histogram.descending().collect();
        descending.reverse();
        prop_assert_eq!(&ascending, &descending);
        if histogram.zero_threshold == 0.0 {
            prop_assert!(ascending.windows(2).all(|pair| pair[0].upper <= pair[1].lower));
        }
    }

    #[test]
    fn growing_is_no_reset((a, b) in pair()) {
        let sum = FloatHistogram { counter_reset_hint: CounterResetHint::Unknown, ..a.add(&b).unwrap().0 };
        prop_assert!(!sum.detect_reset(&a), "{} after {}", sum, a);
        if a.count > 0.0 {
            let less = FloatHistogram { counter_reset_hint: CounterResetHint::Unknown, ..a.mul(0.5) };
            prop_assert!(less.detect_reset(&a));
        }
    }

    #[test]
    fn both_sides_of_a_limit_are_all(histogram in exponential(), limit in -1e3..1e3) {
        let (below, above) = (histogram.trim_upper(limit), histogram.trim_lower(limit));
        prop_assert!(almost_equal(below.count + above.count, histogram.count, 1e-9));
    }

    #[test]
    fn fractions_are_the_inverse_of_quantiles(histogram in exponential(), q in 0.0..1.0f64) {
        let histogram = FloatHistogram { zero_threshold: 0.0, zero_count: 0.0, ..histogram };
        let histogram = FloatHistogram { count: total(&histogram), ..histogram };
        prop_assume!(histogram.count > 0.0);
        let (fraction, _) = histogram.fraction(f64::NEG_INFINITY, histogram.quantile(q).0);
        prop_assert!((fraction - q).abs() < 1e-9, "{} is not {}", fraction, q);
    }

    #[test]
    fn nonsense_does_no_harm(a in broken(), b in broken(), q in any::<f64>(), target in -9..9i32) {
        let _ = (a.quantile(q), a.fraction(q, a.sum), a.stdvar(), a.api_buckets(), a.to_string(), a.describe());
        let _ = (a.trim_upper(q), a.trim_lower(q), a.copy_to_schema(target), a.validate(), a.equals(&b));
        let _ = (a.add(&b), a.sub(&b), a.detect_reset(&b), a.size(), compact(a.clone()));
        let mut compensation = None;
        let _ = a.clone().kahan_add_assign(&b, &mut compensation);
    }

    #[test]
    fn no_text_does_harm(text in "\\{\\{[a-z_:\\[\\] 0-9.-]{0,40}\\}\\}") {
        let _ = FloatHistogram::parse(&text);
    }
}
