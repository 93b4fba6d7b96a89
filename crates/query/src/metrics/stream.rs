//! Series with all their samples in the order of their labels, some at a time: for answers larger than what may be held.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use trefoil_model::Tenant;
use trefoil_promql::labels::{Label, Labels, METRIC_NAME};
use trefoil_promql::matcher::Matcher;
use trefoil_promql::source::{RawSeries, bytes_of_series};

use super::convert;
use super::error::PromqlError;
use super::family::{Family, Part, Parts};
use super::read::{FoundSeries, Period, ReadLimits, Store, TARGET_INFO, Target, Wanted, name_matchers};
use super::source::of_targets;
use crate::Engine;

/// Series that are read first, while nobody knows how many samples they have.
const FIRST_SERIES: usize = 100;
/// Samples that a piece should have: enough that going through the files again pays, few enough to be held by many readers.
const PIECE_SAMPLES: usize = 1_000_000;
/// Series of one piece.
const MOST_SERIES: usize = 10_000;
/// How much larger than the one before a piece may be. The samples of the first series say little about the next.
const GROWTH: usize = 8;

impl Engine {
    /// The series that fulfil all matchers and have samples from `start_ms` to `end_ms` (both inclusive, milliseconds since
    /// the epoch), from one snapshot. Each step of the stream may take as long as a question about series.
    pub async fn series_stream(
        &self,
        tenant: &Tenant,
        matchers: Vec<Matcher>,
        start_ms: i64,
        end_ms: i64,
        max_raw_samples: usize,
    ) -> Result<SeriesStream, PromqlError> {
        let limits = ReadLimits { max_raw_samples, max_series: self.limits().max_series };
        self.in_time(async {
            let store = Store::new(self, tenant, limits).await?;
            let period = Period { start_ms, end_ms };
            SeriesStream::open(store, matchers, period, self.limits().timeout).await
        })
        .await
    }
}

/// What is left to be read.
pub struct SeriesStream {
    store: Store,
    period: Period,
    matchers: Vec<Matcher>,
    families: Arc<Vec<Family>>,
    /// Places among the families, and what is wanted of them.
    wanted: Vec<(usize, Parts)>,
    found: FoundSeries,
    targets: Vec<Target>,
    /// In reverse order.
    pending: Vec<Pending>,
    piece: usize,
    timeout: Duration,
    /// Bytes of memory that are held by all but a piece.
    opened: usize,
}

/// Series of Prometheus that one part of a stored series, or a resource, will be.
struct Pending {
    /// Without the label that only the samples tell.
    labels: Labels,
    /// The label from which on the order of the series is not known.
    open_from: Option<&'static str>,
    of: Of,
}

#[derive(Clone, Copy)]
enum Of {
    /// The place among the series found.
    Series(usize, Part),
    Target(usize),
}

impl SeriesStream {
    async fn open(
        store: Store,
        matchers: Vec<Matcher>,
        period: Period,
        timeout: Duration,
    ) -> Result<Self, PromqlError> {
        let is_empty = period.start_ms > period.end_ms;
        let families = match is_empty {
            true => Arc::default(),
            false => store.families(period),
        };
        let names = name_matchers(&matchers);
        let parts = families.iter().map(|family| family.named(&names)).enumerate();
        let wanted: Vec<(usize, Parts)> = parts.filter(|(_, parts)| !parts.is_empty()).collect();
        let asked: Vec<Wanted<'_>> = wanted.iter().map(|(place, parts)| (&families[*place], *parts)).collect();
        let found = match asked.is_empty() {
            true => FoundSeries::default(),
            false => store.stored_series(&asked, &matchers, period)?,
        };
        let asks_for_targets = names.iter().all(|matcher| matcher.matches(TARGET_INFO));
        let targets = match asks_for_targets && !is_empty {
            true => store.targets(&families, &matchers, period)?,
            false => Vec::new(),
        };
        let pending = pending(&asked, &found, &targets);
        store.memory().grow(pending.iter().map(Pending::bytes).sum())?;
        let opened = store.memory().bytes();
        Ok(Self {
            store,
            period,
            matchers,
            wanted,
            found,
            targets,
            pending,
            piece: FIRST_SERIES,
            timeout,
            families,
            opened,
        })
    }

    /// The next series, which are all behind those before; `None` at the end. Those before are taken to be gone.
    pub async fn next(&mut self) -> Result<Option<Vec<RawSeries>>, PromqlError> {
        while !self.pending.is_empty() {
            self.store.memory().shrink_to(self.opened);
            let (parts, targets) = self.take();
            let count = parts.len() + targets.len();
            let read = timeout(self.timeout, self.read(parts, targets)).await;
            let series = read.map_err(|_| PromqlError::Timeout("reading took longer than it may".to_owned()))??;
            self.adapt(count, series.iter().map(|series| series.samples.len()).sum());
            if !series.is_empty() {
                return Ok(Some(series));
            }
        }
        Ok(None)
    }

