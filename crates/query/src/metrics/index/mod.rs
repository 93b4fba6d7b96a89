//! Which metrics and series a tenant has, held in memory: what `series` says of them, read once.
//!
//! There is a part for the rows in files and one for the buffered rows beyond them. A flush adds files, so that only those are
//! read; when files have gone (they were merged, or are too old) all are read again, but labels that are known are not parsed
//! again.

mod build;
mod days;
mod fresh;
mod hash;
mod postings;
mod resources;
mod texts;
mod warm;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use trefoil_promql::labels::{Label, Labels};
use trefoil_storage::catalog::FileId;

pub use days::{Day, Days};
pub use fresh::Indexes;
pub use hash::IdHash;
use postings::Postings;

use super::family::{Family, FamilyKey};

/// All metrics of a tenant, at one moment.
#[derive(Debug, Default)]
pub struct SeriesIndex {
    pub files: Arc<Part>,
    pub buffered: Arc<Part>,
}

/// What some rows of `series` say.
#[derive(Debug, Default)]
pub struct Part {
    /// The files that it was read from, ascending; of the buffer none.
    read: Vec<FileId>,
    places: HashMap<FamilyKey, u32>,
    families: Vec<IndexedFamily>,
    /// Where a series is, by id.
    known: HashMap<u64, Place, IdHash>,
    /// Series that are of several metrics, which differ in what they say of themselves: where else they are.
    others: HashMap<u64, Vec<Place>, IdHash>,
    /// The labels of `target_info` of the resources that series came from.
    pub targets: Vec<Labels>,
    /// What [`Part::values`] was asked lately, by label and days.
    values: Mutex<HashMap<ValuesKey, Arc<Values>>>,
    /// What [`Part::series_with`] was asked lately, by metric and label.
    postings: Mutex<HashMap<(u32, String), Arc<Postings>>>,
    bytes: usize,
    text_bytes: usize,
}

/// A label, and the first and the last day.
type ValuesKey = (String, (i32, i32));

/// The values of a label.
pub type Values = BTreeSet<Arc<str>>;

/// Labels whose values are kept: dashboards ask for the same few.
const KEPT_VALUES: usize = 32;

/// Of a metric with fewer series all are looked at.
const MANY_SERIES: usize = 1024;

/// Postings take at most this part of the memory of the series.
const POSTINGS_PART: usize = 8;

/// A metric among the families, and a series among those of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    family: u32,
    series: u32,
}

/// A metric, and its series in the order of their labels (then of their ids).
#[derive(Debug, Clone)]
pub struct IndexedFamily {
    pub family: Family,
    pub days: BTreeSet<i32>,
    pub series: Arc<Vec<IndexedSeries>>,
}

#[derive(Debug, Clone)]
pub struct IndexedSeries {
    pub id: u64,
    /// Of metrics that have one part: with its name. Never with `le` and `quantile` of a part.
    pub labels: Labels,
    pub days: Days,
    /// Its resource among [`Part::targets`], if that has a `target_info`.
    pub target: Option<u32>,
}

impl SeriesIndex {
    /// In both parts.
    pub fn parts(&self) -> [&Part; 2] {
        [&self.files, &self.buffered]
    }

    /// How many series it holds, those of both parts twice.
    pub fn len(&self) -> usize {
        self.files.known.len() + self.buffered.known.len()
    }

    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        self.files.bytes + self.buffered.bytes
    }

    /// When a series was written to, of all metrics that it is of; a day may come twice.
    pub fn written(&self, id: u64) -> impl Iterator<Item = Day> {
        let series = self.parts().into_iter().flat_map(move |part| part.all(id));
        series.flat_map(|series| series.days.all()).copied()
    }
}

impl Part {
    /// The metrics that were written to on one of the days.
    pub fn families(&self, days: (i32, i32)) -> impl Iterator<Item = &Family> {
        let on_days = move |of: &&IndexedFamily| days.0 <= days.1 && of.days.range(days.0..=days.1).next().is_some();
        self.families.iter().filter(on_days).map(|of| &of.family)
    }

    /// No id is that of two series.
    pub fn is_distinct(&self) -> bool {
        self.others.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn at(&self, place: Place) -> Option<&IndexedSeries> {
        self.families.get(place.family as usize)?.series.get(place.series as usize)
    }

    /// Where a series is, of whichever metric.
    fn all(&self, id: u64) -> impl Iterator<Item = &IndexedSeries> {
        let others = self.others.get(&id).into_iter().flatten();
        self.known.get(&id).into_iter().chain(others).filter_map(|place| self.at(*place))
    }

    /// The values that a label has in all series that were written to on one of the days, those of `target_info` included.
    pub fn values(&self, label: &str, days: (i32, i32)) -> Arc<Values> {
        let key = (label.to_owned(), days);
        if let Some(values) = self.values.lock().get(&key) {
            return values.clone();
        }
        let values = Arc::new(self.collect_values(label, days));
        let mut kept = self.values.lock();
        if kept.len() >= KEPT_VALUES {
            kept.clear();
        }
        kept.insert(key, values.clone());
        values
    }

    fn collect_values(&self, label: &str, days: (i32, i32)) -> Values {
        let mut values = Values::new();
        let mut targets = BTreeSet::new();
        // Series lie by their labels and share their texts.
        let mut last: Option<&Arc<str>> = None;
        let visible = self.families.iter().filter(|of| !of.family.named(&[]).is_empty());
        for series in visible.flat_map(|of| of.series.iter()).filter(|series| series.days.any_in(days)) {
            targets.extend(series.target);
            let Some(value) = series.labels.value(label) else { continue };
            if last.is_none_or(|last| !Arc::ptr_eq(last, value)) && !values.contains(value) {
                values.insert(value.clone());
            }
            last = Some(value);
        }
        let targets = targets.into_iter().filter_map(|target| self.targets.get(target as usize));
        values.extend(targets.filter_map(|labels| labels.value(label)).cloned());
        values
    }

    /// The series of a metric that were written to on one of the days.
    pub fn series<'p>(
        &'p self,
        key: &FamilyKey,
        days: (i32, i32),
    ) -> impl Iterator<Item = &'p IndexedSeries> + use<'p> {
        let of = self.places.get(key).into_iter().flat_map(|place| self.families[*place as usize].series.iter());
        of.filter(move |series| series.days.any_in(days))
    }

