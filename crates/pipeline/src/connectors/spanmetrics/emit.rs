//! Counted series as points.

use std::collections::HashMap;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, Sum};

use super::config::{Group, Options};
use super::state::{Counts, Resources};
use crate::connectors::series::{Batches, Hashing, Head, MOST_POINTS, Points, Table, number_point};

/// When a series was last told of (Unix nanoseconds), by a hash of what tells it apart.
pub type Told = HashMap<u64, u64, Hashing>;

/// Tells of all series of a resource. Deltas begin where the ones before ended, as far as `told` knows that, which it does afterwards.
pub fn resource(resources: &mut Resources, options: &Options, now: u64, told: &mut Told, batches: &mut Batches) {
    batches.resource(&resources.attributes);
    let hash = resources.hash;
    for (place, (group, table)) in options.groups.iter().zip(&mut resources.tables).enumerate() {
        let starts = match options.is_delta {
            true => starts(hash, place, table, told, now),
            false => Vec::new(),
        };
        let mut open = Open::new(options, group);
        for (index, series) in table.iter_mut().enumerate() {
            let start = starts.get(index).copied().flatten().unwrap_or(series.start);
            if !options.is_delta
                && let Some(beginning) = series.beginning(now)
            {
                let attributes = series.attributes.clone();
                let head = Head { attributes, start: beginning, time: beginning, exemplars: Vec::new() };
                open.push(head, &Counts::new(options, group));
            }
            let exemplars = series.value.exemplars.take();
            let head = Head { attributes: series.attributes.clone(), start, time: now, exemplars };
            open.push(head, &series.value);
            if open.sums.len() >= MOST_POINTS || open.durations.len() >= MOST_POINTS {
                open.close(batches);
            }
        }
        open.close(batches);
    }
}

fn starts(resource: u64, group: usize, table: &Table<Counts>, told: &mut Told, now: u64) -> Vec<Option<u64>> {
    let hashing = told.hasher().clone();
    let mut bytes = Vec::new();
    let mut start = |key: &[u8]| {
        bytes.clear();
        bytes.extend_from_slice(&resource.to_le_bytes());
        bytes.extend_from_slice(&group.to_le_bytes());
        bytes.extend_from_slice(key);
        told.insert(hashing.hash(&bytes), now)
    };
    table.keys().into_iter().map(&mut start).collect()
}

/// Points of a group that are not in a batch yet.
struct Open<'o> {
    options: &'o Options,
    group: &'o Group,
    /// Calls or events.
    sums: Vec<NumberDataPoint>,
    sizes: Vec<NumberDataPoint>,
    durations: Points,
}

impl<'o> Open<'o> {
    fn new(options: &'o Options, group: &'o Group) -> Self {
        Self { options, group, sums: Vec::new(), sizes: Vec::new(), durations: Points::new(&options.buckets) }
    }

    fn push(&mut self, head: Head, counts: &Counts) {
        if self.group.calls && self.options.metrics.size.is_some() {
            self.sizes.push(number_point(Head { exemplars: Vec::new(), ..head.clone() }, counts.size));
        }
        if let Some(histogram) = &counts.duration {
            self.durations.push(head.clone(), histogram);
        }
        if self.group.calls || self.group.events {
            self.sums.push(number_point(head, counts.calls));
        }
    }

    fn close(&mut self, batches: &mut Batches) {
        let names = &self.options.metrics;
        let temporality = self.options.temporality();
        let sum = |data_points: Vec<NumberDataPoint>| {
            Data::Sum(Sum { data_points, aggregation_temporality: temporality.into(), is_monotonic: true })
        };
        let metric = |name: &str, unit: &str, data| Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        };
        let name = if self.group.events { &names.events } else { &names.calls };
        let points = self.sums.len();
        batches.metric(metric(name, "", sum(std::mem::take(&mut self.sums))), points);
        let durations = std::mem::replace(&mut self.durations, Points::new(&self.options.buckets));
        let points = durations.len();
        batches.metric(metric(&names.duration, names.duration_unit, durations.into_data(temporality)), points);
        if let Some(name) = &names.size {
            let points = self.sizes.len();
            batches.metric(metric(name, "", sum(std::mem::take(&mut self.sizes))), points);
        }
    }
}
