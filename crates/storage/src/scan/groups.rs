//! Whole row groups, column by column, for readers that keep what they have decoded.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{DataFusionError, Result};
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::statistics::Statistics;

use super::constant::leaf;
use super::reader::{Reader, named};
use crate::catalog::DataFile;

impl Reader {
    /// How many rows each row group of a file has.
    pub(crate) async fn group_rows(&self, file: &DataFile) -> Result<Vec<usize>> {
        let footer = self.footer(file, PageIndexPolicy::Skip).await?;
        let rows = footer.row_groups().iter().map(|group| usize::try_from(group.num_rows()).unwrap_or_default());
        Ok(rows.collect())
    }

    /// The first and the last time of a row group, as far as the file says it.
    pub(crate) async fn group_times(&self, file: &DataFile, row_group: usize) -> Result<Option<(i64, i64)>> {
        let footer = self.footer(file, PageIndexPolicy::Skip).await?;
        let Some(leaf) = leaf(&footer, file.table.time_column()) else { return Ok(None) };
        Ok(match footer.row_group(row_group).column(leaf).statistics() {
            Some(Statistics::Int64(times)) => times.min_opt().copied().zip(times.max_opt().copied()),
            _ => None,
        })
    }

    /// The row groups of a file that may have an id in this column; all of those that have no bloom filter.
    pub(crate) async fn groups_of_id(&self, file: &DataFile, column: &str, id: &[u8]) -> Result<Vec<usize>> {
        let id = FixedLenByteArray::from(ByteArray::from(id.to_vec()));
        let blooms = self.blooms(file, column).await?;
        let groups = blooms.iter().enumerate();
        Ok(groups
            .filter(|(_, bloom)| bloom.as_ref().is_none_or(|bloom| bloom.check(&id)))
            .map(|(group, _)| group)
            .collect())
    }

    /// Some columns of all rows of a row group, in the types that `wanted` has for them: texts can be dictionaries, which spares
    /// making a text of each row. `None`: the file
    /// does not have the column. `fetched` counts bytes.
    pub(crate) async fn group_columns(
        &self,
        file: &DataFile,
        row_group: usize,
        wanted: &[FieldRef],
        fetched: &Arc<AtomicU64>,
    ) -> Result<Vec<Option<ArrayRef>>> {
        let footer = self.footer(file, PageIndexPolicy::Skip).await?;
        let rows = usize::try_from(footer.row_group(row_group).num_rows()).unwrap_or_default();
        let plain = ArrowReaderMetadata::try_new(footer.clone(), ArrowReaderOptions::new())?;
        let hinted = hinted(plain.schema(), wanted);
        let options = ArrowReaderOptions::new().with_schema(Arc::new(hinted));
        let metadata = ArrowReaderMetadata::try_new(footer, options)?;

        let root = metadata.parquet_schema().root_schema();
        let is_wanted = |name: &str| wanted.iter().any(|field| field.name() == name);
        let roots = root.get_fields().iter().enumerate().filter(|(_, field)| is_wanted(field.name()));
        let roots: Vec<usize> = roots.map(|(place, _)| place).collect();
        let batches: Vec<RecordBatch> = if roots.is_empty() {
            Vec::new()
        } else {
            let mask = ProjectionMask::roots(metadata.parquet_schema(), roots);
            ParquetRecordBatchStreamBuilder::new_with_metadata(self.open(file, fetched)?, metadata)
                .with_row_groups(vec![row_group])
                .with_projection(mask)
                .with_batch_size(rows.max(1))
                .build()
                .map_err(|error| named(&file.path, error.into()))?
                .try_collect()
                .await
                .map_err(|error| named(&file.path, DataFusionError::from(error)))?
        };
        wanted.iter().map(|field| column(&batches, field)).collect()
    }
}

/// The file's own columns, those that are wanted as dictionaries or views as such: texts are views of what was decompressed, without a
/// copy.
fn hinted(file: &Schema, wanted: &[FieldRef]) -> Schema {
    let is_text = |field: &FieldRef| matches!(field.data_type(), DataType::Utf8 | DataType::Utf8View);
    let hint = |field: &FieldRef| {
        let wanted = wanted.iter().find(|wanted| wanted.name() == field.name());
        let decoded = wanted.filter(|wanted| match wanted.data_type() {
            DataType::Dictionary(..) => true,
            DataType::Utf8View => is_text(field),
            _ => false,
        });
        match decoded {
            Some(wanted) => Arc::new(Field::clone(field).with_data_type(wanted.data_type().clone())),
            None => field.clone(),
        }
    };
    Schema::new_with_metadata(file.fields().iter().map(hint).collect::<Vec<_>>(), file.metadata().clone())
}

fn column(batches: &[RecordBatch], field: &FieldRef) -> Result<Option<ArrayRef>> {
    let parts: Option<Vec<&ArrayRef>> = batches.iter().map(|batch| batch.column_by_name(field.name())).collect();
    let array = match parts.as_deref() {
        None | Some([]) => return Ok(None),
        Some([one]) => ArrayRef::clone(one),
        Some(many) => concat(&many.iter().map(|part| part.as_ref()).collect::<Vec<_>>())?,
    };
    Ok(Some(if array.data_type() == field.data_type() { array } else { cast(&array, field.data_type())? }))
}
