//! Aggregations that see all values of a step at once: `topk`, `bottomk`, `limitk`, `limit_ratio` and `quantile`.

use xxhash_rust::xxh64::xxh64;

use super::grouping::Groups;
use super::param::Param;
use crate::ast::{Aggregate, AggregateOp, Expr};
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::labels::Labels;
use crate::points::Points;
use crate::value::StepSeries;

impl Evaluator<'_> {
    /// Of each group and step some values, under the labels they had.
    pub(super) fn select_rows(
        &self,
        aggregate: &Aggregate,
        param: &Expr,
        values: &Param,
        rows: Vec<StepSeries>,
    ) -> Result<Vec<StepSeries>, EvalError> {
        let groups = Groups::new(aggregate, &rows);
        match aggregate.op {
            AggregateOp::LimitRatio => {
                let Some(ratios) = values.ratios(self, param)? else { return Ok(Vec::new()) };
                self.sampled(&rows, &ratios)
            }
            op => {
                let Some(counts) = values.counts()? else { return Ok(Vec::new()) };
                self.check_ignored(aggregate, &rows, &counts);
                let pick = |step: usize, members: &[usize], count: usize| match op {
                    AggregateOp::Topk => ranked(&rows, step, members, count, |a, b| a < b),
                    AggregateOp::Bottomk => ranked(&rows, step, members, count, |a, b| a > b),
                    _ => members.iter().copied().filter(|row| rows[*row].points.has(step)).take(count).collect(),
                };
                self.picked(&rows, &groups, &counts, pick)
            }
        }
    }

    fn check_ignored(&self, aggregate: &Aggregate, rows: &[StepSeries], counts: &[i64]) {
        if aggregate.op == AggregateOp::Limitk {
            return;
        }
        let ignored =
            |row: &StepSeries| (0..counts.len()).any(|step| counts[step] > 0 && row.points.histogram(step).is_some());
        if rows.iter().any(|row| row.points.has_histograms() && ignored(row)) {
            self.ignored_histograms(aggregate.op, aggregate.position);
        }
    }

    /// `pick` says which of a group's rows stay at a step, in their order.
    fn picked(
        &self,
        rows: &[StepSeries],
        groups: &Groups,
        counts: &[i64],
        pick: impl Fn(usize, &[usize], usize) -> Vec<usize>,
    ) -> Result<Vec<StepSeries>, EvalError> {
        let mut kept: Vec<Option<Points>> = vec![None; rows.len()];
        // An instant query is answered in the order of rank.
        let mut order = Vec::new();
        for (step, count) in counts.iter().enumerate() {
            self.check_running()?;
            let Ok(count) = usize::try_from(*count) else { continue };
            for members in &groups.members {
                for row in pick(step, members, count.min(members.len())) {
                    if let Some(point) = rows[row].points.get(step) {
                        if kept[row].is_none() {
                            self.hold_rows(1)?;
                        }
                        let points = kept[row].get_or_insert_with(|| Points::empty(counts.len()));
                        points.set(step, point.to_owned());
                    }
                    order.push(row);
                }
            }
        }
        if counts.len() != 1 {
            order = (0..rows.len()).collect();
        }
        let mut results = Vec::with_capacity(order.len());
        for row in order {
            if let Some(points) = kept[row].take() {
                results.push(StepSeries { labels: rows[row].labels.clone(), drop_name: rows[row].drop_name, points });
            }
        }
        Ok(results)
    }

    /// The series whose hash is within the ratio: a negative one is the complement of the positive one that is 1 larger.
    fn sampled(&self, rows: &[StepSeries], ratios: &[f64]) -> Result<Vec<StepSeries>, EvalError> {
        let mut results = Vec::new();
        for row in rows {
            let offset = sampling_offset(&row.labels);
            let mut points = row.points.clone();
            for (step, ratio) in ratios.iter().enumerate() {
                if !is_sampled(*ratio, offset) {
                    points.clear(step);
                }
            }
            if !points.is_empty() {
                let row = StepSeries { labels: row.labels.clone(), drop_name: row.drop_name, points };
                self.hold_row(&row)?;
                results.push(row);
            }
        }
        Ok(results)
    }

    pub(super) fn quantiles(
        &self,
        aggregate: &Aggregate,
        quantiles: &Param,
        rows: &[&StepSeries],
    ) -> Result<Points, EvalError> {
        if super::have_histograms(rows) {
            self.ignored_histograms(aggregate.op, aggregate.expr.unwrapped().position());
        }
        let mut points = Points::empty(quantiles.values.len());
        let mut values = Vec::with_capacity(rows.len());
        for (step, quantile) in quantiles.values.iter().enumerate() {
            self.check_running()?;
            values.clear();
            values.extend(rows.iter().filter_map(|row| row.points.float(step)));
            if !values.is_empty() {
                points.set_float(step, quantile_of(*quantile, &mut values));
            }
        }
        Ok(points)
    }
}

