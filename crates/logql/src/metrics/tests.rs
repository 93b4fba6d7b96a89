//! What is added up line by line against what the definitions say, window by window.

use proptest::prelude::*;
use trefoil_promql::labels::Labels;

use super::*;
use crate::ast::RangeOp;

const LIMITS: Limits = Limits { series: 10, bytes: 1 << 20 };

/// A line: which series it is of, its time and its value.
type Line = (usize, i64, f64);

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let value = prop_oneof![8 => -100.0..100.0, 2 => Just(0.0), 1 => Just(1e9)];
    prop::collection::vec((0..3_usize, -60_i64..160, value), 0..80)
}

/// By series and step.
type Values = Vec<(String, Vec<(i64, f64)>)>;

fn added_up(function: Function, grid: Grid, lines: &[Line]) -> Values {
    values_of(accumulated(function, grid, lines))
}

fn values_of(accumulator: Accumulator) -> Values {
    let series = accumulator.finish(&|| Ok(())).unwrap();
    let values = series.into_iter().map(|series| {
        let points = series.samples.times.iter().copied().zip(series.samples.floats).collect();
        (series.labels.get("a").to_owned(), points)
    });
    values.collect()
}

fn accumulated(function: Function, grid: Grid, lines: &[Line]) -> Accumulator {
    let labels = SeriesLabels::Without(Vec::new());
    let mut accumulator = Accumulator::new(function, labels, grid, LIMITS).unwrap();
    for (name, time, value) in lines {
        let name = name.to_string();
        let series = accumulator.series([("a", name.as_str())]).unwrap();
        accumulator.add(series, *time, *value).unwrap();
    }
    accumulator
}

fn by_definition(function: Function, grid: Grid, lines: &[Line]) -> Values {
    let mut all = Vec::new();
    for name in 0..3 {
        let mut of_series: Vec<(i64, f64)> =
            lines.iter().filter(|line| line.0 == name).map(|(_, time, value)| (*time, *value)).collect();
        of_series.sort_by_key(|(time, _)| *time);
        let mut points = Vec::new();
        for step in 0..grid.count() {
            let end = grid.at(step) - function.offset;
            let window: Vec<(i64, f64)> =
                of_series.iter().filter(|(time, _)| *time > end - function.range && *time <= end).copied().collect();
            if !window.is_empty() {
                points.push((step as i64, value(function, end, &window)));
            }
        }
        if !points.is_empty() {
            all.push((name.to_string(), points));
        }
    }
    all
}

