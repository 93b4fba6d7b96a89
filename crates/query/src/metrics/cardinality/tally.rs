//! Series by metric, label and pair.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::{Equivalent, HashMap};
use trefoil_promql::labels::{Label, Labels, METRIC_NAME};

use super::sketch::{Distinct, Frequent, Pair};
use super::{Cardinality, Hint, Order, RankedLabel, RankedMetric, RankedPair};

/// Metrics, and pairs of a label and a value, that are counted at once: some 20 MB of each.
const MOST_COUNTED: usize = 200_000;
/// Labels that are counted; a metric should have a few. Each takes up to 50 KB.
const MOST_LABELS: usize = 2_000;
/// … and those of one metric, for its hint.
const MOST_HINTED_LABELS: usize = 30;

pub struct Tally<'q> {
    hasher: RandomState,
    series: Pair,
    metrics: Frequent<Same>,
    metric_count: Distinct,
    labels: HashMap<Same, OfLabel, RandomState>,
    has_dropped_labels: bool,
    /// Of the label that is asked for, or of all …
    pairs: Frequent<SamePair>,
    /// … and the others, which only values are counted of.
    other_pairs: Frequent<SamePair>,
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

/// A text by where it lies. Labels share their texts, so that the same text lies in few places; what lies in several is brought
/// together at the end.
struct Same(Arc<str>);

struct SamePair(Arc<str>, Arc<str>);

fn place(text: &Arc<str>) -> usize {
    Arc::as_ptr(text).cast::<u8>() as usize
}

impl PartialEq for Same {
    fn eq(&self, other: &Self) -> bool {
        place(&self.0) == place(&other.0)
    }
}

impl Eq for Same {}

impl Hash for Same {
    fn hash<H: Hasher>(&self, state: &mut H) {
        place(&self.0).hash(state);
    }
}

impl Equivalent<Same> for usize {
    fn equivalent(&self, same: &Same) -> bool {
        *self == place(&same.0)
    }
}

impl PartialEq for SamePair {
    fn eq(&self, other: &Self) -> bool {
        (place(&self.0), place(&self.1)) == (place(&other.0), place(&other.1))
    }
}

impl Eq for SamePair {}

impl Hash for SamePair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (place(&self.0), place(&self.1)).hash(state);
    }
}

/// Of a name and a value.
#[derive(Hash)]
struct Places(usize, usize);

impl Equivalent<SamePair> for Places {
    fn equivalent(&self, pair: &SamePair) -> bool {
        (self.0, self.1) == (place(&pair.0), place(&pair.1))
    }
}

impl<'q> Tally<'q> {
    pub fn new(label: Option<&'q str>) -> Self {
        Self {
            hasher: RandomState::new(),
            series: [0, 0],
            metrics: Frequent::new(MOST_COUNTED),
            metric_count: Distinct::default(),
            labels: HashMap::default(),
            has_dropped_labels: false,
            pairs: Frequent::new(MOST_COUNTED),
            other_pairs: Frequent::new(MOST_COUNTED),
            pair_count: Distinct::default(),
            label,
        }
    }

    /// The name of the metric among the labels is none of them.
    pub fn add(&mut self, metric: &Arc<str>, labels: &Labels, seen: Pair) {
        add(&mut self.series, seen);
        let before = self.metrics.add(&place(metric), seen, || Same(metric.clone()));
        if seen[0] > 0 && before[0] == 0 {
            self.metric_count.add(self.hasher.hash_one(&**metric));
        }
        for label in labels.iter().filter(|label| *label.name != *METRIC_NAME) {
            let name = place(&label.name);
            if self.labels.len() >= MOST_LABELS && !self.labels.contains_key(&name) {
                self.has_dropped_labels = true;
                continue;
            }
            let of = match self.labels.get_mut(&name) {
                Some(of) => of,
                None => self.labels.entry(Same(label.name.clone())).or_default(),
            };
            add(&mut of.series, seen);
            of.bytes += label.value.len() as u64 * seen[0];
            let is_asked = self.label.is_none_or(|only| *label.name == *only);
            let pairs = if is_asked { &mut self.pairs } else { &mut self.other_pairs };
            let make = || SamePair(label.name.clone(), label.value.clone());
            let before = pairs.add(&Places(name, place(&label.value)), seen, make);
            if seen[0] > 0 && before[0] == 0 {
                of.values.add(self.hasher.hash_one(&*label.value));
                self.pair_count.add(self.hasher.hash_one((&*label.name, &*label.value)));
            }
        }
    }

