//! Classic histograms (`x_bucket{le="…"}`, `x_count`, `x_sum`) as native ones with custom bounds, named `x`.

use std::collections::BTreeMap;
use std::sync::Arc;

use trefoil_promql::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Span};
use trefoil_promql::labels::{BUCKET, Labels, METRIC_NAME};

use crate::script::{LoadedSample, LoadedSeries};
use crate::series::SequenceValue;

/// What the series of one classic histogram say at one time.
#[derive(Debug, Default)]
struct Classic {
    /// Upper bound and how many are no larger, by bound.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

/// The native histograms of all classic ones among the series.
pub fn convert(series: &[LoadedSeries]) -> Result<Vec<LoadedSeries>, String> {
    let mut histograms: BTreeMap<Labels, BTreeMap<i64, Classic>> = BTreeMap::new();
    for LoadedSeries { labels, samples } in series {
        let Some((part, base)) = part_of_histogram(labels)? else { continue };
        let by_time = histograms.entry(base).or_default();
        for sample in samples {
            let SequenceValue::Float(value) = sample.value else { continue };
            by_time.entry(sample.time).or_default().set(part, value);
        }
    }
    let converted = histograms.into_iter().map(|(labels, by_time)| {
        let samples = by_time.into_iter().map(|(time, classic)| {
            let histogram = classic.convert().map_err(|error| format!("{labels} at {time}: {error}"))?;
            let value = SequenceValue::Histogram { histogram: Arc::new(histogram), has_hint: false };
            Ok(LoadedSample { time, start_time: 0, value })
        });
        let samples = samples.collect::<Result<_, String>>()?;
        Ok(LoadedSeries { labels, samples })
    });
    converted.collect()
}

/// What the series is of a classic histogram, and that one's labels.
fn part_of_histogram(labels: &Labels) -> Result<Option<(Part, Labels)>, String> {
    let name = labels.metric_name();
    let (part, name) = if let Some(name) = name.strip_suffix("_bucket") {
        match labels.get(BUCKET).parse() {
            Ok(bound) if !f64::is_nan(bound) => (Part::Bucket(bound), name),
            _ if !labels.has(BUCKET) => return Err(format!("{labels} has no {BUCKET:?}")),
            _ => return Ok(None),
        }
    } else if let Some(name) = name.strip_suffix("_count") {
        (Part::Count, name)
    } else if let Some(name) = name.strip_suffix("_sum") {
        (Part::Sum, name)
    } else {
        return Ok(None);
    };
    let mut base = labels.builder();
    base.set(METRIC_NAME, name).remove(BUCKET);
    Ok(Some((part, base.build())))
}

impl Classic {
    fn set(&mut self, part: Part, value: f64) {
        match part {
            Part::Count => self.count = Some(value),
            Part::Sum => self.sum = value,
            Part::Bucket(bound) => {
                let place = self.buckets.partition_point(|(other, _)| *other < bound);
                // Of two series for one bound (`1` and `1.0`) the first counts.
                if self.buckets.get(place).is_none_or(|(other, _)| *other != bound) {
                    self.buckets.insert(place, (bound, value));
                }
            }
        }
    }

    fn convert(mut self) -> Result<FloatHistogram, String> {
        let last = self.buckets.last().copied();
        let count = self.count.or(last.map(|(_, count)| count)).ok_or("neither buckets nor a count")?;
        if last.is_none_or(|(bound, _)| bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let mut counts = Vec::new();
        let mut before = 0.0;
        for (bound, cumulative) in &self.buckets {
            if *cumulative < before {
                return Err(format!("bucket {bound} has {cumulative}, fewer than the one before ({before})"));
            }
            counts.push(cumulative - before);
            before = *cumulative;
        }
        if count != before {
            return Err(format!("the count is {count}, but the buckets have {before}"));
        }
        let mut custom_values: Vec<f64> = self.buckets.iter().map(|(bound, _)| *bound).collect();
        custom_values.pop();
        let mut histogram = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive_spans: vec![Span { offset: 0, length: counts.len().try_into().map_err(|_| "too many buckets")? }],
            positive_buckets: counts,
            custom_values,
            ..FloatHistogram::default()
        };
        // Prometheus keeps two empty buckets between others where all counts are integers.
        let are_integers = self.buckets.iter().all(|(_, count)| count.fract() == 0.0);
        histogram.compact(if are_integers { 2 } else { 0 });
        Ok(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(lines: &[&str]) -> Result<Vec<(String, FloatHistogram)>, String> {
        let text = format!("load 1m\n{}", lines.join("\n"));
        let mut commands = crate::script::parse(&text).unwrap();
        let crate::script::CommandKind::Load(load) = commands.remove(0).kind else { panic!("{text}") };
        let series = convert(&load.series)?;
        let samples =
            series.iter().flat_map(|series| series.samples.iter().map(|sample| (&series.labels, &sample.value)));
        let histograms = samples.map(|(labels, value)| match value {
            SequenceValue::Histogram { histogram, .. } => (labels.to_string(), histogram.as_ref().clone()),
            other => panic!("{other:?}"),
        });
        Ok(histograms.collect())
    }

    #[test]
    fn classic_histograms_become_native_ones() {
        let lines = [
            "x_bucket{le=\"+Inf\", a=\"b\"} 5",
            "x_bucket{le=\"1\", a=\"b\"} 2",
            "x_sum{a=\"b\"} 9",
            "x_bucket{le=\"2\", a=\"b\"} 4",
            "y 1",
        ];
        let histograms = converted(&lines).unwrap();
        assert_eq!(histograms.len(), 1);
        let (labels, histogram) = &histograms[0];
        assert_eq!(labels, r#"{__name__="x", a="b"}"#);
        assert_eq!((histogram.count, histogram.sum), (5.0, 9.0));
        assert_eq!(histogram.positive_buckets, [2.0, 2.0, 1.0]);
        assert_eq!(histogram.custom_values, [1.0, 2.0]);

        let (_, histogram) = &converted(&["x_bucket{le=\"1\"} 2", "x_count 3"]).unwrap()[0];
        assert_eq!(
            (histogram.positive_buckets.as_slice(), histogram.custom_values.as_slice()),
            (&[2.0, 1.0][..], &[1.0][..])
        );

        for wrong in [
            &["x_bucket{le=\"1\"} 2", "x_bucket{le=\"2\"} 1"][..],
            &["x_bucket{le=\"+Inf\"} 2", "x_count 3"],
            &["x_sum 3"],
            &["x_bucket 3"],
        ] {
            assert!(converted(wrong).is_err(), "{wrong:?}");
        }
    }
}
