//! What stands in the bodies of logs, as columns: their form, their level, and fields that many of them have
//! (docs/decisions/0035-fields-as-columns.md).
//!
//! Bodies are read when rows become files, once. The readers are those of the query's stages, so that a column says exactly what a stage
//! would find: where it is NULL and the field was looked for, the body does not have it.

mod columns;
mod learn;

pub(crate) use columns::BodyColumns;
pub(crate) use learn::Learner;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};

use crate::files::text;

/// The bodies of some rows.
pub(crate) struct Bodies<'b> {
    texts: &'b ArrayRef,
    are_json: Option<&'b ArrayRef>,
}

impl<'b> Bodies<'b> {
    /// `are_json`: the column that says which of the texts stand for other values.
    pub fn new(texts: &'b ArrayRef, are_json: Option<&'b ArrayRef>) -> Self {
        Self { texts, are_json }
    }

    pub fn of_batch(batch: &'b RecordBatch) -> Option<Self> {
        Some(Self::new(batch.column_by_name(BODY)?, batch.column_by_name(BODY_IS_JSON)))
    }

    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// The line of a row, empty where there is no body. `None`: the body is no text; what line it becomes is a matter of who reads it.
    pub fn line(&self, row: usize) -> Option<&'b str> {
        let are_json = self.are_json.and_then(|flags| flags.as_boolean_opt());
        match are_json.is_some_and(|flags| flags.is_valid(row) && flags.value(row)) {
            true => None,
            false => Some(text(self.texts, row).unwrap_or_default()),
        }
    }
}

pub(crate) const BODY: &str = "body";
pub(crate) const BODY_IS_JSON: &str = "body_is_json";
