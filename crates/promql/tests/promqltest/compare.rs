//! Whether an answer is the expected one.

use std::collections::{BTreeMap, BTreeSet};

use trefoil_promql::annotations::{Annotations, Severity};
use trefoil_promql::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Span};
use trefoil_promql::labels::Labels;
use trefoil_promql::points::{Point, PointRef};
use trefoil_promql::source::{Samples, is_stale_nan};
use trefoil_promql::value::QueryResult;

use crate::chunks::filled;
use crate::script::{AnnotationsExpected, Eval, EvalKind, ExpectedValue};
use crate::series::{SequenceValue, SeriesLine};

/// How far two values may be apart, relative to their sum.
const TOLERANCE: f64 = 1e-6;

/// Fails with what is different.
pub fn result(eval: &Eval, result: &QueryResult) -> Result<(), String> {
    match (&eval.value, result) {
        (ExpectedValue::Series(expected), QueryResult::Matrix(series)) => matrix(eval, expected, series),
        (ExpectedValue::Series(expected), QueryResult::Vector { samples, .. }) => vector(eval, expected, samples),
        (ExpectedValue::Scalar(expected), QueryResult::Scalar { value, .. }) if almost_equal(*expected, *value) => {
            Ok(())
        }
        (ExpectedValue::String(expected), QueryResult::String { value, .. }) if *expected == **value => Ok(()),
        (ExpectedValue::Scalar(expected), result) => {
            Err(format!("expected the scalar {expected}, got {}", show(result)))
        }
        (ExpectedValue::String(expected), result) => {
            Err(format!("expected the text {expected:?}, got {}", show(result)))
        }
        (ExpectedValue::Series(_), result) => Err(format!("expected series, got {}", show(result))),
    }
}

/// Compares an instant query's expectation with one step of a range query's answer.
pub fn step(eval: &Eval, result: &QueryResult, time: i64) -> Result<(), String> {
    let QueryResult::Matrix(series) = result else {
        return Err(format!("expected a matrix, got {}", show(result)));
    };
    is_sorted(series)?;
    let at_step = series.iter().filter_map(|(labels, samples)| {
        let index = samples.times.binary_search(&time).ok()?;
        Some((labels.clone(), samples.point(index).to_owned()))
    });
    let samples: Vec<_> = at_step.collect();
    let as_instant = match (&eval.value, samples.as_slice()) {
        (ExpectedValue::Scalar(_), [(labels, Point::Float(value))]) if labels.is_empty() => {
            QueryResult::Scalar { time, value: *value }
        }
        _ => QueryResult::Vector { time, samples },
    };
    self::result(eval, &as_instant)
}

fn vector(eval: &Eval, expected: &[SeriesLine], samples: &[(Labels, Point)]) -> Result<(), String> {
    let places: BTreeMap<&Labels, usize> =
        expected.iter().enumerate().map(|(place, line)| (&line.labels, place)).collect();
    let mut seen = BTreeSet::new();
    for (place, (labels, point)) in samples.iter().enumerate() {
        let Some(expected_place) = places.get(labels).copied() else {
            return Err(format!("unexpected {labels} {}", show_point(point)));
        };
        if !seen.insert(labels) {
            return Err(format!("{labels} comes twice"));
        }
        if eval.ordered && place != expected_place {
            return Err(format!("expected {labels} at place {expected_place}, but it is at {place}"));
        }
        let value = expected.get(expected_place).and_then(|line| line.values.first());
        let Some(value) = value else {
            return Err(format!("the script expects no value for {labels}, got {}", show_point(point)));
        };
        same(value, point).map_err(|difference| format!("{labels}: {difference}"))?;
    }
    nothing_missing(&places, &seen)
}

