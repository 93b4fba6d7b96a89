//! Windows: which samples of a series a range vector has at each step.

use std::ops::Range;
use std::sync::Arc;

use super::super::selector::Reference;
use crate::histogram::FloatHistogram;
use crate::source::{Samples, has_stale};
use crate::steps::Steps;
use crate::times::Times;

/// The samples of one kind of one series, without those that only say that the series ends.
#[derive(Debug)]
pub(super) struct Track<T> {
    pub times: Times,
    pub values: Vec<T>,
    /// When counting began, 0 where that is unknown; as long as `times`, or empty where nobody asks.
    pub starts: Vec<i64>,
}

impl<T> Default for Track<T> {
    fn default() -> Self {
        Self { times: Times::default(), values: Vec::new(), starts: Vec::new() }
    }
}

impl<T> Track<T> {
    fn push(&mut self, time: i64, value: T, start: Option<i64>) {
        self.times.push(time);
        self.values.push(value);
        self.starts.extend(start);
    }

    fn view(&self, Range { start, end }: Range<usize>) -> View<'_, T> {
        View {
            first: start,
            times: self.times.get(start..end).unwrap_or_default(),
            values: self.values.get(start..end).unwrap_or_default(),
            starts: self.starts.get(start..end).unwrap_or_default(),
        }
    }
}

/// Neighbouring samples of a track.
#[derive(Debug)]
pub(super) struct View<'a, T> {
    /// The place of the first one in the track.
    pub first: usize,
    pub times: &'a [i64],
    pub values: &'a [T],
    /// Empty where it is not asked for.
    pub starts: &'a [i64],
}

// Not derived: that would ask for values that can be copied.
impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<'_, T> {}

impl<T> View<'_, T> {
    pub fn len(&self) -> usize {
        self.times.len()
    }

    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// 0 where it is unknown.
    pub fn start(&self, index: usize) -> i64 {
        self.starts.get(index).copied().unwrap_or(0)
    }
}

/// A series' samples by kind.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    pub floats: Track<f64>,
    pub histograms: Track<Arc<FloatHistogram>>,
}

impl Tracks {
    /// With `with_starts` also when counting began.
    pub fn new(samples: Samples, with_starts: bool) -> Self {
        let starts = samples.start_times.as_ref().filter(|_| with_starts);
        if samples.histograms.is_none() && !has_stale(&samples.floats) {
            let starts = starts.cloned().unwrap_or_default();
            let floats = Track { times: samples.times, values: samples.floats, starts };
            return Self { floats, ..Self::default() };
        }
        let mut tracks = Self::default();
        for (index, time) in samples.times.iter().enumerate().filter(|(index, _)| !samples.is_stale(*index)) {
            let start = starts.map(|starts| starts.get(index).copied().unwrap_or(0));
            match samples.histogram(index) {
                Some(histogram) => tracks.histograms.push(*time, histogram.clone(), start),
                None => tracks.floats.push(*time, samples.floats[index], start),
            }
        }
        tracks
    }
}

/// How far a range vector looks.
#[derive(Debug, Clone, Copy)]
pub(in crate::eval) struct Span {
    pub reference: Reference,
    /// Milliseconds.
    pub range: i64,
    /// How much further it looks back and ahead, for values at its edges.
    pub back: i64,
    pub ahead: i64,
}

/// What a function over a range vector sees of one series at one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    /// The time of the step.
    pub time: i64,
    /// The edges of the range; what lies outside is there by [`Span::back`] and [`Span::ahead`].
    pub start: i64,
    pub end: i64,
    pub floats: View<'a, f64>,
    pub histograms: View<'a, Arc<FloatHistogram>>,
}

impl Window<'_> {
    pub fn is_empty(&self) -> bool {
        self.floats.is_empty() && self.histograms.is_empty()
    }

    pub fn is_mixed(&self) -> bool {
        !self.floats.is_empty() && !self.histograms.is_empty()
    }

    /// As many samples as it counts for.
    pub fn size(&self) -> usize {
        self.floats.len() + self.histograms.values.iter().map(|histogram| histogram.samples_in_matrix()).sum::<usize>()
    }
}

/// Calls `visit` with each step's window, in one pass over the samples.
pub(super) fn for_each_window<E>(
    tracks: &Tracks,
    span: Span,
    steps: Steps,
    mut visit: impl FnMut(usize, Window<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let (mut floats, mut histograms) = (Sweep::default(), Sweep::default());
    for (step, time) in steps.iter().enumerate() {
        let end = span.reference.of(time);
        let start = end.saturating_sub(span.range);
        let (after, upto) = (start.saturating_sub(span.back), end.saturating_add(span.ahead));
        let window = Window {
            time,
            start,
            end,
            floats: tracks.floats.view(floats.advance(&tracks.floats.times, after, upto)),
            histograms: tracks.histograms.view(histograms.advance(&tracks.histograms.times, after, upto)),
        };
        visit(step, window)?;
    }
    Ok(())
}

/// Edges that only move forward.
#[derive(Default)]
struct Sweep {
    first: usize,
    end: usize,
}

impl Sweep {
    /// The samples in `(after, upto]`; neither is before that of the call before.
    fn advance(&mut self, times: &[i64], after: i64, upto: i64) -> Range<usize> {
        while times.get(self.end).is_some_and(|time| *time <= upto) {
            self.end += 1;
        }
        while self.first < self.end && times[self.first] <= after {
            self.first += 1;
        }
        self.first..self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::STALE_NAN_BITS;

    fn windows(span: Span, steps: Steps, samples: Samples) -> Vec<Vec<i64>> {
        let mut seen = Vec::new();
        let visit = |step, window: Window<'_>| {
            assert_eq!(step, seen.len());
            seen.push(window.floats.times.to_vec());
            Ok::<_, ()>(())
        };
        for_each_window(&Tracks::new(samples, false), span, steps, visit).unwrap();
        seen
    }

    #[test]
    fn windows_are_open_on_the_left_and_without_stale_samples() {
        let mut samples = Samples::default();
        for time in [0, 10, 20, 30, 40, 50] {
            samples.push_float(time, if time == 30 { f64::from_bits(STALE_NAN_BITS) } else { f64::NAN });
        }
        let here = Reference { at: None, offset: 0 };
        let span = |reference, range, back, ahead| Span { reference, range, back, ahead };
        let steps = Steps::range(20, 60, 20);
        for (span, expected) in [
            (span(here, 20, 0, 0), [vec![10, 20], vec![40], vec![50]]),
            (span(here, 15, 5, 0), [vec![10, 20], vec![40], vec![50]]),
            (span(here, 10, 0, 10), [vec![20], vec![40, 50], vec![]]),
            (span(Reference { at: None, offset: 20 }, 5, 0, 0), [vec![0], vec![20], vec![40]]),
            (span(Reference { at: Some(50), offset: -10 }, 30, 0, 0), [vec![40, 50], vec![40, 50], vec![40, 50]]),
            (span(here, 0, 0, 0), [vec![], vec![], vec![]]),
        ] {
            assert_eq!(windows(span, steps, samples.clone()), expected, "{span:?}");
        }
    }
}
