//! Why a query of series has no answer.

use thiserror::Error;
use trefoil_promql::error::EvalError;
use trefoil_promql::eval::QueryFailure;
use trefoil_promql::labels::Labels;

#[derive(Debug, Clone, PartialEq, Error)]
pub enum MetricsError {
    /// A stage failed for a line, and the query does not say that this is to be overlooked.
    #[error(
        "pipeline error: '{error}' for series: '{series}'. Lines like this can be left out by a label filter: \
         | __error__!=\"{error}\" leaves out those with this error, | __error__=\"\" those with any"
    )]
    Pipeline { error: String, series: Labels },
    #[error(
        "maximum of series ({0}) reached for a single query: select fewer streams, or make series of fewer labels by \
         an aggregation like sum by (…)"
    )]
    TooManySeries(usize),
    #[error(
        "a range aggregation of {series} series needs more than {limit} bytes: ask for a shorter time or a longer step, or \
         make series of fewer labels by an aggregation like sum by (…)"
    )]
    TooMuchMemory { series: usize, limit: usize },
    /// The query cannot be asked like this.
    #[error("{0}")]
    Invalid(&'static str),
    #[error("{0}")]
    Evaluation(#[from] QueryFailure),
}

impl From<EvalError> for MetricsError {
    fn from(error: EvalError) -> MetricsError {
        MetricsError::Evaluation(QueryFailure::Eval(error))
    }
}