fn matrix(eval: &Eval, expected: &[SeriesLine], series: &[(Labels, Samples)]) -> Result<(), String> {
    if eval.ordered {
        return Err("expected an order, but a matrix has none".to_owned());
    }
    is_sorted(series)?;
    let places: BTreeMap<&Labels, usize> =
        expected.iter().enumerate().map(|(place, line)| (&line.labels, place)).collect();
    let mut seen = BTreeSet::new();
    for (labels, samples) in series {
        let Some(line) = places.get(labels).and_then(|place| expected.get(*place)) else {
            return Err(format!("unexpected {labels} {}", show_samples(samples)));
        };
        seen.insert(labels);
        row(eval, line, samples)
            .map_err(|difference| format!("{labels}: {difference}; the row is {}", show_samples(samples)))?;
    }
    nothing_missing(&places, &seen)
}

fn row(eval: &Eval, line: &SeriesLine, samples: &Samples) -> Result<(), String> {
    let is_range = eval.kind == EvalKind::Range;
    if line.values.len() > eval.steps.count() {
        return Err(format!("the script expects {} values for {} steps", line.values.len(), eval.steps.count()));
    }
    let mut got = (0..samples.len()).map(|index| (samples.times[index], samples.point(index).to_owned())).peekable();
    for (time, value) in eval.steps.iter().zip(&line.values) {
        let at_time = got.next_if(|(got, _)| *got == time);
        match (value, at_time) {
            (SequenceValue::Omitted, None) => {}
            (SequenceValue::Omitted, Some((_, point))) => {
                return Err(format!("expected nothing at {time}, got {}", show_point(&point)));
            }
            (value, None) => return Err(format!("expected {} at {time}, got nothing", show_value(value))),
            (value, Some((_, point))) => same(value, &point).map_err(|difference| format!("at {time} {difference}"))?,
        }
    }
    match got.next() {
        None => Ok(()),
        Some((time, point)) if is_range => {
            Err(format!("expected no more values, got {} at {time}", show_point(&point)))
        }
        Some((time, point)) => Err(format!("expected no sample at {time}, got {}", show_point(&point))),
    }
}

fn is_sorted(series: &[(Labels, Samples)]) -> Result<(), String> {
    match series.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        None => Ok(()),
        Some(pair) => Err(format!("a matrix is sorted by labels, but {} comes before {}", pair[0].0, pair[1].0)),
    }
}

fn nothing_missing(expected: &BTreeMap<&Labels, usize>, seen: &BTreeSet<&Labels>) -> Result<(), String> {
    match expected.keys().find(|labels| !seen.contains(*labels)) {
        None => Ok(()),
        Some(labels) => Err(format!("{labels} is missing; there are {seen:?}")),
    }
}

fn same(expected: &SequenceValue, got: &Point) -> Result<(), String> {
    let is_same = match (expected, got) {
        (SequenceValue::Omitted, _) => false,
        (SequenceValue::Float(expected), Point::Float(got)) => almost_equal(*expected, *got),
        (SequenceValue::Histogram { histogram, has_hint }, Point::Histogram(got)) => {
            same_histogram(histogram, got) && (!has_hint || histogram.counter_reset_hint == got.counter_reset_hint)
        }
        _ => false,
    };
    match is_same {
        true => Ok(()),
        false => Err(format!("expected {}, got {}", show_value(expected), show_point(got))),
    }
}

/// Empty buckets do not matter, nor how spans are cut.
fn same_histogram(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    a.schema == b.schema
        && almost_equal(a.count, b.count)
        && almost_equal(a.sum, b.sum)
        && (a.schema != CUSTOM_BUCKETS_SCHEMA || a.custom_values == b.custom_values)
        && a.zero_threshold == b.zero_threshold
        && almost_equal(a.zero_count, b.zero_count)
        && same_buckets((&a.positive_spans, &a.positive_buckets), (&b.positive_spans, &b.positive_buckets))
        && same_buckets((&a.negative_spans, &a.negative_buckets), (&b.negative_spans, &b.negative_buckets))
}

fn same_buckets(a: (&[Span], &[f64]), b: (&[Span], &[f64])) -> bool {
    let (mut a, mut b) = (filled(a.0, a.1), filled(b.0, b.1));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some((a, x)), Some((b, y))) if a == b && almost_equal(x, y) => {}
            _ => return false,
        }
    }
}

