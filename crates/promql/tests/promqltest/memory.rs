//! The samples that a script has loaded, as a source of series.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use trefoil_promql::error::EvalError;
use trefoil_promql::labels::Labels;
use trefoil_promql::matcher::Matcher;
use trefoil_promql::points::Point;
use trefoil_promql::source::{RawSeries, Samples, SelectHints, SeriesSource};

use crate::chunks::Chunk;
use crate::nhcb;
use crate::script::{Load, LoadedSample, LoadedSeries};
use crate::series::SequenceValue;

#[derive(Debug, Default)]
pub struct Memory {
    series: BTreeMap<Labels, Stored>,
}

#[derive(Debug, Default)]
struct Stored {
    by_time: BTreeMap<i64, Sample>,
    chunk: Chunk,
}

#[derive(Debug)]
struct Sample {
    value: Point,
    /// 0: unknown.
    start_time: i64,
}

impl Memory {
    pub fn clear(&mut self) {
        self.series.clear();
    }

    pub fn load(&mut self, load: &Load) -> Result<(), String> {
        self.append_all(&load.series);
        if load.with_nhcb {
            self.append_all(&nhcb::convert(&load.series)?);
        }
        Ok(())
    }

    fn append_all(&mut self, series: &[LoadedSeries]) {
        for LoadedSeries { labels, samples } in series {
            let stored = self.series.entry(labels.clone()).or_default();
            samples.iter().for_each(|sample| stored.append(sample));
        }
    }
}

impl Stored {
    /// A later sample replaces one of the same time.
    fn append(&mut self, sample: &LoadedSample) {
        let value = match &sample.value {
            SequenceValue::Omitted => return,
            SequenceValue::Float(value) => {
                self.chunk.append_float();
                Point::Float(*value)
            }
            SequenceValue::Histogram { histogram, .. } => {
                let mut histogram = histogram.as_ref().clone();
                histogram.counter_reset_hint = self.chunk.append_histogram(&histogram);
                Point::Histogram(Arc::new(histogram))
            }
        };
        self.by_time.insert(sample.time, Sample { value, start_time: sample.start_time });
    }

    fn between(&self, start: i64, end: i64) -> Samples {
        let mut samples = Samples::default();
        let mut start_times = Vec::new();
        if start > end {
            return samples;
        }
        for (time, sample) in self.by_time.range(start..=end) {
            match &sample.value {
                Point::Float(value) => samples.push_float(*time, *value),
                Point::Histogram(histogram) => samples.push_histogram(*time, histogram.clone()),
            }
            start_times.push(sample.start_time);
        }
        if start_times.iter().any(|start| *start != 0) {
            samples.start_times = Some(start_times);
        }
        samples
    }
}

impl SeriesSource for Memory {
    fn select(&self, matchers: &[Matcher], hints: &SelectHints) -> Result<Vec<RawSeries>, EvalError> {
        let matching =
            self.series.iter().filter(|(labels, _)| matchers.iter().all(|matcher| matcher.matches_labels(labels)));
        let series = matching.map(|(labels, stored)| RawSeries {
            labels: labels.clone(),
            samples: stored.between(hints.start, hints.end),
        });
        Ok(series.filter(|series| !series.samples.is_empty()).collect())
    }

    /// Two at once, the last first: whoever takes them may rely on no order.
    fn select_in_batches(
        &self,
        matchers: &[Matcher],
        hints: &SelectHints,
        take: &mut dyn FnMut(Vec<RawSeries>) -> Result<ControlFlow<()>, EvalError>,
    ) -> Result<ControlFlow<()>, EvalError> {
        for batch in self.select(matchers, hints)?.chunks(2).rev() {
            if take(batch.to_vec())?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests {
    use trefoil_promql::histogram::CounterResetHint;

    use super::*;
    use crate::script::{self, CommandKind};

    fn loaded(text: &str) -> Memory {
        let mut memory = Memory::default();
        for command in script::parse(text).unwrap() {
            let CommandKind::Load(load) = command.kind else { panic!("{text}") };
            memory.load(&load).unwrap();
        }
        memory
    }

    fn select(memory: &Memory, metric: &str, start: i64, end: i64) -> Vec<RawSeries> {
        let hints = SelectHints { start, end, step: 1, range: 0 };
        memory.select(&[Matcher::equal("__name__", metric)], &hints).unwrap()
    }

    #[test]
    fn loads_add_up() {
        let memory =
            loaded("load 1s\n b 1 2 _ 4\n b{x=\"\"}@st _ _ _ _ -1ms\n b _ _ _ _ 5\n a 1\n\nload 2s\n b 7\n c 1");
        let series = select(&memory, "b", 0, 4000);
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].samples.times, [0, 1000, 3000, 4000]);
        assert_eq!(series[0].samples.floats, [7.0, 2.0, 4.0, 5.0]);
        assert_eq!(series[0].samples.start_times, Some(vec![0, 0, 0, 3999]));
        assert_eq!(select(&memory, "b", 2, 1500)[0].samples.start_times, None);
        assert!(select(&memory, "b", 2000, 2999).is_empty() && select(&memory, "b", 5, 4).is_empty());
    }

    #[test]
    fn counter_reset_hints_are_those_of_the_store() {
        use CounterResetHint::*;
        let text = "load 1s\n h {{count:2 sum:1}} {{count:3 sum:1}} {{count:1 sum:1}} {{count:1 sum:1}} stale \
                    {{count:5 sum:1}} {{schema:1 count:5 sum:1}} {{count:9 counter_reset_hint:reset}} \
                    {{count:9 counter_reset_hint:gauge}} {{count:9 counter_reset_hint:not_reset}} {{count:9 buckets:[1 0 1]}} \
                    {{count:9 buckets:[1 1 1]}} {{count:9 buckets:[1 1]}}";
        let samples = &select(&loaded(text), "h", 0, 99_000)[0].samples;
        let hints = (0..samples.len()).filter_map(|index| Some(samples.histogram(index)?.counter_reset_hint));
        let expected = [
            Unknown,
            NotCounterReset,
            Unknown,
            NotCounterReset,
            Unknown,
            Unknown,
            Unknown,
            Gauge,
            Unknown,
            NotCounterReset,
            NotCounterReset,
            Unknown,
        ];
        assert_eq!(hints.collect::<Vec<_>>(), expected);
    }
}
