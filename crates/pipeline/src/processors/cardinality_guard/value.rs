//! What data points say, in a form that can be added up: numbers, histograms, exponential histograms.

use std::collections::BTreeMap;

use super::config::Function;

/// Buckets of an exponential histogram's side that are kept; more become half as many, twice as wide (OTLP's suggestion).
const MOST_BUCKETS: i64 = 320;
const COARSEST_SCALE: i32 = -10;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Whether it came as an integer.
    Number(f64, bool),
    Histogram(Histogram),
    Exponential(Exponential),
}

/// Classic: `counts` has one more than `bounds`, or both are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    pub bounds: Vec<f64>,
    pub counts: Vec<u64>,
    pub count: u64,
    pub sum: Option<f64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exponential {
    pub scale: i32,
    pub count: u64,
    pub sum: Option<f64>,
    pub zero_count: u64,
    pub zero_threshold: f64,
    /// Counts by index.
    pub positive: BTreeMap<i32, u64>,
    pub negative: BTreeMap<i32, u64>,
}

impl Value {
    /// What was added since the counter said `last`; `None` if it began again since.
    pub fn since(&self, last: &Value) -> Option<Value> {
        match (self, last) {
            (Value::Number(now, int), Value::Number(last, _)) => (now >= last).then(|| Value::Number(now - last, *int)),
            (Value::Histogram(now), Value::Histogram(last)) => now.since(last).map(Value::Histogram),
            (Value::Exponential(now), Value::Exponential(last)) => now.since(last).map(Value::Exponential),
            _ => None,
        }
    }

    /// What does not fit (another kind of point) leaves it as it is.
    pub fn add(&mut self, other: &Value) {
        match (self, other) {
            (Value::Number(sum, is_int), Value::Number(more, int)) => {
                *sum += more;
                *is_int &= int;
            }
            (Value::Histogram(sum), Value::Histogram(more)) => sum.add(more),
            (Value::Exponential(sum), Value::Exponential(more)) => sum.add(more),
            _ => {}
        }
    }

    /// Of values of one time. Histograms have a sum only.
    pub fn folded<'v>(values: impl Iterator<Item = &'v Value>, function: Function) -> Option<Value> {
        let mut count = 0u32;
        let mut folded: Option<Value> = None;
        for value in values {
            count += 1;
            match (&mut folded, value, function) {
                (None, value, _) => folded = Some(value.clone()),
                (Some(Value::Number(least, int)), Value::Number(value, is_int), Function::Min) => {
                    *least = least.min(*value);
                    *int &= is_int;
                }
                (Some(Value::Number(most, int)), Value::Number(value, is_int), Function::Max) => {
                    *most = most.max(*value);
                    *int &= is_int;
                }
                (Some(Value::Number(..)), Value::Number(..), Function::Count) => {}
                (Some(last @ Value::Number(..)), Value::Number(..), Function::Last) => *last = value.clone(),
                (Some(sum), value, _) => sum.add(value),
            }
        }
        match (function, folded) {
            (Function::Count, Some(Value::Number(..))) => Some(Value::Number(count.into(), true)),
            (_, folded) => folded,
        }
    }
}

fn both(a: Option<f64>, b: Option<f64>, with: impl Fn(f64, f64) -> f64) -> Option<f64> {
    Some(with(a?, b?))
}

impl Histogram {
    fn since(&self, last: &Self) -> Option<Self> {
        if self.bounds != last.bounds || self.counts.len() != last.counts.len() {
            return None;
        }
        let counts = self.counts.iter().zip(&last.counts).map(|(now, last)| now.checked_sub(*last));
        Some(Self {
            bounds: self.bounds.clone(),
            counts: counts.collect::<Option<_>>()?,
            count: self.count.checked_sub(last.count)?,
            sum: both(self.sum, last.sum, |now, last| now - last),
        })
    }

    /// With other bounds only those that both have remain; counts of what lay between are added up, which is exact.
    fn add(&mut self, more: &Self) {
        let coarse;
        let mut more = more;
        if self.bounds != more.bounds {
            let common: Vec<f64> = self.bounds.iter().copied().filter(|bound| more.bounds.contains(bound)).collect();
            coarse = more.coarsened(&common);
            *self = self.coarsened(&common);
            more = &coarse;
        }
        if self.counts.len() == more.counts.len() {
            self.counts.iter_mut().zip(&more.counts).for_each(|(sum, more)| *sum = sum.saturating_add(*more));
        } else {
            // One of them tells no buckets.
            (self.bounds, self.counts) = (Vec::new(), Vec::new());
        }
        self.count = self.count.saturating_add(more.count);
        self.sum = both(self.sum, more.sum, |sum, more| sum + more);
    }

