//! Rows as series of samples.

use super::binary::mask::Mask;
use crate::points::{PointRef, Points};
use crate::source::Samples;
use crate::steps::Steps;
use crate::times::Times;

/// Makes samples of steps that have a value. Rows that have values at the same steps share their times.
pub(super) struct Sampler {
    steps: Steps,
    last: Option<(Vec<u64>, Times)>,
}

impl Sampler {
    pub fn on(steps: Steps) -> Self {
        Self { steps, last: None }
    }

    pub fn samples(&mut self, points: Points) -> Samples {
        let times = self.times(points.present());
        if !points.has_histograms() {
            let floats = match times.len() == points.len() {
                true => points.into_floats(),
                false => Mask::all_of(&[points.present()]).steps().map(|step| points.floats()[step]).collect(),
            };
            return Samples { times, floats, ..Samples::default() };
        }
        let mut samples = Samples::default();
        for (step, point) in points.iter() {
            match point {
                PointRef::Float(value) => samples.push_float(self.steps.at(step), value),
                PointRef::Histogram(histogram) => samples.push_histogram(self.steps.at(step), histogram.clone()),
            }
        }
        samples
    }

    fn times(&mut self, present: &[u64]) -> Times {
        if let Some((_, times)) = self.last.as_ref().filter(|(last, _)| *last == present) {
            return times.clone();
        }
        let mask = Mask::all_of(&[present]);
        let times: Times = mask.steps().map(|step| self.steps.at(step)).collect();
        self.last = Some((mask.into_words(), times.clone()));
        times
    }
}
