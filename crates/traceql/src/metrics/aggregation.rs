//! Functions over time.

use std::collections::HashMap;

use super::quantile::{Bucket, limit, quantile};
use super::{Exemplar, Grid, Labels, NAME, Series};
use crate::ast::{Attribute, MetricsFunction};
use crate::value::Value;

/// The spans that have the same values of what a query groups by.
pub type Group = u32;

/// What a group takes beside its numbers.
const GROUP_BYTES: usize = 256;

/// Spans on their way to series.
#[derive(Debug, Clone)]
pub struct Aggregation {
    grid: Grid,
    kind: Kind,
    by: Vec<String>,
    places: HashMap<Vec<u8>, Group>,
    groups: Vec<State>,
    bytes: usize,
}

#[derive(Debug, Clone)]
enum Kind {
    Count { factor: f64, name: &'static str },
    Least,
    Greatest,
    Sum,
    Average,
    Histogram,
    Quantiles(Vec<f64>),
}

#[derive(Debug, Clone)]
struct State {
    values: Vec<Value>,
    /// For each interval a count, a least or greatest number, or a sum.
    numbers: Vec<f64>,
    /// What sums lost to rounding so far (Neumaier).
    lost: Vec<f64>,
    /// Of averages: how many numbers there were.
    weights: Vec<f64>,
    /// Limits of buckets and their counts for each interval, in no order.
    buckets: Vec<(f64, Vec<f64>)>,
    exemplars: Vec<Exemplar>,
}

impl Aggregation {
    /// `None` of `compare()`, which is another thing.
    pub fn new(function: &MetricsFunction, by: &[Attribute], grid: Grid) -> Option<Aggregation> {
        let kind = match function {
            MetricsFunction::Rate => Kind::Count { factor: 1e9 / grid.step() as f64, name: "rate" },
            MetricsFunction::CountOverTime => Kind::Count { factor: 1.0, name: "count_over_time" },
            MetricsFunction::MinOverTime(_) => Kind::Least,
            MetricsFunction::MaxOverTime(_) => Kind::Greatest,
            MetricsFunction::SumOverTime(_) => Kind::Sum,
            MetricsFunction::AvgOverTime(_) => Kind::Average,
            MetricsFunction::HistogramOverTime(_) => Kind::Histogram,
            MetricsFunction::QuantileOverTime { quantiles, .. } => Kind::Quantiles(quantiles.clone()),
            MetricsFunction::Compare { .. } => return None,
        };
        let by = by.iter().map(Attribute::to_string).collect();
        Some(Aggregation { grid, kind, by, places: HashMap::new(), groups: Vec::new(), bytes: 0 })
    }

    /// About what it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The group of spans with these values, in the order of the query's `by`.
    pub fn group(&mut self, values: &[Value]) -> Group {
        let mut key = Vec::with_capacity(16 * values.len());
        values.iter().for_each(|value| value.key(&mut key));
        if let Some(group) = self.places.get(&key) {
            return *group;
        }
        let count = self.grid.count();
        let of = |is_needed: bool, start: f64| if is_needed { vec![start; count] } else { Vec::new() };
        let is_bucketed = matches!(self.kind, Kind::Histogram | Kind::Quantiles(_));
        let start = if matches!(self.kind, Kind::Count { .. }) { 0.0 } else { f64::NAN };
        let state = State {
            values: values.to_vec(),
            numbers: of(!is_bucketed, start),
            lost: of(matches!(self.kind, Kind::Sum | Kind::Average), 0.0),
            weights: of(matches!(self.kind, Kind::Average), 0.0),
            buckets: Vec::new(),
            exemplars: Vec::new(),
        };
        let numbers = state.numbers.len() + state.lost.len() + state.weights.len();
        self.bytes += GROUP_BYTES + 2 * key.len() + numbers * size_of::<f64>();
        let group = self.groups.len() as Group;
        self.groups.push(state);
        self.places.insert(key, group);
        group
    }

    /// A span that starts in interval `place`. `value` is that of the attribute which the function measures; `weight` is how many
    /// spans it stands for. A span without a number does not count.
    pub fn observe(&mut self, group: Group, place: usize, value: &Value, weight: f64) {
        let state = &mut self.groups[group as usize];
        match self.kind {
            Kind::Count { .. } => state.numbers[place] += weight,
            Kind::Histogram | Kind::Quantiles(_) => {
                let Some(limit) = limit(value) else { return };
                let bucket = match state.buckets.iter().position(|(max, _)| *max == limit) {
                    Some(bucket) => bucket,
                    None => {
                        self.bytes += self.grid.count() * size_of::<f64>();
                        state.buckets.push((limit, vec![0.0; self.grid.count()]));
                        state.buckets.len() - 1
                    }
                };
                state.buckets[bucket].1[place] += weight;
            }
            _ => {
                let Some(number) = number(value) else { return };
                state.add(&self.kind, place, number, weight);
            }
        }
    }

    /// A span to be shown with its group's series: what it has of the measured attribute, and what else is told of it.
    pub fn exemplar(&mut self, group: Group, time: i64, value: &Value, labels: Labels) {
        let value = match self.kind {
            Kind::Count { .. } => f64::NAN,
            // Kept until it is known which series it belongs to.
            Kind::Histogram => match limit(value) {
                Some(limit) => limit,
                None => return,
            },
            Kind::Quantiles(_) if limit(value).is_none() => return,
            _ => match number(value) {
                Some(number) => number,
                None => return,
            },
        };
        self.bytes += GROUP_BYTES;
        self.groups[group as usize].exemplars.push(Exemplar { labels, value, time });
    }