/// The quantile of at least one value, interpolated between the two next to it. Sorts the values; NaN is less than all.
pub(in crate::eval) fn quantile_of(quantile: f64, values: &mut [f64]) -> f64 {
    if quantile.is_nan() || values.is_empty() {
        return f64::NAN;
    }
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)));
    let last = values.len() - 1;
    let rank = quantile * last as f64;
    let lower = (rank.floor() as usize).min(last);
    let upper = (lower + 1).min(last);
    let weight = rank - rank.floor();
    if weight == 0.0 {
        // Nothing times infinity would not be nothing.
        return values[lower];
    }
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// The `count` floats of a step that come last by `less`, the last first. NaN comes before all others.
fn ranked(
    rows: &[StepSeries],
    step: usize,
    members: &[usize],
    count: usize,
    less: impl Fn(f64, f64) -> bool,
) -> Vec<usize> {
    if count == 0 {
        return Vec::new();
    }
    let before = |a: f64, b: f64| a.is_nan() || less(a, b);
    let mut heap = Heap { items: Vec::with_capacity(count), before };
    for row in members {
        let Some(value) = rows[*row].points.float(step) else { continue };
        if heap.items.len() < count {
            heap.push((value, *row));
        } else if heap
            .items
            .first()
            .is_some_and(|(worst, _)| less(*worst, value) || (worst.is_nan() && !value.is_nan()))
        {
            heap.replace_first((value, *row));
        }
    }
    let mut items = heap.items;
    items.sort_by(|(a, _), (b, _)| match (a.is_nan(), b.is_nan()) {
        (false, false) if less(*b, *a) => std::cmp::Ordering::Less,
        (false, false) if less(*a, *b) => std::cmp::Ordering::Greater,
        (a, b) => a.cmp(&b),
    });
    items.into_iter().map(|(_, row)| row).collect()
}

/// A binary heap with the one first that is before all others. Among equals its order is that of Go's, which decides which
/// of them Prometheus keeps.
struct Heap<F> {
    items: Vec<(f64, usize)>,
    before: F,
}

impl<F: Fn(f64, f64) -> bool> Heap<F> {
    fn push(&mut self, item: (f64, usize)) {
        self.items.push(item);
        let mut child = self.items.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !(self.before)(self.items[child].0, self.items[parent].0) {
                return;
            }
            self.items.swap(parent, child);
            child = parent;
        }
    }

    fn replace_first(&mut self, item: (f64, usize)) {
        self.items[0] = item;
        let mut parent = 0;
        loop {
            let (left, right) = (2 * parent + 1, 2 * parent + 2);
            if left >= self.items.len() {
                return;
            }
            let is_right = right < self.items.len() && (self.before)(self.items[right].0, self.items[left].0);
            let child = if is_right { right } else { left };
            if !(self.before)(self.items[child].0, self.items[parent].0) {
                return;
            }
            self.items.swap(parent, child);
            parent = child;
        }
    }
}

