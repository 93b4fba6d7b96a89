//! What a scrape loop remembers of a target from scrape to scrape: which series it has, under which labels they are stored,
//! and which have to be told to end.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use trefoil_prometheus::exposition::{Exemplar, Label, Series as Exposed};

use crate::receivers::prometheus::relabel::Labels;
use crate::receivers::prometheus::status::Families;
pub use crate::receivers::prometheusremotewrite::batch::Family;
use crate::receivers::prometheusremotewrite::batch::{FoundSeries, Point};
use crate::receivers::prometheusremotewrite::families::{MetricType, of_series};
use crate::receivers::prometheusremotewrite::groups::Kind;
use crate::receivers::prometheusremotewrite::labels::METRIC_NAME;

/// Scrapes that fail may bring so many entries more than twice those of the last good one before they are forgotten.
const SPARE: usize = 1000;

/// A series as it is stored.
pub struct Series {
    found: Arc<FoundSeries>,
    /// The state of the families by which it is described.
    described: u64,
    /// The name that the target uses, by which its family is found, where it is another one.
    exposed: Option<Box<str>>,
    /// Of its last sample.
    kind: Kind,
    /// It has samples, and no end since.
    is_live: bool,
    /// The scrape in which it was last seen.
    seen: u64,
    /// The same, unless its time came from the target and is not to be tracked.
    tracked: u64,
    /// Hashes of the exemplars that it came with last.
    exemplars: Vec<u64>,
}

/// A series as the target names it.
struct Raw {
    /// `None`: relabelling drops it.
    series: Option<usize>,
    seen: u64,
}

struct Told {
    family: Arc<Family>,
    seen: u64,
}

#[derive(Default)]
pub struct Cache {
    raws: HashMap<Box<[u8]>, Raw>,
    series: Vec<Option<Series>>,
    free: Vec<usize>,
    by_labels: HashMap<Arc<Labels>, usize>,
    families: HashMap<String, Told>,
    /// Changes whenever the families do.
    state: u64,
    /// The state that was asked for last.
    shown: u64,
    /// What is known of a series without a family.
    nothing: Arc<Family>,
    /// What every scrape adds, in its order.
    own: Vec<Arc<FoundSeries>>,
    /// Counts the attempts.
    scrape: u64,
    /// Entries after the last good scrape.
    usual: usize,
    key: Vec<u8>,
}

/// A known series, or what has to be done to know it.
pub enum Found {
    Dropped,
    Series(usize),
    New,
}

impl Cache {
    pub fn begin(&mut self) {
        self.scrape += 1;
    }

    /// Looks the series up as the target names it; [`Cache::add`] takes it from there if it is new.
    pub fn find(&mut self, exposed: &Exposed<'_>) -> Found {
        self.key.clear();
        self.key.extend_from_slice(exposed.name.as_bytes());
        for Label { name, value } in exposed.labels {
            for part in [name, value] {
                // No text has this byte.
                self.key.push(0xff);
                self.key.extend_from_slice(part.as_bytes());
            }
        }
        let Some(raw) = self.raws.get_mut(self.key.as_slice()) else { return Found::New };
        raw.seen = self.scrape;
        raw.series.map_or(Found::Dropped, Found::Series)
    }

    /// The series that was just not found, by the name that the target uses and with its final labels; `None` if it is dropped.
    /// Whether these labels are new, too.
    pub fn add(&mut self, exposed: &str, labels: Option<Labels>) -> (Option<usize>, bool) {
        let (series, is_new) = match labels {
            None => (None, true),
            Some(labels) => match self.by_labels.get(&labels) {
                Some(index) => (Some(*index), false),
                None => (Some(self.insert(exposed, labels)), true),
            },
        };
        self.raws.insert(self.key.as_slice().into(), Raw { series, seen: self.scrape });
        (series, is_new)
    }

