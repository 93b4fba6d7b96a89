//! Why a query has no answer, sorted by whose fault it is: surfaces map these to the codes their clients know.

use std::any::Any;
use std::time::Duration;

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum QueryError {
    /// The query is wrong: syntax, an unknown table or column, a type error, a statement that would write.
    #[error("{0}")]
    Invalid(String),
    /// The query ran past its time limit.
    #[error("the query took longer than its limit of {0:?}")]
    Timeout(Duration),
    /// The query wanted more rows or memory than it may have.
    #[error("{0}")]
    LimitExceeded(String),
    /// The store could not be read; asking again later may help.
    #[error("{0}")]
    Internal(String),
}

impl QueryError {
    /// A panic in a library that read something it did not expect: nearly always a damaged data file.
    pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let reason = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given");
        QueryError::Internal(format!(
            "the query broke down: {reason} (is a data file damaged? The Parquet library does not say which)"
        ))
    }
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        let message = error.strip_backtrace();
        if let DataFusionError::SQL(error, _) = error.find_root() {
            return QueryError::Invalid(syntax_error(error));
        }
        match error.find_root() {
            DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Configuration(_) => QueryError::Invalid(message),
            // Casting 'abc' to a number, dividing by zero: what was asked, not what is stored.
            DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => QueryError::Invalid(message),
            DataFusionError::ResourcesExhausted(_) => {
                QueryError::LimitExceeded(format!("{message} (query.max_memory is for all running queries together)"))
            }
            _ => QueryError::Internal(message),
        }
    }
}

fn syntax_error(error: &ParserError) -> String {
    match error {
        ParserError::TokenizerError(reason) | ParserError::ParserError(reason) => format!("SQL: {reason}"),
        ParserError::RecursionLimitExceeded => "SQL: the query is nested too deep".to_owned(),
    }
}

impl From<trefoil_storage::StorageError> for QueryError {
    fn from(error: trefoil_storage::StorageError) -> Self {
        QueryError::Internal(error.to_string())
    }
}