/// Where a series stands between 0 and 1: the hash of its labels, taken the way Prometheus takes it so that both sample the
/// same series.
fn sampling_offset(labels: &Labels) -> f64 {
    let mut bytes = Vec::new();
    let mut write = |text: &str| {
        match u8::try_from(text.len()) {
            Ok(len) if len < u8::MAX => bytes.push(len),
            // 255, then the length in three bytes.
            _ => {
                bytes.push(u8::MAX);
                bytes.extend_from_slice(&(text.len() as u32).to_le_bytes()[..3]);
            }
        }
        bytes.extend_from_slice(text.as_bytes());
    };
    for label in labels.iter() {
        write(&label.name);
        write(&label.value);
    }
    xxh64(&bytes, 0) as f64 / u64::MAX as f64
}

fn is_sampled(ratio: f64, offset: f64) -> bool {
    match ratio {
        0.0 => false,
        ratio if ratio > 0.0 => offset < ratio,
        ratio => offset >= 1.0 + ratio,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f64]) -> Vec<StepSeries> {
        let row = |value: &f64| StepSeries {
            labels: Labels::default(),
            drop_name: false,
            points: Points::dense(vec![*value]),
        };
        values.iter().map(row).collect()
    }

    #[test]
    fn the_largest_and_smallest_are_found_and_nan_comes_last() {
        let nan = f64::NAN;
        for (values, count, top, bottom) in [
            (vec![1.0, 3.0, 2.0], 2, vec![1, 2], vec![0, 2]),
            (vec![nan, 3.0, 2.0], 2, vec![1, 2], vec![2, 1]),
            (vec![nan, 3.0, nan], 2, vec![1, 0], vec![1, 0]),
            (vec![1.0, 3.0], 5, vec![1, 0], vec![0, 1]),
            (vec![1.0, 2.0], 0, vec![], vec![]),
        ] {
            let (rows, members) = (rows(&values), (0..values.len()).collect::<Vec<_>>());
            assert_eq!(ranked(&rows, 0, &members, count, |a, b| a < b), top, "top {count} of {values:?}");
            assert_eq!(ranked(&rows, 0, &members, count, |a, b| a > b), bottom, "bottom {count} of {values:?}");
        }
    }

    #[test]
    fn quantiles_are_interpolated() {
        for (quantile, values, expected) in [
            (0.5, vec![3.0, 1.0], 2.0),
            (0.0, vec![2.0, 1.0], 1.0),
            (1.0, vec![2.0, 1.0], 2.0),
            (0.75, vec![f64::NAN, 4.0, 2.0], 3.0),
            (-0.1, vec![1.0], f64::NEG_INFINITY),
            (1.1, vec![1.0], f64::INFINITY),
            (0.9, vec![f64::NEG_INFINITY], f64::NEG_INFINITY),
            (0.5, vec![0.0, 1.0, f64::INFINITY], 1.0),
        ] {
            assert_eq!(quantile_of(quantile, &mut values.clone()), expected, "{quantile} of {values:?}");
        }
        assert!(quantile_of(f64::NAN, &mut [1.0]).is_nan());
    }

    #[test]
    fn a_ratio_and_its_complement_share_all_series() {
        for index in 0..100 {
            let labels = Labels::from_pairs([("a", index.to_string()), ("b", "x".repeat(index * 5))]);
            let offset = sampling_offset(&labels);
            assert!((0.0..=1.0).contains(&offset));
            for ratio in [0.1, 0.3, 0.5, 0.9] {
                assert_ne!(is_sampled(ratio, offset), is_sampled(-(1.0 - ratio), offset));
            }
        }
        // The empty input's hash is known.
        assert_eq!(sampling_offset(&Labels::default()), 0xef46_db37_51d8_e999_u64 as f64 / u64::MAX as f64);
    }
}
