//! The buckets of classic histograms and the quantiles of summaries: one series for each bound.

use std::collections::HashMap;
use std::sync::Arc;

use trefoil_go::number;
use trefoil_promql::matcher::Matcher;
use trefoil_promql::source::Samples;

use super::builder::Builder;
use super::totals::Totals;
use crate::metrics::read::{At, Distribution, Shape};

/// Takes the points of one series by time.
pub struct Slots<'m> {
    /// On the label that tells the slots apart.
    matchers: Vec<&'m Matcher>,
    series: Vec<Slot>,
    /// The slot of a bound, by its bits. `None`: not wanted.
    places: HashMap<u64, Option<usize>>,
    layout: Layout,
}

struct Slot {
    value: String,
    builder: Builder,
}

/// What is the same for all points that have the same bounds, as nearly all have.
struct Layout {
    bounds: Arc<[f64]>,
    /// Of each bound, then of +Inf.
    places: Vec<Option<usize>>,
    totals: Totals,
}

impl<'m> Slots<'m> {
    pub fn new(matchers: Vec<&'m Matcher>) -> Self {
        let layout = Layout { bounds: Arc::new([]), places: Vec::new(), totals: Totals::new(false) };
        Self { matchers, series: Vec::new(), places: HashMap::new(), layout }
    }

    pub fn add(&mut self, point: &Distribution, is_delta: bool) {
        if point.is_stale {
            return self.end(point.at);
        }
        match &point.shape {
            Shape::Explicit { bounds, counts } => self.add_buckets(point, bounds, counts, is_delta),
            Shape::Summary { quantiles, values } => self.add_quantiles(point.at, quantiles, values),
            Shape::Unread | Shape::Exponential(_) => {}
        }
    }

    /// A point without a recorded value need not say its bounds.
    fn end(&mut self, at: At) {
        for slot in &mut self.series {
            slot.builder.stale(at);
        }
    }

    fn add_buckets(&mut self, point: &Distribution, bounds: &Arc<[f64]>, counts: &[u64], is_delta: bool) {
        self.lay_out(bounds, is_delta);
        let at = self.layout.totals.at(point.at);
        let mut cumulative = 0_u64;
        for (index, count) in counts.iter().take(bounds.len()).enumerate() {
            cumulative = cumulative.saturating_add(*count);
            self.push(index, at, cumulative as f64);
        }
        self.push(bounds.len(), at, point.count as f64);
    }

    fn add_quantiles(&mut self, at: At, quantiles: &Arc<[f64]>, values: &[f64]) {
        self.lay_out(quantiles, false);
        for (index, value) in values.iter().take(quantiles.len()).enumerate() {
            self.push(index, at, *value);
        }
    }

    fn push(&mut self, index: usize, at: At, value: f64) {
        let total = self.layout.totals.add(index, value);
        if let Some(Some(place)) = self.layout.places.get(index) {
            self.series[*place].builder.float(at, total);
        }
    }

    /// Totals of other bounds begin anew, which rates take for the reset that it is.
    fn lay_out(&mut self, bounds: &Arc<[f64]>, is_delta: bool) {
        let is_same = Arc::ptr_eq(&self.layout.bounds, bounds) || self.layout.bounds == *bounds;
        if is_same && !self.layout.places.is_empty() {
            return;
        }
        let places = bounds.iter().chain(&[f64::INFINITY]).map(|bound| self.place(*bound)).collect();
        self.layout = Layout { bounds: bounds.clone(), places, totals: Totals::new(is_delta) };
    }

    fn place(&mut self, bound: f64) -> Option<usize> {
        if let Some(place) = self.places.get(&bound.to_bits()) {
            return *place;
        }
        let value = number::decimal(bound);
        let is_wanted = self.matchers.iter().all(|matcher| matcher.matches(&value));
        let place = is_wanted.then_some(self.series.len());
        if is_wanted {
            self.series.push(Slot { value, builder: Builder::default() });
        }
        self.places.insert(bound.to_bits(), place);
        place
    }

    /// The values of the label, each with its samples.
    pub fn finish(self) -> impl Iterator<Item = (String, Samples)> {
        let with_samples = self.series.into_iter().filter(|slot| !slot.builder.is_empty());
        with_samples.map(|slot| (slot.value, slot.builder.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(second: i64, bounds: &[f64], counts: &[u64]) -> Distribution {
        Distribution {
            at: At { time: second * 1_000_000_000, start: 0 },
            is_stale: false,
            reset_hint: None,
            float_counts: None,
            count: counts.iter().sum(),
            sum: None,
            shape: Shape::Explicit { bounds: bounds.into(), counts: counts.to_vec() },
        }
    }

    fn buckets(points: &[Distribution], is_delta: bool) -> Vec<(String, Vec<f64>)> {
        let mut slots = Slots::new(Vec::new());
        points.iter().for_each(|point| slots.add(point, is_delta));
        slots.finish().map(|(value, samples)| (value, samples.floats)).collect()
    }

    fn expected(series: &[(&str, &[f64])]) -> Vec<(String, Vec<f64>)> {
        series.iter().map(|(value, floats)| ((*value).to_owned(), floats.to_vec())).collect()
    }

    #[test]
    fn buckets_are_cumulative() {
        let points = [point(1, &[0.5, 1.0], &[1, 2, 3]), point(2, &[0.5, 1.0], &[2, 2, 3]), point(3, &[1.0], &[9, 1])];
        let cumulative = [("0.5", &[1.0, 2.0][..]), ("1", &[3.0, 4.0, 9.0]), ("+Inf", &[6.0, 7.0, 10.0])];
        assert_eq!(buckets(&points, false), expected(&cumulative));
        let deltas = [("0.5", &[1.0, 3.0][..]), ("1", &[3.0, 7.0, 9.0]), ("+Inf", &[6.0, 13.0, 10.0])];
        assert_eq!(buckets(&points, true), expected(&deltas));
        assert_eq!(buckets(&[point(1, &[], &[])], false), expected(&[("+Inf", &[0.0])]));
    }

    #[test]
    fn an_end_is_the_end_of_all_buckets() {
        let end = Distribution { is_stale: true, shape: Shape::Unread, ..point(2, &[], &[]) };
        let mut slots = Slots::new(Vec::new());
        [point(1, &[1.0], &[1, 0]), end].iter().for_each(|point| slots.add(point, false));
        assert!(slots.finish().all(|(_, samples)| samples.len() == 2 && samples.is_stale(1)));
    }
}
