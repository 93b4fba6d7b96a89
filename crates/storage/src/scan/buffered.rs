//! Rows of the buffer as a scan sees them: filtered as they lie there, then turned into the table's types.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{cast, filter_record_batch, prep_null_mask_filter};
use arrow::datatypes::{Field, SchemaRef};
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

/// Batches of the buffer: columns in any order, promoted ones missing, strings in any encoding.
pub(super) struct Buffered {
    pub batches: Vec<RecordBatch>,
    /// The whole table: what `predicate` refers to.
    pub table: SchemaRef,
    /// The columns asked for.
    pub projected: SchemaRef,
    /// Rows that it refuses need not come.
    pub predicate: Option<Arc<dyn PhysicalExpr>>,
}

impl fmt::Debug for Buffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        write!(f, "Buffered {{ batches: {}, rows: {rows} }}", self.batches.len())
    }
}

impl PartitionStream for Buffered {
    fn schema(&self) -> &SchemaRef {
        &self.projected
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (table, projected, predicate) = (self.table.clone(), self.projected.clone(), self.predicate.clone());
        let batches = self.batches.clone().into_iter().filter_map(move |batch| {
            let rows = match matching(&batch, &table, predicate.as_ref()) {
                Ok(rows) => rows,
                Err(error) => return Some(Err(error)),
            };
            (rows.num_rows() > 0).then(|| adapt(&rows, &projected))
        });
        Box::pin(RecordBatchStreamAdapter::new(self.projected.clone(), futures::stream::iter(batches)))
    }
}

fn matching(batch: &RecordBatch, table: &SchemaRef, predicate: Option<&Arc<dyn PhysicalExpr>>) -> Result<RecordBatch> {
    let Some(predicate) = predicate else { return Ok(batch.clone()) };
    // The predicate names columns by their position in the table; those that it does not name cost nothing.
    let used = collect_columns(predicate);
    let columns = table.fields().iter().enumerate().map(|(index, field)| {
        if used.iter().any(|column| column.index() == index) {
            column(batch, field)
        } else {
            Ok(new_null_array(&arrow::datatypes::DataType::Null, batch.num_rows()))
        }
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let fields: Vec<Field> = table
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let view = RecordBatch::try_new_with_options(Arc::new(arrow::datatypes::Schema::new(fields)), columns, &options)?;
    let mask = predicate.evaluate(&view)?.into_array(batch.num_rows())?;
    let Some(mask) = mask.as_any().downcast_ref::<BooleanArray>() else { return Ok(batch.clone()) };
    let mask = if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() };
    Ok(filter_record_batch(batch, &mask)?)
}

fn adapt(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| column(batch, field)).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

fn column(batch: &RecordBatch, field: &Field) -> Result<ArrayRef> {
    match batch.column_by_name(field.name()) {
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        Some(array) if array.data_type() == field.data_type() => Ok(Arc::clone(array)),
        Some(array) => Ok(cast(array, field.data_type())?),
    }
}
