//! What expressions evaluate to.

use std::sync::Arc;

use crate::labels::Labels;
use crate::points::{Point, Points};
use crate::source::Samples;

/// One series of an instant vector over all steps.
#[derive(Debug, Clone)]
pub struct StepSeries {
    pub labels: Labels,
    /// The metric name does not belong to the value any more, but is kept until the end of the evaluation (delayed name
    /// removal), so that `label_replace` and the like can still see it.
    pub drop_name: bool,
    pub points: Points,
}

/// The value of an expression inside a query, over all steps.
#[derive(Debug, Clone)]
pub enum Value {
    /// A float for each step.
    Scalar(Vec<f64>),
    String(Arc<str>),
    Vector(Vec<StepSeries>),
}

/// The answer to a query, in the shapes of Prometheus' API. Times are milliseconds since the epoch.
#[derive(Debug, Clone)]
pub enum QueryResult {
    Scalar {
        time: i64,
        value: f64,
    },
    String {
        time: i64,
        value: Arc<str>,
    },
    /// Ordered as `sort` and `topk` order, else as the engine found them.
    Vector {
        time: i64,
        samples: Vec<(Labels, Point)>,
    },
    /// Of range queries, and of instant queries for a range selector. Sorted by labels.
    Matrix(Vec<(Labels, Samples)>),
}
