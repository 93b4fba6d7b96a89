//! One series on the step grid: a value, or none, for each step.

use std::sync::Arc;

use crate::histogram::FloatHistogram;

/// A value of a series at one step.
#[derive(Debug, Clone, PartialEq)]
pub enum Point {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// The same, borrowed.
#[derive(Debug, Clone, Copy)]
pub enum PointRef<'a> {
    Float(f64),
    Histogram(&'a Arc<FloatHistogram>),
}

impl PointRef<'_> {
    pub fn to_owned(self) -> Point {
        match self {
            PointRef::Float(value) => Point::Float(value),
            PointRef::Histogram(histogram) => Point::Histogram(histogram.clone()),
        }
    }

    pub fn float(self) -> Option<f64> {
        match self {
            PointRef::Float(value) => Some(value),
            PointRef::Histogram(_) => None,
        }
    }
}

/// As long as the grid. NaN is a value like any other; whether there is one says the bitmap.
#[derive(Debug, Clone)]
pub struct Points {
    /// 0 where there is no float.
    floats: Vec<f64>,
    /// A bit a step: there is a value, float or histogram.
    present: Vec<u64>,
    /// As long as `floats`; `None` for a series without histograms, which nearly all are.
    histograms: Option<Vec<Option<Arc<FloatHistogram>>>>,
}

impl Points {
    /// `len` steps without values.
    pub fn empty(len: usize) -> Self {
        Self { floats: vec![0.0; len], present: vec![0; len.div_ceil(64)], histograms: None }
    }

    /// A float at each step.
    pub fn dense(floats: Vec<f64>) -> Self {
        let len = floats.len();
        let mut present = vec![u64::MAX; len.div_ceil(64)];
        if let Some(last) = present.last_mut()
            && !len.is_multiple_of(64)
        {
            *last = (1 << (len % 64)) - 1;
        }
        Self { floats, present, histograms: None }
    }

    /// Floats, and which steps have one. Both as long as the grid asks for; bits beyond it are not set.
    pub fn masked(floats: Vec<f64>, present: Vec<u64>) -> Self {
        Self { floats, present, histograms: None }
    }

    /// As long as the grid; what stands at steps without a float means nothing.
    pub fn floats(&self) -> &[f64] {
        &self.floats
    }

    /// A bit a step: there is a value, float or histogram.
    pub fn present(&self) -> &[u64] {
        &self.present
    }

    /// [`Points::floats`] without copying them.
    pub fn into_floats(self) -> Vec<f64> {
        self.floats
    }

    /// Takes the values away from all steps whose bit is not set.
    pub fn retain(&mut self, steps: &[u64]) {
        for (word, kept) in self.present.iter_mut().zip(steps) {
            *word &= kept;
        }
        let present = &self.present;
        if let Some(histograms) = &mut self.histograms {
            for (step, histogram) in histograms.iter_mut().enumerate() {
                if present[step / 64] >> (step % 64) & 1 == 0 {
                    *histogram = None;
                }
            }
        }
    }

    pub fn len(&self) -> usize {
        self.floats.len()
    }

    /// What they hold in memory beside themselves.
    pub fn bytes(&self) -> usize {
        Self::bytes_of_floats(self.len()) + self.histograms.as_deref().map_or(0, bytes_of_histograms)
    }

    /// [`Points::bytes`] of so many steps with floats only.
    pub fn bytes_of_floats(len: usize) -> usize {
        len.saturating_mul(size_of::<f64>()).saturating_add(len.div_ceil(64) * size_of::<u64>())
    }

    /// No step has a value.
    pub fn is_empty(&self) -> bool {
        self.present.iter().all(|word| *word == 0)
    }

    pub fn has(&self, step: usize) -> bool {
        self.present.get(step / 64).is_some_and(|word| word >> (step % 64) & 1 == 1)
    }

    pub fn has_histograms(&self) -> bool {
        self.histograms.is_some()
    }

