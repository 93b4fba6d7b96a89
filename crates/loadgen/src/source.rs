//! A stream of requests of one signal.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;

use crate::random::mix;
use crate::template::{Filling, Template, trace_id};
use crate::traces::SPANS_PER_TRACE;
use crate::{logs, metrics, traces};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    Traces,
    Logs,
    Metrics,
}

impl Signal {
    pub const ALL: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

    /// What one item is called in reports.
    pub fn item(self) -> &'static str {
        match self {
            Signal::Traces => "spans",
            Signal::Logs => "lines",
            Signal::Metrics => "points",
        }
    }
}

#[derive(Debug, Clone)]
pub struct SourceOptions {
    pub signal: Signal,
    pub seed: u64,
    /// Items a request, rounded down to whole traces (12 spans) or pods (200 points), at least one of them.
    pub batch: usize,
    /// Metrics: how many series there are, rounded down to whole requests.
    pub series: usize,
    /// Metrics: time between two points of a series.
    pub interval: Duration,
    pub clock: Clock,
}

impl SourceOptions {
    /// Requests of 1000 items from now on; 20,000 series every 15 seconds, beginning six hours ago.
    pub fn new(signal: Signal) -> SourceOptions {
        let clock = match signal {
            Signal::Traces | Signal::Logs => Clock::Now,
            Signal::Metrics => Clock::Steps { start: now().saturating_sub(6 * 3600 * 1_000_000_000), step: 0 },
        };
        SourceOptions { signal, seed: 1, batch: 1000, series: 20_000, interval: Duration::from_secs(15), clock }
    }
}

/// The time that requests carry.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The machine's, when the request is built.
    Now,
    /// Request `n` is of `start + n * step` nanoseconds since the epoch. Metrics use `start` and their interval only.
    Steps { start: u64, step: u64 },
}

/// Nanoseconds since the epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Yields the same requests for the same options (but for the time, if the clock is [`Clock::Now`]).
#[derive(Debug)]
pub struct Source {
    options: SourceOptions,
    templates: Vec<Template>,
}

/// Templates of traces and logs: enough that what is not a hole does not repeat within a compression window.
const VARIANTS: u64 = 24;

impl Source {
    pub fn new(options: SourceOptions) -> Source {
        let templates = match options.signal {
            Signal::Traces => {
                let traces = (options.batch / SPANS_PER_TRACE).max(1);
                (0..VARIANTS).map(|variant| traces::template(options.seed, variant, traces)).collect()
            }
            Signal::Logs => {
                (0..VARIANTS).map(|variant| logs::template(options.seed, variant, options.batch.max(1))).collect()
            }
            Signal::Metrics => {
                let pods = (options.batch / metrics::SERIES_PER_POD).max(1) as u64;
                let requests = (options.series as u64 / (pods * metrics::SERIES_PER_POD as u64)).max(1);
                let start = match options.clock {
                    Clock::Now => now(),
                    Clock::Steps { start, .. } => start,
                };
                (0..requests)
                    .map(|request| metrics::template(options.seed, request * pods, pods, start - 3_600_000_000_000))
                    .collect()
            }
        };
        Source { options, templates }
    }

    pub fn signal(&self) -> Signal {
        self.options.signal
    }

    /// Items in every request.
    pub fn items(&self) -> usize {
        self.templates[0].items()
    }

    /// Mean bytes of an item.
    pub fn bytes_per_item(&self) -> f64 {
        let bytes: usize = self.templates.iter().map(Template::len).sum();
        let items: usize = self.templates.iter().map(Template::items).sum();
        bytes as f64 / items as f64
    }

    /// The bytes of request `number`, an `Export…ServiceRequest`.
    pub fn request(&self, number: u64) -> Bytes {
        let templates = self.templates.len() as u64;
        let tick = number / templates;
        let time = match (self.options.signal, self.options.clock) {
            (Signal::Metrics, Clock::Steps { start, .. }) => start + tick * self.options.interval.as_nanos() as u64,
            (_, Clock::Steps { start, step }) => start + number * step,
            (_, Clock::Now) => now(),
        };
        let filling = Filling { seed: self.filling_seed(number), world: self.options.seed, time, tick };
        Bytes::from(self.templates[(number % templates) as usize].fill(&filling))
    }

    /// A trace id of request `number`: that of its trace `trace`, which must be below `items() / 12`.
    pub fn trace_id(&self, number: u64, trace: u32) -> [u8; 16] {
        trace_id(self.filling_seed(number), trace)
    }

    fn filling_seed(&self, number: u64) -> u64 {
        mix(mix(self.options.seed, self.options.signal as u64), number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(signal: Signal) -> Source {
        let clock = Clock::Steps { start: 1_795_239_033_000_000_000, step: 1_000_000 };
        Source::new(SourceOptions { series: 2000, clock, ..SourceOptions::new(signal) })
    }

    #[test]
    fn requests_are_reproducible() {
        for signal in Signal::ALL {
            let (one, other) = (fixed(signal), fixed(signal));
            assert_eq!(one.request(30), other.request(30), "{signal:?}");
            assert_ne!(one.request(30), one.request(31), "{signal:?}");
        }
    }

    #[test]
    fn whole_traces_and_pods_fill_a_request() {
        assert_eq!(fixed(Signal::Traces).items(), 996);
        assert_eq!(fixed(Signal::Logs).items(), 1000);
        assert_eq!(fixed(Signal::Metrics).items(), 1000);
        assert_eq!(fixed(Signal::Metrics).templates.len(), 2);
    }

    #[test]
    fn trace_ids_can_be_told_without_the_request() {
        let source = fixed(Signal::Traces);
        let id = source.trace_id(3, 7);
        assert!(source.request(3).windows(16).any(|window| window == id));
    }
}
