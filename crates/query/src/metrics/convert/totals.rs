//! Running totals of what came as differences (OTLP's delta temporality).

use crate::metrics::read::At;

/// Adds up where points are deltas, and hands values through where they are totals already.
#[derive(Debug)]
pub struct Totals {
    is_delta: bool,
    totals: Vec<f64>,
    /// When the counting of the first point began: what all totals are counted from.
    start: Option<i64>,
}

impl Totals {
    pub fn new(is_delta: bool) -> Self {
        Self { is_delta, totals: Vec::new(), start: None }
    }

    /// The times of the total that a point leads to.
    pub fn at(&mut self, at: At) -> At {
        match self.is_delta {
            true => At { start: *self.start.get_or_insert(at.start), ..at },
            false => at,
        }
    }

    /// The total at that place, after the value.
    pub fn add(&mut self, place: usize, value: f64) -> f64 {
        if !self.is_delta {
            return value;
        }
        if self.totals.len() <= place {
            self.totals.resize(place + 1, 0.0);
        }
        self.totals[place] += value;
        self.totals[place]
    }
}
