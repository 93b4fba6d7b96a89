//! Which file it was: pages are decoded far from where their bytes were read, and the decoder does not know the file's name.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use parquet::errors::ParquetError;

use super::reader::named;

/// The source within, its errors with the name of the file that they come from.
pub(super) struct Blaming(Arc<dyn FileSource>);

impl Blaming {
    pub(super) fn wrap(source: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self(source))
    }
}

impl FileSource for Blaming {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.0.create_file_opener(store, config, partition)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        Ok(Box::new(Files(self.0.create_morselizer(store, config, partition)?)))
    }

    fn table_schema(&self) -> &TableSchema {
        self.0.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Self::wrap(self.0.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.0.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.0.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.0.metrics()
    }

    fn file_type(&self) -> &str {
        self.0.file_type()
    }

    fn fmt_extra(&self, style: DisplayFormatType, f: &mut Formatter) -> fmt::Result {
        self.0.fmt_extra(style, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.0.supports_repartitioning()
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let pushed = self.0.try_pushdown_filters(filters, config)?;
        Ok(FilterPushdownPropagation { filters: pushed.filters, updated_node: pushed.updated_node.map(Self::wrap) })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        use SortOrderPushdownResult::{Exact, Inexact, Unsupported};
        Ok(match self.0.try_pushdown_sort(order, properties)? {
            Exact { inner } => Exact { inner: Self::wrap(inner) },
            Inexact { inner } => Inexact { inner: Self::wrap(inner) },
            Unsupported => Unsupported,
        })
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.0.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        Ok(self.0.try_pushdown_projection(projection)?.map(Self::wrap))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.0.apply_expressions(f)
    }
}

#[derive(Debug)]
struct Files(Box<dyn Morselizer>);

impl Morselizer for Files {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let path: Arc<str> = file.object_meta.location.as_ref().into();
        let planner = self.0.plan_file(file).map_err(|error| blamed(&path, error))?;
        Ok(OfFile::wrap(&path)(planner))
    }
}

/// Something of one file.
struct OfFile<T: ?Sized> {
    path: Arc<str>,
    inner: Box<T>,
}

impl<T: Debug + ?Sized> Debug for OfFile<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl OfFile<dyn MorselPlanner> {
    fn wrap(path: &Arc<str>) -> impl Fn(Box<dyn MorselPlanner>) -> Box<dyn MorselPlanner> + use<> {
        let path = Arc::clone(path);
        move |inner| Box::new(OfFile { path: Arc::clone(&path), inner })
    }
}

impl MorselPlanner for OfFile<dyn MorselPlanner> {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Self { path, inner } = *self;
        let wrap = Self::wrap(&path);
        let Some(mut plan) = inner.plan().map_err(|error| blamed(&path, error))? else { return Ok(None) };
        let morsels = plan.take_morsels().into_iter();
        let morsels = morsels.map(|inner| Box::new(OfFile { path: Arc::clone(&path), inner }) as Box<dyn Morsel>);
        let planners = plan.take_ready_planners().into_iter().map(&wrap);
        let mut blaming = MorselPlan::new().with_morsels(morsels.collect()).with_planners(planners.collect());
        if let Some(pending) = plan.take_pending_planner() {
            blaming.set_pending_planner(async move { pending.await.map(wrap).map_err(|error| blamed(&path, error)) });
        }
        Ok(Some(blaming))
    }
}

impl Morsel for OfFile<dyn Morsel> {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let Self { path, inner } = *self;
        inner.into_stream().map_err(move |error| blamed(&path, error)).boxed()
    }
}

/// With the file's name, if the file is to blame and not, say, the query's own filter.
fn blamed(path: &str, error: DataFusionError) -> DataFusionError {
    // Errors of reading have the name already.
    if is_of_file(&error) && !error.to_string().contains(path) { named(path, error) } else { error }
}

fn is_of_file(error: &DataFusionError) -> bool {
    let is_of_decoder = |error: &ArrowError| matches!(error, ArrowError::ParquetError(_));
    match error {
        DataFusionError::ParquetError(error) => match &**error {
            // A filter's columns are decoded, and the filter is computed, within.
            ParquetError::External(source) => source.downcast_ref().is_none_or(is_of_decoder),
            _ => true,
        },
        DataFusionError::ArrowError(error, _) => is_of_decoder(error),
        _ => false,
    }
}