    pub fn ranked(self, order: Order, limit: usize) -> Cardinality {
        let is_approximate = self.has_dropped_labels
            || !self.metrics.is_exact()
            || !self.pairs.is_exact()
            || !self.pair_count.is_exact()
            || !self.metric_count.is_exact();
        let metrics = together(self.metrics.into_counts().into_iter().map(|(Same(name), series)| (name, series)));
        let metrics = metrics.into_iter();
        let metrics = metrics.map(|(name, series)| RankedMetric { name: name.to_string(), series, hint: None });
        let mut labels: HashMap<Arc<str>, OfLabel, RandomState> = HashMap::default();
        for (Same(name), of) in self.labels {
            labels.entry(name).or_default().add(of);
        }
        let labels = labels.into_iter().map(|(name, of)| {
            let values = of.values.count();
            let value_bytes = of.bytes.checked_div(of.series[0]).unwrap_or(0).saturating_mul(values);
            RankedLabel { name: name.to_string(), series: of.series, values, value_bytes }
        });
        let labels: Vec<RankedLabel> = labels.collect();
        let pairs = self.pairs.into_counts().into_iter().map(|(SamePair(name, value), series)| ((name, value), series));
        let pairs = together(pairs).into_iter().map(|((name, value), series)| RankedPair {
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

impl OfLabel {
    fn add(&mut self, other: OfLabel) {
        add(&mut self.series, other.series);
        self.bytes += other.bytes;
        self.values.merge(other.values);
    }
}

/// The counts of equal things.
fn together<K: Hash + Eq>(counts: impl Iterator<Item = (K, Pair)>) -> HashMap<K, Pair, RandomState> {
    let mut together: HashMap<K, Pair, RandomState> = HashMap::default();
    for (thing, series) in counts {
        add(together.entry(thing).or_default(), series);
    }
    together
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
pub struct Hints {
    hasher: RandomState,
    metrics: HashMap<Arc<str>, HashMap<Arc<str>, OfHinted, RandomState>, RandomState>,
}

#[derive(Default)]
struct OfHinted {
    values: Distinct,
    without: Distinct,
    /// Series that do not have the label stay as they are.
    having: u64,
}

impl Hints {
    pub fn of<'m>(metrics: impl Iterator<Item = &'m str>) -> Self {
        let metrics = metrics.map(|name| (name.into(), HashMap::default())).collect();
        Self { hasher: RandomState::new(), metrics }
    }

    pub fn add(&mut self, metric: &Arc<str>, labels: &Labels, seen: Pair) {
        let Some(known) = self.metrics.get_mut(metric).filter(|_| seen[0] > 0) else { return };
        let labels = || labels.iter().filter(|label| *label.name != *METRIC_NAME);
        let hash = |label: &Label| self.hasher.hash_one((&*label.name, &*label.value));
        // A sum, so that leaving one out costs a subtraction.
        let all = labels().fold(0u64, |all, label| all.wrapping_add(hash(label)));
        for label in labels() {
            if known.len() >= MOST_HINTED_LABELS && !known.contains_key(&label.name) {
                continue;
            }
            let of = match known.get_mut(&label.name) {
                Some(of) => of,
                None => known.entry(label.name.clone()).or_default(),
            };
            let own = hash(label);
            of.values.add(own);
            of.without.add(self.hasher.hash_one(all.wrapping_sub(own)));
            of.having += 1;
        }
    }

    /// `None` where no label makes more than one series.
    pub fn hint(&self, metric: &str) -> Option<Hint> {
        let of = self.metrics.get(metric)?.iter();
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
