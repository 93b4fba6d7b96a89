//! Series by metric, label and pair.

use std::collections::HashMap;
use std::sync::Arc;

use trefoil_promql::labels::Labels;

use super::sketch::{Distinct, Frequent, Pair};
use super::{Cardinality, Hint, Order, RankedLabel, RankedMetric, RankedPair};

/// Metrics, and pairs of a label and a value, that are counted at once: some 20 MB of each.
const MOST_COUNTED: usize = 200_000;
/// Labels that are counted; a metric should have a few. Each takes up to 50 KB.
const MOST_LABELS: usize = 2_000;
/// … and those of one metric, for its hint.
const MOST_HINTED_LABELS: usize = 30;

pub struct Tally<'q> {
    series: Pair,
    metrics: Frequent<Arc<str>>,
    metric_count: Distinct,
    labels: HashMap<Arc<str>, OfLabel>,
    has_dropped_labels: bool,
    pairs: Frequent<(Arc<str>, Arc<str>)>,
    pair_count: Distinct,
    /// Pairs of this label only.
    label: Option<&'q str>,
}

#[derive(Default)]
struct OfLabel {
    series: Pair,
    values: Distinct,
    /// Of the series in the window, their mean being that of the values'.
    bytes: u64,
}

impl<'q> Tally<'q> {
    pub fn new(label: Option<&'q str>) -> Self {
        Self {
            series: [0, 0],
            metrics: Frequent::new(MOST_COUNTED),
            metric_count: Distinct::default(),
            labels: HashMap::new(),
            has_dropped_labels: false,
            pairs: Frequent::new(MOST_COUNTED),
            pair_count: Distinct::default(),
            label,
        }
    }

    pub fn add(&mut self, metric: &Arc<str>, labels: &Labels, seen: Pair) {
        add(&mut self.series, seen);
        self.metrics.add(metric.clone(), seen);
        if seen[0] > 0 {
            self.metric_count.add(metric);
        }
        for label in labels.iter() {
            if self.labels.len() >= MOST_LABELS && !self.labels.contains_key(&label.name) {
                self.has_dropped_labels = true;
                continue;
            }
            let of = self.labels.entry(label.name.clone()).or_default();
            add(&mut of.series, seen);
            if seen[0] > 0 {
                of.values.add(&label.value);
                of.bytes += label.value.len() as u64;
                self.pair_count.add((&label.name, &label.value));
            }
            if self.label.is_none_or(|only| *label.name == *only) {
                self.pairs.add((label.name.clone(), label.value.clone()), seen);
            }
        }
    }

    pub fn ranked(self, order: Order, limit: usize) -> Cardinality {
        let is_approximate = self.has_dropped_labels
            || !self.metrics.is_exact()
            || !self.pairs.is_exact()
            || !self.pair_count.is_exact()
            || !self.metric_count.is_exact();
        let metrics = self.metrics.into_counts().into_iter();
        let metrics = metrics.map(|(name, series)| RankedMetric { name: name.to_string(), series, hint: None });
        let labels = self.labels.into_iter().map(|(name, of)| {
            let values = of.values.count();
            let value_bytes = of.bytes.checked_div(of.series[0]).unwrap_or(0).saturating_mul(values);
            RankedLabel { name: name.to_string(), series: of.series, values, value_bytes }
        });
        let labels: Vec<RankedLabel> = labels.collect();
        let pairs = self.pairs.into_counts().into_iter();
        let pairs = pairs.map(|((name, value), series)| RankedPair {
            name: name.to_string(),
            value: value.to_string(),
            series,
        });
        Cardinality {
            series: self.series,
            metric_count: self.metric_count.count(),
            label_count: labels.iter().filter(|label| label.series[0] > 0).count() as u64,
            value_count: self.pair_count.count(),
            metrics: top(metrics, limit, order, |metric| (metric.series, metric.name.clone())),
            labels: top(labels.into_iter(), limit, order, |label| (label.series, label.name.clone())),
            pairs: top(pairs, limit, order, |pair| (pair.series, format!("{}={}", pair.name, pair.value))),
            is_approximate,
        }
    }
}

fn add(to: &mut Pair, seen: Pair) {
    to[0] += seen[0];
    to[1] += seen[1];
}

fn growth(series: Pair) -> i64 {
    let [now, before] = series.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    now - before
}

