//! Native histograms.

/// The schema of histograms with bounds of their own.
pub const CUSTOM_BUCKETS: i32 = -53;

/// A native histogram, in Prometheus' layout.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NativeHistogram {
    /// -4 to 8: a factor of 2^(2^-schema) from bucket to bucket; [`CUSTOM_BUCKETS`]; others are for who takes it to refuse.
    pub schema: i32,
    pub zero_threshold: f64,
    pub sum: f64,
    pub counts: Counts,
    /// Which buckets `counts` has, each list as long as its spans together.
    pub positive_spans: Vec<Span>,
    pub negative_spans: Vec<Span>,
    /// Upper bounds without infinity, of [`CUSTOM_BUCKETS`].
    pub custom_values: Vec<f64>,
    /// It may shrink.
    pub is_gauge: bool,
}

/// So many buckets in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Buckets left out since the end of the span before; of the first, its index.
    pub offset: i32,
    pub length: u32,
}

/// All counts of a histogram; of buckets each for itself, neither summed up nor as differences.
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    Integer { count: u64, zero: u64, positive: Vec<u64>, negative: Vec<u64> },
    Float { count: f64, zero: f64, positive: Vec<f64>, negative: Vec<f64> },
}

impl Default for Counts {
    fn default() -> Self {
        Self::Integer { count: 0, zero: 0, positive: Vec::new(), negative: Vec::new() }
    }
}
