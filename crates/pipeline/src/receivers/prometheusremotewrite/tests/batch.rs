//! What scrapes find, on its way into the store: the same rows as remote write, by either way.

use opentelemetry_proto::tonic::metrics::v1::{Exemplar, ExponentialHistogramDataPoint};
use std::sync::Arc;
use trefoil_model::active::Reason;

use super::straight::{Store, open};
use super::*;
use crate::receivers::prometheusremotewrite::batch::{Batch, Family, FoundSample, FoundSeries, Point};
use crate::receivers::prometheusremotewrite::groups::Kind;
use crate::receivers::prometheusremotewrite::histogram::Native;

fn found(labels: &str, unit: &str) -> Arc<FoundSeries> {
    let labels = labels.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
    let family = Family { unit: unit.to_owned(), number: 1, ..Family::default() };
    Arc::new(FoundSeries::new(Arc::new(labels), Arc::new(family)))
}

fn at(series: &Arc<FoundSeries>, millis: i64, point: Point) -> FoundSample {
    let time = (NOW_MS + millis) as u64 * 1_000_000;
    FoundSample { series: series.clone(), time, start: 0, point, exemplars: Vec::new() }
}

fn one(samples: Vec<FoundSample>) -> Batch {
    let mut batches = Batch::part(samples, usize::MAX);
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}

#[test]
fn a_series_is_known_after_its_first_sample_and_is_that_of_remote_write() {
    let mut store = Store::new(open());
    let series = found("__name__=m a=1 B=2", "");
    for (millis, short) in [(0, 0), (1, 1), (2, 1)] {
        let (known, translated) = store.scrape(&one(vec![at(&series, millis, Point::Float(3.0))]));
        assert_eq!((known, translated.points, translated.report.written.samples), (short, 1 - short as u64, 1));
    }
    let sent = super::series(&[labels("__name__=m a=1 B=2"), sample(3.0, NOW_MS + 3)]);
    store.write(Version::V1, &sent);
    assert!(store.stored.windows(2).all(|pair| pair[0].0 == pair[1].0), "{:?}", store.stored);
    let (known, _) = store.scrape(&one(vec![at(&found("__name__=m a=1 B=2", "s"), 4, Point::Float(3.0))]));
    assert_eq!(known, 0, "the unit makes another series");
}

#[test]
fn samples_are_judged_by_either_way() {
    for way in ["long", "short"] {
        let mut store = Store::new(open());
        let series = found("__name__=m", "");
        store.scrape(&one(vec![at(&series, 0, Point::Float(1.0))]));
        if way == "long" {
            store.series.active().forget_rows();
        }
        store.stored.clear();
        let hour = 3_600_000;
        let samples = [(0, 1.0), (0, 2.0), (-hour - 1, 3.0), (600_001, 4.0), (-hour, 5.0), (1, 6.0)];
        let samples = samples.map(|(millis, value)| at(&series, millis, Point::Float(value)));
        let (_, translated) = store.scrape(&one(samples.into()));
        assert_eq!((translated.report.written.samples, translated.report.refused), (3, 3), "{way}");
        for reason in [Reason::NewValue, Reason::TooOld, Reason::TooFarInFuture] {
            assert_eq!(translated.report.reasons[reason as usize], 1, "{way}: {reason:?}");
        }
        let values: Vec<_> = store.stored.iter().map(|row| row.2).collect();
        assert_eq!(values, [Some(5), Some(6)], "{way}");
    }
}

#[test]
fn ends_starts_and_exemplars_of_known_series_are_kept() {
    let mut store = Store::new(open());
    let series = found("__name__=m", "");
    store.scrape(&one(vec![at(&series, 0, Point::Float(1.0))]));
    let exemplars = vec![Exemplar { span_id: vec![1; 8], ..Exemplar::default() }];
    let (known, translated) =
        store.scrape(&one(vec![FoundSample { exemplars, start: 7, ..at(&series, 1, Point::Float(2.0)) }]));
    assert_eq!((known, translated.report.written.exemplars), (1, 1));
    let point = &numbers(&metrics(&translated)[0])[0].clone();
    assert_eq!((point.value, point.exemplars.len()), (None, 1), "the value goes by the short way");
    let (known, _) = store.scrape(&one(vec![at(&series, 2, Point::end(Kind::Number))]));
    assert_eq!((known, store.stored.last().map(|row| row.2)), (1, Some(None)));

    let batch = one(vec![
        FoundSample { start: 7, ..at(&series, 3, Point::Float(2.0)) },
        at(&series, 4, Point::end(Kind::Number)),
    ]);
    let translated = batch.translate(1 << 20).unwrap();
    let metrics = metrics(&translated);
    let points = numbers(&metrics[0]);
    assert_eq!((points[0].start_time_unix_nano, points[1].value, points[1].flags), (7, None, 1), "as OTLP, too");
}

#[test]
fn histograms_twice_are_once() {
    let mut store = Store::new(open());
    let series = found("__name__=h", "");
    let histogram = |count| {
        Point::Native(Box::new(Native::Exponential(ExponentialHistogramDataPoint { count, ..Default::default() })))
    };
    for (count, points, refused) in [(1, 1, 0), (1, 0, 0), (2, 0, 1)] {
        let (known, translated) = store.scrape(&one(vec![at(&series, 0, histogram(count))]));
        assert_eq!((known, translated.points, translated.report.refused), (0, points, refused), "{count}");
    }
    let (_, translated) = store.scrape(&one(vec![at(&series, 1, Point::end(Kind::Exponential))]));
    assert_eq!((translated.points, translated.report.refused), (1, 0));
}

#[test]
fn batches_are_parted_by_size() {
    let series = found("__name__=m", "");
    let samples = || (0..10).map(|millis| at(&series, millis, Point::Float(1.0)));
    let points = |bytes| Batch::part(samples(), bytes).iter().map(Batch::points).collect::<Vec<_>>();
    assert_eq!(points(usize::MAX), [10]);
    assert_eq!(points(0), [1; 10], "no batch is empty");
    let four = 4 * Batch::part(samples().take(1), 0)[0].bytes();
    assert_eq!(points(four), [4, 4, 2]);
    assert!(Batch::part(Vec::new(), 1).is_empty());
}
