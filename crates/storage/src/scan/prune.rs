//! Leaving out files without opening them, and row groups without reading their pages.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{Guarantee, LiteralGuarantee};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use futures::{StreamExt, TryStreamExt};
use parquet::data_type::{ByteArray, FixedLenByteArray};

use super::reader::{Blooms, Reader};
use crate::catalog::{Bounds, DataFile};

/// Bloom filters fetched at once; the rest waits.
const BLOOM_CONCURRENCY: usize = 16;

/// The files that may hold rows which satisfy `predicate`, by the catalog's bounds.
pub(super) fn by_bounds(
    files: &[Arc<DataFile>],
    schema: &SchemaRef,
    predicate: &Arc<dyn PhysicalExpr>,
) -> Vec<Arc<DataFile>> {
    // An expression that cannot be pruned by prunes nothing.
    let kept = PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(schema))
        .try_build(Arc::clone(predicate))
        .and_then(|pruning| pruning.prune(&FileBounds { files, schema }));
    match kept {
        Ok(kept) => files.iter().zip(kept).filter(|(_, keep)| *keep).map(|(file, _)| Arc::clone(file)).collect(),
        Err(_) => files.to_vec(),
    }
}

/// Where `predicate` holds only for certain trace ids: which those are.
pub(super) fn trace_ids(predicate: &Arc<dyn PhysicalExpr>) -> Option<Vec<Vec<u8>>> {
    let guarantees = LiteralGuarantee::analyze(predicate);
    let trace = guarantees
        .into_iter()
        .find(|guarantee| guarantee.column.name() == "trace_id" && guarantee.guarantee == Guarantee::In)?;
    let bytes = |value: &ScalarValue| match value {
        ScalarValue::FixedSizeBinary(_, Some(bytes)) | ScalarValue::Binary(Some(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    trace.literals.iter().map(bytes).collect()
}

/// The files, and the row groups in them, that may hold one of `ids`.
pub(super) async fn by_trace_ids(
    reader: &Reader,
    files: Vec<Arc<DataFile>>,
    ids: &[Vec<u8>],
) -> Result<Vec<PartitionedFile>> {
    let checks: Vec<_> = files.into_iter().map(|file| check(reader, file, ids)).collect();
    let checked: Vec<Option<PartitionedFile>> =
        futures::stream::iter(checks).buffered(BLOOM_CONCURRENCY).try_collect().await?;
    Ok(checked.into_iter().flatten().collect())
}

async fn check(reader: &Reader, file: Arc<DataFile>, ids: &[Vec<u8>]) -> Result<Option<PartitionedFile>> {
    let blooms = reader.blooms(&file, "trace_id").await?;
    let Some(plan) = access_plan(&blooms, ids) else { return Ok(None) };
    Ok(Some(reader.partitioned(&file)?.with_extension(plan)))
}

fn access_plan(blooms: &Blooms, ids: &[Vec<u8>]) -> Option<ParquetAccessPlan> {
    let mut plan = ParquetAccessPlan::new_all(blooms.len());
    for (group, bloom) in blooms.iter().enumerate() {
        let Some(bloom) = bloom else { continue };
        let may_hold = |id: &Vec<u8>| bloom.check(&FixedLenByteArray::from(ByteArray::from(id.clone())));
        if !ids.iter().any(may_hold) {
            plan.skip(group);
        }
    }
    let is_hopeless = plan.row_group_indexes().is_empty();
    (!is_hopeless).then_some(plan)
}

struct FileBounds<'a> {
    files: &'a [Arc<DataFile>],
    schema: &'a SchemaRef,
}

impl FileBounds<'_> {
    fn values(&self, column: &Column, pick: fn(&Bounds) -> &Option<ScalarValue>) -> Option<ArrayRef> {
        let data_type = self.schema.field_with_name(column.name()).ok()?.data_type();
        let unknown = ScalarValue::try_from(data_type).ok()?;
        let mut is_known = false;
        let values: Vec<ScalarValue> = self
            .files
            .iter()
            .map(|file| {
                let value = file.bounds(column.name()).and_then(|bounds| pick(bounds).as_ref());
                is_known |= value.is_some();
                value.and_then(|value| value.cast_to(data_type).ok()).unwrap_or_else(|| unknown.clone())
            })
            .collect();
        if !is_known {
            return None;
        }
        ScalarValue::iter_to_array(values).ok()
    }
}

impl PruningStatistics for FileBounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |bounds| &bounds.min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |bounds| &bounds.max)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts = self.files.iter().map(|file| file.bounds(column.name()).map(|bounds| bounds.null_count));
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.files.iter().map(|file| Some(file.rows)).collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
