//! One table of one tenant for DataFusion.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::union::UnionExec;
use trefoil_model::{Table, Tenant};

use super::blame::Blaming;
use super::buffered::Buffered;
use super::prune;
use super::reader::Reader;
use crate::catalog::{CatalogSnapshot, DataFile};

/// Files and buffered rows of one tenant and table, from one consistent moment. Scans of it agree with one another, as
/// long as the files live (the grace period of the catalog).
#[derive(Debug)]
pub struct TableScan {
    reader: Reader,
    table: Table,
    files: Arc<[Arc<DataFile>]>,
    buffered: Vec<RecordBatch>,
    schema: SchemaRef,
}

impl TableScan {
    /// `buffered` are the tenant's rows that are not in the files of `snapshot`. The schema is the catalog's, with the
    /// promoted columns of `buffered` that it does not have yet at the end.
    pub fn new(
        reader: &Reader,
        snapshot: &CatalogSnapshot,
        tenant: &Tenant,
        table: Table,
        buffered: Vec<RecordBatch>,
    ) -> Self {
        let schema = extended(snapshot.columns(table).schema(), &buffered);
        Self { reader: reader.clone(), table, files: snapshot.files(table, tenant), buffered, schema }
    }

    async fn parquet_files(&self, predicate: Option<&Arc<dyn PhysicalExpr>>) -> Result<Vec<PartitionedFile>> {
        let Some(predicate) = predicate else {
            return self.files.iter().map(|file| self.reader.partitioned(file)).collect();
        };
        let files = prune::by_bounds(&self.files, &self.schema, predicate);
        let has_blooms = matches!(self.table, Table::Spans | Table::Logs);
        match prune::trace_ids(predicate).filter(|_| has_blooms) {
            Some(ids) => prune::by_trace_ids(&self.reader, files, &ids).await,
            None => files.iter().map(|file| self.reader.partitioned(file)).collect(),
        }
    }

    async fn scan_files(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        predicate: Option<&Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let files = self.parquet_files(predicate).await?;
        let metrics = self.reader.metrics();
        metrics.scanned_files.inc_by(files.len() as u64);
        metrics.pruned_files.inc_by((self.files.len() - files.len()) as u64);
        if files.is_empty() {
            return Ok(None);
        }
        let mut options = TableParquetOptions::default();
        let global = &mut options.global;
        global.pushdown_filters = true;
        global.reorder_filters = true;
        global.enable_page_index = true;
        // Done above, where the filters are cached.
        global.bloom_filter_on_read = false;
        let mut source = ParquetSource::new(self.schema.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(self.reader.factory());
        if let Some(predicate) = predicate {
            source = source.with_predicate(Arc::clone(predicate));
        }
        let partitions = state.config().target_partitions().max(1);
        let groups = FileGroup::new(files).split_files(partitions);
        // The URL is a formality: all reads go through the factory.
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Blaming::wrap(Arc::new(source)))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(Some(DataSourceExec::from_data_source(config)))
    }

    fn scan_buffer(
        &self,
        partitions: usize,
        projection: Option<&Vec<usize>>,
        predicate: Option<&Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if self.buffered.is_empty() {
            return Ok(None);
        }
        let projected = match projection {
            Some(indices) => Arc::new(self.schema.project(indices)?),
            None => self.schema.clone(),
        };
        let partitions = partitions.clamp(1, self.buffered.len());
        let streams = self.buffered.chunks(self.buffered.len().div_ceil(partitions)).map(|batches| {
            Arc::new(Buffered {
                batches: batches.to_vec(),
                table: self.schema.clone(),
                projected: projected.clone(),
                predicate: predicate.cloned(),
            }) as Arc<dyn PartitionStream>
        });
        let streams = streams.collect();
        Ok(Some(Arc::new(StreamingTableExec::try_new(projected, streams, None, [], false, limit)?)))
    }
}

#[async_trait]
impl TableProvider for TableScan {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // The rows that come may be more; DataFusion filters again where Parquet could not.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let predicate = match conjunction(filters.iter().cloned()) {
            None => None,
            Some(filter) => {
                let schema = DFSchema::try_from(self.schema.as_ref().clone())?;
                Some(state.create_physical_expr(filter, &schema)?)
            }
        };
        let files = self.scan_files(state, projection, predicate.as_ref(), limit).await?;
        let buffer = self.scan_buffer(state.config().target_partitions(), projection, predicate.as_ref(), limit)?;
        match (files, buffer) {
            (Some(files), Some(buffer)) => UnionExec::try_new(vec![files, buffer]),
            (Some(only), None) | (None, Some(only)) => Ok(only),
            (None, None) => {
                let projected = match projection {
                    Some(indices) => Arc::new(self.schema.project(indices)?),
                    None => self.schema.clone(),
                };
                Ok(Arc::new(EmptyExec::new(projected)))
            }
        }
    }
}

fn extended(schema: &SchemaRef, batches: &[RecordBatch]) -> SchemaRef {
    let mut names: HashSet<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    for field in batches.iter().flat_map(|batch| batch.schema_ref().fields()) {
        if names.insert(field.name()) {
            let data_type = match field.data_type() {
                DataType::Dictionary(_, value) if **value == DataType::Utf8 => DataType::Utf8View,
                DataType::Utf8 => DataType::Utf8View,
                other => other.clone(),
            };
            fields.push(Arc::new(Field::new(field.name(), data_type, true)));
        }
    }
    if fields.len() == schema.fields().len() {
        return schema.clone();
    }
    Arc::new(Schema::new(fields))
}
