//! The request that travels on, put together as bytes: points are encoded once, each behind those of its metric, and
//! what all points of a series share is encoded once for all of them.

use std::collections::HashMap;

use bytes::Bytes;
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use prost::Message;

use super::families::{Described, MetricType};
use super::labels::{Labels, METRIC_NAME};

/// Names of attributes of a metric's `metadata`; the first marks what came from Prometheus, with literal names and labels.
const TYPE: &str = "prometheus.type";
const CUSTOM_BUCKETS: &str = "prometheus.nhcb";
const FAMILY: &str = "prometheus.family";

/// What is around the texts of a metric, and around a point: tags, lengths, marks; at most.
const METRIC_BYTES: usize = 128;
const POINT_BYTES: usize = 8;

/// What a metric's points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Number,
    Exponential,
    CustomBuckets,
    /// No samples: what is known of a family whose series have other names.
    Family,
}

impl Kind {
    /// The field of OTLP's `Metric` with the points.
    pub const fn data(self) -> u32 {
        match self {
            Kind::Number | Kind::Family => 5,
            Kind::CustomBuckets => 9,
            Kind::Exponential => 10,
        }
    }

    /// OTLP's `AggregationTemporality`.
    pub const fn temporality(self) -> i32 {
        match self {
            Kind::Number | Kind::Family => 0,
            Kind::CustomBuckets | Kind::Exponential => AggregationTemporality::Cumulative as i32,
        }
    }

    /// The field of a point with its attributes.
    const fn attributes(self) -> u32 {
        match self {
            Kind::Number | Kind::Family => 7,
            Kind::CustomBuckets => 9,
            Kind::Exponential => 1,
        }
    }
}

/// The identity of a metric in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key<'a> {
    name: &'a str,
    kind: Kind,
    metric_type: MetricType,
    refs: (u32, u32),
}

struct Group<'a> {
    key: Key<'a>,
    help: &'a str,
    unit: &'a str,
    /// `data_points` fields.
    points: Vec<u8>,
}

/// The request would get too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

pub struct Groups<'a> {
    groups: Vec<Group<'a>>,
    by_key: HashMap<Key<'a>, usize>,
    last: usize,
    /// Bytes that are left.
    room: usize,
    attributes: Vec<u8>,
    point: Vec<u8>,
    count: u64,
}

/// A metric, and with it the attributes that the next points have.
#[derive(Debug, Clone, Copy)]
pub struct Place(usize);