    /// `bounds` are some of its own.
    fn coarsened(&self, bounds: &[f64]) -> Self {
        if self.counts.len() != self.bounds.len() + 1 {
            return Self { bounds: Vec::new(), counts: Vec::new(), ..*self };
        }
        let mut counts = vec![0u64; bounds.len() + 1];
        let mut place = 0;
        for (index, count) in self.counts.iter().enumerate() {
            counts[place] = counts[place].saturating_add(*count);
            if place < bounds.len() && self.bounds.get(index) == Some(&bounds[place]) {
                place += 1;
            }
        }
        Self { bounds: bounds.to_vec(), counts, ..*self }
    }
}

impl Exponential {
    fn since(&self, last: &Self) -> Option<Self> {
        if self.zero_threshold < last.zero_threshold || self.scale > last.scale {
            return None;
        }
        // A histogram gets coarser as it grows; what it said before is made as coarse.
        let mut last = last.clone();
        last.coarsen(self.scale);
        last.widen_zero(self.zero_threshold);
        Some(Self {
            scale: self.scale,
            count: self.count.checked_sub(last.count)?,
            sum: both(self.sum, last.sum, |now, last| now - last),
            zero_count: self.zero_count.checked_sub(last.zero_count)?,
            zero_threshold: self.zero_threshold,
            positive: side_since(&self.positive, &last.positive)?,
            negative: side_since(&self.negative, &last.negative)?,
        })
    }

    fn add(&mut self, more: &Self) {
        let mut more = more.clone();
        let (scale, threshold) = (self.scale.min(more.scale), self.zero_threshold.max(more.zero_threshold));
        for one in [&mut *self, &mut more] {
            one.coarsen(scale);
            one.widen_zero(threshold);
        }
        self.count = self.count.saturating_add(more.count);
        self.sum = both(self.sum, more.sum, |sum, more| sum + more);
        self.zero_count = self.zero_count.saturating_add(more.zero_count);
        side_add(&mut self.positive, more.positive);
        side_add(&mut self.negative, more.negative);
        while self.scale > COARSEST_SCALE && [&self.positive, &self.negative].into_iter().any(is_wide) {
            self.coarsen(self.scale - 1);
        }
    }

    /// To a scale that is not finer.
    fn coarsen(&mut self, scale: i32) {
        let shift = u32::try_from(self.scale.saturating_sub(scale)).unwrap_or(0).min(31);
        if shift == 0 {
            return;
        }
        self.scale = scale;
        for side in [&mut self.positive, &mut self.negative] {
            let mut coarse = BTreeMap::new();
            side_add(&mut coarse, std::mem::take(side).into_iter().map(|(index, count)| (index >> shift, count)));
            *side = coarse;
        }
    }

    /// Buckets that lie within the zero bucket belong to it.
    fn widen_zero(&mut self, threshold: f64) {
        if threshold <= self.zero_threshold {
            return;
        }
        self.zero_threshold = threshold;
        let base = (-f64::from(self.scale)).exp2();
        for side in [&mut self.positive, &mut self.negative] {
            side.retain(|index, count| {
                let upper = ((f64::from(*index) + 1.0) * base).exp2();
                let stays = upper > threshold;
                if !stays {
                    self.zero_count = self.zero_count.saturating_add(*count);
                }
                stays
            });
        }
    }
}

fn is_wide(side: &BTreeMap<i32, u64>) -> bool {
    let ends = side.first_key_value().zip(side.last_key_value());
    ends.is_some_and(|((first, _), (last, _))| i64::from(*last) - i64::from(*first) >= MOST_BUCKETS)
}

fn side_add(sum: &mut BTreeMap<i32, u64>, more: impl IntoIterator<Item = (i32, u64)>) {
    for (index, count) in more.into_iter().filter(|(_, count)| *count > 0) {
        let sum = sum.entry(index).or_default();
        *sum = sum.saturating_add(count);
    }
}

