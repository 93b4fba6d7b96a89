//! The latest value of every series, by tenant and family.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use trefoil_model::Tenant;
use trefoil_prometheus::exposition::{Bucket, Distribution, Family, Metric, MetricType, MetricValue};

use super::assemble;
use crate::exporters::prometheus_view::Point;
use crate::telemetry::Accepted;

/// Series that are remembered, of all tenants together.
const MAX_SERIES: usize = 1_000_000;

/// By name.
pub type Labels = Vec<(String, String)>;

pub struct Collection {
    expiration: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tenants: HashMap<Tenant, BTreeMap<String, Collected>>,
    series: usize,
    cleaned: Option<Instant>,
}

/// A family.
struct Collected {
    kind: MetricType,
    help: String,
    unit: String,
    series: HashMap<Labels, Latest>,
}

#[derive(Debug, Clone)]
pub struct Latest {
    pub value: MetricValue,
    pub time: i64,
    pub start: Option<i64>,
    updated: Instant,
}

/// Why points of a request were not taken.
#[derive(Debug, Default)]
pub struct Refusals {
    too_many: u64,
    conflicting: u64,
    example: Option<String>,
}

impl Refusals {
    /// `without_form` points could not even be shown.
    pub fn answer(self, without_form: u64) -> Accepted {
        let rejected = self.too_many + self.conflicting + without_form;
        let mut reasons = Vec::new();
        if without_form > 0 {
            reasons.push(format!("{without_form} points have no form that Prometheus knows"));
        }
        if self.too_many > 0 {
            reasons.push(format!("there are {MAX_SERIES} series already"));
        }
        if let Some(name) = self.example {
            reasons.push(format!("{name} has another type already"));
        }
        Accepted { rejected, message: (!reasons.is_empty()).then(|| reasons.join("; ")) }
    }
}

/// Points on their way in.
pub struct Update<'c> {
    state: MutexGuard<'c, State>,
    tenant: Tenant,
    now: Instant,
}

impl Collection {
    pub fn new(expiration: Duration) -> Self {
        Self { expiration, state: Mutex::default() }
    }

    /// The collection for one request; nothing else goes on meanwhile.
    pub fn update(&self, tenant: &Tenant) -> Update<'_> {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.clean(self.expiration, now);
        Update { state, tenant: tenant.clone(), now }
    }

    /// What is known now, a family at a time, by name.
    pub fn families(&self, tenant: &Tenant, has_timestamps: bool) -> impl Iterator<Item = Family> {
        let names: Vec<String> = {
            let state = self.state.lock();
            state.tenants.get(tenant).map(|families| families.keys().cloned().collect()).unwrap_or_default()
        };
        names.into_iter().filter_map(move |name| {
            let state = self.state.lock();
            let collected = state.tenants.get(tenant)?.get(&name)?;
            collected.family(name, self.expiration, has_timestamps)
        })
    }
}

impl State {
    /// Drops what has expired, once in a while.
    fn clean(&mut self, expiration: Duration, now: Instant) {
        if self.cleaned.is_some_and(|cleaned| now < cleaned + expiration / 2) {
            return;
        }
        self.cleaned = Some(now);
        self.series = 0;
        for families in self.tenants.values_mut() {
            for collected in families.values_mut() {
                collected.series.retain(|_, latest| !latest.is_expired(expiration, now));
                self.series += collected.series.len();
            }
            families.retain(|_, collected| !collected.series.is_empty());
        }
        self.tenants.retain(|_, families| !families.is_empty());
    }
}

impl Latest {
    fn is_expired(&self, expiration: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.updated) >= expiration
    }
}

impl Collected {
    /// `None` where nothing is left of it.
    fn family(&self, name: String, expiration: Duration, has_timestamps: bool) -> Option<Family> {
        let now = Instant::now();
        let mut metrics: Vec<Metric> = self
            .series
            .iter()
            .filter(|(_, latest)| !latest.is_expired(expiration, now))
            .map(|(labels, latest)| Metric {
                labels: labels.clone(),
                value: latest.value.clone(),
                timestamp: has_timestamps.then_some(latest.time),
                start: latest.start,
            })
            .collect();
        metrics.sort_by(|a, b| a.labels.cmp(&b.labels));
        let Self { kind, help, unit, .. } = self;
        (!metrics.is_empty()).then(|| Family { name, kind: *kind, help: help.clone(), unit: unit.clone(), metrics })
    }
}

