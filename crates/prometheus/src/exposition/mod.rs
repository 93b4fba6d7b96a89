//! What a scrape target says, in any of Prometheus' formats: text 0.0.4 and 1.0.0, OpenMetrics, protobuf; read by a
//! [`Parser`], written as [`Family`]s by [`Written`], which [`negotiate`] finds.
//!
//! ```
//! use trefoil_prometheus::exposition::{Entry, Format, Options, Parser};
//!
//! let body = b"# TYPE up gauge\nup{job=\"x\"} 1 1000\n";
//! let chosen = Format::of_answer(Some("text/plain; version=0.0.4"), None)?;
//! let mut parser = Parser::new(chosen.format, body, Options::default());
//! while let Some(entry) = parser.next()? {
//!     if let Entry::Series(series) = entry {
//!         assert_eq!((series.name, series.timestamp), ("up", Some(1000)));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Parser`] walks over a body once and lends what it finds; nothing but escaped text, exemplars and native histograms is
//! copied. It sees a body as Prometheus does: series with their labels as they stand there (unsorted, not checked for
//! duplicates, empty values included), `le` and `quantile` of typed families in the form `1.0`, a metadata entry for each line
//! of metadata. The first error ends it, as it ends a scrape.
//!
//! Sources: "Exposition formats" of Prometheus' documentation, OpenMetrics 1.0, `io.prometheus.client` (`metrics.proto`); in
//! doubt what Prometheus itself takes.

use std::borrow::Cow;

mod created;
mod error;
mod family;
mod format;
mod histogram;
mod labels;
mod nhcb;
mod number;
mod open_metrics;
mod protobuf;
mod scan;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub use error::ParseError;
pub use family::{Bucket, Distribution, Family, Metric, MetricValue};
pub use format::{Chosen, Format, ScrapeProtocol, UnsupportedContentType, accept_header};
pub use histogram::{CUSTOM_BUCKETS, Counts, NativeHistogram, Span};
pub use write::{Offered, Written, negotiate};

use nhcb::Converter;
use open_metrics::OpenMetrics;
use protobuf::Protobuf;
use text::Text;

/// What a family of metrics is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MetricType {
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
    /// Also `untyped`.
    #[default]
    Unknown,
}

impl MetricType {
    /// As Prometheus' API and OpenMetrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Unknown => "unknown",
        }
    }

    /// What is none of them is unknown.
    pub fn from_name(name: &str) -> Self {
        let all = [Self::Counter, Self::Gauge, Self::Histogram, Self::GaugeHistogram, Self::Summary, Self::Info];
        all.into_iter().chain([Self::StateSet]).find(|kind| kind.as_str() == name).unwrap_or_default()
    }
}

/// How a body is read; the defaults are Prometheus'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Take native histograms (only protobuf has them); else only their classic buckets, if there are any.
    pub native_histograms: bool,
    /// Of a histogram that is both, give the classic series too (`always_scrape_classic_histograms`).
    pub keep_classic: bool,
    /// Make native histograms with custom buckets of classic ones (`convert_classic_histograms_to_nhcb`). With
    /// `keep_classic` the classic series come, too, before it.
    pub convert_classic: bool,
    /// What becomes of OpenMetrics' `_created` lines of counters, histograms and summaries.
    pub created: Created,
}

impl Default for Options {
    fn default() -> Self {
        Self { native_histograms: true, keep_classic: false, convert_classic: false, created: Created::AsSeries }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// They are series like others.
    AsSeries,
    /// They are the [`Series::start`] of the other series of their metric and nothing else.
    AsStart,
}

/// One thing that a body says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Entry<'p> {
    Type { family: &'p str, kind: MetricType },
    Help { family: &'p str, text: &'p str },
    Unit { family: &'p str, unit: &'p str },
    Series(Series<'p>),
}

/// One sample of one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Series<'p> {
    pub name: &'p str,
    /// Without the name; in the order of the body.
    pub labels: &'p [Label<'p>],
    pub value: Value<'p>,
    /// Milliseconds since the epoch, where the target gives one.
    pub timestamp: Option<i64>,
    /// Since when a counter, histogram or summary counts; milliseconds since the epoch.
    pub start: Option<i64>,
    pub exemplars: &'p [Exemplar<'p>],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label<'p> {
    pub name: Cow<'p, str>,
    pub value: Cow<'p, str>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'p> {
    /// NaN is always the same one, never Prometheus' mark of the end of a series.
    Float(f64),
    Histogram(&'p NativeHistogram),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar<'p> {
    pub labels: Vec<Label<'p>>,
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
}

/// Reads one body.
pub struct Parser<'a> {
    converter: Converter<Body<'a>>,
    is_done: bool,
}

impl<'a> Parser<'a> {
    pub fn new(format: Format, body: &'a [u8], options: Options) -> Self {
        let body = match format {
            Format::Text => Body::Text(Text::new(body)),
            Format::OpenMetrics => Body::OpenMetrics(OpenMetrics::new(body, options.created)),
            Format::Protobuf => Body::Protobuf(Protobuf::new(body, options)),
        };
        Self { converter: Converter::new(body, options), is_done: false }
    }

    /// The next entry; `None` at the end of the body and after an error.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, ParseError> {
        if self.is_done {
            return Ok(None);
        }
        match self.converter.advance() {
            Ok(true) => Ok(Some(self.converter.entry())),
            Ok(false) => {
                self.is_done = true;
                Ok(None)
            }
            Err(error) => {
                self.is_done = true;
                Err(error)
            }
        }
    }

    /// Classic histograms so far that could not be converted (their buckets count less and less, or a bound is no number) and
    /// were left out.
    pub fn unconverted(&self) -> usize {
        self.converter.unconverted()
    }
}

/// A reader in two steps, so that others can look at an entry before they decide what to lend.
trait Source {
    /// To the next entry, if there is one.
    fn advance(&mut self) -> Result<bool, ParseError>;
    /// Where the last successful `advance` went.
    fn entry(&self) -> Entry<'_>;
}

enum Body<'a> {
    Text(Text<'a>),
    OpenMetrics(OpenMetrics<'a>),
    Protobuf(Protobuf<'a>),
}

impl Source for Body<'_> {
    fn advance(&mut self) -> Result<bool, ParseError> {
        match self {
            Self::Text(text) => text.advance(),
            Self::OpenMetrics(text) => text.advance(),
            Self::Protobuf(messages) => messages.advance(),
        }
    }

    fn entry(&self) -> Entry<'_> {
        match self {
            Self::Text(text) => text.entry(),
            Self::OpenMetrics(text) => text.entry(),
            Self::Protobuf(messages) => messages.entry(),
        }
    }
}
