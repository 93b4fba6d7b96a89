//! Samples in milliseconds, each time once: of two in one millisecond the later counts.

use std::sync::Arc;

use trefoil_promql::histogram::FloatHistogram;
use trefoil_promql::source::{RawSeries, STALE_NAN_BITS, Samples};

use crate::metrics::read::At;

const NANOS_PER_MILLI: i64 = 1_000_000;

/// Takes the samples of one series by time.
#[derive(Debug, Default)]
pub struct Builder {
    samples: Samples,
    starts: Vec<i64>,
}

impl Builder {
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    pub fn float(&mut self, at: At, value: f64) {
        let time = self.next(at);
        self.samples.push_float(time, value);
    }

    pub fn histogram(&mut self, at: At, histogram: Arc<FloatHistogram>) {
        let time = self.next(at);
        self.samples.push_histogram(time, histogram);
    }

    /// The series ends.
    pub fn stale(&mut self, at: At) {
        self.float(at, f64::from_bits(STALE_NAN_BITS));
    }

    /// Makes room for a sample of that time.
    fn next(&mut self, at: At) -> i64 {
        let time = at.time.div_euclid(NANOS_PER_MILLI);
        if self.samples.times.last() == Some(&time) {
            pop(&mut self.samples);
            self.starts.pop();
        }
        self.starts.push(at.start.div_euclid(NANOS_PER_MILLI));
        time
    }

    pub fn finish(mut self) -> Samples {
        if self.starts.iter().any(|start| *start != 0) {
            self.samples.start_times = Some(self.starts);
        }
        self.samples
    }
}

fn pop(samples: &mut Samples) {
    samples.times.pop();
    samples.floats.pop();
    if let Some(histograms) = &mut samples.histograms {
        histograms.pop();
    }
}

/// Sorted by labels, each label set once: series that differ only in what is no label (their scope, say) are one to Prometheus.
pub fn merged(mut series: Vec<RawSeries>) -> Vec<RawSeries> {
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    if series.windows(2).all(|pair| pair[0].labels != pair[1].labels) {
        return series;
    }
    let same = series.chunk_by(|a, b| a.labels == b.labels);
    same.map(|same| RawSeries { labels: same[0].labels.clone(), samples: interleaved(same) }).collect()
}

/// By time; of equal times the sample of the later series counts.
fn interleaved(series: &[RawSeries]) -> Samples {
    if let [only] = series {
        return only.samples.clone();
    }
    let all = series.iter().flat_map(|series| (0..series.samples.len()).map(move |index| (&series.samples, index)));
    let mut order: Vec<(&Samples, usize)> = all.collect();
    order.sort_by_key(|(samples, index)| samples.times[*index]);
    let mut builder = Builder::default();
    for (samples, index) in order {
        let nanos = |millis: i64| millis.saturating_mul(NANOS_PER_MILLI);
        let start = samples.start_times.as_ref().map_or(0, |starts| starts[index]);
        let at = At { time: nanos(samples.times[index]), start: nanos(start) };
        match samples.histogram(index) {
            Some(histogram) => builder.histogram(at, histogram.clone()),
            None => builder.float(at, samples.floats[index]),
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use trefoil_promql::labels::Labels;

    use super::*;

    fn series(name: &str, samples: &[(i64, f64)]) -> RawSeries {
        let mut builder = Builder::default();
        for (micros, value) in samples {
            builder.float(At { time: micros * 1000, start: 0 }, *value);
        }
        RawSeries { labels: Labels::from_pairs([("__name__", name)]), samples: builder.finish() }
    }

    #[test]
    fn a_millisecond_has_one_sample() {
        let samples = series("a", &[(1000, 1.0), (1999, 2.0), (2000, 3.0)]).samples;
        assert_eq!((&*samples.times, samples.floats, samples.start_times), (&[1, 2][..], vec![2.0, 3.0], None));
    }

    #[test]
    fn equal_label_sets_are_one_series() {
        let all = vec![series("b", &[(1000, 1.0)]), series("a", &[(3000, 3.0)]), series("b", &[(0, 0.0), (1000, 9.0)])];
        let merged = merged(all);
        assert_eq!(merged.len(), 2);
        assert_eq!((&*merged[1].samples.times, &merged[1].samples.floats), (&[0, 1][..], &vec![0.0, 9.0]));
    }
}