/// Prometheus' own tolerance (`util/almost`).
fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale_nan(a) || is_stale_nan(b) {
        return is_stale_nan(a) && is_stale_nan(b);
    }
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

/// Fails with what is different between the annotations and the expected ones.
pub fn annotations(eval: &Eval, annotations: &Annotations) -> Result<(), String> {
    for (name, severity, expected) in
        [("warning", Severity::Warning, &eval.warnings), ("info", Severity::Info, &eval.infos)]
    {
        let texts: Vec<String> = annotations.of(severity).map(|annotation| annotation.text(&eval.query)).collect();
        annotations_of(expected, &texts).map_err(|difference| format!("{difference} {name}; there are {texts:#?}"))?;
    }
    Ok(())
}

fn annotations_of(expected: &AnnotationsExpected, texts: &[String]) -> Result<(), String> {
    if expected.none && !texts.is_empty() {
        return Err("expected no".to_owned());
    }
    if let Some(missing) = expected.all_of.iter().find(|expected| !texts.iter().any(|text| expected.fits(text))) {
        return Err(format!("missing {missing:?} as"));
    }
    let is_expected = |text: &String| expected.all_of.iter().any(|expected| expected.fits(text));
    match texts.iter().find(|text| !expected.all_of.is_empty() && !is_expected(text)) {
        Some(text) => Err(format!("unexpected {text:?} as")),
        None => Ok(()),
    }
}

fn show(result: &QueryResult) -> String {
    match result {
        QueryResult::Scalar { value, .. } => format!("the scalar {value}"),
        QueryResult::String { value, .. } => format!("the text {value:?}"),
        QueryResult::Vector { samples, .. } => {
            let samples = samples.iter().map(|(labels, point)| format!("{labels} {}", show_point(point)));
            format!("the vector [{}]", samples.collect::<Vec<_>>().join(", "))
        }
        QueryResult::Matrix(series) => {
            let series = series.iter().map(|(labels, samples)| format!("{labels} {}", show_samples(samples)));
            format!("the matrix [{}]", series.collect::<Vec<_>>().join(", "))
        }
    }
}

fn show_samples(samples: &Samples) -> String {
    let points = (0..samples.len()).map(|index| match samples.point(index) {
        PointRef::Float(value) => format!("{value}@{}", samples.times[index]),
        PointRef::Histogram(histogram) => format!("{}@{}", show_histogram(histogram), samples.times[index]),
    });
    points.collect::<Vec<_>>().join(" ")
}

fn show_value(value: &SequenceValue) -> String {
    match value {
        SequenceValue::Omitted => "nothing".to_owned(),
        SequenceValue::Float(value) => value.to_string(),
        SequenceValue::Histogram { histogram, .. } => show_histogram(histogram),
    }
}

fn show_point(point: &Point) -> String {
    match point {
        Point::Float(value) => value.to_string(),
        Point::Histogram(histogram) => show_histogram(histogram),
    }
}

