//! Histograms in an instant vector: native ones as they are, classic ones put together from a series a bucket.

use hashbrown::HashMap;
use trefoil_go::quote::quote;

use crate::error::{EvalError, Position};
use crate::eval::Evaluator;
use crate::histogram::FloatHistogram;
use crate::labels::{BUCKET, Labels};
use crate::value::StepSeries;

/// What a histogram is at one step.
pub(super) enum Content<'a> {
    Native(&'a FloatHistogram),
    /// Upper bound and cumulative count of each bucket, in no order.
    Classic(&'a mut Vec<(f64, f64)>),
}

/// A histogram at all steps.
pub(super) struct Histogram {
    /// Without that of the bucket.
    pub labels: Labels,
    /// Upper bounds, and which rows have their counts.
    buckets: Vec<(f64, usize)>,
    native: Vec<usize>,
}

pub(super) struct Histograms {
    rows: Vec<StepSeries>,
    pub all: Vec<Histogram>,
}

impl Evaluator<'_> {
    /// `position`: of the expression that `rows` are the value of.
    pub(super) fn histograms(&self, rows: Vec<StepSeries>, position: Position) -> Histograms {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut all: Vec<Histogram> = Vec::new();
        let mut place = |labels: Labels| {
            *places.entry(labels).or_insert_with_key(|labels| {
                all.push(Histogram { labels: labels.clone(), buckets: Vec::new(), native: Vec::new() });
                all.len() - 1
            })
        };
        let mut found = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let is_float = |step| row.points.float(step).is_some();
            if row.points.has_histograms() {
                found.push((place(row.labels.clone()), None, index));
                if !(0..row.points.len()).any(is_float) {
                    continue;
                }
            }
            let bound = row.labels.get(BUCKET);
            match parse_bound(bound) {
                Some(bound) => found.push((place(row.labels.without(&[BUCKET])), Some(bound), index)),
                None => {
                    let message =
                        format!("bucket label \"le\" is missing or has a malformed value of {}", quote(bound));
                    self.warn(message + &self.for_metric(&row.labels), position);
                }
            }
        }
        for (place, bound, row) in found {
            match bound {
                Some(bound) => all[place].buckets.push((bound, row)),
                None => all[place].native.push(row),
            }
        }
        Histograms { rows, all }
    }

    /// ` for metric name "…"`, where the name is still known.
    pub(super) fn for_metric(&self, labels: &Labels) -> String {
        match labels.metric_name() {
            name if self.options.delayed_name_removal && !name.is_empty() => {
                format!(" for metric name {}", quote(name))
            }
            _ => String::new(),
        }
    }

    /// Calls `f` for each step at which the histogram is one; at none where it is a classic and a native one at once.
    pub(super) fn for_each_histogram(
        &self,
        histograms: &Histograms,
        histogram: &Histogram,
        position: Position,
        mut f: impl FnMut(usize, Content<'_>),
    ) -> Result<(), EvalError> {
        let mut buckets = Vec::with_capacity(histogram.buckets.len());
        for step in 0..self.steps.count() {
            self.check_running()?;
            let count = |(bound, row): &(f64, usize)| Some((*bound, histograms.rows[*row].points.float(step)?));
            buckets.clear();
            buckets.extend(histogram.buckets.iter().filter_map(count));
            let native = histogram.native.iter().find_map(|row| histograms.rows[*row].points.histogram(step));
            match native {
                Some(_) if !buckets.is_empty() => {
                    let message = "vector contains a mix of classic and native histograms";
                    self.warn(message.to_owned() + &self.for_metric(&histogram.labels), position);
                }
                Some(native) => f(step, Content::Native(native)),
                None if !buckets.is_empty() => f(step, Content::Classic(&mut buckets)),
                None => {}
            }
        }
        Ok(())
    }
}

fn parse_bound(text: &str) -> Option<f64> {
    let bound: f64 = text.parse().ok()?;
    // A number too large for floats is none, only one that says so is infinite.
    let says_infinite = text.trim_start_matches(['+', '-']).starts_with(['i', 'I']);
    (bound.is_finite() || bound.is_nan() || says_infinite).then_some(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_numbers() {
        for (text, expected) in [
            ("+Inf", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("0.5", Some(0.5)),
            ("1e3", Some(1000.0)),
            ("1e999", None),
            ("", None),
            ("x", None),
            (" 1", None),
        ] {
            assert_eq!(parse_bound(text), expected, "{text:?}");
        }
    }
}
