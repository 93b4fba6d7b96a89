//! Native histograms of which only count and sum are asked for.
//!
//! `histogram_count`, `histogram_sum` and `histogram_avg` do not look at buckets, so selectors below them leave the buckets
//! out. Resets must be looked for before that, between samples that are read one after another; what is found stands in the
//! samples, and shows where samples are added up whose hints contradict each other.

use std::sync::Arc;

use crate::ast::{BinaryOp, Expr};
use crate::histogram::{CounterResetHint, FloatHistogram};
use crate::source::{Samples, is_stale_nan};

/// What the expressions around a selector need of its histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum BucketUse {
    /// Nothing was said; buckets are read.
    #[default]
    Unknown,
    /// Only count and sum.
    None,
    /// Something further out looks at buckets. In subqueries resets are looked for between what their steps see.
    Needed,
}

impl BucketUse {
    /// What is needed below an expression.
    pub fn below(self, expr: &Expr) -> Self {
        match expr {
            Expr::Subquery(_) => Self::Needed,
            Expr::Binary(binary) if matches!(binary.op, BinaryOp::TrimUpper | BinaryOp::TrimLower) => Self::Needed,
            Expr::Call(call) => match call.function.name {
                "histogram_quantile" | "histogram_quantiles" | "histogram_fraction" => Self::Needed,
                "histogram_count" | "histogram_sum" | "histogram_avg" if self == Self::Unknown => Self::None,
                _ => self,
            },
            _ => self,
        }
    }
}

/// Leaves the buckets out and says of each histogram whether the counter was reset before it.
///
/// `reads` are the steps' readings: all samples up to a time, and those `reach` milliseconds before it at the least. Where
/// that skips samples, the next one has none that it could be compared with.
pub(super) fn without_buckets(samples: &mut Samples, from: i64, reads: impl Iterator<Item = Read>) {
    let Some(histograms) = &mut samples.histograms else { return };
    let first = samples.times.partition_point(|time| *time < from);
    let mut skipped_to = skips(&samples.times, first, reads).into_iter().peekable();
    let mut last: Option<Arc<FloatHistogram>> = None;
    for (index, histogram) in histograms.iter_mut().enumerate().skip(first) {
        if skipped_to.next_if_eq(&index).is_some() {
            last = None;
        }
        let Some(histogram) = histogram else { continue };
        let whole = histogram.clone();
        let counter_reset_hint = match (whole.counter_reset_hint, &last) {
            (CounterResetHint::Unknown, Some(last)) if !is_stale_nan(whole.sum) => match whole.detect_reset(last) {
                true => CounterResetHint::CounterReset,
                false => CounterResetHint::NotCounterReset,
            },
            (hint, _) => hint,
        };
        let FloatHistogram { schema, count, sum, .. } = *whole;
        *histogram = Arc::new(FloatHistogram { counter_reset_hint, schema, count, sum, ..FloatHistogram::default() });
        if !is_stale_nan(whole.sum) {
            last = Some(whole);
        }
    }
}

/// One step's reading of a series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub time: i64,
    pub reach: i64,
}

/// The samples before which others were skipped, ascending.
fn skips(times: &[i64], first: usize, reads: impl Iterator<Item = Read>) -> Vec<usize> {
    let (mut current, mut skips) = (first, Vec::new());
    for Read { time, reach } in reads {
        let reached = time.saturating_sub(reach);
        if times.get(current).is_some_and(|current| *current < reached) {
            while times.get(current).is_some_and(|current| *current < reached) {
                current += 1;
            }
            skips.push(current);
        }
        while times.get(current).is_some_and(|current| *current < time) {
            current += 1;
        }
    }
    skips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_found_between_samples_that_are_read() {
        let mut samples = Samples::default();
        for (time, count) in [(0, 1.0), (10, 2.0), (20, 1.0), (30, 3.0), (40, 2.0)] {
            let positive_buckets = vec![count];
            let histogram = FloatHistogram { count, positive_buckets, ..FloatHistogram::default() };
            samples.push_histogram(time, Arc::new(histogram));
        }
        let hints = |from: i64, reads: &[(i64, i64)]| {
            let mut samples = samples.clone();
            without_buckets(&mut samples, from, reads.iter().map(|(time, reach)| Read { time: *time, reach: *reach }));
            let histograms = samples.histograms.unwrap().into_iter().flatten();
            histograms.map(|it| it.counter_reset_hint).collect::<Vec<_>>()
        };
        use CounterResetHint::{CounterReset, NotCounterReset, Unknown};
        assert_eq!(hints(0, &[(40, 100)]), [Unknown, NotCounterReset, CounterReset, NotCounterReset, CounterReset]);
        assert_eq!(hints(10, &[(40, 30)]), [Unknown, Unknown, CounterReset, NotCounterReset, CounterReset]);
        // The first step ends at 10, the second one begins at 30: 20 was never looked at.
        assert_eq!(hints(0, &[(5, 5), (40, 10)]), [Unknown, NotCounterReset, CounterReset, Unknown, CounterReset]);
    }
}
