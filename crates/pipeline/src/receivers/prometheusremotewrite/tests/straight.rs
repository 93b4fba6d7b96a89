//! The short way into the store: the same rows as the long one, and judged.

use std::sync::Arc;

use trefoil_model::active::{Flight, LimitsByTenant, SeriesLimits};
use trefoil_model::decode::{DecodeContext, Stored, decode_again, decode_samples};
use trefoil_model::samples::KnownSamples;
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Table, Tenant};

use super::*;
use crate::receivers::prometheusremotewrite::batch::Batch;
use crate::receivers::prometheusremotewrite::report::Report;
use crate::receivers::prometheusremotewrite::translate::translate_for_store;

const SECOND: i64 = 1_000_000_000;

pub struct Store {
    pub series: SeriesIndex,
    /// Series ids of all rows of `samples`, as they came.
    pub stored: Vec<(u64, i64, Option<i64>)>,
    /// What the log would hold.
    log: Vec<(KnownSamples, Vec<u8>)>,
}

impl Store {
    pub fn new(limits: SeriesLimits) -> Self {
        let limits = LimitsByTenant { everybody: limits, tenants: Default::default() };
        Self { series: SeriesIndex::with_limits(1000, limits), stored: Vec::new(), log: Vec::new() }
    }

    /// After a crash: what the log brings back is known.
    pub fn replayed(&self, limits: SeriesLimits) -> Self {
        let again = Self { log: self.log.clone(), ..Self::new(limits) };
        let (promoted, limits) = (Promoted::default(), Limits::default());
        let context = DecodeContext {
            promoted: &promoted,
            limits: &limits,
            series: &again.series,
            received: NOW as i64,
            trace_ids: None,
        };
        for (samples, body) in &self.log {
            let stored = Stored { body, samples, refused_points: &[], is_judged: true };
            let decoded = decode_again(Signal::Metrics, &Tenant::default(), stored, &context).unwrap();
            again.series.remember(&Tenant::default(), &decoded.new_series);
        }
        again
    }

    /// What went the short way, and what was told.
    pub fn write(&mut self, version: Version, body: &[u8]) -> (usize, Translated) {
        let flight = Flight::begin(self.series.active().of(&Tenant::default()), NOW as i64);
        let remembered = Families::new();
        let surroundings = Surroundings { remembered: &remembered, now: NOW, limit: 1 << 20 };
        let (translated, flight, known) = translate_for_store(version, body, &surroundings, flight).unwrap();
        self.append(&known, &translated.body);
        flight.land();
        (known.len(), translated)
    }

    /// The same of what a scrape found.
    pub fn scrape(&mut self, batch: &Batch) -> (usize, Translated) {
        let flight = Flight::begin(self.series.active().of(&Tenant::default()), NOW as i64);
        let (translated, flight, known) = batch.translate_for_store(1 << 20, flight).unwrap();
        self.append(&known, &translated.body);
        flight.land();
        (known.len(), translated)
    }

    fn append(&mut self, known: &KnownSamples, rest: &[u8]) {
        let (promoted, limits) = (Promoted::default(), Limits::default());
        let context = DecodeContext {
            promoted: &promoted,
            limits: &limits,
            series: &self.series,
            received: NOW as i64,
            trace_ids: None,
        };
        let decoded = decode_samples(&Tenant::default(), known, rest, &context).unwrap();
        assert_eq!(decoded.rejected, 0, "{:?}", decoded.reasons);
        self.series.remember(&Tenant::default(), &decoded.new_series);
        self.log.push((known.clone(), rest.to_vec()));
        for (table, batch) in decoded.batches {
            if table == Table::Samples {
                use arrow::array::AsArray;
                use arrow::datatypes::{Int64Type, TimestampNanosecondType, UInt64Type};
                let column = |name| batch.column_by_name(name).unwrap();
                let ids = column("series_id").as_primitive::<UInt64Type>().values();
                let times = column("time_unix_nano").as_primitive::<TimestampNanosecondType>().values();
                let values = column("value_int").as_primitive::<Int64Type>();
                let rows = ids.iter().zip(times).zip(values);
                self.stored.extend(rows.map(|((id, time), value)| (*id, *time, value)));
            }
        }
    }
}

pub fn open() -> SeriesLimits {
    SeriesLimits { out_of_order_time_window: 3600 * SECOND, creation_grace_period: 600 * SECOND, ..SeriesLimits::NONE }
}

