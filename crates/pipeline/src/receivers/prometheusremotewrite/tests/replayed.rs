//! After a crash samples are judged as before it.

use trefoil_prometheus::remote::Histogram;

use super::native::{custom, integers, request};
use super::straight::{Store, open};
use super::*;

const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

fn number(value: f64, millis: i64) -> Vec<u8> {
    series(&[labels("__name__=m job=a"), sample(value, NOW_MS + millis)])
}

fn histogram(of: Histogram, change: fn(&mut Histogram)) -> Vec<u8> {
    let mut histogram = of;
    change(&mut histogram);
    request(&[histogram])
}

#[test]
fn another_value_at_the_time_of_the_last_sample_is_refused() {
    let first = number(1.0, 0);
    let two_more = |value| number(value, 1);
    let end = number(STALE, 1);
    let cases = [
        ("the first of a series", vec![first.clone()], first.clone(), number(2.0, 0)),
        ("a later one", vec![first.clone(), two_more(2.0)], two_more(2.0), two_more(3.0)),
        ("an end that is the first", vec![number(STALE, 0)], number(STALE, 0), first.clone()),
        ("an end of a known series", vec![first, end.clone()], end, two_more(2.0)),
        (
            "an exponential histogram",
            vec![histogram(integers(), |_| ())],
            histogram(integers(), |h| h.reset_hint = 2),
            histogram(integers(), |h| h.sum = 1.0),
        ),
        (
            "one of fractions",
            vec![histogram(fractions(), |_| ())],
            histogram(fractions(), |_| ()),
            histogram(fractions(), |h| h.count_float = Some(12.25)),
        ),
        (
            "one of custom buckets",
            vec![histogram(custom(), |_| ())],
            histogram(custom(), |_| ()),
            histogram(custom(), |h| h.custom_values[2] = 3.0),
        ),
        (
            "the end of one",
            vec![histogram(integers(), |h| h.sum = STALE)],
            histogram(integers(), |h| h.sum = STALE),
            histogram(integers(), |_| ()),
        ),
    ];
    for (what, before, same, other) in cases {
        let mut store = Store::new(open());
        for body in before {
            assert_eq!(store.write(Version::V1, &body).1.report.refused, 0, "{what}");
        }
        for (when, mut store) in [("after a crash", store.replayed(open())), ("before", store)] {
            store.stored.clear();
            let (_, again) = store.write(Version::V1, &same);
            assert_eq!((again.report.refused, store.stored.len()), (0, 0), "{what}, {when}: it is stored already");
            let (_, contradiction) = store.write(Version::V1, &other);
            assert_eq!((contradiction.report.refused, store.stored.len()), (1, 0), "{what}, {when}");
        }
    }
}

fn fractions() -> Histogram {
    Histogram {
        count_int: None,
        count_float: Some(12.5),
        zero_count_int: None,
        positive_deltas: vec![],
        positive_counts: vec![1.0, 2.0, 1.0, 1.5],
        negative_deltas: vec![],
        negative_counts: vec![2.0, 3.0],
        ..integers()
    }
}

#[test]
fn an_exemplar_without_a_sample_is_no_last_sample() {
    let mut store = Store::new(open());
    store.write(Version::V1, &number(1.0, 0));
    let stray = series(&[labels("__name__=m job=a"), exemplar("trace_id=x", 1.0, NOW_MS + 5)]);
    store.write(Version::V1, &stray);
    let mut store = store.replayed(open());
    assert_eq!(store.write(Version::V1, &number(7.0, 5)).1.report.refused, 0);
}
