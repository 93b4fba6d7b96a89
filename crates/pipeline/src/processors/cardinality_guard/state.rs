//! What is remembered of series that became one: what each of them said last, and what they say together.
//!
//! Counters are what needs care. The sum of counters must not fall when one of them begins again or goes away, and must not jump
//! when one comes that has been counting for long. So it is kept as a total of its own, to which the increase of each member is
//! added: from its last value, from zero if it began again, and from zero or not at all when it is met for the first time
//! ([`Sample::is_new_since`]). The total begins at zero when the program starts, which is a reset to whoever reads it.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use trefoil_model::Tenant;

use super::config::Function;
use super::value::Value;

/// How many times the staleness the last value of a silent counter is remembered, so that it can come back.
const MEMORY: u32 = 12;

/// How series are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Cumulative and monotonic.
    Counter,
    Delta,
    Gauge(Function),
}

/// The metric that points were taken from, and what is made of it.
#[derive(Debug, Clone)]
pub struct Target {
    pub tenant: Tenant,
    pub resource: Option<Resource>,
    pub resource_schema_url: String,
    pub scope: Option<InstrumentationScope>,
    pub scope_schema_url: String,
    /// Its data has no points.
    pub metric: Metric,
    pub mode: Mode,
    pub interval: Duration,
}

/// A point without the labels that were removed.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Sorted by key.
    pub attributes: Vec<KeyValue>,
    /// The encoded attributes.
    pub key: Box<[u8]>,
    /// Tells the series apart that become one.
    pub member: u64,
    /// Unix nanoseconds; 0 where it is unknown.
    pub start: u64,
    pub time: u64,
    /// `None`: the series has ended.
    pub value: Option<Value>,
}

impl Sample {
    /// Whether a counter that is met for the first time, at `now`, began to count after `since`, when its label began to be
    /// removed. Where it does not say when it began, one that appears long after is taken for new.
    fn is_new_since(&self, since: u64, now: u64, staleness: u64) -> bool {
        match self.start {
            0 => now >= since.saturating_add(staleness),
            start => start >= since && start.saturating_add(staleness) >= now,
        }
    }
}

#[derive(Debug)]
struct Member {
    start: u64,
    time: u64,
    value: Value,
    seen: u64,
}

#[derive(Debug)]
struct Group {
    attributes: Vec<KeyValue>,
    members: HashMap<u64, Member>,
    total: Option<Value>,
    /// When the total began.
    start: u64,
    seen: u64,
    /// Its end was told, or it was never told of.
    is_ended: bool,
}

#[derive(Debug)]
struct Aggregate {
    target: Target,
    groups: HashMap<Box<[u8]>, Group>,
    due: u64,
}

/// A point to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub attributes: Vec<KeyValue>,
    /// 0 for gauges.
    pub start: u64,
    pub time: u64,
    pub value: Option<Value>,
}

#[derive(Debug)]
pub struct State {
    aggregates: HashMap<Vec<u8>, Aggregate>,
    staleness: u64,
    max_series: usize,
    members: usize,
    groups: usize,
}

impl State {
    pub fn new(staleness: Duration, max_series: usize) -> Self {
        Self { aggregates: HashMap::new(), staleness: nanos(staleness), max_series, members: 0, groups: 0 }
    }

    /// Series that came in, and that come out.
    pub fn size(&self) -> (usize, usize) {
        (self.members, self.groups)
    }

    /// Takes samples of one metric in; returns how many found no room. `since`: when their labels began to be removed.
    pub fn absorb(&mut self, key: &[u8], target: &Target, samples: Vec<Sample>, since: u64, now: u64) -> u64 {
        if !self.aggregates.contains_key(key) {
            let due = next_multiple(now, target.interval);
            let aggregate = Aggregate { target: target.clone(), groups: HashMap::new(), due };
            self.aggregates.insert(key.to_vec(), aggregate);
        }
        let Some(aggregate) = self.aggregates.get_mut(key) else { return 0 };
        let mode = aggregate.target.mode;
        let mut left_out = 0;
        for sample in samples {
            let has_room = self.members + self.groups < self.max_series;
            let group = match aggregate.groups.get_mut(&sample.key) {
                Some(group) => group,
                None if sample.value.is_none() => continue,
                None if !has_room => {
                    left_out += 1;
                    continue;
                }
                None => {
                    self.groups += 1;
                    let start = if mode == Mode::Delta && sample.start != 0 { sample.start } else { now };
                    let (attributes, members) = (sample.attributes.clone(), HashMap::new());
                    let group = Group { attributes, members, total: None, start, seen: now, is_ended: true };
                    aggregate.groups.entry(sample.key.clone()).or_insert(group)
                }
            };
            let before = group.members.len();
            let has_room = has_room || group.members.contains_key(&sample.member);
            match mode {
                Mode::Delta => group.add_delta(&sample, now),
                _ if !has_room => left_out += 1,
                Mode::Counter => group.add_counter(sample, since, now, self.staleness),
                Mode::Gauge(_) => group.add_gauge(sample, now),
            }
            self.members = (self.members + group.members.len()).saturating_sub(before);
        }
        left_out
    }

