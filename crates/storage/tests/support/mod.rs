//! A catalog, a place for files, and rows to put there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::prelude::{Expr, SessionContext};
use object_store::memory::InMemory;
use tempfile::TempDir;
use trefoil_model::{Table, Tenant};
use trefoil_storage::catalog::{Catalog, Change, NewFile};
use trefoil_storage::files::{FileStore, write};
use trefoil_storage::scan::{Reader, TableScan};

pub const DAY: i64 = 86_400_000_000_000;
const CACHE_BYTES: u64 = 16 << 20;

#[derive(Clone)]
pub struct Bench {
    pub root: Arc<TempDir>,
    pub catalog: Catalog,
    pub files: FileStore,
    pub reader: Reader,
    pub tenant: Tenant,
}

impl Bench {
    pub async fn local() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = FileStore::open(&data_path(directory.path()), &BTreeMap::new()).unwrap();
        Self::with(directory, files).await
    }

    pub async fn in_memory() -> Self {
        Self::with(tempfile::tempdir().unwrap(), FileStore::new(Arc::new(InMemory::new()))).await
    }

    /// Files cannot be written: the data path is an object store that is not there.
    pub async fn failing() -> Self {
        let options =
            [("endpoint", "http://127.0.0.1:9"), ("region", "x"), ("allow_http", "true"), ("max_retries", "0")]
                .into_iter()
                .chain([("access_key_id", "a"), ("secret_access_key", "b"), ("retry_timeout", "1s")]);
        let options: BTreeMap<String, String> = options
            .filter(|(key, _)| !key.contains("retr"))
            .map(|(key, value)| (format!("aws_{key}"), value.into()))
            .collect();
        let files = FileStore::open("s3://nowhere/data", &options).unwrap();
        Self::with(tempfile::tempdir().unwrap(), files).await
    }

    pub async fn with(directory: TempDir, files: FileStore) -> Self {
        let url = format!("sqlite:{}", directory.path().join("catalog.sqlite").display());
        let catalog = Catalog::open(&url, &data_path(directory.path())).await.unwrap();
        let reader = Reader::new(files.clone(), CACHE_BYTES);
        Self { root: Arc::new(directory), catalog, files, reader, tenant: Tenant::default() }
    }

    /// The same with empty caches.
    pub fn fresh(&self) -> Self {
        Self { reader: Reader::new(self.files.clone(), CACHE_BYTES), ..self.clone() }
    }

    pub fn directory(&self) -> std::path::PathBuf {
        data_path(self.root.path()).into()
    }

    pub async fn write_uncommitted(&self, table: Table, batches: Vec<RecordBatch>) -> Vec<NewFile> {
        let fields = batches.iter().flat_map(|batch| batch.schema().fields().to_vec());
        let promoted: Vec<_> = fields
            .filter(|field| field.name().contains('.'))
            .map(|field| (table, Field::new(field.name(), plain(field.data_type()), true)))
            .collect();
        let snapshot = self.catalog.add_columns(promoted).await.unwrap();
        write(&self.files, snapshot.columns(table), table, &self.tenant, batches).await.unwrap()
    }

    pub async fn write(&self, table: Table, batches: Vec<RecordBatch>) {
        let add = self.write_uncommitted(table, batches).await;
        self.catalog.commit(Change { add, ..Change::default() }).await.unwrap();
    }

    pub async fn provider(&self, table: Table, buffered: Vec<RecordBatch>) -> Arc<dyn TableProvider> {
        let snapshot = self.catalog.snapshot().await.unwrap();
        Arc::new(TableScan::new(&self.reader, &snapshot, &self.tenant, table, buffered))
    }

    pub async fn scan(&self, table: Table, buffered: Vec<RecordBatch>) -> Vec<RecordBatch> {
        let provider = self.provider(table, buffered).await;
        SessionContext::new().read_table(provider).unwrap().collect().await.unwrap()
    }

    pub async fn try_scan(&self, table: Table) -> Result<Vec<RecordBatch>, DataFusionError> {
        let provider = self.provider(table, vec![]).await;
        SessionContext::new().read_table(provider)?.collect().await
    }

    pub async fn query(&self, table: Table, buffered: Vec<RecordBatch>, filter: Expr) -> Vec<RecordBatch> {
        let provider = self.provider(table, buffered).await;
        SessionContext::new().read_table(provider).unwrap().filter(filter).unwrap().collect().await.unwrap()
    }
}

fn data_path(directory: &Path) -> String {
    directory.join("data").display().to_string()
}

fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(..) | DataType::Utf8 => DataType::Utf8View,
        other => other.clone(),
    }
}

/// Rows as text, column by column name, in no order: what two tables must have in common to be the same.
pub fn rows_of(batches: &[RecordBatch]) -> Vec<String> {
    let Some(first) = batches.first() else { return vec![] };
    let all = concat_batches(&first.schema(), batches).unwrap();
    let options = FormatOptions::new();
    let schema = all.schema();
    let mut columns: Vec<_> = schema
        .fields()
        .iter()
        .zip(all.columns())
        .map(|(field, column)| (field.name(), column, ArrayFormatter::try_new(column, &options).unwrap()))
        .collect();
    columns.sort_by_key(|(name, ..)| *name);
    let row = |row: usize| {
        let present = columns.iter().filter(|(_, column, _)| column.is_valid(row));
        present.map(|(name, _, text)| format!("{name}={};", text.value(row))).collect::<String>()
    };
    let mut rows: Vec<String> = (0..all.num_rows()).map(row).collect();
    rows.sort();
    rows
}

