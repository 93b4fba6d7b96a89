use super::*;
use crate::ast::{Expr, Intrinsic};
use proptest::prelude::*;

fn parsed(query: &str) -> Metrics {
    match crate::parse(query).unwrap().expr {
        Expr::Metrics(metrics) => metrics,
        Expr::Search(_) => panic!("{query} makes no series"),
    }
}

fn series(labels: &[(&str, i64)], values: &[f64]) -> Series {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), Value::Int(*value)));
    Series { labels: labels.collect(), values: values.to_vec(), exemplars: Vec::new() }
}

#[test]
fn intervals_are_closed_at_their_right() {
    let grid = Grid::aligned(100, 130, 10);
    assert_eq!((grid.bounds(), grid.count()), ((90, 130), 4));
    assert_eq!(
        [90, 91, 100, 101, 130, 131].map(|time| grid.place(time)),
        [None, Some(0), Some(0), Some(1), Some(3), None]
    );
    assert_eq!((0..4).map(|place| grid.time(place)).collect::<Vec<_>>(), [100, 110, 120, 130]);
    // Ends that are no multiples are covered.
    assert_eq!(Grid::aligned(103, 127, 10).bounds(), (90, 130));
    // An interval that has not ended is none.
    assert_eq!(Grid::aligned(100, 130, 10).until(125).bounds(), (90, 120));
    assert_eq!(Grid::aligned(100, 130, 10).until(50).count(), 0);
    let single = Grid::single(5, 25);
    assert_eq!([5, 6, 25, 26].map(|time| single.place(time)), [None, Some(0), Some(0), None]);
}

#[test]
fn sides_go_together_by_labels() {
    let grid = Grid::single(0, 2);
    let both = |query: &str, left: Vec<Series>, right: Vec<Series>| {
        let mut found = combined(&parsed(query), &grid, &mut [left, right].into_iter());
        found.sort_by_key(|series| format!("{:?}", series.labels));
        found.into_iter().map(|series| (series.labels.len(), series.values[0])).collect::<Vec<_>>()
    };
    let grouped = || vec![series(&[("a", 1)], &[6.0]), series(&[("a", 2)], &[8.0])];
    let alone = || vec![series(&[], &[2.0])];
    let query = "({ } | rate()) / ({ } | rate())";
    assert_eq!(both(query, grouped(), alone()), [(1, 3.0), (1, 4.0)]);
    assert_eq!(both(query, alone(), vec![series(&[("a", 1)], &[4.0])]), [(1, 0.5)]);
    assert_eq!(both(query, grouped(), vec![series(&[("a", 2)], &[4.0])]), [(1, 2.0)]);
    assert_eq!(both(query, grouped(), vec![series(&[("b", 2)], &[4.0])]), []);
    let divided = both(query, alone(), vec![series(&[], &[0.0])]);
    assert!(divided.len() == 1 && divided[0].1.is_nan());
}

#[test]
fn of_equal_values_those_named_first_are_kept() {
    let grid = Grid::single(0, 2);
    let given = || vec![series(&[("a", 3)], &[1.0]), series(&[("a", 1)], &[1.0]), series(&[("a", 2)], &[5.0])];
    let kept = |query: &str| {
        let found = combined(&parsed(query), &grid, &mut [given()].into_iter());
        found.iter().map(|series| series.labels[0].1.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(kept("{ } | rate() by (.a) | topk(2)"), ["1", "2"]);
    assert_eq!(kept("{ } | rate() by (.a) | bottomk(1)"), ["1"]);
    assert_eq!(kept("{ } | rate() by (.a) > 1"), ["2"]);
}

#[test]
fn room_is_spread_over_time() {
    let mut room = Room::new(4, &Grid::aligned(100, 200, 10));
    for (time, expected) in [(101, true), (102, true), (103, false), (190, true), (191, true), (192, false)] {
        assert_eq!(room.has(time), expected, "{time}");
        if expected {
            room.take(time);
        }
    }
    assert!(room.is_full());
    assert!(!Room::new(0, &Grid::single(0, 1)).has(1));
}

proptest! {
    /// Sums, counts, extremes and means are what going through the numbers one after the other gives.
    #[test]
    fn numbers_over_time_are_those_of_the_spans(spans in prop::collection::vec((0i64..3, 1i64..40, 0i64..1000), 0..60)) {
        let grid = Grid::aligned(10, 40, 10);
        let by = [Attribute::Intrinsic(Intrinsic::ChildCount)];
        for name in ["count_over_time()", "sum_over_time(.n)", "min_over_time(.n)", "max_over_time(.n)", "avg_over_time(.n)"] {
            let metrics = parsed(&format!("{{ }} | {name}"));
            let leaf = leaves(&metrics)[0];
            let mut aggregation = Aggregation::new(leaf.function, &by, grid).unwrap();
            for (group, time, number) in &spans {
                let group = aggregation.group(&[Value::Int(*group)]);
                if let Some(place) = grid.place(*time) {
                    aggregation.observe(group, place, &Value::Int(*number), 1.0);
                }
            }
            for found in aggregation.series() {
                let Value::Int(group) = found.labels[0].1 else { panic!() };
                for place in 0..grid.count() {
                    let numbers: Vec<f64> = spans
                        .iter()
                        .filter(|(of, time, _)| *of == group && grid.place(*time) == Some(place))
                        .map(|(.., number)| *number as f64)
                        .collect();
                    let sum: f64 = numbers.iter().sum();
                    let expected = match name {
                        "count_over_time()" => Some(numbers.len() as f64),
                        _ if numbers.is_empty() => None,
                        "sum_over_time(.n)" => Some(sum),
                        "min_over_time(.n)" => numbers.iter().copied().reduce(f64::min),
                        "max_over_time(.n)" => numbers.iter().copied().reduce(f64::max),
                        _ => Some(sum / numbers.len() as f64),
                    };
                    let found = found.values[place];
                    prop_assert!(expected.map_or(found.is_nan(), |expected| (found - expected).abs() < 1e-9), "{name}: {found} {expected:?}");
                }
            }
        }
    }
}