/// The first `limit`; of equals in the order of their names.
fn top<T>(items: impl Iterator<Item = T>, limit: usize, order: Order, key: impl Fn(&T) -> (Pair, String)) -> Vec<T> {
    let mut keyed: Vec<_> = items
        .map(|item| {
            let (series, name) = key(&item);
            let [now, before] = series.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
            let rank = match order {
                Order::Series => (now, before),
                Order::Growth => (growth(series), now),
            };
            ((std::cmp::Reverse(rank), name), item)
        })
        .collect();
    if keyed.len() > limit {
        keyed.select_nth_unstable_by(limit, |(a, _), (b, _)| a.cmp(b));
        keyed.truncate(limit);
    }
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    keyed.into_iter().map(|(_, item)| item).collect()
}

/// Of some metrics: what each label adds.
pub struct Hints(HashMap<Arc<str>, HashMap<Arc<str>, OfHinted>>);

#[derive(Default)]
struct OfHinted {
    values: Distinct,
    without: Distinct,
    /// Series that do not have the label stay as they are.
    having: u64,
}

impl Hints {
    pub fn of<'m>(metrics: impl Iterator<Item = &'m str>) -> Self {
        Self(metrics.map(|name| (name.into(), HashMap::new())).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn add(&mut self, metric: &Arc<str>, labels: &Labels, seen: Pair) {
        let Some(known) = self.0.get_mut(metric).filter(|_| seen[0] > 0) else { return };
        for label in labels.iter() {
            if known.len() >= MOST_HINTED_LABELS && !known.contains_key(&label.name) {
                continue;
            }
            let of = known.entry(label.name.clone()).or_default();
            of.values.add(&label.value);
            let others = labels.iter().filter(|other| other.name != label.name);
            of.without.add(others.map(|other| (&other.name, &other.value)).collect::<Vec<_>>());
            of.having += 1;
        }
    }

    /// `None` where no label makes more than one series.
    pub fn hint(&self, metric: &str) -> Option<Hint> {
        let of = self.0.get(metric)?.iter();
        let saved = |of: &OfHinted| of.having.saturating_sub(of.without.count());
        let (label, of) = of.max_by(|(a, x), (b, y)| saved(x).cmp(&saved(y)).then_with(|| b.cmp(a)))?;
        (saved(of) > 0).then(|| Hint {
            label: label.to_string(),
            values: of.values.count(),
            series_without: of.without.count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
        Labels::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn series_are_ranked_by_number_and_by_growth() {
        let mut tally = Tally::new(None);
        let (requests, up): (Arc<str>, Arc<str>) = ("requests".into(), "up".into());
        for user in ["a", "b", "c"] {
            tally.add(&requests, &labels([("job", "x"), ("user_id", user)]), [1, u64::from(user == "a")]);
        }
        for instance in ["1", "2", "3", "4"] {
            tally.add(&up, &labels([("instance", instance), ("job", "x")]), [1, 1]);
        }
        let ranked = tally.ranked(Order::Series, 2);
        assert_eq!(ranked.series, [7, 5]);
        assert_eq!((ranked.metric_count, ranked.label_count, ranked.value_count), (2, 3, 8));
        assert_eq!(ranked.metrics.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["up", "requests"]);
        assert_eq!(
            (ranked.labels[0].name.as_str(), ranked.labels[0].series, ranked.labels[0].values),
            ("job", [7, 5], 1)
        );
        assert_eq!(ranked.pairs[0], RankedPair { name: "job".into(), value: "x".into(), series: [7, 5] });
        assert!(!ranked.is_approximate);

        let mut tally = Tally::new(Some("user_id"));
        for user in 0..3 {
            tally.add(&requests, &labels([("user_id", &user.to_string())]), [1, 0]);
        }
        tally.add(&up, &labels([("job", "x")]), [1, 1]);
        let ranked = tally.ranked(Order::Growth, 10);
        assert_eq!(ranked.metrics[0].name, "requests");
        assert_eq!(ranked.pairs.len(), 3, "of the label that was asked for");
    }

    #[test]
    fn the_label_that_makes_most_series_is_named() {
        let metric: Arc<str> = "requests".into();
        let mut hints = Hints::of(["requests"].into_iter());
        for user in 0..50 {
            for code in ["200", "500"] {
                hints.add(&metric, &labels([("code", code), ("user_id", &user.to_string())]), [1, 0]);
            }
        }
        let hint = hints.hint("requests").unwrap();
        assert_eq!(hint, Hint { label: "user_id".into(), values: 50, series_without: 2 });
        assert_eq!(hints.hint("up"), None);
        let mut single = Hints::of(["requests"].into_iter());
        single.add(&metric, &labels([("job", "x")]), [1, 0]);
        assert_eq!(single.hint("requests"), None);
    }
}
