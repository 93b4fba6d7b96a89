//! What is done with series once they are there: the greatest, those beyond a threshold, arithmetic.

use std::collections::{HashMap, HashSet};

use super::{Exemplar, Grid, Key, Labels, NAME, Series, key};
use crate::ast::{ArithmeticOp, CompareOp, Metrics, SecondStage};
use crate::value::Value;

/// The series of a query out of those of its parts ([`super::leaves`], in their order).
pub fn combined(metrics: &Metrics, grid: &Grid, parts: &mut impl Iterator<Item = Vec<Series>>) -> Vec<Series> {
    match metrics {
        Metrics::Query { .. } => parts.next().unwrap_or_default(),
        Metrics::Then { of, stage } => then(combined(of, grid, parts), stage, grid),
        Metrics::WithScalar { op, metrics, scalar, is_left } => {
            let of = |value: f64| match is_left {
                true => arithmetic(*op, *scalar, value),
                false => arithmetic(*op, value, *scalar),
            };
            let mut series = combined(metrics, grid, parts);
            for series in &mut series {
                series.values.iter_mut().for_each(|value| *value = of(*value));
                series.exemplars.iter_mut().for_each(|exemplar| exemplar.value = of(exemplar.value));
            }
            series
        }
        Metrics::Operation { op, left, right } => {
            let left = combined(left, grid, parts);
            operation(*op, left, combined(right, grid, parts))
        }
    }
}

fn then(series: Vec<Series>, stage: &SecondStage, grid: &Grid) -> Vec<Series> {
    match stage {
        SecondStage::TopK(count) => best(series, *count, grid, |a, b| b.total_cmp(&a)),
        SecondStage::BottomK(count) => best(series, *count, grid, |a, b| a.total_cmp(&b)),
        SecondStage::Filter { op, value } => {
            let threshold = match value {
                Value::Duration(nanos) => *nanos as f64 / 1e9,
                value => value.as_float().unwrap_or(f64::NAN),
            };
            series.into_iter().filter_map(|series| beyond(series, *op, threshold, grid)).collect()
        }
    }
}

/// At each time the first `count` values in an order; of equal ones, those of the series that are named first.
fn best(
    mut series: Vec<Series>,
    count: i64,
    grid: &Grid,
    order: impl Fn(f64, f64) -> std::cmp::Ordering,
) -> Vec<Series> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if series.len() <= count {
        return series;
    }
    let named: Vec<Vec<String>> = series.iter().map(|series| texts(&series.labels)).collect();
    for place in 0..grid.count() {
        let mut there: Vec<usize> = (0..series.len()).filter(|at| !series[*at].values[place].is_nan()).collect();
        there.sort_by(|a, b| {
            order(series[*a].values[place], series[*b].values[place]).then_with(|| named[*a].cmp(&named[*b]))
        });
        there.iter().skip(count).for_each(|at| series[*at].values[place] = f64::NAN);
    }
    series.retain(|series| series.values.iter().any(|value| !value.is_nan()));
    series
}

/// Values as texts without quotes, which is the order in which people see them.
fn texts(labels: &Labels) -> Vec<String> {
    labels.iter().map(|(_, value)| text(value)).collect()
}

fn beyond(mut series: Series, op: CompareOp, threshold: f64, grid: &Grid) -> Option<Series> {
    let holds = |value: f64| match op {
        CompareOp::Greater => value > threshold,
        CompareOp::GreaterEqual => value >= threshold,
        CompareOp::Less => value < threshold,
        CompareOp::LessEqual => value <= threshold,
        CompareOp::Equal => value == threshold,
        CompareOp::NotEqual => !value.is_nan() && value != threshold,
        CompareOp::Regex | CompareOp::NotRegex => false,
    };
    series.values.iter_mut().filter(|value| !holds(**value)).for_each(|value| *value = f64::NAN);
    if series.values.iter().all(|value| value.is_nan()) {
        return None;
    }
    let Series { values, exemplars, .. } = &mut series;
    exemplars.retain(|Exemplar { value, time, .. }| match value.is_nan() {
        true => grid.place(*time).is_some_and(|place| !values[place].is_nan()),
        false => holds(*value),
    });
    Some(series)
}

fn arithmetic(op: ArithmeticOp, left: f64, right: f64) -> f64 {
    match op {
        ArithmeticOp::Add => left + right,
        ArithmeticOp::Sub => left - right,
        ArithmeticOp::Mul => left * right,
        ArithmeticOp::Div if right == 0.0 => f64::NAN,
        ArithmeticOp::Div => left / right,
        ArithmeticOp::Mod | ArithmeticOp::Pow => f64::NAN,
    }
}

/// Series with the same labels; one without labels goes with each of the other side.
fn operation(op: ArithmeticOp, left: Vec<Series>, right: Vec<Series>) -> Vec<Series> {
    let keys = |series: &[Series]| -> Vec<Key> { series.iter().map(|series| key(&series.labels)).collect() };
    let (left_keys, right_keys) = (keys(&left), keys(&right));
    let places = |keys: &[Key]| -> HashMap<Key, usize> {
        keys.iter().enumerate().map(|(place, key)| (key.clone(), place)).collect()
    };
    let (left_places, right_places) = (places(&left_keys), places(&right_keys));
    let everywhere = Key::new();
    // The side that has labels says which series there are.
    let targets = if right_places.contains_key(&everywhere) { &left_keys } else { &right_keys };
    let mut result = Vec::with_capacity(targets.len());
    for target in targets {
        let found = |places: &HashMap<Key, usize>| {
            places.get(target).map(|place| (*place, false)).or_else(|| Some((*places.get(&everywhere)?, true)))
        };
        let (Some((a, is_a_everywhere)), Some((b, is_b_everywhere))) = (found(&left_places), found(&right_places))
        else {
            continue;
        };
        let (a, b) = (&left[a], &right[b]);
        let exemplars = match (is_a_everywhere, is_b_everywhere) {
            (true, false) => b.exemplars.clone(),
            (false, true) => a.exemplars.clone(),
            _ => distinct([a.exemplars.as_slice(), b.exemplars.as_slice()].concat()),
        };
        result.push(Series {
            labels: merged(op, &a.labels, &b.labels),
            values: a.values.iter().zip(&b.values).map(|(a, b)| arithmetic(op, *a, *b)).collect(),
            exemplars,
        });
    }
    result
}

/// A trace that both sides show is shown once.
fn distinct(exemplars: Vec<Exemplar>) -> Vec<Exemplar> {
    let mut known = HashSet::new();
    let trace = |exemplar: &Exemplar| {
        let id = exemplar.labels.iter().find(|(name, _)| name == "trace:id");
        (id.map(|(_, value)| value.to_string()), exemplar.time)
    };
    exemplars.into_iter().filter(|exemplar| known.insert(trace(exemplar))).collect()
}

/// The labels of both; a name says how both came together.
fn merged(op: ArithmeticOp, left: &Labels, right: &Labels) -> Labels {
    let name = |labels: &Labels| labels.iter().find(|(name, _)| name == NAME).map(|(_, value)| text(value));
    let both = name(left).zip(name(right)).map(|(left, right)| format!("({left} {op} {right})"));
    let mut labels: Labels = left.iter().filter(|(name, _)| name != NAME).cloned().collect();
    for (name, value) in right.iter().filter(|(name, _)| name != NAME) {
        if !labels.iter().any(|(known, _)| known == name) {
            labels.push((name.clone(), value.clone()));
        }
    }
    labels.extend(both.map(|both| (NAME.to_owned(), Value::string(&both))));
    labels
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        value => value.to_string(),
    }
}
