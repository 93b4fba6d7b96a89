//! Batches of the buffer as the parts of a file.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use trefoil_model::Table;

use super::FilesError;
use super::gather::{Gather, Parts};
use crate::catalog::{Column, TableColumns};

/// Batches of one table and tenant, with the columns that have something in them.
pub(super) struct Batches<'b> {
    table: Table,
    columns: Vec<&'b Column>,
    schema: SchemaRef,
    batches: &'b [RecordBatch],
    rows: Vec<usize>,
}

impl<'b> Batches<'b> {
    /// `columns` = those of the table, as the catalog has them.
    pub fn new(table: Table, columns: &'b TableColumns, batches: &'b [RecordBatch]) -> Result<Self, FilesError> {
        let columns = present_columns(table, columns, batches)?;
        let schema = Arc::new(Schema::new(columns.iter().map(|column| column.field_with_ids()).collect::<Vec<_>>()));
        let rows = batches.iter().map(RecordBatch::num_rows).collect();
        Ok(Self { table, columns, schema, batches, rows })
    }
}

impl Parts for Batches<'_> {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn rows(&self) -> &[usize] {
        &self.rows
    }

    fn column(&self, index: usize) -> Result<Gather, FilesError> {
        let column = self.columns[index];
        let arrays: Vec<_> = self.batches.iter().map(|batch| batch.column_by_name(&column.name).cloned()).collect();
        Gather::new(&column.data_type, &arrays, &self.rows).map_err(|error| FilesError::Encode {
            path: format!("column {:?} of table {}", column.name, self.table.name()),
            reason: error.to_string(),
        })
    }
}

/// The columns a file of these batches needs: those that are never NULL, and others in which a value is not.
fn present_columns<'c>(
    table: Table,
    known: &'c TableColumns,
    batches: &[RecordBatch],
) -> Result<Vec<&'c Column>, FilesError> {
    let mut present = HashSet::new();
    for batch in batches {
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let Some(column) = known.get(field.name()) else {
                return Err(FilesError::UnknownColumn { table: table.name(), column: field.name().clone() });
            };
            if array.null_count() < array.len() {
                present.insert(column.id);
            }
        }
    }
    Ok(known.all().iter().filter(|column| !column.nullable || present.contains(&column.id)).collect())
}