impl Update<'_> {
    pub fn take(&mut self, point: Point, refused: &mut Refusals) {
        let part = assemble::part(point);
        let State { tenants, series, .. } = &mut *self.state;
        if !tenants.contains_key(&self.tenant) {
            tenants.insert(self.tenant.clone(), BTreeMap::new());
        }
        let Some(families) = tenants.get_mut(&self.tenant) else { return };
        let of = &part.point.of;
        if part.point.is_stale {
            if let Some(collected) = families.get_mut(&part.family)
                && collected.series.remove(&part.point.labels).is_some()
            {
                *series -= 1;
            }
            return;
        }
        if !families.contains_key(&part.family) {
            let (help, unit) = (of.help.clone(), of.unit.clone());
            families.insert(part.family.clone(), Collected { kind: part.kind, help, unit, series: HashMap::new() });
        }
        let Some(collected) = families.get_mut(&part.family) else { return };
        if collected.kind != part.kind {
            if !collected.series.is_empty() {
                refused.conflicting += 1;
                refused.example.get_or_insert(part.family);
                return;
            }
            collected.kind = part.kind;
        }
        if !of.help.is_empty() && collected.help != of.help {
            collected.help.clone_from(&of.help);
        }
        let Point { of, labels, time, start, value, exemplars, .. } = part.point;
        let value = with_exemplars(value, exemplars);
        match collected.series.get_mut(&labels) {
            // It came late; a difference counts all the same.
            Some(latest) if time < latest.time && !of.is_delta => {}
            Some(latest) => {
                match part.piece {
                    Some(piece) => piece.join(&mut latest.value),
                    None if of.is_delta => add(latest, value, start),
                    None => (latest.value, latest.start) = (value, start),
                }
                (latest.time, latest.updated) = (time.max(latest.time), self.now);
            }
            None if *series >= MAX_SERIES => refused.too_many += 1,
            None => {
                let value = part.piece.map_or(value, assemble::Piece::begin);
                collected.series.insert(labels, Latest { value, time, start, updated: self.now });
                *series += 1;
            }
        }
    }
}

/// Those of a native histogram are with the whole of it.
fn with_exemplars(
    mut value: MetricValue,
    exemplars: Vec<trefoil_prometheus::exposition::Exemplar<'static>>,
) -> MetricValue {
    if let MetricValue::Histogram(distribution) = &mut value
        && distribution.native.is_some()
    {
        distribution.exemplars = exemplars;
    }
    value
}

/// Adds what came since the last point. What cannot be added begins a new total.
fn add(latest: &mut Latest, new: MetricValue, start: Option<i64>) {
    let is_added = match (&mut latest.value, &new) {
        (MetricValue::Number { value: total, exemplar }, MetricValue::Number { value, exemplar: newer }) => {
            *total += value;
            if newer.is_some() {
                exemplar.clone_from(newer);
            }
            true
        }
        (MetricValue::Histogram(total), MetricValue::Histogram(distribution)) => add_distribution(total, distribution),
        _ => false,
    };
    if !is_added {
        (latest.value, latest.start) = (new, start);
    }
}

fn add_distribution(total: &mut Distribution, new: &Distribution) -> bool {
    match (&mut total.native, &new.native) {
        (Some(native), Some(other)) => {
            if !native.add(other) {
                return false;
            }
        }
        (None, None) if have_same_bounds(&total.buckets, &new.buckets) => {
            for (bucket, Bucket { count, exemplar, .. }) in total.buckets.iter_mut().zip(&new.buckets) {
                bucket.count += count;
                if exemplar.is_some() {
                    bucket.exemplar.clone_from(exemplar);
                }
            }
        }
        _ => return false,
    }
    total.count += new.count;
    total.sum += new.sum;
    if !new.exemplars.is_empty() {
        total.exemplars.clone_from(&new.exemplars);
    }
    true
}

fn have_same_bounds(a: &[Bucket], b: &[Bucket]) -> bool {
    a.iter().map(|bucket| bucket.bound).eq(b.iter().map(|bucket| bucket.bound))
}