fn value(function: Function, end: i64, timed: &[(i64, f64)]) -> f64 {
    let window: Vec<f64> = timed.iter().map(|(_, value)| *value).collect();
    let (count, seconds) = (window.len() as f64, function.range as f64 / 1e9);
    let sum: f64 = window.iter().sum();
    let variance = window.iter().map(|value| (value - sum / count).powi(2)).sum::<f64>() / count;
    match function.op {
        RangeOp::CountOverTime => count,
        RangeOp::Rate if !function.of_values => count / seconds,
        RangeOp::Rate | RangeOp::BytesRate => sum / seconds,
        RangeOp::BytesOverTime | RangeOp::SumOverTime => sum,
        RangeOp::AvgOverTime => sum / count,
        RangeOp::MinOverTime => window.iter().copied().fold(f64::INFINITY, f64::min),
        RangeOp::MaxOverTime => window.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        RangeOp::StdvarOverTime => variance,
        RangeOp::StddevOverTime => variance.sqrt(),
        RangeOp::FirstOverTime => window[0],
        RangeOp::LastOverTime => window[window.len() - 1],
        RangeOp::QuantileOverTime => {
            let mut sorted = window.to_vec();
            sorted.sort_by(f64::total_cmp);
            let rank = function.quantile * (count - 1.0);
            let (below, above) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
            below + (above - below) * rank.fract()
        }
        RangeOp::RateCounter if window.len() == 1 => 0.0,
        RangeOp::RateCounter => {
            let grown: f64 =
                window.windows(2).map(|pair| if pair[1] < pair[0] { pair[1] } else { pair[1] - pair[0] }).sum();
            let distance = |from: i64, to: i64| (to - from) as f64 / 1e9;
            let (first, last) = (timed[0], timed[timed.len() - 1]);
            let sampled = distance(first.0, last.0);
            if sampled == 0.0 {
                return grown / seconds;
            }
            let average = sampled / (count - 1.0);
            let mut before = distance(end - function.range, first.0);
            if before >= 1.1 * average {
                before = average / 2.0;
            }
            if grown > 0.0 && first.1 >= 0.0 && sampled * first.1 / grown < before {
                before = sampled * first.1 / grown;
            }
            let behind = distance(last.0, end);
            let behind = if behind >= 1.1 * average { average / 2.0 } else { behind };
            grown * (before + sampled + behind) / sampled / seconds
        }
        RangeOp::AbsentOverTime => unreachable!(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_function_is_what_its_definition_says(
        lines in lines(), start in -20_i64..20, count in 1_i64..14, step in 1_i64..12, range in 1_i64..90,
        offset in -20_i64..20, quantile in 0.0..=1.0,
    ) {
        let grid = Grid::range(start, start + (count - 1) * step, step);
        for op in RangeOp::ALL.into_iter().filter(|op| *op != RangeOp::AbsentOverTime) {
            for of_values in [false, true] {
                let function = Function { op, quantile, of_values, range, offset, errors: Errors::Fail };
                let (found, expected) = (added_up(function, grid, &lines), by_definition(function, grid, &lines));
                prop_assert_eq!(found.len(), expected.len(), "{}", op.name());
                for ((name, found), (expected_name, expected)) in found.iter().zip(&expected) {
                    prop_assert_eq!(name, expected_name);
                    prop_assert_eq!(found.len(), expected.len(), "{}", op.name());
                    for ((step, found), (expected_step, expected)) in found.iter().zip(expected) {
                        prop_assert_eq!(step, expected_step);
                        // Of values as large as 1e9 the variance loses half of its digits, and a rate the more the shorter
                        // its range is.
                        let unit = match op {
                            RangeOp::Rate | RangeOp::BytesRate | RangeOp::RateCounter => 1e9 / range as f64,
                            _ => 1.0,
                        };
                        let lost = if op == RangeOp::StddevOverTime { 1e-2 } else { 0.0 };
                        let about = 1e-6 * expected.abs().max(unit) + lost;
                        prop_assert!((found - expected).abs() <= about, "{} {} {}", op.name(), found, expected);
                    }
                }
            }
        }
    }

    #[test]
    fn the_order_of_lines_does_not_matter(
        lines in lines(), seed: u64, step in 1_i64..12, range in 1_i64..90,
    ) {
        // Each time once: of lines at one time the first and the last depend on the order.
        let lines: Vec<Line> = lines.iter().enumerate().map(|(place, (name, _, value))| (*name, place as i64 * 2, value.round())).collect();
        let mut shuffled = lines.clone();
        let mut state = seed | 1;
        for place in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(place, (state >> 33) as usize % (place + 1));
        }
        let grid = Grid::range(0, 100, step);
        for op in RangeOp::ALL {
            let function = Function { op, quantile: 0.3, of_values: true, range, offset: 0, errors: Errors::Fail };
            let (a, b) = (added_up(function, grid, &lines), added_up(function, grid, &shuffled));
            let exact = !matches!(op, RangeOp::StdvarOverTime | RangeOp::StddevOverTime);
            prop_assert!(!exact || a == b, "{} {:?} {:?}", op.name(), a, b);
            prop_assert_eq!(a.len(), b.len());
        }
    }

    #[test]
    fn lines_may_be_added_up_apart(lines in lines(), cut in 0..80_usize, step in 1_i64..12, range in 1_i64..90) {
        let grid = Grid::range(0, 100, step);
        // Whole numbers have no order that they must be added in, and each time is there once.
        let lines: Vec<Line> = lines.iter().enumerate().map(|(place, (name, _, value))| (*name, place as i64 * 2, value.round())).collect();
        let (some, others) = lines.split_at(cut.min(lines.len()));
        for op in RangeOp::ALL {
            let function = Function { op, quantile: 0.3, of_values: true, range, offset: 0, errors: Errors::Fail };
            let whole = accumulated(function, grid, &lines);
            let mut merged = accumulated(function, grid, others);
            merged.merge(accumulated(function, grid, some)).unwrap();
            let (whole, merged) = (values_of(whole), values_of(merged));
            let points = |values: &Values| values.iter().flat_map(|(_, points)| points.clone()).collect::<Vec<_>>();
            let (whole_points, merged_points) = (points(&whole), points(&merged));
            prop_assert_eq!(whole_points.len(), merged_points.len());
            for ((step, a), (other, b)) in whole_points.into_iter().zip(merged_points) {
                prop_assert_eq!(step, other);
                // Variances depend on the order in their last digits.
                let about = if op == RangeOp::StddevOverTime { 1e-2 } else { 1e-6 * a.abs() };
                prop_assert!(a == b || (a - b).abs() <= about, "{} {} {}", op.name(), a, b);
            }
        }
        let function = Function { op: RangeOp::Rate, quantile: 0.3, of_values: true, range, offset: 0, errors: Errors::Fail };
        let other = Function { range: range + 1, ..function };
        let mut merged = accumulated(function, grid, &lines);
        prop_assert!(merged.merge(accumulated(other, grid, &lines)).is_err());
    }

    #[test]
    fn what_is_settled_stays(mut lines in lines(), cuts in prop::collection::vec(0..80_usize, 0..4), step in 1_i64..12, range in 1_i64..90) {
        lines.sort_by_key(|(_, time, _)| *time);
        let grid = Grid::range(0, 100, step);
        for op in [RangeOp::QuantileOverTime, RangeOp::RateCounter, RangeOp::CountOverTime] {
            let function = Function { op, quantile: 0.3, of_values: true, range, offset: 0, errors: Errors::Fail };
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(lines.len())).chain([0, lines.len()]).collect();
            cuts.sort_unstable();
            let mut settled = accumulated(function, grid, &[]);
            for part in cuts.windows(2) {
                settled.merge(accumulated(function, grid, &lines[part[0]..part[1]])).unwrap();
                settled.settle(lines.get(part[1]).map_or(i64::MAX, |(_, time, _)| *time), &|| Ok(())).unwrap();
            }
            prop_assert_eq!(values_of(settled), added_up(function, grid, &lines), "{}", op.name());
        }
    }

    #[test]
    fn lines_may_be_counted_at_once(lines in lines(), is_sorted: bool, step in 1_i64..12, range in 1_i64..90, offset in -9_i64..9) {
        let grid = Grid::range(0, 100, step);
        for op in RangeOp::ALL {
            let function = Function { op, quantile: 0.3, of_values: false, range, offset, errors: Errors::Fail };
            let mut times: Vec<i64> = lines.iter().map(|(_, time, _)| *time).collect();
            if is_sorted {
                times.sort_unstable();
            }
            let [mut at_once, mut one_by_one] = [(); 2].map(|()| accumulated(function, grid, &[]));
            let series = at_once.series([("a", "0")]).unwrap();
            at_once.add_all(series, &times, 1.0).unwrap();
            let series = one_by_one.series([("a", "0")]).unwrap();
            times.iter().for_each(|time| one_by_one.add(series, *time, 1.0).unwrap());
            prop_assert_eq!(values_of(at_once), values_of(one_by_one), "{}", op.name());
        }
    }

    #[test]
    fn absence_is_where_nothing_is(lines in lines(), step in 1_i64..12, range in 1_i64..40) {
        let grid = Grid::range(0, 100, step);
        let labels = Labels::from_pairs([("app", "x")]);
        let function =
            Function { op: RangeOp::AbsentOverTime, quantile: 0.0, of_values: false, range, offset: 0, errors: Errors::Fail };
        let mut accumulator = Accumulator::new(function, SeriesLabels::Constant(labels.clone()), grid, LIMITS).unwrap();
        for (name, time, _) in &lines {
            let series = accumulator.series([("b", name.to_string().as_str())]).unwrap();
            accumulator.add(series, *time, 0.0).unwrap();
        }
        let series = accumulator.finish(&|| Ok(())).unwrap();
        let found: Vec<i64> = series.iter().flat_map(|series| series.samples.times.to_vec()).collect();
        let is_absent = |step: &usize| {
            let end = grid.at(*step);
            !lines.iter().any(|(_, time, _)| *time > end - range && *time <= end)
        };
        let expected: Vec<i64> = (0..grid.count()).filter(is_absent).map(|step| step as i64).collect();
        prop_assert_eq!(found, expected);
        prop_assert!(series.iter().all(|series| series.labels == labels));
    }
}