fn request(version: Version, value: f64, time: i64) -> Vec<u8> {
    let sample = sample(value, time);
    match version {
        Version::V1 => [
            series(&[labels("__name__=m a=1"), sample.clone()]),
            series(&[labels("__name__=m a=2"), sample.clone()]),
            series(&[labels("A=upper __name__=other z=9"), sample]),
        ]
        .concat(),
        Version::V2 => [
            symbols(&["", "__name__", "m", "a", "1", "2", "other", "A", "upper", "z", "9"]),
            series_v2(&[refs(&[1, 2, 3, 4]), sample.clone()]),
            series_v2(&[refs(&[1, 2, 3, 5]), sample.clone()]),
            series_v2(&[refs(&[7, 8, 1, 6, 9, 10]), sample]),
        ]
        .concat(),
    }
}

#[test]
fn known_series_are_the_same_by_either_way_and_in_either_version() {
    let mut store = Store::new(open());
    let expected = |round: i64| (0..3).map(|_| ((NOW_MS + round) * 1_000_000, Some(round))).collect::<Vec<_>>();
    for (round, version, short) in [(1, Version::V1, 0), (2, Version::V1, 3), (3, Version::V2, 0), (4, Version::V2, 3)]
    {
        let (known, translated) = store.write(version, &request(version, round as f64, NOW_MS + round));
        assert_eq!((known, translated.report.written.samples), (short, 3), "round {round}");
        assert_eq!(translated.body.is_empty(), short == 3);
        let rows: Vec<_> = store.stored.drain(..).collect();
        assert_eq!(rows.iter().map(|row| (row.1, row.2)).collect::<Vec<_>>(), expected(round));
    }
    assert_eq!(store.series.active().of(&Tenant::default()).count(), 3);
}

#[test]
fn ids_of_both_ways_are_equal() {
    let mut store = Store::new(open());
    store.write(Version::V1, &request(Version::V1, 1.0, NOW_MS));
    let mut first: Vec<u64> = store.stored.drain(..).map(|row| row.0).collect();
    store.write(Version::V1, &request(Version::V1, 2.0, NOW_MS + 1));
    let mut second: Vec<u64> = store.stored.drain(..).map(|row| row.0).collect();
    store.write(Version::V2, &request(Version::V2, 3.0, NOW_MS + 2));
    store.stored.clear();
    // Other numbers for the same texts.
    let other = [symbols(&["", "2", "a", "m", "__name__"]), series_v2(&[refs(&[4, 3, 2, 1]), sample(4.0, NOW_MS + 3)])]
        .concat();
    assert_eq!(store.write(Version::V2, &other).0, 1);
    assert!(second.contains(&store.stored[0].0));
    first.sort_unstable();
    second.sort_unstable();
    assert_eq!(first, second);
}

