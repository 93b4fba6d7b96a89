//! `compare()`: which values of which attributes tell some spans from the others.

use std::collections::HashMap;

use super::{Exemplar, Grid, Labels, Series};
use crate::value::Value;

/// Values of an attribute that are counted one by one on either side; the spans of others count among all of the attribute's.
const MAX_VALUES: usize = 10_000;
/// Intervals up to which only those with spans are kept.
const MAX_SPARSE: usize = 16;

const META_TYPE: &str = "__meta_type";
const META_ERROR: &str = "__meta_error";
const TOO_MANY_VALUES: &str = "__too_many_values__";

#[derive(Debug)]
pub struct Comparison {
    grid: Grid,
    top: usize,
    window: Option<(i64, i64)>,
    places: HashMap<String, usize>,
    attributes: Vec<Attribute>,
    bytes: usize,
}

/// The number of an attribute's value.
pub type ValueId = u32;

/// Any value beyond those that are counted one by one.
const OTHERS: ValueId = ValueId::MAX;

#[derive(Debug)]
struct Attribute {
    name: String,
    ids: HashMap<Vec<u8>, ValueId>,
    values: Vec<Value>,
    has_more: bool,
    selection: Side,
    baseline: Side,
}

#[derive(Debug, Default)]
struct Side {
    total: Counts,
    /// By the value's number.
    counts: Vec<Counts>,
    exemplars: Vec<Exemplar>,
}

/// Spans for each interval.
#[derive(Debug)]
enum Counts {
    Sparse(Vec<(u32, f64)>),
    Dense(Vec<f64>),
}

impl Comparison {
    /// `top` values of each attribute and side; the selection is of spans that start in `window` only (behind its start, up to its
    /// end, nanoseconds since the epoch).
    pub fn new(top: i64, window: Option<(i64, i64)>, grid: Grid) -> Comparison {
        let window = window.filter(|window| *window != (0, 0));
        let top = usize::try_from(top).unwrap_or(1);
        Comparison { grid, top, window, places: HashMap::new(), attributes: Vec::new(), bytes: 0 }
    }

    /// About what it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether spans that start then can be of the selection.
    pub fn may_select(&self, time: i64) -> bool {
        self.window.is_none_or(|(start, end)| time > start && time <= end)
    }

    /// The number of an attribute in `observe`.
    pub fn attribute(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.attributes.len();
        self.places.insert(name.to_owned(), place);
        self.attributes.push(Attribute {
            name: name.to_owned(),
            ids: HashMap::new(),
            values: Vec::new(),
            has_more: false,
            selection: Side::default(),
            baseline: Side::default(),
        });
        self.bytes += size_of::<Attribute>() + 2 * name.len();
        place
    }

    /// The number of a value in `observe`; `None` of what tells nothing: durations differ from span to span.
    pub fn value(&mut self, attribute: usize, value: &Value) -> Option<ValueId> {
        if matches!(value, Value::Nil | Value::Duration(_)) {
            return None;
        }
        let attribute = &mut self.attributes[attribute];
        let mut key = Vec::new();
        value.key(&mut key);
        if let Some(id) = attribute.ids.get(&key) {
            return Some(*id);
        }
        if attribute.values.len() == MAX_VALUES {
            attribute.has_more = true;
            return Some(OTHERS);
        }
        let id = attribute.values.len() as ValueId;
        self.bytes += 2 * key.len() + size_of::<(Vec<u8>, Value)>();
        attribute.ids.insert(key, id);
        attribute.values.push(value.clone());
        Some(id)
    }

    /// A span that starts in interval `place`, has this value and stands for `weight` spans.
    pub fn observe(&mut self, attribute: usize, value: ValueId, is_selected: bool, place: usize, weight: f64) {
        let count = self.grid.count();
        let attribute = &mut self.attributes[attribute];
        let side = if is_selected { &mut attribute.selection } else { &mut attribute.baseline };
        self.bytes += side.total.add(place, weight, count);
        if value == OTHERS {
            return;
        }
        let value = value as usize;
        if side.counts.len() <= value {
            self.bytes += (value + 1 - side.counts.len()) * size_of::<Counts>();
            side.counts.resize_with(value + 1, Counts::default);
        }
        self.bytes += side.counts[value].add(place, weight, count);
    }

