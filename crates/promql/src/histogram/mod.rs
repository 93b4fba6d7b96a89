//! Native histograms with float counts, exponential (schemas -4 to 8) or with custom bounds (schema -53).
//!
//! Source: Prometheus' native histogram specification. A histogram of an exponential schema s has bucket i covering
//! (base^(i-1), base^i] with base = 2^(2^-s), the negative ones mirrored, and a zero bucket of [-threshold, threshold].

mod add;
mod bounds;
mod cells;
mod classic;
mod compact;
mod custom;
mod equal;
mod fraction;
mod iterate;
mod kahan;
mod notation;
mod parse;
mod quantile;
mod reset;
mod scale;
mod schema;
mod size;
mod stats;
mod trim;
mod validate;
mod zero;

#[cfg(test)]
mod properties;

pub use add::{AddNotes, Incompatible};
pub use bounds::{
    MAX_EXPONENTIAL_SCHEMA, MIN_EXPONENTIAL_SCHEMA, bucket_bound, exponential_bound, is_exponential_schema,
};
pub use classic::{BucketQuantile, bucket_fraction, bucket_quantile};
pub use equal::almost_equal;
pub use iterate::Bucket;
pub use kahan::{Kahan, kahan_inc};
pub use parse::{NotationError, ParsedHistogram};
pub use quantile::NanObservations;
pub use validate::InvalidHistogram;

/// The schema of histograms whose buckets end at `custom_values`.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

#[derive(Debug, Clone, PartialEq)]
pub struct FloatHistogram {
    pub counter_reset_hint: CounterResetHint,
    pub schema: i32,
    pub zero_threshold: f64,
    pub zero_count: f64,
    pub count: f64,
    /// A stale NaN: the series ends here.
    pub sum: f64,
    pub positive_spans: Vec<Span>,
    pub negative_spans: Vec<Span>,
    /// Absolute counts of the buckets that the spans name, one after another.
    pub positive_buckets: Vec<f64>,
    pub negative_buckets: Vec<f64>,
    /// Upper bounds, ascending, without +Inf; only of custom buckets.
    pub custom_values: Vec<f64>,
}

/// A run of neighbouring buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Of the first one: its index; of others: how many buckets lie between the span before and this one.
    pub offset: i32,
    pub length: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CounterResetHint {
    #[default]
    Unknown,
    CounterReset,
    NotCounterReset,
    Gauge,
}

impl Default for FloatHistogram {
    fn default() -> Self {
        Self {
            counter_reset_hint: CounterResetHint::Unknown,
            schema: 0,
            zero_threshold: 0.0,
            zero_count: 0.0,
            count: 0.0,
            sum: 0.0,
            positive_spans: Vec::new(),
            negative_spans: Vec::new(),
            positive_buckets: Vec::new(),
            negative_buckets: Vec::new(),
            custom_values: Vec::new(),
        }
    }
}
