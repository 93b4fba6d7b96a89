//! Series by what tells them apart, as many as there is room for.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, exemplar};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::connectors::spans::Ids;
use crate::connectors::spans::attributes::attribute;

/// The only attribute of what found no room (OpenTelemetry's "cardinality limits").
const OVERFLOW: &str = "otel.metric.overflow";

/// What is known of a series. Times are Unix nanoseconds.
#[derive(Debug, Clone)]
pub struct Series<V> {
    pub attributes: Vec<KeyValue>,
    /// When it was first counted.
    pub start: u64,
    /// When it was last counted.
    pub seen: u64,
    /// A point has said that it begins.
    has_begun: bool,
    pub value: V,
}

impl<V> Series<V> {
    fn new(attributes: Vec<KeyValue>, now: u64, value: V) -> Self {
        Self { attributes, start: now, seen: now, has_begun: false, value }
    }

    /// Once, if it began before `now`: when that was. A point of zero then lets rates tell what was counted before the first point.
    pub fn beginning(&mut self, now: u64) -> Option<u64> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        (is_first && self.start < now).then_some(self.start)
    }
}

/// How many series there may be.
#[derive(Debug)]
pub struct Room<'r> {
    /// In this table.
    pub table: usize,
    /// In all tables together, now and at most.
    pub taken: &'r mut usize,
    pub all: usize,
}

/// Series in the order in which they came. Keys are bytes that are equal for the same series only.
#[derive(Debug)]
pub struct Table<V> {
    places: HashMap<Box<[u8]>, usize, Hashing>,
    series: Vec<Series<V>>,
    overflow: Option<Series<V>>,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { places: HashMap::default(), series: Vec::new(), overflow: None }
    }
}

impl<V> Table<V> {
    /// The series of a key, made where it is new and there is room; else the one for all that found none, and `true`.
    pub fn entry(
        &mut self,
        key: &[u8],
        room: Room<'_>,
        now: u64,
        attributes: impl FnOnce() -> Vec<KeyValue>,
        value: impl FnOnce() -> V,
    ) -> (&mut Series<V>, bool) {
        let place = match self.places.get(key) {
            Some(place) => *place,
            None if self.series.len() >= room.table || *room.taken >= room.all => {
                return (self.overflow(now, value), true);
            }
            None => {
                *room.taken += 1;
                self.places.insert(key.into(), self.series.len());
                self.series.push(Series::new(attributes(), now, value()));
                self.series.len() - 1
            }
        };
        let series = &mut self.series[place];
        series.seen = now;
        (series, false)
    }

    /// The series for all that found no room.
    pub fn overflow(&mut self, now: u64, value: impl FnOnce() -> V) -> &mut Series<V> {
        let attributes = || vec![attribute(OVERFLOW, Value::BoolValue(true))];
        let series = self.overflow.get_or_insert_with(|| Series::new(attributes(), now, value()));
        series.seen = now;
        series
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Series<V>> {
        self.series.iter_mut().chain(&mut self.overflow)
    }

    /// The keys of [`Table::iter_mut`], in its order; that of the overflow is empty.
    pub fn keys(&self) -> Vec<&[u8]> {
        let mut keys = vec![&[][..]; self.series.len() + usize::from(self.overflow.is_some())];
        self.places.iter().for_each(|(key, place)| keys[*place] = key);
        keys
    }

    /// Without that of the overflow.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.overflow.is_none()
    }

    /// Forgets those that are not wanted; returns how many that were, the overflow not counted.
    pub fn retain(&mut self, wanted: impl Fn(&Series<V>) -> bool) -> usize {
        self.overflow = self.overflow.take().filter(&wanted);
        if self.series.iter().all(&wanted) {
            return 0;
        }
        let before = self.series.len();
        let mut moved = Vec::with_capacity(before);
        let mut kept = Vec::new();
        for series in std::mem::take(&mut self.series) {
            let stays = wanted(&series);
            moved.push(stays.then_some(kept.len()));
            if stays {
                kept.push(series);
            }
        }
        self.series = kept;
        self.places.retain(|_, place| match moved[*place] {
            Some(next) => {
                *place = next;
                true
            }
            None => false,
        });
        before - self.series.len()
    }
}

