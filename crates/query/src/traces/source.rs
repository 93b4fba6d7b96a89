//! Rows of spans, and which of their columns are attributes.

use arrow::array::{AsArray, FixedSizeBinaryArray};
use arrow::datatypes::TimestampNanosecondType;
use std::sync::Arc;

use trefoil_model::{Table, promote};
use trefoil_storage::Snapshot;
use trefoil_traceql::ast::Scope;

use crate::QueryError;
pub use crate::sources::{Columns, Key, Rows, Source, Sources};

pub const TRACE_ID: &str = "trace_id";
pub const START: &str = "start_time_unix_nano";
pub const PARENT: &str = "parent_span_id";

impl<'s> Sources<'s> {
    pub fn of_spans(snapshot: &'s Snapshot, columns: &'s Arc<Columns>) -> Sources<'s> {
        Sources::new(snapshot, columns, Table::Spans)
    }

    /// Columns of attributes of spans and resources, with their scopes and names.
    pub fn promoted(&self, source: &Source) -> Vec<(String, Scope, String)> {
        let named = |name: String| match (name.as_str(), promote::Scope::split(&name)) {
            ("service_name", _) => Some((name, Scope::Resource, "service.name".to_owned())),
            (_, Some((promote::Scope::Span, key))) => Some((name.clone(), Scope::Span, key.to_owned())),
            (_, Some((promote::Scope::Resource, key))) => Some((name.clone(), Scope::Resource, key.to_owned())),
            _ => None,
        };
        self.names(source).into_iter().filter_map(named).collect()
    }
}

impl Rows {
    /// When the span in each row starts, nanoseconds since the epoch.
    pub fn starts(&self) -> Result<&[i64], QueryError> {
        let starts = self.column(START).and_then(|array| array.as_primitive_opt::<TimestampNanosecondType>());
        let starts = starts.ok_or_else(|| QueryError::Internal("spans without starts".to_owned()))?;
        Ok(starts.values())
    }

    /// The id of the trace in each row.
    pub fn trace_ids(&self) -> Result<&FixedSizeBinaryArray, QueryError> {
        let ids = self.column(TRACE_ID).and_then(|array| array.as_any().downcast_ref());
        ids.ok_or_else(|| QueryError::Internal("spans without trace ids".to_owned()))
    }
}
