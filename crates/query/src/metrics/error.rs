//! Why a question about metrics has no answer, sorted as Prometheus' API sorts it.

use thiserror::Error;
use trefoil_promql::error::{EvalError, ParseError};
use trefoil_promql::eval::QueryFailure;

use crate::QueryError;

/// `Display` is the `error` of Prometheus' answers, [`PromqlError::kind`] their `errorType`.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PromqlError {
    /// The query is none, or cannot be asked like this (HTTP 400).
    #[error("{0}")]
    BadData(String),
    /// It cannot be evaluated, or would cost more than it may (422).
    #[error("{0}")]
    Execution(String),
    /// It took longer than it may (503).
    #[error("{0}")]
    Timeout(String),
    /// The asker has gone (499).
    #[error("{0}")]
    Canceled(String),
    /// The store could not be read; asking again later may help (500).
    #[error("{0}")]
    Internal(String),
}

impl PromqlError {
    /// Prometheus' `errorType`.
    pub fn kind(&self) -> &'static str {
        match self {
            PromqlError::BadData(_) => "bad_data",
            PromqlError::Execution(_) => "execution",
            PromqlError::Timeout(_) => "timeout",
            PromqlError::Canceled(_) => "canceled",
            PromqlError::Internal(_) => "internal",
        }
    }
}

impl From<ParseError> for PromqlError {
    fn from(error: ParseError) -> Self {
        PromqlError::BadData(error.to_string())
    }
}

impl From<EvalError> for PromqlError {
    fn from(error: EvalError) -> Self {
        let message = error.to_string();
        match error {
            EvalError::Execution(_) | EvalError::Limit(_) => PromqlError::Execution(message),
            EvalError::Timeout(_) => PromqlError::Timeout(message),
            EvalError::Canceled => PromqlError::Canceled(message),
            EvalError::Source(_) => PromqlError::Internal(message),
        }
    }
}

impl From<QueryFailure> for PromqlError {
    fn from(failure: QueryFailure) -> Self {
        match failure {
            QueryFailure::Parse(error) => error.into(),
            QueryFailure::Invalid(message) => PromqlError::BadData(message),
            QueryFailure::Eval(error) => error.into(),
        }
    }
}

/// Of reading the store. What DataFusion calls invalid is not the asker's fault here: the plans are ours.
impl From<QueryError> for PromqlError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::LimitExceeded(message) => PromqlError::Execution(message),
            QueryError::Timeout(_) => PromqlError::Timeout(error.to_string()),
            QueryError::Invalid(message) | QueryError::Internal(message) => PromqlError::Internal(message),
        }
    }
}

impl From<datafusion::error::DataFusionError> for PromqlError {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        QueryError::from(error).into()
    }
}

/// What a source of series tells the evaluation that asked it.
impl From<PromqlError> for EvalError {
    fn from(error: PromqlError) -> Self {
        match error {
            PromqlError::BadData(message) | PromqlError::Execution(message) => EvalError::Limit(message),
            PromqlError::Timeout(_) => EvalError::Timeout(std::time::Duration::ZERO),
            PromqlError::Canceled(_) => EvalError::Canceled,
            PromqlError::Internal(message) => EvalError::Source(message),
        }
    }
}
