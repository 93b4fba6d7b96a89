//! What a scrape loop remembers of a target from scrape to scrape: which series it has, under which labels they are stored,
//! and which have to be told to end.

use std::collections::HashMap;

use trefoil_prometheus::exposition::{Label, Series as Exposed};

use crate::receivers::prometheus::relabel::Labels;
use crate::receivers::prometheusremotewrite::families::MetricType;
use crate::receivers::prometheusremotewrite::groups::Kind;

/// Scrapes that fail may bring so many entries more than twice those of the last good one before they are forgotten.
const SPARE: usize = 1000;

/// A series as it is stored.
pub struct Series {
    /// With the name.
    pub labels: Labels,
    /// Of its last sample.
    pub kind: Kind,
    /// It has samples, and no end since.
    pub is_live: bool,
    /// The scrape in which it was last seen.
    seen: u64,
    /// The same, unless its time came from the target and is not to be tracked.
    tracked: u64,
}

/// A series as the target names it.
struct Raw {
    /// `None`: relabelling drops it.
    series: Option<usize>,
    seen: u64,
}

/// What a target says of a family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    pub kind: MetricType,
    pub help: String,
    pub unit: String,
    seen: u64,
    /// Stands for the texts.
    pub number: u32,
}

#[derive(Default)]
pub struct Cache {
    raws: HashMap<Box<[u8]>, Raw>,
    series: Vec<Option<Series>>,
    free: Vec<usize>,
    by_labels: HashMap<Labels, usize>,
    families: HashMap<String, Family>,
    numbers: u32,
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

    /// The series that was just not found, with its final labels; `None` if it is dropped. Whether these labels are new, too.
    pub fn add(&mut self, labels: Option<Labels>) -> (Option<usize>, bool) {
        let (series, is_new) = match labels {
            None => (None, true),
            Some(labels) => match self.by_labels.get(&labels) {
                Some(index) => (Some(*index), false),
                None => (Some(self.insert(labels)), true),
            },
        };
        self.raws.insert(self.key.as_slice().into(), Raw { series, seen: self.scrape });
        (series, is_new)
    }

    fn insert(&mut self, labels: Labels) -> usize {
        let series = Series { labels: labels.clone(), kind: Kind::Number, is_live: false, seen: 0, tracked: 0 };
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

    pub fn get(&self, index: usize) -> Option<&Series> {
        self.series.get(index).and_then(Option::as_ref)
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
        self.families.retain(|_, family| family.seen + 1 >= scrape);
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
                self.by_labels.remove(&series.labels);
                self.free.push(index);
            }
        }
    }

    /// Changes what is known of a family.
    pub fn family(&mut self, name: &str, change: impl FnOnce(&mut Family)) {
        if !self.families.contains_key(name) {
            self.numbers = self.numbers.wrapping_add(1);
            let family = Family { number: self.numbers, ..Family::default() };
            self.families.insert(name.to_owned(), family);
        }
        if let Some(family) = self.families.get_mut(name) {
            family.seen = self.scrape;
            change(family);
        }
    }

    pub fn families(&self) -> &HashMap<String, Family> {
        &self.families
    }
}
