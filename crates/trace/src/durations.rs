//! Quantiles of durations in bounded memory.

use std::collections::BTreeMap;

/// So many are kept as they are.
const MOST_EXACT: usize = 1024;
/// Of numbers beyond those: buckets from a number to its double, so a quantile is less than 1.6 % too high.
const BUCKETS: f64 = 44.0;

/// Durations (nanoseconds; negative ones count as 0): up to 1,024 exactly, more in buckets that are less than 1.6 % wide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durations(Kept);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    Exactly(Vec<i64>),
    InBuckets { counts: BTreeMap<u16, u64>, count: u64, least: i64, most: i64 },
}

impl Default for Durations {
    fn default() -> Self {
        Durations(Kept::Exactly(Vec::new()))
    }
}

impl Durations {
    pub fn add(&mut self, duration: i64) {
        let duration = duration.max(0);
        match &mut self.0 {
            Kept::Exactly(all) if all.len() < MOST_EXACT => all.push(duration),
            Kept::Exactly(all) => {
                let all = std::mem::take(all);
                self.0 = Kept::InBuckets { counts: BTreeMap::new(), count: 0, least: i64::MAX, most: 0 };
                all.into_iter().chain([duration]).for_each(|duration| self.add(duration));
            }
            Kept::InBuckets { counts, count, least, most } => {
                *counts.entry(bucket(duration)).or_default() += 1;
                *count += 1;
                *least = duration.min(*least);
                *most = duration.max(*most);
            }
        }
    }

    /// The smallest duration that at least this part of all do not exceed (the nearest rank); 0 where there are none.
    pub fn quantiles<const N: usize>(&self, parts: [f64; N]) -> [i64; N] {
        let rank = |part: f64, count: usize| ((part * count as f64).ceil() as usize).clamp(1, count.max(1)) - 1;
        match &self.0 {
            Kept::Exactly(all) => {
                let mut sorted = all.clone();
                sorted.sort_unstable();
                parts.map(|part| sorted.get(rank(part, sorted.len())).copied().unwrap_or(0))
            }
            Kept::InBuckets { counts, count, least, most } => parts.map(|part| {
                let rank = rank(part, *count as usize) as u64;
                let mut before = 0;
                let found = counts.iter().find(|(_, count)| {
                    before += **count;
                    before > rank
                });
                found.map_or(*most, |(bucket, _)| end(*bucket).clamp(*least, *most))
            }),
        }
    }

    pub fn count(&self) -> u64 {
        match &self.0 {
            Kept::Exactly(all) => all.len() as u64,
            Kept::InBuckets { count, .. } => *count,
        }
    }
}

fn bucket(duration: i64) -> u16 {
    match duration {
        0 => 0,
        // At most 63 times 44.
        duration => 1 + ((duration as f64).log2() * BUCKETS).floor() as u16,
    }
}

/// The largest duration in a bucket.
fn end(bucket: u16) -> i64 {
    match bucket {
        0 => 0,
        bucket => ((f64::from(bucket) / BUCKETS).exp2().floor() as i64).max(1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_are_exact() {
        let mut durations = Durations::default();
        assert_eq!((durations.quantiles([0.5]), durations.count()), ([0], 0));
        [40, 10, -7, 30, 20].into_iter().for_each(|duration| durations.add(duration));
        assert_eq!(durations.quantiles([0.0, 0.2, 0.21, 0.5, 0.99, 1.0]), [0, 0, 10, 20, 40, 40]);
    }

    proptest! {
        #[test]
        fn many_are_nearly_exact(
            values in prop::collection::vec(prop_oneof![0i64..50, 0i64..1_000_000_000_000, Just(i64::MAX)], 1..3000),
            part in 0.0f64..1.0,
        ) {
            let mut durations = Durations::default();
            values.iter().for_each(|value| durations.add(*value));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let exact = sorted[((part * sorted.len() as f64).ceil() as usize).max(1) - 1];
            let [found] = durations.quantiles([part]);
            prop_assert!(found as f64 >= exact as f64 * 0.999 && found as f64 <= exact as f64 * 1.017, "{} {}", found, exact);
            prop_assert_eq!(durations.count(), values.len() as u64);
        }
    }
}
