//! What a scrape found → batches of samples, on their way into the store.

use std::sync::Arc;

use super::cache::{Cache, Family};
use super::collect::Sample;
use super::report::Gauge;
use crate::receivers::prometheus::relabel::Labels;
use crate::receivers::prometheusremotewrite::batch::{Batch, FoundSample, FoundSeries, Point};
use crate::receivers::prometheusremotewrite::families::MetricType;
use crate::receivers::prometheusremotewrite::labels::METRIC_NAME;
use crate::receivers::prometheusremotewrite::times::STALE_NAN;

/// Bytes of one request as OTLP. A scrape may be several.
const MAX_REQUEST: usize = 8 << 20;

/// Collects what goes out at one time. Nanoseconds since the epoch.
pub struct Writer<'c> {
    cache: &'c mut Cache,
    time: u64,
    samples: Vec<FoundSample>,
}

impl<'c> Writer<'c> {
    pub fn new(cache: &'c mut Cache, time: u64) -> Self {
        Self { cache, time, samples: Vec::new() }
    }

    pub fn samples(&mut self, samples: Vec<Sample>) {
        self.samples.reserve(samples.len());
        for Sample { series, time_unix_nano: time, start_time_unix_nano: start, point, exemplars } in samples {
            let Some(series) = self.cache.described(series) else { continue };
            self.samples.push(FoundSample { series, time, start, point, exemplars });
        }
    }

    /// Series end.
    pub fn ends(&mut self, ended: Vec<usize>) {
        for index in ended {
            let Some((series, point)) = self.cache.ended(index) else { continue };
            self.push(series, point);
        }
    }

    /// Series about the scrape itself; without a value they end.
    pub fn gauges(&mut self, gauges: &[Gauge], target: &Labels) {
        let own = self.cache.own(gauges.len(), |number| own_series(&gauges[number], target)).to_vec();
        for (series, gauge) in own.into_iter().zip(gauges) {
            self.push(series, Point::Float(gauge.value.unwrap_or(f64::from_bits(STALE_NAN))));
        }
    }

    pub fn finish(self) -> Vec<Batch> {
        Batch::part(self.samples, MAX_REQUEST)
    }

    fn push(&mut self, series: Arc<FoundSeries>, point: Point) {
        self.samples.push(FoundSample { series, time: self.time, start: 0, point, exemplars: Vec::new() });
    }
}

fn own_series(gauge: &Gauge, target: &Labels) -> FoundSeries {
    let mut labels = target.clone();
    labels.set(METRIC_NAME, gauge.name);
    let family = Family { kind: MetricType::Gauge, help: gauge.help.to_owned(), number: u32::MAX, ..Family::default() };
    FoundSeries::new(Arc::new(labels), Arc::new(family))
}
