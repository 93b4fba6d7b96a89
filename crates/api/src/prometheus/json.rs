//! Numbers, times, labels and histograms as Prometheus writes them, straight into a buffer.
//!
//! JSON has no NaN and no infinity, so values are texts, formatted as Go formats floats; times are seconds as numbers.

use std::io::Write;

use trefoil_go::number;
use trefoil_promql::histogram::FloatHistogram;
use trefoil_promql::labels::Labels;
use trefoil_promql::points::{Point, PointRef};
use trefoil_promql::source::Samples;

pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    // Writing to memory does not fail, and any text is JSON.
    let written = serde_json::to_writer(out, text);
    debug_assert!(written.is_ok());
}

/// Milliseconds as seconds, with as many decimals as needed.
pub(super) fn time(out: &mut Vec<u8>, millis: i64) {
    let sign = if millis < 0 { "-" } else { "" };
    let magnitude = millis.unsigned_abs();
    let (seconds, rest) = (magnitude / 1000, magnitude % 1000);
    let written = match rest {
        0 => write!(out, "{sign}{seconds}"),
        rest => write!(out, "{sign}{seconds}.{rest:03}"),
    };
    debug_assert!(written.is_ok());
}

/// The start of a scalar and of a string, which Prometheus writes by other rules: no zeros at the end of its time.
pub(super) fn plain_time(out: &mut Vec<u8>, millis: i64) {
    let written = write!(out, "{}", millis as f64 / 1000.0);
    debug_assert!(written.is_ok());
}

/// `[1435781430.5,"1"]`, the value never with an exponent.
pub(super) fn scalar(out: &mut Vec<u8>, millis: i64, float: f64) {
    out.push(b'[');
    plain_time(out, millis);
    let written = write!(out, ",\"{}\"]", number::decimal(float));
    debug_assert!(written.is_ok());
}

/// In quotes; with an exponent below 1e-6 and from 1e21 on.
pub(super) fn value(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    let has_exponent = magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude);
    let written = match value.is_finite() && !has_exponent {
        true => write!(out, "\"{value}\""),
        false => write!(out, "\"{}\"", number::general(value)),
    };
    debug_assert!(written.is_ok());
}

pub(super) fn labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (index, label) in labels.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(out, &label.name);
        out.push(b':');
        string(out, &label.value);
    }
    out.push(b'}');
}

/// `{"count":"3","sum":"1.5","buckets":[[0,"0.5","1","3"]]}`, without the buckets that nothing is in.
pub(super) fn histogram(out: &mut Vec<u8>, histogram: &FloatHistogram) {
    out.extend_from_slice(b"{\"count\":");
    value(out, histogram.count);
    out.extend_from_slice(b",\"sum\":");
    value(out, histogram.sum);
    let buckets = histogram.api_buckets();
    for (index, (rule, lower, upper, count)) in buckets.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b",\"buckets\":[" } else { b"," });
        out.extend_from_slice(&[b'[', b'0' + rule]);
        for number in [lower, upper, count] {
            out.push(b',');
            value(out, *number);
        }
        out.push(b']');
    }
    if !buckets.is_empty() {
        out.push(b']');
    }
    out.push(b'}');
}

/// `[1435781430.781,"1"]`
pub(super) fn float_point(out: &mut Vec<u8>, millis: i64, float: f64) {
    out.push(b'[');
    time(out, millis);
    out.push(b',');
    value(out, float);
    out.push(b']');
}

fn histogram_point(out: &mut Vec<u8>, millis: i64, of: &FloatHistogram) {
    out.push(b'[');
    time(out, millis);
    out.push(b',');
    histogram(out, of);
    out.push(b']');
}

/// One element of an instant vector.
pub(super) fn sample(out: &mut Vec<u8>, of: &Labels, millis: i64, point: &Point) {
    out.extend_from_slice(b"{\"metric\":");
    labels(out, of);
    match point {
        Point::Float(float) => {
            out.extend_from_slice(b",\"value\":");
            float_point(out, millis, *float);
        }
        Point::Histogram(histogram) => {
            out.extend_from_slice(b",\"histogram\":");
            histogram_point(out, millis, histogram);
        }
    }
    out.push(b'}');
}

