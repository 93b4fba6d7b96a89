//! A query as a tree.

mod filter;
mod metric;
mod stage;

pub use filter::{CompareOp, LabelFilter};
pub use metric::{
    Binary, BinaryOp, Cardinality, Conversion, Grouping, LabelReplace, LogRange, Matching, Metric, RangeAggregation,
    RangeOp, Unwrap, VectorAggregation, VectorOp,
};
pub use stage::{
    Extraction, LabelFormat, LabelSource, LineCondition, LineFilter, LineOp, LogfmtFlags, NamedLabel, Stage,
};

use crate::matcher::Matcher;

#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// Lines with their labels.
    Log(LogQuery),
    /// Series.
    Metric(Metric),
}

/// Lines of the streams that fulfil all matchers, through one stage after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct LogQuery {
    pub selector: Vec<Matcher>,
    pub stages: Vec<Stage>,
}
