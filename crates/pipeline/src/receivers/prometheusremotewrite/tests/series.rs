//! Samples, labels, exemplars and starts.

use super::*;
use crate::receivers::prometheusremotewrite::report::Written;
use opentelemetry_proto::tonic::metrics::v1::exemplar::Value as ExemplarValue;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;

#[test]
fn samples_become_gauge_points_of_their_metric() {
    let translated = v1(&[
        series(&[labels("__name__=up job=a"), sample(1.0, NOW_MS), sample(0.5, NOW_MS + 15)]),
        series(&[labels("__name__=down"), sample(2.0, NOW_MS)]),
        // Unsorted, and with a label of no value, which is as good as none.
        series(&[labels("job=b __name__=up"), label("zone", ""), sample(3.0, NOW_MS)]),
    ]);
    assert_eq!(translated.report.message(), None);
    assert_eq!(translated.report.written, Written { samples: 4, ..Written::default() });
    let metrics = metrics(&translated);
    let [up, down] = &metrics[..] else { panic!("{metrics:?}") };
    assert_eq!((up.name.as_str(), down.name.as_str()), ("up", "down"));
    assert_eq!(metadata(up), pairs("prometheus.type=unknown"));
    let told: Vec<_> = numbers(up).iter().map(|point| (attributes(&point.attributes), point.time_unix_nano)).collect();
    let expected = [(pairs("job=a"), NOW), (pairs("job=a"), NOW + 15_000_000), (pairs("job=b"), NOW)];
    assert_eq!(told, expected);
    assert_eq!(numbers(up)[1].value, Some(Number::AsDouble(0.5)));
    assert_eq!(numbers(down)[0].attributes, []);
}

#[test]
fn values_keep_their_bits_and_stale_markers_become_flags() {
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let values = [f64::NAN, f64::INFINITY, -0.0, 1e300, stale];
    let samples: Vec<u8> = values.iter().flat_map(|value| sample(*value, NOW_MS)).collect();
    let metrics = metrics(&v1(&[series(&[labels("__name__=m"), samples])]));
    let points = numbers(&metrics[0]);
    for (point, value) in points.iter().zip(&values[..4]) {
        let Some(Number::AsDouble(found)) = point.value else { panic!("{point:?}") };
        assert_eq!((found.to_bits(), point.flags), (value.to_bits(), 0));
    }
    assert_eq!((points[4].value, points[4].flags), (None, 1));
}

#[test]
fn the_second_version_refers_to_symbols_and_describes_every_series() {
    let translated = v2(&[
        // Field order is free: series before the symbols they need.
        series_v2(&[
            refs(&[1, 2, 3, 4]),
            sample(7.0, NOW_MS),
            bytes(5, [varint(1, 1), varint(3, 5), varint(4, 6)].concat()),
            varint(6, NOW_MS - 1000),
        ]),
        symbols(&["", "__name__", "requests_total", "job", "a", "How many.", "requests"]),
        // A start of the sample counts more than that of the series.
        series_v2(&[
            refs(&[1, 2]),
            bytes(2, [double(1, 1.0), varint(2, NOW_MS), varint(3, NOW_MS - 1)].concat()),
            varint(6, NOW_MS - 1000),
        ]),
    ]);
    let metrics = metrics(&translated);
    let [described, plain] = &metrics[..] else { panic!("{metrics:?}") };
    assert_eq!((described.description.as_str(), described.unit.as_str()), ("How many.", "requests"));
    assert_eq!(metadata(described), pairs("prometheus.type=counter"));
    assert_eq!(numbers(described)[0].start_time_unix_nano, NOW - 1_000_000_000);
    assert_eq!(metadata(plain), pairs("prometheus.type=unknown"));
    assert_eq!(numbers(plain)[0].start_time_unix_nano, NOW - 1_000_000);
}

#[test]
fn exemplars_are_with_the_nearest_point_and_lead_to_traces() {
    const TRACE: &str = "000102030405060708090a0b0c0d0e0f";
    let translated = v1(&[series(&[
        labels("__name__=h_bucket le=1"),
        sample(1.0, NOW_MS),
        sample(2.0, NOW_MS + 1000),
        exemplar(&format!("trace_id={TRACE} span_id=0102030405060708 user=me"), 0.5, NOW_MS + 900),
        exemplar("trace_id=0102030405060708 span_id=xyz", 0.25, 0),
        exemplar("", 0.125, NOW_MS - 5),
        exemplar("a=1 a=2", 9.0, NOW_MS),
    ])]);
    assert_eq!(translated.report.written, Written { samples: 2, exemplars: 3, histograms: 0 });
    let metrics = metrics(&translated);
    let [first, second] = numbers(&metrics[0]) else { panic!("{metrics:?}") };
    assert_eq!(first.exemplars[0].value, Some(ExemplarValue::AsDouble(0.125)));
    let [full, other] = &second.exemplars[..] else { panic!("{second:?}") };
    assert_eq!((full.trace_id.len(), full.span_id.as_slice()), (16, &[1, 2, 3, 4, 5, 6, 7, 8][..]));
    assert_eq!((full.time_unix_nano, attributes(&full.filtered_attributes)), (NOW + 900_000_000, pairs("user=me")));
    // Ids of 64 bits and what is no id stay what they are; without a time, the point's.
    assert_eq!((other.trace_id.len(), other.time_unix_nano), (0, NOW + 1_000_000_000));
    assert_eq!(attributes(&other.filtered_attributes), pairs("span_id=xyz trace_id=0102030405060708"));
}

#[test]
fn exemplars_that_come_as_series_of_their_own_find_their_samples() {
    let translated = v1(&[
        series(&[labels("__name__=c job=a"), exemplar("x=1", 1.0, NOW_MS)]),
        series(&[labels("__name__=c job=a"), sample(1.0, NOW_MS)]),
        series(&[labels("__name__=c job=b"), exemplar("x=2", 2.0, NOW_MS)]),
    ]);
    assert_eq!(translated.report.written, Written { samples: 1, exemplars: 2, histograms: 0 });
    assert_eq!((translated.report.message(), translated.report.refused), (None, 0));
    let metrics = metrics(&translated);
    let [with, without] = numbers(&metrics[0]) else { panic!("{metrics:?}") };
    assert_eq!((with.value, with.exemplars.len()), (Some(Number::AsDouble(1.0)), 1));
    // The samples come in another request: a point of no value, which is no marker of an end.
    assert_eq!((without.value, without.flags, without.exemplars.len()), (None, 0, 1));
    assert_eq!(attributes(&without.attributes), pairs("job=b"));
}