/// Hashes keys with a seed of this process: whoever chooses the keys cannot choose their hashes.
#[derive(Debug, Clone)]
pub struct Hashing(u64);

impl Default for Hashing {
    fn default() -> Self {
        Self(fastrand::u64(..))
    }
}

impl Hashing {
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        xxh3_64_with_seed(bytes, self.0)
    }
}

impl BuildHasher for Hashing {
    type Hasher = Running;

    fn build_hasher(&self) -> Running {
        Running(self.0)
    }
}

#[derive(Debug)]
pub struct Running(u64);

impl Hasher for Running {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// Of the length before the bytes.
    fn write_usize(&mut self, number: usize) {
        self.0 ^= number as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The first few examples since a series was last told of.
#[derive(Debug, Clone, Default)]
pub struct Exemplars(Vec<(Ids, f64, u64)>);

impl Exemplars {
    /// `most`: 0 keeps none.
    #[inline]
    pub fn offer(&mut self, most: usize, ids: Option<Ids>, value: f64, time: u64) {
        if self.0.len() < most
            && let Some(ids) = ids
        {
            self.0.push((ids, value, time));
        }
    }

    pub fn take(&mut self) -> Vec<Exemplar> {
        let exemplar = |(ids, value, time): (Ids, f64, u64)| Exemplar {
            time_unix_nano: time,
            trace_id: ids.trace_id.to_vec(),
            span_id: ids.span_id.to_vec(),
            value: Some(exemplar::Value::AsDouble(value)),
            ..Exemplar::default()
        };
        std::mem::take(&mut self.0).into_iter().map(exemplar).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(table: &mut Table<u64>, key: &[u8], taken: &mut usize, now: u64) -> bool {
        let room = Room { table: 3, taken, all: 4 };
        let (series, is_overflow) = table.entry(key, room, now, Vec::new, || 0);
        series.value += 1;
        is_overflow
    }

    #[test]
    fn what_finds_no_room_is_counted_together() {
        let (mut one, mut other, mut taken) = (Table::default(), Table::default(), 0);
        for key in [b"a", b"b", b"a", b"c"] {
            assert!(!count(&mut one, key, &mut taken, 1));
        }
        assert!(count(&mut one, b"d", &mut taken, 2), "the table is full");
        assert!(!count(&mut other, b"a", &mut taken, 2));
        assert!(count(&mut other, b"b", &mut taken, 2), "all are full");
        assert!(!count(&mut one, b"c", &mut taken, 3), "what is known has its place");
        assert_eq!(taken, 4);
        let values: Vec<(u64, u64)> = one.iter_mut().map(|series| (series.value, series.seen)).collect();
        assert_eq!(values, [(2, 1), (1, 1), (2, 3), (1, 2)]);
        assert_eq!(one.keys(), [&b"a"[..], b"b", b"c", b""]);
    }

    #[test]
    fn what_is_forgotten_begins_anew() {
        let (mut table, mut taken) = (Table::default(), 0);
        for (now, key) in [b"a", b"b", b"c", b"d"].into_iter().enumerate() {
            count(&mut table, key, &mut taken, now as u64);
        }
        assert_eq!(table.retain(|series| series.seen == 1), 2);
        taken -= 2;
        assert_eq!((table.len(), table.keys()), (1, vec![&b"b"[..]]));
        assert!(!count(&mut table, b"a", &mut taken, 9));
        let values: Vec<(u64, u64)> = table.iter_mut().map(|series| (series.value, series.start)).collect();
        assert_eq!(values, [(1, 1), (1, 9)]);
    }
}