fn side_since(now: &BTreeMap<i32, u64>, last: &BTreeMap<i32, u64>) -> Option<BTreeMap<i32, u64>> {
    let mut since = now.clone();
    for (index, count) in last.iter().filter(|(_, count)| **count > 0) {
        let left = since.get(index).copied().unwrap_or(0).checked_sub(*count)?;
        since.insert(*index, left);
    }
    Some(since)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(value: f64) -> Value {
        Value::Number(value, true)
    }

    fn histogram(bounds: &[f64], counts: &[u64]) -> Histogram {
        let count = counts.iter().sum();
        Histogram { bounds: bounds.to_vec(), counts: counts.to_vec(), count, sum: Some(count as f64) }
    }

    fn exponential(scale: i32, positive: &[(i32, u64)]) -> Exponential {
        let positive: BTreeMap<i32, u64> = positive.iter().copied().collect();
        Exponential { scale, count: positive.values().sum(), sum: Some(1.0), positive, ..Exponential::default() }
    }

    #[test]
    fn numbers_fold_by_every_function() {
        let values = [number(3.0), number(1.0), Value::Number(2.5, false)];
        let fold = |function| Value::folded(values.iter(), function).unwrap();
        assert_eq!(fold(Function::Sum), Value::Number(6.5, false));
        assert_eq!(fold(Function::Min), Value::Number(1.0, false));
        assert_eq!(fold(Function::Max), Value::Number(3.0, false));
        assert_eq!(fold(Function::Count), number(3.0));
        assert_eq!(fold(Function::Last), Value::Number(2.5, false));
        assert_eq!(Value::folded([].iter(), Function::Sum), None);
    }

    #[test]
    fn a_counter_that_fell_began_again() {
        assert_eq!(number(5.0).since(&number(3.0)), Some(number(2.0)));
        assert_eq!(number(1.0).since(&number(3.0)), None);
        let (small, large) = (histogram(&[1.0], &[1, 2]), histogram(&[1.0], &[3, 2]));
        assert_eq!(large.since(&small).unwrap().counts, [2, 0]);
        assert_eq!(small.since(&large), None);
        assert_eq!(large.since(&histogram(&[2.0], &[0, 0])), None, "of other buckets nothing can be told");
    }

    #[test]
    fn histograms_of_different_bounds_add_up_over_the_common_ones() {
        let mut sum = histogram(&[1.0, 2.0, 5.0], &[1, 2, 3, 4]);
        sum.add(&histogram(&[2.0, 5.0, 9.0], &[10, 20, 30, 40]));
        assert_eq!((sum.bounds, sum.counts, sum.count), (vec![2.0, 5.0], vec![13, 23, 74], 110));
    }

    #[test]
    fn exponential_histograms_meet_at_the_coarser_scale() {
        let mut sum = exponential(1, &[(-1, 1), (0, 2), (1, 3), (2, 4)]);
        sum.add(&exponential(0, &[(0, 10), (1, 20)]));
        assert_eq!((sum.scale, sum.count), (0, 40));
        assert_eq!(sum.positive, BTreeMap::from([(-1, 1), (0, 15), (1, 24)]));
        let mut wide = exponential(5, &[(0, 1)]);
        wide.add(&exponential(5, &[(1000, 1)]));
        assert!(!is_wide(&wide.positive) && wide.scale == 3, "{wide:?}");
        let mut zero = exponential(0, &[(-2, 5), (3, 1)]);
        zero.add(&Exponential { zero_threshold: 1.0, zero_count: 2, ..exponential(0, &[]) });
        assert_eq!((zero.zero_count, zero.positive), (7, BTreeMap::from([(3, 1)])));
        assert_eq!(exponential(1, &[(0, 1)]).since(&exponential(0, &[(0, 1)])), None, "it got finer, so it is another");
    }

    proptest! {
        #[test]
        fn what_was_added_is_what_it_grew_by(
            before in prop::collection::vec(0u64..1000, 4), more in prop::collection::vec(0u64..1000, 4),
            indexes in prop::collection::btree_map(-500i32..500, 1u64..100, 0..20),
            others in prop::collection::btree_map(-500i32..500, 1u64..100, 0..20),
        ) {
            let bounds = [1.0, 2.0, 3.0];
            let (before, more) = (histogram(&bounds, &before), histogram(&bounds, &more));
            let mut sum = before.clone();
            sum.add(&more);
            prop_assert_eq!(sum.since(&before).unwrap(), more);

            let list = |map: &BTreeMap<i32, u64>| map.iter().map(|(index, count)| (*index, *count)).collect::<Vec<_>>();
            let (before, more) = (exponential(2, &list(&indexes)), exponential(2, &list(&others)));
            let mut sum = before.clone();
            sum.add(&more);
            let counted: u64 = sum.positive.values().sum();
            prop_assert_eq!(counted, before.count + more.count, "no count is lost by coarsening");
            prop_assert!(!is_wide(&sum.positive));
            let grown = sum.since(&before).unwrap();
            prop_assert_eq!(grown.positive.values().sum::<u64>(), more.count);
        }
    }
}
