//! Access to the bytes of files, with what is asked for again and again (footers, page indexes, bloom filters) in memory.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::execution::cache::cache_manager::CachedFileMetadataEntry;
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};
use quick_cache::sync::Cache;

use super::grams::Texts;
use super::sections::Section;
use crate::cache::of_large;
use crate::catalog::DataFile;
use crate::files::{FileStore, location};
use crate::lease::Lease;

/// The footer's length and the magic after the metadata.
const TRAILER_BYTES: usize = 8;
/// Where the catalog does not know the footer's size.
const GUESSED_FOOTER_BYTES: usize = 64 << 10;

/// Reads files of one data path. Cheap to clone; clones share caches and counts.
#[derive(Clone)]
pub struct Reader {
    files: FileStore,
    footers: Arc<DefaultCache<Path, CachedFileMetadataEntry>>,
    blooms: Arc<Cache<String, Arc<Blooms>, BloomBytes>>,
    sections: Arc<Cache<String, Arc<Vec<Section>>, SectionBytes>>,
    texts: Arc<Cache<String, Arc<Vec<Texts>>, TextBytes>>,
    metrics: ReaderMetrics,
    /// Keeps the files of its snapshot.
    lease: Option<Lease>,
}

/// What scans touched, since the start.
#[derive(Debug, Clone, Default)]
pub struct ReaderMetrics {
    /// Bytes fetched from files, without footers.
    pub read_bytes: Counter,
    /// Files that scans had to open …
    pub scanned_files: Counter,
    /// … and that the catalog's bounds or bloom filters spared them.
    pub pruned_files: Counter,
}

impl ReaderMetrics {
    /// Registers everything as `trefoil_storage_scan_*`.
    pub fn register(&self, registry: &mut Registry) {
        let scan = registry.sub_registry_with_prefix("trefoil_storage_scan");
        scan.register_with_unit("read", "Bytes fetched from files by scans", Unit::Bytes, self.read_bytes.clone());
        scan.register("files", "Files that scans opened", self.scanned_files.clone());
        let pruned = "Files that scans skipped by the catalog's bounds or by bloom filters";
        scan.register("pruned_files", pruned, self.pruned_files.clone());
    }
}

/// The bloom filters of a file's ids, one a row group; `None` where there is none.
pub(super) type Blooms = Vec<Option<Sbbf>>;

#[derive(Clone)]
struct BloomBytes;

impl quick_cache::Weighter<String, Arc<Blooms>> for BloomBytes {
    fn weight(&self, path: &String, blooms: &Arc<Blooms>) -> u64 {
        let blocks: usize = blooms.iter().flatten().map(Sbbf::num_blocks).sum();
        (path.len() + 64 + 32 * blocks) as u64
    }
}

#[derive(Clone)]
struct SectionBytes;

impl quick_cache::Weighter<String, Arc<Vec<Section>>> for SectionBytes {
    fn weight(&self, path: &String, sections: &Arc<Vec<Section>>) -> u64 {
        (path.len() + 64 + sections.iter().map(Section::bytes).sum::<usize>()) as u64
    }
}

#[derive(Clone)]
struct TextBytes;