/// The trace of rows `12 * trace ..` of the batch made with `seed`.
pub fn trace_id(seed: u64, trace: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(trace + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    id[8..].copy_from_slice(&(seed + 1).to_be_bytes());
    id
}

/// `rows` rows of the table within the 12 hours after noon-ish of `time`, in no order; strings dictionary-encoded or not as it
/// happens; a promoted column in every other batch.
pub fn batch(table: Table, tenant: &Tenant, seed: u64, rows: usize, time: i64) -> RecordBatch {
    let base = table.base_schema();
    let mut fields: Vec<Field> = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (position, field) in base.fields().iter().enumerate() {
        let column = values(table, tenant, field, seed, position as u64, rows, time);
        fields.push(Field::new(field.name(), column.data_type().clone(), field.is_nullable()));
        columns.push(column);
    }
    if table == Table::Spans && seed % 2 == 1 {
        let route = (0..rows).map(|row| (row % 3 > 0).then(|| format!("/r/{}", row % 5)));
        fields.push(Field::new("span.http.route", DataType::Utf8View, true));
        columns.push(Arc::new(route.collect::<StringViewArray>()));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn values(table: Table, tenant: &Tenant, field: &Field, seed: u64, salt: u64, rows: usize, time: i64) -> ArrayRef {
    let number =
        |row: usize| (row as u64 * 7919 + seed * 104_729 + salt * 31).wrapping_mul(0x2545_F491_4F6C_DD1D) >> 20;
    let is_null = |row: usize| field.is_nullable() && number(row) % 4 == 0;
    let each = 0..rows;
    match field.data_type() {
        DataType::Utf8View if field.name() == "tenant" => dictionary((0..rows).map(|_| Some(tenant.to_string()))),
        DataType::Utf8View if field.name() == "service_name" => {
            dictionary(each.map(|row| Some(format!("service-{}", row % 9))))
        }
        DataType::Utf8View if field.name() == "span_attributes" => {
            Arc::new(each.map(|row| Some(format!(r#"{{"n":{row},"s":"x"}}"#))).collect::<StringViewArray>())
        }
        DataType::Utf8View => {
            let texts = each.map(|row| (!is_null(row)).then(|| format!("{}-{}", field.name(), number(row) % 11)));
            if seed.is_multiple_of(3) { Arc::new(texts.collect::<StringArray>()) } else { dictionary(texts) }
        }
        DataType::FixedSizeBinary(16) => {
            let ids = each.map(|row| (!is_null(row)).then(|| trace_id(seed, row as u64 / 12)));
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, 16).unwrap())
        }
        DataType::FixedSizeBinary(width) => {
            let ids = each.map(|row| (!is_null(row)).then(|| number(row).to_be_bytes()));
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, *width).unwrap())
        }
        DataType::Timestamp(TimeUnit::Nanosecond, None) if field.name() == table.time_column() => {
            // Within the day, so that the number of files is known.
            let left = (DAY - time.rem_euclid(DAY)).max(1) as u64;
            Arc::new(
                each.map(|row| Some(time.saturating_add((number(row) % left.min(1 << 30)) as i64)))
                    .collect::<TimestampNanosecondArray>(),
            )
        }
        DataType::Timestamp(..) => {
            Arc::new(each.map(|row| (!is_null(row)).then(|| number(row) as i64)).collect::<TimestampNanosecondArray>())
        }
        DataType::List(element) => {
            let lengths: Vec<usize> = each.map(|row| if is_null(row) { 0 } else { row % 3 }).collect();
            let inner = values(table, tenant, element, seed, salt + 100, lengths.iter().sum(), time);
            let element = Field::new(element.name(), inner.data_type().clone(), element.is_nullable());
            let nulls = (0..rows).map(|row| !is_null(row)).collect();
            let offsets = arrow::buffer::OffsetBuffer::from_lengths(lengths);
            Arc::new(ListArray::try_new(Arc::new(element), offsets, inner, Some(nulls)).unwrap())
        }
        DataType::Struct(members) => {
            let arrays: Vec<ArrayRef> = members
                .iter()
                .enumerate()
                .map(|(index, member)| {
                    let array = values(table, tenant, member, seed, salt + index as u64, rows, time);
                    cast(&array, member.data_type()).unwrap()
                })
                .collect();
            Arc::new(StructArray::try_new(members.clone(), arrays, None).unwrap())
        }
        DataType::Boolean => Arc::new(each.map(|row| Some(number(row) % 2 == 0)).collect::<BooleanArray>()),
        other => {
            let numbers = each.map(|row| (!is_null(row)).then(|| (number(row) % 1000) as i64)).collect::<Int64Array>();
            cast(&numbers, other).or_else(|_| cast(&cast(&numbers, &DataType::Int32).unwrap(), other)).unwrap()
        }
    }
}

fn dictionary(texts: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(
        texts
            .map(|text| text.unwrap_or_default())
            .collect::<Vec<_>>()
            .iter()
            .map(|text| Some(text.as_str()).filter(|text| !text.is_empty()))
            .collect::<DictionaryArray<arrow::datatypes::Int32Type>>(),
    )
}