#[test]
fn a_unit_makes_another_series_in_2_0() {
    let mut store = Store::new(open());
    let with_unit = |unit: i64, time| {
        let metadata = bytes(5, [varint(1, 1), varint(4, unit)].concat());
        [symbols(&["", "__name__", "m", "s"]), series_v2(&[refs(&[1, 2]), sample(1.0, time), metadata])].concat()
    };
    for (unit, time, short) in [(0, 1, 0), (3, 2, 0), (0, 3, 1), (3, 4, 1)] {
        assert_eq!(store.write(Version::V2, &with_unit(unit, NOW_MS + time)).0, short, "{time}");
    }
    let ids: Vec<u64> = store.stored.iter().map(|row| row.0).collect();
    assert_eq!((ids[0], ids[1]), (ids[2], ids[3]));
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_new_day_goes_the_long_way_once() {
    let mut store = Store::new(SeriesLimits { creation_grace_period: i64::MAX, ..open() });
    let day = 86_400_000;
    for (time, short) in [(0, 0), (1, 3), (day, 0), (day + 1, 3), (2, 0)] {
        let at = NOW_MS + time;
        let window = if time == 2 { 0 } else { 3 };
        let (known, translated) = store.write(Version::V1, &request(Version::V1, time as f64, at));
        assert_eq!((known, translated.report.written.samples), (short, window), "{time}");
    }
}

#[test]
fn samples_are_refused_by_either_way_with_reasons() {
    for way in ["long", "short"] {
        let mut store = Store::new(open());
        store.write(Version::V1, &request(Version::V1, 1.0, NOW_MS));
        if way == "short" {
            assert_eq!(store.write(Version::V1, &request(Version::V1, 1.0, NOW_MS + 1)).0, 3);
        }
        let newest = if way == "short" { NOW_MS + 1 } else { NOW_MS };
        store.stored.clear();
        if way == "long" {
            store.series.active().forget_rows();
        }
        let body = series(&[
            labels("__name__=m a=1"),
            sample(1.0, newest),
            sample(2.0, newest),
            sample(3.0, newest - 3_600_001),
            sample(4.0, NOW_MS + 600_001),
            sample(5.0, newest - 3_600_000),
            sample(6.0, newest + 1),
        ]);
        let (_, translated) = store.write(Version::V1, &body);
        let Report { written, refused, .. } = &translated.report;
        assert_eq!((written.samples, *refused), (3, 3), "{way}");
        let message = translated.report.message().unwrap();
        for part in ["duplicate sample for timestamp", "too old sample", "too far in the future", r#"m", a="1""#] {
            assert!(message.contains(part), "{way}: {part} is not in {message}");
        }
        let values: Vec<_> = store.stored.iter().map(|row| row.2).collect();
        assert_eq!(values, [Some(5), Some(6)], "{way}");
    }
}

#[test]
fn limits_of_labels_and_series_cost_the_series_only() {
    let limits = SeriesLimits {
        max_active_series: 2,
        max_label_names_per_series: 3,
        max_label_name_length: 8,
        max_label_value_length: 9,
        ..open()
    };
    let mut store = Store::new(limits);
    let body = [
        "__name__=fine a=1",
        "__name__=fine a=1 b=2 c=3",
        "__name__=fine much_too_long=1",
        "__name__=fine a=much_too_long",
        "__name__=fine a=2",
        "__name__=fine a=3",
    ]
    .map(|text| series(&[labels(text), sample(1.0, NOW_MS)]));
    let (_, translated) = store.write(Version::V1, &body.concat());
    assert_eq!((translated.report.written.samples, translated.report.refused), (2, 4));
    let message = translated.report.message().unwrap();
    for part in ["label names per series", "label name too long", "label value too long", "per-user series limit of 2"]
    {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    let active = store.series.active().of(&Tenant::default());
    let discarded: Vec<u64> = active.discarded().map(|(_, count)| count).filter(|count| *count > 0).collect();
    assert_eq!(discarded, [1, 1, 1, 1]);
    // Those that are there go on.
    let again = series(&[labels("__name__=fine a=2"), sample(2.0, NOW_MS + 1)]);
    assert_eq!(store.write(Version::V1, &again).0, 1);
}

#[test]
fn histograms_and_exemplars_go_the_long_way_and_twice_is_once() {
    let mut store = Store::new(open());
    let histogram = |sum: f64| bytes(4, [varint(1, 0), double(3, sum), varint(4, 0), varint(15, NOW_MS)].concat());
    let body = |sum| series(&[labels("__name__=h"), histogram(sum)]);
    assert_eq!(store.write(Version::V1, &body(1.0)).1.report.written.histograms, 1);
    let (_, again) = store.write(Version::V1, &body(1.0));
    assert_eq!((again.report.written.histograms, again.points), (1, 0));
    let (_, other) = store.write(Version::V1, &body(2.0));
    assert_eq!((other.report.written.histograms, other.report.refused), (0, 1));

    let plain = series(&[labels("__name__=c"), sample(1.0, NOW_MS)]);
    store.write(Version::V1, &plain);
    let with_exemplar = series(&[labels("__name__=c"), sample(1.0, NOW_MS), exemplar("trace_id=1", 1.0, NOW_MS)]);
    let (_, translated) = store.write(Version::V1, &with_exemplar);
    let written = translated.report.written;
    assert_eq!((written.samples, written.exemplars), (1, 1));
    let point = &numbers(&metrics(&translated)[0])[0].clone();
    assert_eq!((point.value, point.exemplars.len()), (None, 1), "the sample is there already, the exemplar is not");
}

#[test]
fn a_lost_request_is_taken_again() {
    let store = Store::new(open());
    let active = store.series.active().of(&Tenant::default());
    let body = request(Version::V1, 1.0, NOW_MS);
    let remembered = Families::new();
    let surroundings = Surroundings { remembered: &remembered, now: NOW, limit: 1 << 20 };
    for _ in 0..2 {
        let flight = Flight::begin(Arc::clone(&active), NOW as i64);
        let (translated, flight, _) = translate_for_store(Version::V1, &body, &surroundings, flight).unwrap();
        assert_eq!(translated.points, 3);
        drop(flight);
    }
}