impl quick_cache::Weighter<String, Arc<Vec<Texts>>> for TextBytes {
    fn weight(&self, path: &String, texts: &Arc<Vec<Texts>>) -> u64 {
        (path.len() + 64 + texts.iter().map(Texts::bytes).sum::<usize>()) as u64
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Reader {
    /// `cache_bytes` bounds what is kept in memory: half of it for footers and page indexes, a quarter for bloom filters, an eighth
    /// for where sections lie and another for what is known of texts.
    pub fn new(files: FileStore, cache_bytes: u64) -> Self {
        let footers = usize::try_from(cache_bytes / 2).unwrap_or(usize::MAX);
        Self {
            files,
            footers: Arc::new(DefaultCache::new(footers)),
            blooms: Arc::new(of_large(1024, cache_bytes / 4, BloomBytes)),
            sections: Arc::new(of_large(1024, cache_bytes / 8, SectionBytes)),
            texts: Arc::new(of_large(1024, cache_bytes / 8, TextBytes)),
            metrics: ReaderMetrics::default(),
            lease: None,
        }
    }

    /// For scans during which no file may go.
    pub(crate) fn leased(&self, lease: Lease) -> Self {
        Self { lease: Some(lease), ..self.clone() }
    }

    pub fn metrics(&self) -> &ReaderMetrics {
        &self.metrics
    }

    /// What is kept of files now.
    pub(crate) fn cache_bytes(&self) -> u64 {
        self.footers.memory_used() as u64 + self.blooms.weight() + self.sections.weight() + self.texts.weight()
    }

    pub(super) fn known_sections(&self, path: &String) -> Option<Arc<Vec<Section>>> {
        self.sections.get(path)
    }

    pub(super) fn keep_sections(&self, path: &str, sections: &Arc<Vec<Section>>) {
        self.sections.insert(path.to_owned(), sections.clone());
    }

    pub(super) fn known_texts(&self, path: &String) -> Option<Arc<Vec<Texts>>> {
        self.texts.get(path)
    }

    pub(super) fn keep_texts(&self, path: &str, texts: &Arc<Vec<Texts>>) {
        self.texts.insert(path.to_owned(), texts.clone());
    }

    pub(super) fn object_store(&self) -> &Arc<dyn ObjectStore> {
        self.files.object_store()
    }

    pub(super) fn factory(&self) -> Arc<dyn ParquetFileReaderFactory> {
        Arc::new(self.naming_factory())
    }

    /// The file's bytes, for readers other than DataFusion's.
    /// Counts the bytes that are fetched in `fetched`.
    pub(super) fn open(&self, file: &DataFile, fetched: &Arc<AtomicU64>) -> Result<NamingReader> {
        let reader = self.naming_factory().reader(0, self.partitioned(file)?, None, &ExecutionPlanMetricsSet::new())?;
        Ok(NamingReader { fetched: Arc::clone(fetched), ..reader })
    }

    fn naming_factory(&self) -> NamingFactory {
        let inner = CachedParquetFileReaderFactory::new(Arc::clone(self.files.object_store()), self.footers.clone());
        NamingFactory { inner, metrics: self.metrics.clone(), lease: self.lease.clone() }
    }

    /// What DataFusion needs to know to open the file.
    pub(super) fn partitioned(&self, file: &DataFile) -> Result<PartitionedFile> {
        let hint = match file.footer_size {
            0 => GUESSED_FOOTER_BYTES,
            known => usize::try_from(known).unwrap_or(GUESSED_FOOTER_BYTES) + TRAILER_BYTES,
        };
        Ok(PartitionedFile::new_from_meta(object_meta(file)?).with_metadata_size_hint(hint))
    }

    pub(crate) async fn footer(&self, file: &DataFile, pages: PageIndexPolicy) -> Result<Arc<ParquetMetaData>> {
        let meta = object_meta(file)?;
        let hint = usize::try_from(file.footer_size).unwrap_or_default() + TRAILER_BYTES;
        DFParquetMetadata::new(self.files.object_store(), &meta)
            .with_file_metadata_cache(Some(self.footers.clone()))
            .with_metadata_size_hint(Some(hint.max(TRAILER_BYTES * 2)))
            .with_page_index_policy(Some(pages))
            .fetch_metadata()
            .await
            .map_err(|error| named(&file.path, error))
    }

    /// The bloom filters of a column of ids, `trace_id` or (of logs) `span_id`.
    pub(super) async fn blooms(&self, file: &DataFile, column: &str) -> Result<Arc<Blooms>> {
        let key = format!("{}#{column}", file.path);
        if let Some(blooms) = self.blooms.get(&key) {
            return Ok(blooms);
        }
        let footer = self.footer(file, PageIndexPolicy::Skip).await?;
        let schema = footer.file_metadata().schema_descr();
        let leaf = schema.columns().iter().position(|leaf| leaf.path().string() == column);
        let mut ranges = Vec::new();
        for group in footer.row_groups() {
            let chunk = leaf.map(|leaf| group.column(leaf));
            let range = chunk.and_then(|chunk| {
                let start = u64::try_from(chunk.bloom_filter_offset()?).ok()?;
                Some(start..start + u64::try_from(chunk.bloom_filter_length()?).ok()?)
            });
            ranges.push(range);
        }
        let present: Vec<Range<u64>> = ranges.iter().flatten().cloned().collect();
        let path = location(&file.path).map_err(|error| DataFusionError::External(error.into()))?;
        let bytes = self.files.object_store().get_ranges(&path, &present).await;
        let mut bytes = bytes.map_err(|error| named(&file.path, error.into()))?.into_iter();
        let mut blooms = Blooms::with_capacity(ranges.len());
        for range in ranges {
            let bytes = range.and_then(|_| bytes.next());
            let bloom = bytes.map(|bytes| Sbbf::from_bytes(&bytes)).transpose();
            blooms.push(bloom.map_err(|error| named(&file.path, error.into()))?);
        }
        let blooms = Arc::new(blooms);
        self.blooms.insert(key, Arc::clone(&blooms));
        Ok(blooms)
    }
}

fn object_meta(file: &DataFile) -> Result<ObjectMeta> {
    Ok(ObjectMeta {
        location: location(&file.path).map_err(|error| DataFusionError::External(error.into()))?,
        // Files never change, so one date is as good as another for the cache.
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size: file.size_bytes,
        e_tag: None,
        version: None,
    })
}

/// Says which file it was and what to do.
pub(super) fn named(path: &str, error: DataFusionError) -> DataFusionError {
    let advice = "the catalog lists this file; restore it from a backup or take it out of the catalog";
    DataFusionError::External(format!("cannot read data file {path}: {error} ({advice})").into())
}

#[derive(Debug)]
struct NamingFactory {
    inner: CachedParquetFileReaderFactory,
    metrics: ReaderMetrics,
    lease: Option<Lease>,
}

impl ParquetFileReaderFactory for NamingFactory {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        Ok(Box::new(self.reader(partition, file, hint, metrics)?))
    }
}

impl NamingFactory {
    fn reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<NamingReader> {
        let path = file.object_meta.location.to_string();
        let hint = file.metadata_size_hint.or(hint);
        let inner = self.inner.create_reader(partition, file, hint, metrics)?;
        let fetched = Arc::default();
        Ok(NamingReader { path, inner, metrics: self.metrics.clone(), fetched, _lease: self.lease.clone() })
    }
}

/// Names the file in every error.
pub(super) struct NamingReader {
    path: String,
    inner: Box<dyn AsyncFileReader + Send>,
    metrics: ReaderMetrics,
    /// By this reader alone.
    fetched: Arc<AtomicU64>,
    _lease: Option<Lease>,
}

impl NamingReader {
    fn count(&self, bytes: u64) {
        self.metrics.read_bytes.inc_by(bytes);
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl AsyncFileReader for NamingReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.count(range.end - range.start);
        let path = self.path.clone();
        self.inner.get_bytes(range).map(move |result| result.map_err(|error| named_parquet(&path, error))).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        self.count(ranges.iter().map(|range| range.end - range.start).sum());
        let path = self.path.clone();
        self.inner
            .get_byte_ranges(ranges)
            .map(move |result| result.map_err(|error| named_parquet(&path, error)))
            .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        let path = self.path.clone();
        self.inner.get_metadata(options).map(move |result| result.map_err(|error| named_parquet(&path, error))).boxed()
    }
}

fn named_parquet(path: &str, error: ParquetError) -> ParquetError {
    ParquetError::External(named(path, error.into()).into())
}