/// One element of a matrix: its floats, then its histograms, each absent where there is none.
pub(super) fn series(out: &mut Vec<u8>, of: &Labels, samples: &Samples) {
    out.extend_from_slice(b"{\"metric\":");
    labels(out, of);
    let mut first = true;
    for (index, millis) in samples.times.iter().enumerate() {
        if let PointRef::Float(float) = samples.point(index) {
            out.extend_from_slice(if first { b",\"values\":[" } else { b"," });
            first = false;
            float_point(out, *millis, float);
        }
    }
    if !first {
        out.push(b']');
    }
    if samples.histograms.is_some() {
        histograms(out, samples);
    }
    out.push(b'}');
}

fn histograms(out: &mut Vec<u8>, samples: &Samples) {
    let mut first = true;
    for (index, millis) in samples.times.iter().enumerate() {
        if let PointRef::Histogram(histogram) = samples.point(index) {
            out.extend_from_slice(if first { b",\"histograms\":[" } else { b"," });
            first = false;
            histogram_point(out, *millis, histogram);
        }
    }
    if !first {
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_seconds() {
        for (millis, expected) in [
            (0, "0"),
            (1, "0.001"),
            (10, "0.010"),
            (100, "0.100"),
            (1_001, "1.001"),
            (-1, "-0.001"),
            (-1_500, "-1.500"),
            (1_435_781_430_781, "1435781430.781"),
            (1_435_781_430_000, "1435781430"),
            (i64::MIN, "-9223372036854775.808"),
        ] {
            assert_eq!(written(|out| time(out, millis)), expected);
        }
    }

    #[test]
    fn values_are_texts_as_go_writes_them() {
        for (float, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (20.0, "20"),
            (-1.25, "-1.25"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e6, "1000000"),
            (1e-6, "0.000001"),
            (9.9e-7, "9.9e-07"),
            (5e-324, "5e-324"),
            (999_999_999_999_999_900_000.0, "999999999999999900000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(written(|out| value(out, float)), format!("\"{expected}\""));
        }
    }

    #[test]
    fn scalars_are_plain() {
        for (millis, float, expected) in [
            (1_500, 1.0, r#"[1.5,"1"]"#),
            (-10, 1e21, r#"[-0.01,"1000000000000000000000"]"#),
            (1_435_781_430_781, f64::INFINITY, r#"[1435781430.781,"+Inf"]"#),
        ] {
            assert_eq!(written(|out| scalar(out, millis, float)), expected);
        }
    }

    #[test]
    fn series_are_objects() {
        let up = Labels::from_pairs([("__name__", "up"), ("a.b", "\"\n")]);
        let histogram = FloatHistogram::parse("{{count:42 sum:0.5 z_bucket:3 z_bucket_w:0.25 buckets:[12 0 21]}}");
        let histogram = Arc::new(histogram.unwrap().histogram);
        let mut samples = Samples::default();
        samples.push_float(1_000, 1.0);
        samples.push_histogram(1_500, histogram.clone());
        samples.push_float(2_000, f64::NAN);
        insta::assert_snapshot!(
            written(|out| series(out, &up, &samples)),
            @r#"{"metric":{"__name__":"up","a.b":"\"\n"},"values":[[1,"1"],[2,"NaN"]],"histograms":[[1.500,{"count":"42","sum":"0.5","buckets":[[3,"-0.25","0.25","3"],[0,"0.5","1","12"],[0,"2","4","21"]]}]]}"#
        );
        insta::assert_snapshot!(
            written(|out| series(out, &Labels::default(), &Samples::default())),
            @r#"{"metric":{}}"#
        );
        insta::assert_snapshot!(
            written(|out| sample(out, &up, 1_500, &Point::Float(2.0))),
            @r#"{"metric":{"__name__":"up","a.b":"\"\n"},"value":[1.500,"2"]}"#
        );
        let empty = Arc::new(FloatHistogram::default());
        insta::assert_snapshot!(
            written(|out| sample(out, &Labels::default(), 0, &Point::Histogram(empty))),
            @r#"{"metric":{},"histogram":[0,{"count":"0","sum":"0"}]}"#
        );
    }
}
