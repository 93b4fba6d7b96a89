//! Which series are read together, where not all of them have to be held at once.

use std::collections::BTreeMap;

use trefoil_model::Table;

use super::super::series::FoundSeries;
use super::super::{NANOS_PER_MILLI, Period, Store};

/// About so many samples are read together: what is made of them stays near the processor, and while they are worked on the next
/// are read.
const SAMPLES: usize = 1 << 18;

/// Samples are taken to come so often.
const INTERVAL_MS: i64 = 15_000;

/// At least and at most so many series are read together, however long or short the time is.
const LEAST_SERIES: usize = 256;
const MOST_SERIES: usize = 2048;

impl Store {
    /// The part of a period from which there may be samples, as far as that is known of files.
    pub fn held(&self, period: Period) -> Period {
        let millis = |nanos: i64| nanos.div_euclid(NANOS_PER_MILLI);
        let files = self.snapshot.files(Table::Samples);
        let ranges = || files.iter().filter_map(|file| file.time_range());
        let (first, last) = (ranges().map(|range| range.0).min(), ranges().map(|range| range.1).max());
        // What is buffered is newer than what lies in files, nearly always.
        let is_all_in_files = self.snapshot.buffered(Table::Samples).is_empty();
        let last = last.filter(|_| is_all_in_files).map_or(period.end_ms, millis);
        let start_ms = period.start_ms.max(first.map_or(period.start_ms, millis));
        Period { start_ms, end_ms: period.end_ms.min(last).max(start_ms) }
    }
}

/// Series that are read together.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    /// Among those found.
    pub places: Vec<usize>,
    /// No two of them have the same labels.
    pub are_distinct: bool,
}

impl Batch {
    pub fn all(places: Vec<usize>) -> Self {
        Self { places, are_distinct: false }
    }
}

/// The places of found series, in batches. Series with the same labels are in the same one. `held` is from when there are
/// samples.
pub fn batches(found: &FoundSeries, places: Vec<usize>, held: Period) -> Vec<Batch> {
    let samples = held.end_ms.saturating_sub(held.start_ms) / INTERVAL_MS + 1;
    let fitting = SAMPLES / usize::try_from(samples).unwrap_or(usize::MAX).max(1);
    let most = fitting.clamp(LEAST_SERIES, MOST_SERIES);
    cut(found, places, most)
}

fn cut(found: &FoundSeries, places: Vec<usize>, most: usize) -> Vec<Batch> {
    if places.len() <= most {
        return vec![Batch::all(places)];
    }
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for place in places {
        by_name.entry(found.series[place].labels.metric_name()).or_default().push(place);
    }
    let mut batches: Vec<Batch> = Vec::new();
    for mut of_name in by_name.into_values() {
        if of_name.len() > most && are_distinct(found, &of_name) {
            // In files they lie by their ids, and so do those of a target.
            of_name.sort_unstable_by_key(|place| found.series[*place].id);
            let parts = of_name.chunks(most).map(<[usize]>::to_vec);
            batches.extend(parts.map(|places| Batch { places, are_distinct: true }));
            continue;
        }
        let fits = |last: &&mut Batch| !last.are_distinct && last.places.len() + of_name.len() <= most;
        match batches.last_mut().filter(fits) {
            Some(last) => last.places.extend(of_name),
            None => batches.push(Batch::all(of_name)),
        }
    }
    batches
}

/// Whether no two of them have the same labels: those of one metric of the store lie by their labels.
fn are_distinct(found: &FoundSeries, places: &[usize]) -> bool {
    let series = |place: usize| &found.series[place];
    places.windows(2).all(|pair| {
        let (a, b) = (series(pair[0]), series(pair[1]));
        a.family == b.family && a.labels != b.labels
    })
}

#[cfg(test)]
mod tests {
    use trefoil_promql::labels::Labels;

    use super::super::super::series::StoredSeries;
    use super::*;
    use crate::metrics::family::Parts;

    #[test]
    fn large_metrics_are_cut_by_id_and_small_ones_put_together() {
        let series = |(family, name, label, id): (usize, &str, i32, u64)| {
            let labels = Labels::from_pairs([("__name__", name.to_owned()), ("l", label.to_string())]);
            StoredSeries { id, family, parts: Parts::default(), labels }
        };
        let all = [
            (0, "a", 1, 50),
            (1, "b", 1, 9),
            (1, "b", 2, 1),
            (1, "b", 3, 8),
            (1, "b", 4, 2),
            (2, "c", 1, 5),
            (2, "c", 1, 6),
            (2, "c", 2, 7),
            (3, "d", 1, 3),
        ];
        let found = FoundSeries { series: all.into_iter().map(series).collect(), among: 9 };
        let cut = |places: &[usize], most| {
            let batches = cut(&found, places.to_vec(), most).into_iter();
            batches.map(|batch| (batch.places, batch.are_distinct)).collect::<Vec<_>>()
        };
        let places: Vec<usize> = (0..9).collect();
        assert_eq!(cut(&places, 9), [(places.clone(), false)]);
        // Two of "c" are one to whoever asks.
        let parts =
            [(vec![0], false), (vec![2, 4], true), (vec![3, 1], true), (vec![5, 6, 7], false), (vec![8], false)];
        assert_eq!(cut(&places, 2), parts);
        assert_eq!(cut(&[0, 5, 8, 7], 3), [(vec![0, 5, 7], false), (vec![8], false)]);
    }
}