    fn insert(&mut self, exposed: &str, labels: Labels) -> usize {
        let labels = Arc::new(labels);
        let series = Series {
            found: Arc::new(FoundSeries::new(labels.clone(), self.nothing.clone())),
            // As if it had been described before everything that is known.
            described: 0,
            exposed: (labels.get(METRIC_NAME) != exposed).then(|| exposed.into()),
            kind: Kind::Number,
            is_live: false,
            seen: 0,
            tracked: 0,
            exemplars: Vec::new(),
        };
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.series.push(None);
                self.series.len() - 1
            }
        };
        self.series[index] = Some(series);
        self.by_labels.insert(labels, index);
        index
    }

    /// The series by what is known of its family now.
    pub fn described(&mut self, index: usize) -> Option<Arc<FoundSeries>> {
        let series = self.series.get_mut(index)?.as_mut()?;
        if std::mem::replace(&mut series.described, self.state) != self.state {
            let name = series.exposed.as_deref().unwrap_or_else(|| series.found.name());
            let families = &self.families;
            let last = Cell::new(&self.nothing);
            let found = of_series(name, |name| {
                last.set(&families.get(name)?.family);
                Some(last.get().described())
            });
            let family = if found.is_some() { last.get() } else { &self.nothing };
            if series.found.family() != &**family {
                series.found = Arc::new(FoundSeries::new(series.found.labels().clone(), family.clone()));
            }
        }
        Some(series.found.clone())
    }

    /// The series as it was last described, and what ends it.
    pub fn ended(&self, index: usize) -> Option<(Arc<FoundSeries>, Point)> {
        let series = self.series.get(index)?.as_ref()?;
        Some((series.found.clone(), Point::end(series.kind)))
    }

    /// What every scrape adds: `count` series, which `make` makes by their number.
    pub fn own(&mut self, count: usize, make: impl Fn(usize) -> FoundSeries) -> &[Arc<FoundSeries>] {
        self.own.extend((self.own.len()..count).map(|number| Arc::new(make(number))));
        &self.own
    }

    /// Of the exemplars of a series those that it did not have in its last sample: targets show them again and again.
    pub fn new_exemplars<'e, 'a>(&mut self, index: usize, exemplars: &'e [Exemplar<'a>]) -> Vec<&'e Exemplar<'a>> {
        let Some(series) = self.series.get_mut(index).and_then(Option::as_mut) else { return Vec::new() };
        let before = std::mem::take(&mut series.exemplars);
        let hashed = exemplars.iter().map(|exemplar| (hash(exemplar), exemplar));
        let (hashes, new): (Vec<u64>, Vec<_>) =
            hashed.map(|(hash, exemplar)| (hash, (!before.contains(&hash)).then_some(exemplar))).unzip();
        series.exemplars = hashes;
        new.into_iter().flatten().collect()
    }

    /// Notes a sample; whether the series had one in this scrape before.
    pub fn see(&mut self, index: usize, kind: Kind, is_tracked: bool) -> bool {
        let scrape = self.scrape;
        let Some(series) = self.series.get_mut(index).and_then(Option::as_mut) else { return false };
        series.kind = kind;
        if is_tracked {
            series.tracked = scrape;
        }
        std::mem::replace(&mut series.seen, scrape) == scrape
    }

    /// The scrape is good: series that had samples and have none now, which end, if tracked.
    pub fn succeed(&mut self) -> Vec<usize> {
        let scrape = self.scrape;
        let mut ended = Vec::new();
        for (index, slot) in self.series.iter_mut().enumerate() {
            let Some(series) = slot else { continue };
            if series.tracked == scrape {
                series.is_live = true;
            } else if series.is_live {
                series.is_live = false;
                ended.push(index);
            }
        }
        self.raws.retain(|_, raw| raw.seen == scrape);
        // Series that end now are of families of the scrape before.
        let before = self.families.len();
        self.families.retain(|_, told| told.seen + 1 >= scrape);
        self.state += u64::from(self.families.len() != before);
        self.usual = self.raws.len();
        ended
    }

    /// The scrape is bad: all series end that had samples.
    pub fn fail(&mut self) -> Vec<usize> {
        let mut ended = Vec::new();
        for (index, slot) in self.series.iter_mut().enumerate() {
            if let Some(series) = slot
                && std::mem::take(&mut series.is_live)
            {
                ended.push(index);
            }
        }
        if self.raws.len() > self.usual * 2 + SPARE {
            self.raws.clear();
        }
        ended
    }

    /// Forgets series that no name leads to; call it once those that ended are written.
    pub fn sweep(&mut self) {
        let named = self.raws.values().filter(|raw| raw.series.is_some()).count();
        if self.by_labels.len() <= named {
            return;
        }
        let mut is_used = vec![false; self.series.len()];
        for index in self.raws.values().filter_map(|raw| raw.series) {
            is_used[index] = true;
        }
        for (index, slot) in self.series.iter_mut().enumerate() {
            if !is_used[index]
                && let Some(series) = slot.take()
            {
                self.by_labels.remove(series.found.labels());
                self.free.push(index);
            }
        }
    }

    /// Notes what the target says of a family; `change` tells whether that is news.
    pub fn family(&mut self, name: &str, change: impl FnOnce(&mut Change<'_>)) {
        let told = match self.families.get_mut(name) {
            Some(told) => told,
            None => self.families.entry(name.to_owned()).or_insert_with(|| Told { family: Arc::default(), seen: 0 }),
        };
        told.seen = self.scrape;
        let is_new = told.family.number == 0;
        let mut changes = Change { family: &mut told.family, is_changed: is_new };
        change(&mut changes);
        if changes.is_changed {
            self.state += 1;
            Arc::make_mut(&mut told.family).number = self.state as u32;
        }
    }

    pub fn families(&self) -> usize {
        self.families.len()
    }

    /// The families, if they have changed since they were asked for.
    pub fn changed_families(&mut self) -> Option<Families> {
        if std::mem::replace(&mut self.shown, self.state) == self.state {
            return None;
        }
        Some(self.families.iter().map(|(name, told)| (name.clone(), told.family.clone())).collect())
    }
}

/// A family of which something is said, perhaps the same as before.
pub struct Change<'c> {
    family: &'c mut Arc<Family>,
    is_changed: bool,
}

impl Change<'_> {
    pub fn kind(&mut self, kind: MetricType) {
        if self.family.kind != kind {
            Arc::make_mut(self.family).kind = kind;
            self.is_changed = true;
        }
    }

    pub fn help(&mut self, text: &str) {
        if self.family.help != text {
            text.clone_into(&mut Arc::make_mut(self.family).help);
            self.is_changed = true;
        }
    }

    pub fn unit(&mut self, text: &str) {
        if self.family.unit != text {
            text.clone_into(&mut Arc::make_mut(self.family).unit);
            self.is_changed = true;
        }
    }
}

/// Of all that makes an exemplar another one; its time only if the target told it.
fn hash(exemplar: &Exemplar<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (exemplar.value.to_bits(), exemplar.timestamp).hash(&mut hasher);
    exemplar.labels.iter().for_each(|label| (&*label.name, &*label.value).hash(&mut hasher));
    hasher.finish()
}