    /// A span to be shown with all of an attribute's.
    pub fn exemplar(&mut self, attribute: usize, is_selected: bool, time: i64, labels: Labels) {
        let attribute = &mut self.attributes[attribute];
        let side = if is_selected { &mut attribute.selection } else { &mut attribute.baseline };
        self.bytes += size_of::<Exemplar>();
        side.exemplars.push(Exemplar { labels, value: f64::NAN, time });
    }

    pub fn series(self) -> Vec<Series> {
        let mut series = Vec::new();
        let count = self.grid.count();
        for attribute in self.attributes {
            let Attribute { name, values, has_more, selection, baseline, .. } = attribute;
            let sides = [(baseline, "baseline"), (selection, "selection")];
            let has_more = has_more || sides.iter().any(|(side, _)| side.known().count() > self.top);
            for (side, meta_type) in sides.into_iter().filter(|(side, _)| side.total.sum() > 0.0) {
                series.extend(side.series(&name, &values, meta_type, self.top, count));
            }
            if has_more {
                let labels = vec![(META_ERROR.to_owned(), Value::string(TOO_MANY_VALUES)), (name, Value::Nil)];
                series.push(Series { labels, values: vec![f64::NAN; count], exemplars: Vec::new() });
            }
        }
        series
    }
}

impl Side {
    /// Numbers of the values that spans of this side have, and how many.
    fn known(&self) -> impl Iterator<Item = (usize, f64)> {
        self.counts.iter().map(Counts::sum).enumerate().filter(|(_, sum)| *sum > 0.0)
    }

    fn series(self, name: &str, values: &[Value], meta_type: &str, top: usize, count: usize) -> Vec<Series> {
        let labels = |meta_type: &str, value: Value| {
            vec![(META_TYPE.to_owned(), Value::string(meta_type)), (name.to_owned(), value)]
        };
        let mut known: Vec<(usize, f64)> = self.known().collect();
        known.sort_by(|(a, a_sum), (b, b_sum)| b_sum.total_cmp(a_sum).then_with(|| values[*a].order(&values[*b])));
        known.truncate(top);
        let of_value = |(id, _): (usize, f64)| Series {
            labels: labels(meta_type, values[id].clone()),
            values: self.counts[id].dense(count),
            exemplars: Vec::new(),
        };
        let mut series: Vec<Series> = known.into_iter().map(of_value).collect();
        series.push(Series {
            labels: labels(&format!("{meta_type}_total"), Value::Nil),
            values: self.total.dense(count),
            exemplars: self.exemplars,
        });
        series
    }
}

impl Default for Counts {
    fn default() -> Self {
        Counts::Sparse(Vec::new())
    }
}

impl Counts {
    /// How many bytes that took.
    fn add(&mut self, place: usize, weight: f64, count: usize) -> usize {
        match self {
            Counts::Dense(counts) => {
                counts[place] += weight;
                0
            }
            Counts::Sparse(some) => {
                if let Some((_, known)) = some.iter_mut().find(|(at, _)| *at as usize == place) {
                    *known += weight;
                    return 0;
                }
                some.push((place as u32, weight));
                if some.len() <= MAX_SPARSE {
                    return size_of::<(u32, f64)>();
                }
                *self = Counts::Dense(self.dense(count));
                count * size_of::<f64>()
            }
        }
    }

    fn sum(&self) -> f64 {
        match self {
            Counts::Sparse(some) => some.iter().map(|(_, count)| count).sum(),
            Counts::Dense(counts) => counts.iter().sum(),
        }
    }

    fn dense(&self, count: usize) -> Vec<f64> {
        match self {
            Counts::Dense(counts) => counts.clone(),
            Counts::Sparse(some) => {
                let mut counts = vec![0.0; count];
                some.iter().for_each(|(place, weight)| counts[*place as usize] = *weight);
                counts
            }
        }
    }
}