    /// What is due at `now`, by metric.
    pub fn due(&mut self, now: u64) -> Vec<(Target, Vec<Output>)> {
        self.outputs(now, |due| (due <= now).then_some(due))
    }

    /// Everything, due or not: nothing comes after it.
    pub fn rest(&mut self, now: u64) -> Vec<(Target, Vec<Output>)> {
        self.outputs(now, |_| Some(now))
    }

    fn outputs(&mut self, now: u64, time: impl Fn(u64) -> Option<u64>) -> Vec<(Target, Vec<Output>)> {
        let mut all = Vec::new();
        let (staleness, mut members, mut groups) = (self.staleness, 0, 0);
        self.aggregates.retain(|_, aggregate| {
            if let Some(time) = time(aggregate.due) {
                aggregate.due = next_multiple(now, aggregate.target.interval);
                let mode = aggregate.target.mode;
                let outputs: Vec<Output> = aggregate
                    .groups
                    .values_mut()
                    .filter_map(|group| group.output(mode, time, now, staleness))
                    .collect();
                if !outputs.is_empty() {
                    all.push((aggregate.target.clone(), outputs));
                }
                aggregate.groups.retain(|_, group| !group.is_over(mode, now, staleness));
            }
            members += aggregate.groups.values().map(|group| group.members.len()).sum::<usize>();
            groups += aggregate.groups.len();
            !aggregate.groups.is_empty()
        });
        (self.members, self.groups) = (members, groups);
        all
    }
}

impl Group {
    fn add_delta(&mut self, sample: &Sample, now: u64) {
        let Some(value) = &sample.value else { return };
        self.seen = now;
        match &mut self.total {
            Some(total) => total.add(value),
            None => self.total = Some(value.clone()),
        }
    }

    fn add_gauge(&mut self, sample: Sample, now: u64) {
        let Some(value) = sample.value else {
            self.members.remove(&sample.member);
            return;
        };
        self.seen = now;
        match self.members.get_mut(&sample.member) {
            Some(member) if member.time >= sample.time => member.seen = now,
            _ => {
                let member = Member { start: sample.start, time: sample.time, value, seen: now };
                self.members.insert(sample.member, member);
            }
        }
    }

    fn add_counter(&mut self, sample: Sample, since: u64, now: u64, staleness: u64) {
        // An end says that nobody counts now; what was counted stays, and it may go on.
        let Some(value) = &sample.value else { return };
        let Some(nothing) = value.since(value) else { return };
        self.seen = now;
        let increase = match self.members.get(&sample.member) {
            // Late or again.
            Some(member) if member.time >= sample.time => return,
            Some(member) if member.start != 0 && sample.start > member.start => value.clone(),
            Some(member) => value.since(&member.value).unwrap_or_else(|| value.clone()),
            None if sample.is_new_since(since, now, staleness) => value.clone(),
            None => nothing,
        };
        match &mut self.total {
            Some(total) => total.add(&increase),
            None => self.total = Some(increase),
        }
        let member = Member { start: sample.start, time: sample.time, value: value.clone(), seen: now };
        self.members.insert(sample.member, member);
    }

    fn output(&mut self, mode: Mode, time: u64, now: u64, staleness: u64) -> Option<Output> {
        let remembered = match mode {
            Mode::Counter => staleness.saturating_mul(MEMORY.into()),
            Mode::Delta | Mode::Gauge(_) => staleness,
        };
        self.members.retain(|_, member| member.seen.saturating_add(remembered) >= now);
        let is_alive = self.seen.saturating_add(staleness) >= now;
        let value = match mode {
            Mode::Delta => self.total.take(),
            Mode::Counter => self.total.clone().filter(|_| is_alive),
            Mode::Gauge(Function::Last) => {
                self.members.values().max_by_key(|member| member.time).map(|member| member.value.clone())
            }
            Mode::Gauge(function) => Value::folded(self.members.values().map(|member| &member.value), function),
        };
        let start = match mode {
            Mode::Gauge(_) => 0,
            Mode::Counter => self.start,
            Mode::Delta => std::mem::replace(&mut self.start, time).min(time),
        };
        let attributes = || self.attributes.clone();
        match value {
            Some(value) => {
                self.is_ended = false;
                Some(Output { attributes: attributes(), start, time, value: Some(value) })
            }
            // A delta that has nothing to tell has not ended.
            None if self.is_ended || mode == Mode::Delta => None,
            None => {
                self.is_ended = true;
                Some(Output { attributes: attributes(), start, time, value: None })
            }
        }
    }

    /// Whether nothing is left to remember.
    fn is_over(&self, mode: Mode, now: u64, staleness: u64) -> bool {
        match mode {
            Mode::Delta => self.total.is_none() && self.seen.saturating_add(staleness) < now,
            Mode::Counter | Mode::Gauge(_) => self.members.is_empty() && self.is_ended,
        }
    }
}

pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// All outputs of an interval have the same times, whenever it began.
fn next_multiple(now: u64, interval: Duration) -> u64 {
    let interval = nanos(interval).max(1);
    (now / interval).saturating_add(1).saturating_mul(interval)
}