/// Exact, other than how answers show it.
fn show_histogram(h: &FloatHistogram) -> String {
    let buckets = |spans, buckets| filled(spans, buckets).map(|(index, count)| format!("{index}:{count}"));
    let positive = buckets(&h.positive_spans, &h.positive_buckets).collect::<Vec<_>>().join(" ");
    let negative = buckets(&h.negative_spans, &h.negative_buckets).collect::<Vec<_>>().join(" ");
    format!(
        "{{{{schema:{} count:{} sum:{} z_bucket:{} z_bucket_w:{} custom:{:?} buckets:[{positive}] n_buckets:[{negative}] hint:{:?}}}}}",
        h.schema, h.count, h.sum, h.zero_count, h.zero_threshold, h.custom_values, h.counter_reset_hint
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{CommandKind, TextMatch, parse};

    fn eval(text: &str) -> Eval {
        match parse(text).unwrap().remove(0).kind {
            CommandKind::Eval(eval) => *eval,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nearly_equal_is_equal() {
        for (a, b, equal) in [
            (1.0, 1.000_001, true),
            (1.0, 1.000_01, false),
            (0.0, 1e-300, false),
            (f64::NAN, f64::NAN, true),
            (f64::NAN, 1.0, false),
            (f64::NAN, f64::from_bits(trefoil_promql::source::STALE_NAN_BITS), false),
            (f64::INFINITY, f64::INFINITY, true),
            (f64::INFINITY, f64::MAX, false),
            (f64::MAX, f64::MAX * 0.999_999_9, true),
        ] {
            assert_eq!(almost_equal(a, b), equal, "{a} {b}");
            assert_eq!(almost_equal(b, a), equal, "{b} {a}");
        }
    }

    #[test]
    fn vectors_are_compared_by_labels() {
        let eval = eval("eval_ordered instant at 0 x\n {a=\"1\"} 1\n {a=\"2\"} {{count:1 counter_reset_hint:gauge}}");
        let ExpectedValue::Series(lines) = &eval.value else { panic!("{eval:?}") };
        let SequenceValue::Histogram { histogram, .. } = &lines[1].values[0] else { panic!("{eval:?}") };
        let one = (lines[0].labels.clone(), Point::Float(1.0));
        let two = (lines[1].labels.clone(), Point::Histogram(histogram.clone()));
        let other_hint = FloatHistogram { counter_reset_hint: Default::default(), ..histogram.as_ref().clone() };
        for (samples, is_same) in [
            (vec![one.clone(), two.clone()], true),
            (vec![two.clone(), one.clone()], false),
            (vec![one.clone()], false),
            (vec![one.clone(), one.clone(), two.clone()], false),
            (vec![(one.0.clone(), Point::Float(2.0)), two.clone()], false),
            (vec![one.clone(), (two.0.clone(), Point::Float(0.0))], false),
            (vec![one.clone(), (two.0.clone(), Point::Histogram(other_hint.into()))], false),
            (vec![one.clone(), two.clone(), (Labels::default(), Point::Float(0.0))], false),
        ] {
            let outcome = result(&eval, &QueryResult::Vector { time: 0, samples });
            assert_eq!(outcome.is_ok(), is_same, "{outcome:?}");
        }
    }

    #[test]
    fn rows_are_compared_by_step() {
        let eval = eval("eval range from 0 to 3s step 1s x\n {} 1 _ 3");
        for (times, floats, is_same) in [
            (vec![0, 2000], vec![1.0, 3.0], true),
            (vec![0, 2000, 3000], vec![1.0, 3.0, 3.0], false),
            (vec![0, 1000, 2000], vec![1.0, 2.0, 3.0], false),
            (vec![0], vec![1.0], false),
            (vec![0, 2000], vec![1.0, 4.0], false),
            (vec![0, 2001], vec![1.0, 3.0], false),
        ] {
            let samples = Samples { times: times.into(), floats, ..Samples::default() };
            let outcome = result(&eval, &QueryResult::Matrix(vec![(Labels::default(), samples)]));
            assert_eq!(outcome.is_ok(), is_same, "{outcome:?}");
        }
        assert!(result(&eval, &QueryResult::Matrix(Vec::new())).is_err());
    }

    #[test]
    fn annotations_are_all_expected_or_none_matter() {
        let exact = |text: &str| TextMatch::Exact(text.to_owned());
        let texts = ["a".to_owned(), "b".to_owned()];
        for (none, all_of, fits) in [
            (false, vec![], true),
            (true, vec![], false),
            (false, vec![TextMatch::Any], true),
            (false, vec![exact("a")], false),
            (false, vec![exact("a"), exact("b")], true),
            (false, vec![exact("a"), exact("b"), exact("c")], false),
        ] {
            let outcome = annotations_of(&AnnotationsExpected { all_of, none }, &texts);
            assert_eq!(outcome.is_ok(), fits, "{outcome:?}");
        }
        assert!(annotations_of(&AnnotationsExpected { all_of: vec![TextMatch::Any], none: false }, &[]).is_err());
    }
}