    pub fn series(self) -> Vec<Series> {
        let Aggregation { grid, kind, by, groups, .. } = self;
        match &kind {
            Kind::Count { factor, name } => {
                let scaled = |state: &State| state.numbers.iter().map(|count| count * factor).collect();
                plain(&by, groups, name, scaled)
            }
            Kind::Least => plain(&by, groups, "min_over_time", |state| state.numbers.clone()),
            Kind::Greatest => plain(&by, groups, "max_over_time", |state| state.numbers.clone()),
            Kind::Sum => plain(&by, groups, "sum_over_time", State::sums),
            Kind::Average => plain(&by, groups, "avg_over_time", |state| {
                state.sums().into_iter().zip(&state.weights).map(|(sum, weight)| sum / weight).collect()
            }),
            Kind::Histogram => groups.into_iter().flat_map(|state| histogram(&by, state)).collect(),
            Kind::Quantiles(quantiles) => quantile_series(&by, groups, quantiles, &grid),
        }
    }
}

impl State {
    fn add(&mut self, kind: &Kind, place: usize, number: f64, weight: f64) {
        let known = self.numbers[place];
        let is_first = known.is_nan();
        match kind {
            Kind::Least if is_first || number < known => self.numbers[place] = number,
            Kind::Greatest if is_first || number > known => self.numbers[place] = number,
            Kind::Sum | Kind::Average => {
                let (known, number) = (if is_first { 0.0 } else { known }, number * weight);
                let sum = known + number;
                if sum.is_finite() {
                    self.lost[place] +=
                        if known.abs() >= number.abs() { (known - sum) + number } else { (number - sum) + known };
                }
                self.numbers[place] = sum;
                if let Some(weights) = self.weights.get_mut(place) {
                    *weights += weight;
                }
            }
            _ => {}
        }
    }

    fn sums(&self) -> Vec<f64> {
        self.numbers.iter().zip(&self.lost).map(|(sum, lost)| sum + lost).collect()
    }

    /// The buckets of one interval, or of all of them, ascending.
    fn buckets(&self, place: Option<usize>) -> Vec<Bucket> {
        let count = |counts: &Vec<f64>| place.map_or_else(|| counts.iter().sum(), |place| counts[place]);
        let mut buckets: Vec<Bucket> =
            self.buckets.iter().map(|(max, counts)| Bucket { max: *max, count: count(counts) }).collect();
        buckets.retain(|bucket| bucket.count > 0.0);
        buckets.sort_by(|a, b| a.max.total_cmp(&b.max));
        buckets
    }
}

/// A number as series have it; durations in seconds.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Duration(nanos) => *nanos as f64 / 1e9,
        value => value.as_float()?,
    };
    (!number.is_nan()).then_some(number)
}

/// What a query groups by, without what spans do not have; where they have nothing of it, the first says so.
fn labels(by: &[String], values: &[Value]) -> Labels {
    let all = || by.iter().cloned().zip(values.iter().cloned());
    let known: Labels = all().filter(|(_, value)| !value.is_nil()).collect();
    if known.is_empty() { all().take(1).collect() } else { known }
}

/// One series for each group; one that is called as the function where nothing is grouped by.
fn plain(by: &[String], groups: Vec<State>, name: &str, values: impl Fn(&State) -> Vec<f64>) -> Vec<Series> {
    let series = |state: State| Series {
        labels: match by {
            [] => vec![(NAME.to_owned(), Value::string(name))],
            by => labels(by, &state.values),
        },
        values: values(&state),
        exemplars: state.exemplars,
    };
    groups.into_iter().map(series).collect()
}

/// What spans have of `by` behind which comes another label.
fn known(by: &[String], values: &[Value]) -> Labels {
    labels(by, values).into_iter().filter(|(_, value)| !value.is_nil()).collect()
}

fn histogram(by: &[String], state: State) -> Vec<Series> {
    let of_group = known(by, &state.values);
    let (mut buckets, exemplars) = (state.buckets, state.exemplars);
    buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let series = |(max, values): (f64, Vec<f64>)| {
        let of_bucket = exemplars.iter().filter(|exemplar| exemplar.value == max).cloned();
        Series {
            labels: of_group.iter().cloned().chain([("__bucket".to_owned(), Value::Float(max))]).collect(),
            values,
            exemplars: of_bucket.map(|exemplar| Exemplar { value: f64::NAN, ..exemplar }).collect(),
        }
    };
    buckets.into_iter().map(series).collect()
}

fn quantile_series(by: &[String], groups: Vec<State>, quantiles: &[f64], grid: &Grid) -> Vec<Series> {
    let mut all = Vec::new();
    for state in groups.into_iter().filter(|state| !state.buckets.is_empty()) {
        let of_group = known(by, &state.values);
        let overall = state.buckets(None);
        let typical: Vec<f64> = quantiles.iter().map(|share| quantile(*share, &overall)).collect();
        let intervals: Vec<Vec<Bucket>> = (0..grid.count()).map(|place| state.buckets(Some(place))).collect();
        for (at, share) in quantiles.iter().enumerate() {
            // A span is shown with the quantile that it is nearest to.
            let is_nearest = |exemplar: &&Exemplar| nearest(exemplar.value, &typical) == Some(at);
            all.push(Series {
                labels: of_group.iter().cloned().chain([("p".to_owned(), Value::Float(*share))]).collect(),
                values: intervals.iter().map(|buckets| quantile(*share, buckets)).collect(),
                exemplars: state.exemplars.iter().filter(is_nearest).cloned().collect(),
            });
        }
    }
    all
}

fn nearest(value: f64, among: &[f64]) -> Option<usize> {
    let distance = |at: &usize| (among[*at] - value).abs();
    (0..among.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))
}
