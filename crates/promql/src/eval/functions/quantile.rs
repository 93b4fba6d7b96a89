//! `histogram_quantile`, `histogram_quantiles` and `histogram_fraction`.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use hashbrown::HashMap;
use trefoil_go::number::{general, general_with, open_metrics};

use super::classic::Content;
use super::{arg, text_arg};
use crate::ast::Call;
use crate::error::{EvalError, Position};
use crate::eval::Evaluator;
use crate::histogram::{BucketQuantile, NanObservations, bucket_fraction, bucket_quantile};
use crate::points::Points;
use crate::value::{StepSeries, Value};

impl Evaluator<'_> {
    pub(super) fn histogram_quantile(&self, call: &Call) -> Result<Value, EvalError> {
        let quantiles = self.quantile_arg(call, 0)?;
        let position = arg(call, 1)?.position();
        let histograms = self.histograms(self.vector_arg(call, 1)?, position);
        let mut fixes = Fixes::default();
        let mut results = Vec::with_capacity(histograms.all.len());
        for histogram in &histograms.all {
            let metric = self.for_metric(&histogram.labels);
            let mut points = Points::empty(self.steps.count());
            self.for_each_histogram(&histograms, histogram, position, |step, content| {
                let quantile = quantiles.get(step).copied().unwrap_or(f64::NAN);
                points.set_float(step, self.quantile(quantile, content, step, &metric, position, &mut fixes));
            })?;
            if !points.is_empty() {
                let row = StepSeries { labels: histogram.labels.clone(), drop_name: true, points };
                self.hold_row(&row)?;
                results.push(row);
            }
        }
        fixes.report(self, position);
        self.finish(results).map(Value::Vector)
    }

    /// Several quantiles, told apart by a label.
    pub(super) fn histogram_quantiles(&self, call: &Call) -> Result<Value, EvalError> {
        let label = text_arg(call, 1)?;
        let quantiles =
            (2..call.args.len()).map(|index| self.quantile_arg(call, index)).collect::<Result<Vec<_>, _>>()?;
        let position = arg(call, 0)?.position();
        let histograms = self.histograms(self.vector_arg(call, 0)?, position);
        let mut fixes = Fixes::default();
        let mut results: Vec<StepSeries> = Vec::new();
        for quantiles in &quantiles {
            for histogram in &histograms.all {
                let metric = self.for_metric(&histogram.labels);
                // A quantile that is another at each step is another series at each step.
                let mut places: HashMap<u64, usize> = HashMap::new();
                let known = results.len();
                self.for_each_histogram(&histograms, histogram, position, |step, content| {
                    let quantile = quantiles.get(step).copied().unwrap_or(f64::NAN);
                    let value = self.quantile(quantile, content, step, &metric, position, &mut fixes);
                    let place = *places.entry(quantile.to_bits()).or_insert_with(|| {
                        let mut labels = histogram.labels.builder();
                        labels.set(label, open_metrics(quantile));
                        let points = Points::empty(self.steps.count());
                        results.push(StepSeries { labels: labels.build(), drop_name: true, points });
                        results.len() - 1
                    });
                    results[place].points.set_float(step, value);
                })?;
                results[known..].iter().try_for_each(|row| self.hold_row(row))?;
                self.check_rows(results.len())?;
            }
        }
        fixes.report(self, position);
        self.joined(results).map(Value::Vector)
    }

    pub(super) fn histogram_fraction(&self, call: &Call) -> Result<Value, EvalError> {
        let (lower, upper) = (self.scalar_arg(call, 0)?, self.scalar_arg(call, 1)?);
        let position = arg(call, 2)?.position();
        let histograms = self.histograms(self.vector_arg(call, 2)?, position);
        let mut results = Vec::with_capacity(histograms.all.len());
        for histogram in &histograms.all {
            let mut points = Points::empty(self.steps.count());
            self.for_each_histogram(&histograms, histogram, position, |step, content| {
                let bound = |bounds: &[f64]| bounds.get(step).copied().unwrap_or(f64::NAN);
                let (lower, upper) = (bound(&lower), bound(&upper));
                let fraction = match content {
                    Content::Classic(buckets) => bucket_fraction(lower, upper, buckets),
                    Content::Native(native) => {
                        let (fraction, has_nan) = native.fraction(lower, upper);
                        if has_nan {
                            let message =
                                "input to histogram_fraction has NaN observations, which are excluded from all fractions";
                            self.info(message.to_owned() + &self.for_metric(&histogram.labels), position);
                        }
                        fraction
                    }
                };
                points.set_float(step, fraction);
            })?;
            if !points.is_empty() {
                let row = StepSeries { labels: histogram.labels.clone(), drop_name: true, points };
                self.hold_row(&row)?;
                results.push(row);
            }
        }
        self.finish(results).map(Value::Vector)
    }

    fn quantile_arg(&self, call: &Call, index: usize) -> Result<Vec<f64>, EvalError> {
        let quantiles = self.scalar_arg(call, index)?;
        let mut last = None;
        for quantile in quantiles.iter().filter(|quantile| !(0.0..=1.0).contains(*quantile)) {
            // Nearly always the same at all steps.
            if last.replace(quantile.to_bits()) != Some(quantile.to_bits()) {
                let message = format!("quantile value should be between 0 and 1, got {}", general(*quantile));
                self.warn(message, arg(call, index)?.position());
            }
        }
        Ok(quantiles)
    }

    fn quantile(
        &self,
        quantile: f64,
        content: Content<'_>,
        step: usize,
        metric: &str,
        position: Position,
        fixes: &mut Fixes,
    ) -> f64 {
        match content {
            Content::Native(native) => {
                let (value, nan) = native.quantile(quantile);
                let effect = match nan {
                    None => return value,
                    Some(NanObservations::Result) => "NaN",
                    Some(NanObservations::Skew) => "skewed higher",
                };
                let message = format!("input to histogram_quantile has NaN observations, result is {effect}{metric}");
                self.info(message, position);
                value
            }
            Content::Classic(buckets) => {
                let result = bucket_quantile(quantile, buckets);
                if result.forced_monotonic {
                    fixes.add(metric, self.steps.at(step), &result);
                }
                result.value
            }
        }
    }
}