    /// Those of them, in the same order, that may have all these labels (no value is empty).
    pub fn series_with<'p>(
        &'p self,
        key: &FamilyKey,
        days: (i32, i32),
        labels: &[(&str, &str)],
    ) -> Box<dyn Iterator<Item = &'p IndexedSeries> + 'p> {
        let Some(place) = self.places.get(key).copied() else { return Box::new(std::iter::empty()) };
        let series = &self.families[place as usize].series;
        let postings = labels.iter().filter(|_| series.len() >= MANY_SERIES);
        let postings = postings.map(|(label, value)| (self.postings(place, label), *value));
        let Some((postings, value)) = postings.min_by_key(|(postings, value)| postings.of(value).len()) else {
            return Box::new(self.series(key, days));
        };
        let places = postings.of(value).to_vec();
        let found = places.into_iter().filter_map(|place| series.get(place as usize));
        Box::new(found.filter(move |series| series.days.any_in(days)))
    }

    /// How many series a metric has, on whichever days.
    pub fn count(&self, key: &FamilyKey) -> usize {
        self.places.get(key).map_or(0, |place| self.families[*place as usize].series.len())
    }

    fn postings(&self, place: u32, label: &str) -> Arc<Postings> {
        let key = (place, label.to_owned());
        if let Some(postings) = self.postings.lock().get(&key) {
            return postings.clone();
        }
        let labels = self.families[place as usize].series.iter().map(|series| &series.labels);
        let postings = Arc::new(Postings::new(label, labels));
        let mut kept = self.postings.lock();
        let bytes: usize = kept.values().map(|postings| postings.bytes()).sum();
        if bytes + postings.bytes() > self.bytes / POSTINGS_PART {
            kept.clear();
        }
        kept.insert(key, postings.clone());
        postings
    }

    /// About what it takes in memory, the texts of its labels included.
    fn measured(mut self, text_bytes: usize) -> Self {
        const OF_LABELS: usize = 2 * size_of::<usize>();
        let of = |series: &IndexedSeries| {
            OF_LABELS + series.labels.len() * size_of::<Label>() + series.days.heap_bytes() + size_of::<IndexedSeries>()
        };
        let series: usize = self.families.iter().flat_map(|of| of.series.iter()).map(of).sum();
        let of_place = size_of::<u64>() + size_of::<Place>() + 1;
        self.text_bytes = text_bytes;
        self.bytes = series + text_bytes + self.known.capacity() * of_place;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::options::PrometheusView;

    fn key() -> FamilyKey {
        FamilyKey {
            name: "m".to_owned(),
            kind: "gauge".to_owned(),
            unit: String::new(),
            temporality: 0,
            is_monotonic: false,
            metadata: None,
        }
    }

    /// A metric whose series have `a` of 50 values, some of them `b`, and days in turn.
    fn part(series: u64) -> Part {
        let series = (0..series).map(|id| {
            let labels = [("a", (id % 50).to_string()), ("b", "1".repeat((id % 7).min(2) as usize))];
            let days = Days::One(Day::new((id % 3) as i32, 0));
            IndexedSeries { id, labels: Labels::from_pairs(labels), days, target: None }
        });
        let mut series: Vec<IndexedSeries> = series.collect();
        series.sort_by(|x, y| (&x.labels, x.id).cmp(&(&y.labels, y.id)));
        let family = Family::new(key(), Vec::new(), &PrometheusView::default()).unwrap();
        let families = vec![IndexedFamily { family, days: BTreeSet::from([0, 1, 2]), series: Arc::new(series) }];
        Part { places: HashMap::from([(key(), 0)]), families, ..Part::default() }.measured(0)
    }

    /// Whether all are looked at or postings are asked, and when those make room for others.
    #[test]
    fn series_with_labels_are_among_those_found() {
        for count in [100, 5000] {
            let part = part(count);
            let cases: [&[(&str, &str)]; 6] = [
                &[],
                &[("a", "7")],
                &[("a", "7"), ("b", "11")],
                &[("b", "1"), ("a", "8")],
                &[("b", "7")],
                &[("c", "1")],
            ];
            for (days, labels) in
                [(0, 2), (1, 1), (5, 9)].into_iter().flat_map(|days| cases.map(|labels| (days, labels)))
            {
                let has =
                    |series: &&IndexedSeries| labels.iter().all(|(name, value)| series.labels.get(name) == *value);
                let ids = |found: Vec<&IndexedSeries>| found.iter().map(|series| series.id).collect::<Vec<_>>();
                let expected = ids(part.series(&key(), days).filter(has).collect());
                let found: Vec<&IndexedSeries> = part.series_with(&key(), days, labels).collect();
                if count > MANY_SERIES as u64 && !labels.is_empty() {
                    assert!(found.len() < count as usize / 3, "{labels:?}: {}", found.len());
                }
                assert_eq!(ids(found.into_iter().filter(has).collect()), expected, "{labels:?} {days:?}");
            }
            let kept: usize = part.postings.lock().values().map(|postings| postings.bytes()).sum();
            assert!(kept <= part.bytes / POSTINGS_PART && (kept > 0) == (count > MANY_SERIES as u64));
        }
    }
}