    /// How many steps have a value.
    pub fn count(&self) -> usize {
        self.present.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn get(&self, step: usize) -> Option<PointRef<'_>> {
        if !self.has(step) {
            return None;
        }
        match self.histogram(step) {
            Some(histogram) => Some(PointRef::Histogram(histogram)),
            None => Some(PointRef::Float(self.floats[step])),
        }
    }

    /// `None` for no value and for a histogram.
    pub fn float(&self, step: usize) -> Option<f64> {
        (self.has(step) && self.histogram(step).is_none()).then(|| self.floats[step])
    }

    pub fn histogram(&self, step: usize) -> Option<&Arc<FloatHistogram>> {
        self.histograms.as_ref()?.get(step)?.as_ref()
    }

    pub fn set_float(&mut self, step: usize, value: f64) {
        self.floats[step] = value;
        self.present[step / 64] |= 1 << (step % 64);
        if let Some(histograms) = &mut self.histograms {
            histograms[step] = None;
        }
    }

    pub fn set_histogram(&mut self, step: usize, histogram: Arc<FloatHistogram>) {
        self.floats[step] = 0.0;
        self.present[step / 64] |= 1 << (step % 64);
        let len = self.len();
        self.histograms.get_or_insert_with(|| vec![None; len])[step] = Some(histogram);
    }

    pub fn set(&mut self, step: usize, point: Point) {
        match point {
            Point::Float(value) => self.set_float(step, value),
            Point::Histogram(histogram) => self.set_histogram(step, histogram),
        }
    }

    pub fn clear(&mut self, step: usize) {
        self.floats[step] = 0.0;
        self.present[step / 64] &= !(1 << (step % 64));
        if let Some(histograms) = &mut self.histograms {
            histograms[step] = None;
        }
    }

    /// Steps that have a value, with it.
    pub fn iter(&self) -> impl Iterator<Item = (usize, PointRef<'_>)> {
        (0..self.len()).filter_map(|step| self.get(step).map(|point| (step, point)))
    }

    /// Applies `f` to every float; steps with histograms lose their value.
    pub fn map_floats(mut self, f: impl Fn(f64) -> f64) -> Self {
        if self.histograms.is_some() {
            for step in 0..self.len() {
                if self.histogram(step).is_some() {
                    self.clear(step);
                }
            }
            self.histograms = None;
        }
        // Steps without a value are computed too: their float is never looked at, and the loop has no branch.
        for value in &mut self.floats {
            *value = f(*value);
        }
        self
    }
}

/// What a list of histograms holds in memory. Neighbours that are one and the same count once.
pub(crate) fn bytes_of_histograms(list: &[Option<Arc<FloatHistogram>>]) -> usize {
    let mut last: Option<&Arc<FloatHistogram>> = None;
    let distinct = list.iter().flatten().filter(|histogram| {
        let is_new = last.is_none_or(|last| !Arc::ptr_eq(last, histogram));
        last = Some(histogram);
        is_new
    });
    distinct.map(|histogram| histogram.size()).sum::<usize>() + size_of_val(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_values_of_their_own() {
        let mut points = Points::empty(130);
        points.set_float(0, 1.0);
        points.set_float(129, f64::NAN);
        points.set_histogram(64, Arc::new(FloatHistogram::default()));
        assert_eq!(points.iter().map(|(step, _)| step).collect::<Vec<_>>(), [0, 64, 129]);
        assert_eq!((points.count(), points.float(64), points.has_histograms()), (3, None, true));
        points.set_float(64, 2.0);
        points.clear(0);
        assert_eq!(points.iter().filter_map(|(_, point)| point.float()).next(), Some(2.0));
        assert_eq!(Points::dense(vec![1.0; 64]).count(), 64);
        assert_eq!(Points::dense(vec![1.0; 65]).count(), 65);
        points.retain(&[0, 1, u64::MAX]);
        assert_eq!(points.iter().map(|(step, _)| step).collect::<Vec<_>>(), [64, 129]);
    }
}