    /// The next series of the store and which parts of them, and resources; never only some of those whose order among each
    /// other is not known yet.
    fn take(&mut self) -> (BTreeMap<usize, Vec<Part>>, Vec<usize>) {
        let (mut series, mut targets) = (BTreeMap::<usize, Vec<Part>>::new(), Vec::new());
        let mut last: Option<Pending> = None;
        let mut count = 0;
        while let Some(next) = self.pending.pop() {
            if count >= self.piece && last.as_ref().is_some_and(|last| last.order(&next) != Ordering::Equal) {
                self.pending.push(next);
                break;
            }
            count += 1;
            match next.of {
                Of::Series(place, part) => series.entry(place).or_default().push(part),
                Of::Target(place) => targets.push(place),
            }
            last = Some(next);
        }
        (series, targets)
    }

    async fn read(
        &self,
        parts: BTreeMap<usize, Vec<Part>>,
        targets: Vec<usize>,
    ) -> Result<Vec<RawSeries>, PromqlError> {
        let wanted: Vec<Wanted<'_>> =
            self.wanted.iter().map(|(place, parts)| (&self.families[*place], *parts)).collect();
        let mut found = FoundSeries { series: Vec::new(), among: self.found.among };
        for (place, parts) in parts {
            let mut series = self.found.series[place].clone();
            series.parts = parts.into_iter().collect();
            found.series.push(series);
        }
        let mut all = Vec::new();
        if !found.series.is_empty() {
            let stored = self.store.samples(&wanted, &found, self.period).await?;
            for (of, stored) in found.series.iter().zip(stored) {
                let converted = convert::series(wanted[of.family].0, of, stored, &self.matchers);
                self.store.memory().grow(bytes_of_series(&converted))?;
                all.extend(converted);
            }
        }
        if !targets.is_empty() {
            let targets = targets.into_iter().map(|place| self.targets[place].clone()).collect();
            all.extend(of_targets(&self.store, targets, self.period).await?);
        }
        Ok(convert::merged(all))
    }

    fn adapt(&mut self, count: usize, samples: usize) {
        let fitting = PIECE_SAMPLES.saturating_mul(count.max(1)) / samples.max(1);
        self.piece = fitting.clamp(1, self.piece.saturating_mul(GROWTH).min(MOST_SERIES));
    }
}

/// The last first.
fn pending(wanted: &[Wanted<'_>], found: &FoundSeries, targets: &[Target]) -> Vec<Pending> {
    let mut pending = Vec::new();
    let mut open: HashMap<Arc<str>, &'static str> = HashMap::new();
    for (place, series) in found.series.iter().enumerate() {
        for part in series.parts.iter() {
            let name = wanted[series.family].0.part_name(part);
            open.extend(part.own_label().map(|label| (name.clone(), label)));
            let mut labels = series.labels.builder();
            labels.set(METRIC_NAME, name);
            pending.push(Pending { labels: labels.build(), open_from: None, of: Of::Series(place, part) });
        }
    }
    // Series that came with such a label, too, if others of the name have it from their samples.
    for series in &mut pending {
        series.open_from = open.get(series.labels.metric_name()).copied();
    }
    pending.extend(targets.iter().enumerate().map(|(place, target)| Pending {
        labels: target.labels.clone(),
        open_from: None,
        of: Of::Target(place),
    }));
    pending.sort_by(|a, b| b.order(a));
    pending
}

impl Pending {
    /// In memory.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.labels.len() * size_of::<Label>() + Label::BYTES
    }

    /// How all series of the one lie to all of the other; equal where they may lie between each other.
    fn order(&self, other: &Self) -> Ordering {
        self.known().cmp(other.known())
    }

    /// The labels up to the one whose values nobody knows yet.
    fn known(&self) -> impl Iterator<Item = (&str, &str)> {
        let open = self.open_from;
        let before = self.labels.iter().map(|label| (label.name.as_ref(), label.value.as_ref()));
        before.take_while(move |(name, _)| open.is_none_or(|open| *name < open)).chain(open.map(|open| (open, "")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(labels: &[(&str, &str)], open_from: Option<&'static str>) -> Pending {
        let labels = Labels::from_pairs(labels.iter().copied());
        Pending { labels, open_from, of: Of::Target(0) }
    }

    #[test]
    fn what_is_not_known_yet_decides_nothing() {
        let bucket = |labels: &[(&str, &str)]| pending(labels, Some("le"));
        let a = bucket(&[("__name__", "a_bucket"), ("job", "x"), ("z", "1")]);
        let b = bucket(&[("__name__", "a_bucket"), ("job", "x"), ("z", "2")]);
        assert_eq!(a.order(&b), Ordering::Equal, "buckets of both lie between each other");
        let c = bucket(&[("__name__", "a_bucket"), ("job", "x"), ("k", "1")]);
        assert_eq!(c.order(&a), Ordering::Less, "k is before le");
        let d = pending(&[("__name__", "a_count"), ("job", "a")], None);
        assert_eq!(d.order(&a), Ordering::Greater);
        assert_eq!(d.order(&pending(&[("__name__", "a_count")], None)), Ordering::Greater);
    }
}