impl<'a> Groups<'a> {
    /// The request will have at most `limit` bytes, but for the few around all of it.
    pub fn new(limit: usize) -> Self {
        Self {
            groups: Vec::new(),
            by_key: HashMap::new(),
            last: 0,
            room: limit,
            attributes: Vec::new(),
            point: Vec::new(),
            count: 0,
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Begins with points of one series; those that follow have these labels.
    pub fn place(
        &mut self,
        name: &'a str,
        kind: Kind,
        described: Described<'a>,
        labels: &Labels<'a>,
    ) -> Result<Place, TooLarge> {
        self.attributes.clear();
        for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
            put_attribute(&mut self.attributes, kind.attributes(), name, Attribute::Text(value));
        }
        let key = Key { name, kind, metric_type: described.kind, refs: described.refs };
        if self.groups.get(self.last).is_none_or(|last| last.key != key) {
            self.last = self.group(key, described)?;
        }
        Ok(Place(self.last))
    }

    fn group(&mut self, key: Key<'a>, described: Described<'a>) -> Result<usize, TooLarge> {
        if let Some(index) = self.by_key.get(&key) {
            return Ok(*index);
        }
        let Described { help, unit, .. } = described;
        self.take(METRIC_BYTES + key.name.len() + help.len() + unit.len())?;
        self.by_key.insert(key, self.groups.len());
        self.groups.push(Group { key, help, unit, points: Vec::new() });
        Ok(self.groups.len() - 1)
    }

    fn take(&mut self, bytes: usize) -> Result<(), TooLarge> {
        self.room = self.room.checked_sub(bytes).ok_or(TooLarge)?;
        Ok(())
    }

    /// A point of the series of `place`, whose labels join the attributes that it has.
    pub fn push(&mut self, place: Place, point: &impl Message) -> Result<(), TooLarge> {
        self.point.clear();
        point.encode_raw(&mut self.point);
        self.take(POINT_BYTES + self.point.len() + self.attributes.len())?;
        let Some(group) = self.groups.get_mut(place.0) else { return Ok(()) };
        put_tag(&mut group.points, 1, 2);
        put_length(&mut group.points, self.point.len() + self.attributes.len());
        group.points.extend_from_slice(&self.point);
        group.points.extend_from_slice(&self.attributes);
        self.count += 1;
        Ok(())
    }

    /// An `ExportMetricsServiceRequest` of one resource and one scope; empty if there is no point.
    pub fn finish(self) -> Bytes {
        let mut metrics = Vec::new();
        let (mut metric, mut data) = (Vec::new(), Vec::new());
        for group in self.groups.iter().filter(|group| !group.points.is_empty()) {
            metric.clear();
            group.put_head(&mut metric);
            data.clear();
            let temporality = group.key.kind.temporality();
            if temporality != 0 {
                put_tag(&mut data, 2, 0);
                data.push(temporality as u8);
            }
            let data_length = data.len() + group.points.len();
            put_tag(&mut metric, group.key.kind.data(), 2);
            put_length(&mut metric, data_length);
            put_tag(&mut metrics, 2, 2);
            put_length(&mut metrics, metric.len() + data_length);
            for part in [&metric, &data, &group.points] {
                metrics.extend_from_slice(part);
            }
        }
        if metrics.is_empty() {
            return Bytes::new();
        }
        let mut scope = Vec::new();
        put_tag(&mut scope, 2, 2);
        put_length(&mut scope, metrics.len());
        let mut request = Vec::with_capacity(metrics.len() + 32);
        put_tag(&mut request, 1, 2);
        put_length(&mut request, scope.len() + metrics.len());
        request.extend_from_slice(&scope);
        request.extend_from_slice(&metrics);
        request.into()
    }
}

impl Group<'_> {
    /// The fields of `Metric` before its data.
    fn put_head(&self, metric: &mut Vec<u8>) {
        for (field, text) in [(1, self.key.name), (2, self.help), (3, self.unit)] {
            if !text.is_empty() {
                put_bytes(metric, field, text.as_bytes());
            }
        }
        put_attribute(metric, 12, TYPE, Attribute::Text(self.key.metric_type.name()));
        match self.key.kind {
            Kind::CustomBuckets => put_attribute(metric, 12, CUSTOM_BUCKETS, Attribute::True),
            Kind::Family => put_attribute(metric, 12, FAMILY, Attribute::True),
            Kind::Number | Kind::Exponential => {}
        }
    }
}

enum Attribute<'a> {
    Text(&'a str),
    True,
}

/// A `KeyValue` as the field `field` of a message.
fn put_attribute(buffer: &mut Vec<u8>, field: u32, key: &str, value: Attribute<'_>) {
    let value_length = match value {
        Attribute::Text(text) => delimited(text.len()),
        Attribute::True => 2,
    };
    put_tag(buffer, field, 2);
    put_length(buffer, delimited(key.len()) + delimited(value_length));
    put_bytes(buffer, 1, key.as_bytes());
    put_tag(buffer, 2, 2);
    put_length(buffer, value_length);
    match value {
        Attribute::Text(text) => put_bytes(buffer, 1, text.as_bytes()),
        Attribute::True => buffer.extend_from_slice(&[2 << 3, 1]),
    }
}

/// The bytes of a length-delimited field of a number below 16 with so many bytes in it.
fn delimited(length: usize) -> usize {
    1 + prost::encoding::encoded_len_varint(length as u64) + length
}

fn put_bytes(buffer: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_tag(buffer, field, 2);
    put_length(buffer, bytes.len());
    buffer.extend_from_slice(bytes);
}

/// A varint; nearly all are of one byte.
#[inline]
fn put_length(buffer: &mut Vec<u8>, length: usize) {
    match length {
        0..0x80 => buffer.push(length as u8),
        _ => prost::encoding::encode_varint(length as u64, buffer),
    }
}

/// All field numbers here are below 16, so that a tag is one byte.
fn put_tag(buffer: &mut Vec<u8>, field: u32, wire_type: u8) {
    buffer.push((field as u8) << 3 | wire_type);
}