#[test]
fn what_is_held_is_bounded() {
    let function = |op| Function { op, quantile: 0.5, of_values: true, range: 10, offset: 0, errors: Errors::Fail };
    let grid = Grid::range(0, 999, 1);
    let labels = || SeriesLabels::By(vec!["a".to_owned()]);
    let limits = Limits { series: 3, bytes: 100_000 };
    let fill = |op, limits: Limits| {
        let mut accumulator = Accumulator::new(function(op), labels(), grid, limits)?;
        for index in 0..10_u8 {
            let value = index.to_string();
            let series = accumulator.series([("a", value.as_str())])?;
            accumulator.add(series, i64::from(index), 1.0)?;
        }
        Ok::<_, MetricsError>(accumulator.bytes())
    };
    assert_eq!(fill(RangeOp::SumOverTime, limits), Err(MetricsError::TooManySeries(3)));
    // A piece takes 24 bytes, of which a series has 1,009.
    let limits = Limits { series: 100, ..limits };
    assert_eq!(fill(RangeOp::SumOverTime, limits), Err(MetricsError::TooMuchMemory { series: 5, limit: 100_000 }));
    let held = fill(RangeOp::SumOverTime, Limits { bytes: 1_000_000, ..limits }).unwrap();
    assert!((240_000..260_000).contains(&held), "{held}");

    let mut accumulator = Accumulator::new(function(RangeOp::QuantileOverTime), labels(), grid, limits).unwrap();
    let series = accumulator.series([("a", "1")]).unwrap();
    let error = (0..100_000).find_map(|_| accumulator.add(series, 5, 1.0).err()).unwrap();
    assert!(error.to_string().contains("more than 100000 bytes"), "{error}");

    let mut accumulator = Accumulator::new(function(RangeOp::QuantileOverTime), labels(), grid, limits).unwrap();
    let series = accumulator.series([("a", "1")]).unwrap();
    for time in 0..100 {
        (0..500).for_each(|value| accumulator.add(series, time, f64::from(value)).unwrap());
        accumulator.settle(time + 1, &|| Ok(())).unwrap();
    }
    let values = values_of(accumulator);
    assert!(values[0].1.iter().all(|(_, value)| *value == 249.5) && values[0].1.len() == 109);

    let mut accumulator = Accumulator::new(function(RangeOp::QuantileOverTime), labels(), grid, limits).unwrap();
    let series = accumulator.series([("a", "1")]).unwrap();
    accumulator.add(series, 5, 1.0).unwrap();
    let is_over = || Err(trefoil_promql::error::EvalError::Canceled);
    assert!(accumulator.settle(i64::MAX, &is_over).is_err());
}