/// Classic histograms whose counts were less than those of buckets inside, by metric: one annotation tells of all of them.
#[derive(Default)]
struct Fixes(BTreeMap<String, Fix>);

struct Fix {
    first: i64,
    last: i64,
    min_bucket: f64,
    max_bucket: f64,
    max_diff: f64,
    count: usize,
}

impl Fixes {
    fn add(&mut self, metric: &str, time: i64, quantile: &BucketQuantile) {
        let &BucketQuantile { min_bucket, max_bucket, max_diff, .. } = quantile;
        let new = Fix { first: time, last: time, min_bucket, max_bucket, max_diff, count: 0 };
        let fix = self.0.entry(metric.to_owned()).or_insert(new);
        fix.count += 1;
        fix.first = fix.first.min(time);
        fix.last = fix.last.max(time);
        fix.min_bucket = fix.min_bucket.min(min_bucket);
        fix.max_bucket = fix.max_bucket.max(max_bucket);
        fix.max_diff = fix.max_diff.max(max_diff);
    }

    fn report(self, evaluator: &Evaluator<'_>, position: Position) {
        for (metric, fix) in self.0 {
            let message = format!(
                "input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){metric}, from buckets {} \
                 to {}, with a max diff of {}, over {} samples from {} to {}",
                general(fix.min_bucket),
                general(fix.max_bucket),
                general_with(fix.max_diff, 2),
                fix.count,
                rfc3339(fix.first),
                rfc3339(fix.last),
            );
            evaluator.info(message, position);
        }
    }
}

/// UTC, in whole seconds.
fn rfc3339(millis: i64) -> String {
    match DateTime::from_timestamp(millis / 1000, 0) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Secs, true),
        None => millis.to_string(),
    }
}
