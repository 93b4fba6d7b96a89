//! What is counted for one tenant.

use std::collections::{BTreeMap, HashMap};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;

use super::config::{Group, Options};
use super::emit;
use super::gather::{Counted, Gathered, Resource};
use crate::connectors::series::{Batches, Exemplars, Hashing, Histogram, Room, Table};

const SCOPE: &str = "spanmetricsconnector";

/// What is counted in a series.
#[derive(Debug, Clone)]
pub struct Counts {
    pub calls: u64,
    /// Bytes.
    pub size: u64,
    pub duration: Option<Histogram>,
    pub exemplars: Exemplars,
}

impl Counts {
    pub fn new(options: &Options, group: &Group) -> Self {
        let duration = group.duration.then(|| Histogram::new(&options.buckets));
        Self { calls: 0, size: 0, duration, exemplars: Exemplars::default() }
    }

    fn add(&mut self, counted: &Counted<'_>, options: &Options, now: u64) {
        self.calls = self.calls.saturating_add(counted.weight);
        self.size = self.size.saturating_add(counted.size());
        let duration = counted.duration as f64 / options.unit.nanos();
        if let Some(histogram) = &mut self.duration {
            histogram.observe(&options.buckets, duration, counted.weight);
        }
        // What ends in the future was not recorded there.
        let time = if counted.end == 0 { now } else { counted.end.min(now) };
        self.exemplars.offer(options.exemplars, counted.ids, duration, time);
    }
}

/// The series of the spans of one resource, by group.
#[derive(Debug)]
pub struct Resources {
    pub attributes: Vec<KeyValue>,
    pub hash: u64,
    pub tables: Vec<Table<Counts>>,
    /// Unix nanoseconds.
    seen: u64,
    /// Its place in the order of use.
    turn: u64,
}

impl Resources {
    fn new(hash: u64, attributes: Vec<KeyValue>, options: &Options, now: u64) -> Self {
        let tables = options.groups.iter().map(|_| Table::default()).collect();
        Self { attributes, hash, tables, seen: now, turn: 0 }
    }

    fn len(&self) -> usize {
        self.tables.iter().map(Table::len).sum()
    }
}

#[derive(Debug, Default)]
pub struct State {
    resources: HashMap<u64, Resources, Hashing>,
    /// By turn; the first was not used for longest.
    order: BTreeMap<u64, u64>,
    turn: u64,
    /// Those that made room for others since the last points. They may come back.
    evicted: BTreeMap<u64, Resources>,
    /// For resources that find no room.
    rest: Option<Resources>,
    series: usize,
    /// When deltas were last told of, by a hash of what tells their series apart.
    told: emit::Told,
}

impl State {
    /// Returns how many spans and events found no room and are counted together.
    pub fn count(&mut self, gathered: &Gathered<'_, '_>, options: &Options, now: u64) -> u64 {
        let mut overflow = 0;
        for resource in &gathered.resources {
            let spans = &gathered.counted[resource.counted.clone()];
            if spans.is_empty() {
                continue;
            }
            if self.touch(resource, options, now) {
                overflow += self.count_known(resource, spans, gathered, options, now);
                continue;
            }
            let rest = self.rest.get_or_insert_with(|| Resources::new(u64::MAX, Vec::new(), options, now));
            rest.seen = now;
            for counted in spans {
                let group = &options.groups[counted.group];
                let series = rest.tables[counted.group].overflow(now, || Counts::new(options, group));
                series.value.add(counted, options, now);
                overflow += 1;
            }
        }
        overflow
    }

    fn count_known(
        &mut self,
        resource: &Resource<'_>,
        spans: &[Counted<'_>],
        gathered: &Gathered<'_, '_>,
        options: &Options,
        now: u64,
    ) -> u64 {
        let Some(known) = self.resources.get_mut(&resource.hash) else { return 0 };
        let mut overflow = 0;
        for counted in spans {
            let room = Room { table: options.cardinality_limit, taken: &mut self.series, all: options.max_series };
            let (series, is_overflow) = known.tables[counted.group].entry(
                gathered.key(counted),
                room,
                now,
                || gathered.attributes(resource, counted),
                || Counts::new(options, &options.groups[counted.group]),
            );
            series.value.add(counted, options, now);
            overflow += u64::from(is_overflow);
        }
        overflow
    }

    /// Whether there is a place for the resource, which is the one used last from now on.
    fn touch(&mut self, resource: &Resource<'_>, options: &Options, now: u64) -> bool {
        self.turn += 1;
        if let Some(known) = self.resources.get_mut(&resource.hash) {
            self.order.remove(&known.turn);
            (known.seen, known.turn) = (now, self.turn);
        } else {
            let back = self.evicted.remove(&resource.hash);
            if self.resources.len() >= options.most_resources {
                if self.evicted.len() >= options.most_resources {
                    return false;
                }
                if let Some((_, oldest)) = self.order.pop_first() {
                    self.evicted.extend(self.resources.remove_entry(&oldest));
                }
            }
            let new = || Resources::new(resource.hash, resource.attributes(options), options, now);
            let mut known = back.unwrap_or_else(new);
            (known.seen, known.turn) = (now, self.turn);
            self.resources.insert(resource.hash, known);
        }
        self.order.insert(self.turn, resource.hash);
        true
    }

    /// All series as points of this time; those that have come to their end are forgotten.
    pub fn tell(&mut self, options: &Options, now: u64) -> Vec<ExportMetricsServiceRequest> {
        let mut batches = Batches::new(SCOPE);
        for mut gone in std::mem::take(&mut self.evicted).into_values() {
            self.series -= gone.len();
            emit::resource(&mut gone, options, now, &mut self.told, &mut batches);
        }
        for hash in self.order.values() {
            if let Some(known) = self.resources.get_mut(hash) {
                emit::resource(known, options, now, &mut self.told, &mut batches);
            }
        }
        if let Some(rest) = &mut self.rest {
            emit::resource(rest, options, now, &mut self.told, &mut batches);
        }
        match options.is_delta {
            true => self.begin_anew(options),
            false => self.forget(options, now),
        }
        batches.finish()
    }

    fn begin_anew(&mut self, options: &Options) {
        self.resources.clear();
        self.order.clear();
        self.rest = None;
        self.series = 0;
        if self.told.len() > options.timestamps {
            let mut told: Vec<(u64, u64)> = self.told.drain().map(|(series, time)| (time, series)).collect();
            told.sort_unstable_by(|one, other| other.cmp(one));
            told.truncate(options.timestamps);
            self.told.extend(told.into_iter().map(|(time, series)| (series, time)));
        }
    }

    fn forget(&mut self, options: &Options, now: u64) {
        let lasts = |seen: u64, expiration: std::time::Duration| {
            expiration.is_zero() || u128::from(now.saturating_sub(seen)) < expiration.as_nanos()
        };
        let Self { resources, order, series, .. } = self;
        resources.retain(|_, known| {
            let stays = lasts(known.seen, options.metrics_expiration);
            if !stays {
                order.remove(&known.turn);
                *series -= known.len();
                return false;
            }
            for table in &mut known.tables {
                *series -= table.retain(|series| lasts(series.seen, options.series_expiration));
            }
            true
        });
        self.rest = self
            .rest
            .take()
            .filter(|rest| lasts(rest.seen, options.metrics_expiration) && lasts(rest.seen, options.series_expiration));
    }

    /// Series that are held.
    pub fn len(&self) -> usize {
        self.series
    }

    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.rest.is_none() && self.evicted.is_empty() && self.told.is_empty()
    }
}
