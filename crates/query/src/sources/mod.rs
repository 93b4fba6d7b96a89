//! Rows that lie together: a row group of a file, or a batch of the buffer; what is read of them is kept decoded.

mod columns;
mod facts;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int32Type, SchemaRef, TimestampNanosecondType};
use trefoil_model::Table;
use trefoil_storage::Snapshot;
use trefoil_storage::catalog::{DataFile, FileId};

use crate::QueryError;

pub use columns::{Columns, Key};

/// Where rows lie.
#[derive(Debug, Clone)]
pub enum Source {
    Group { file: Arc<DataFile>, row_group: usize, rows: usize },
    Batch(RecordBatch),
}

/// Some columns of a source, by name.
#[derive(Debug, Default)]
pub struct Rows {
    columns: HashMap<String, ArrayRef>,
    /// Where what is found out about a row group is kept.
    kept: Option<(Arc<Columns>, FileId, usize)>,
}

impl Source {
    pub fn rows(&self) -> usize {
        match self {
            Source::Group { rows, .. } => *rows,
            Source::Batch(batch) => batch.num_rows(),
        }
    }
}

/// What a question reads of one table.
pub struct Sources<'s> {
    pub snapshot: &'s Snapshot,
    pub columns: &'s Arc<Columns>,
    pub fetched: Arc<AtomicU64>,
    table: Table,
    schema: SchemaRef,
}

impl<'s> Sources<'s> {
    pub fn new(snapshot: &'s Snapshot, columns: &'s Arc<Columns>, table: Table) -> Sources<'s> {
        let schema = snapshot.catalog().columns(table).schema().clone();
        Sources { snapshot, columns, fetched: Arc::default(), table, schema }
    }

    /// All sources that may have rows whose times are within (inclusive, nanoseconds since the epoch), the newest first.
    pub async fn within(&self, period: (i64, i64)) -> Result<Vec<Source>, QueryError> {
        let mut files: Vec<(i64, Arc<DataFile>)> = Vec::new();
        for file in self.snapshot.files(self.table).iter() {
            match file.time_range() {
                Some((first, last)) if first > period.1 || last < period.0 => {}
                Some((_, last)) => files.push((last, file.clone())),
                None => files.push((i64::MAX, file.clone())),
            }
        }
        files.sort_by_key(|(last, _)| std::cmp::Reverse(*last));
        let buffered = self.snapshot.buffered(self.table).iter().rev().cloned().map(Source::Batch);
        let mut sources: Vec<Source> = buffered.collect();
        for (_, file) in files {
            let groups = self.snapshot.group_rows(&file).await?;
            // The last row group of a file is that of the newest arrivals.
            let groups = groups.into_iter().enumerate().rev();
            sources.extend(groups.map(|(row_group, rows)| Source::Group { file: file.clone(), row_group, rows }));
        }
        Ok(sources)
    }

    /// [`Sources::within`], and when the first and the last row of each is, as far as that is known without reading them.
    pub async fn within_times(&self, period: (i64, i64)) -> Result<Vec<(Source, Option<(i64, i64)>)>, QueryError> {
        let mut within = Vec::new();
        for source in self.within(period).await? {
            let times = match &source {
                Source::Batch(batch) => times_of_batch(batch, self.table),
                Source::Group { file, row_group, .. } => self.snapshot.group_times(file, *row_group).await?,
            };
            if times.is_none_or(|(first, last)| first <= period.1 && last >= period.0) {
                within.push((source, times));
            }
        }
        Ok(within)
    }

    /// Those of the columns that the source may have; of others nothing is known to be there.
    pub async fn read(&self, source: &Source, names: &[&str]) -> Result<Rows, QueryError> {
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        let mut wanted: Vec<FieldRef> = names.into_iter().filter_map(|name| self.field(source, name)).collect();
        let mut rows = Rows::default();
        match source {
            Source::Batch(batch) => {
                for field in wanted {
                    rows.columns.insert(field.name().clone(), of_batch(batch, &field)?);
                }
            }
            Source::Group { file, row_group, .. } => {
                rows.kept = Some((self.columns.clone(), file.id, *row_group));
                let key = |field: &FieldRef| Key {
                    file: file.id,
                    row_group: *row_group,
                    column: field.name().as_str().into(),
                };
                wanted.retain(|field| match self.columns.get(&key(field)) {
                    Some(kept) => {
                        rows.columns.extend(kept.map(|array| (field.name().clone(), array)));
                        false
                    }
                    None => true,
                });
                if wanted.is_empty() {
                    return Ok(rows);
                }
                let arrays = self.snapshot.group_columns(file, *row_group, &wanted, &self.fetched).await?;
                for (field, array) in wanted.iter().zip(arrays) {
                    // A column without a value is one that is not there.
                    let array = array.filter(|array| array.null_count() < array.len());
                    self.columns.facts.note_values(key(field), array.as_ref());
                    self.columns.insert(key(field), array.clone());
                    rows.columns.extend(array.map(|array| (field.name().clone(), array)));
                }
            }
        }
        Ok(rows)
    }
}

/// What is known without reading anything.
impl Sources<'_> {
    /// What was worked out of a row group, and [kept](Sources::keep) under a name.
    pub fn kept(&self, source: &Source, name: &str) -> Option<ArrayRef> {
        self.columns.derived(&self.group_key(source, name)?)
    }

    /// Keeps a value for each row of a row group; of a batch nothing is kept.
    pub fn keep(&self, source: &Source, name: &str, values: ArrayRef) {
        if let Some(key) = self.group_key(source, name) {
            self.columns.keep_derived(key, values);
        }
    }

    /// The texts of a source's column, each once, where they are its only values; `Some(None)`: it has no values.
    pub fn known_values(&self, source: &Source, column: &str) -> Option<Option<ArrayRef>> {
        let key = self.group_key(source, column)?;
        match self.schema.field_with_name(column) {
            Ok(_) => self.columns.facts.values(&key),
            // Files have the columns of the table.
            Err(_) => Some(None),
        }
    }

    /// Whether any of the texts of a source's column may have these bytes.
    pub fn known_mention(&self, source: &Source, column: &str, bytes: &str) -> Option<bool> {
        let key = self.group_key(source, column)?;
        match self.columns.facts.values(&key) {
            Some(None) => Some(false),
            _ => self.columns.facts.mention(&key, bytes),
        }
    }

    fn group_key(&self, source: &Source, column: &str) -> Option<Key> {
        match source {
            Source::Group { file, row_group, .. } => {
                Some(Key { file: file.id, row_group: *row_group, column: column.into() })
            }
            Source::Batch(_) => None,
        }
    }
}

impl Sources<'_> {
    /// The names of the columns that a source may have.
    pub fn names(&self, source: &Source) -> Vec<String> {
        let schema = match source {
            Source::Batch(batch) => batch.schema(),
            Source::Group { .. } => self.schema.clone(),
        };
        schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The buffer can have columns of attributes that the table gets with the next flush.
    fn field(&self, source: &Source, name: &str) -> Option<FieldRef> {
        let of_table = self.schema.field_with_name(name).ok();
        let field = match (of_table, source) {
            (Some(field), _) => field.clone(),
            (None, Source::Batch(batch)) => batch.schema().field_with_name(name).ok()?.clone(),
            (None, Source::Group { .. }) => return None,
        };
        Some(wanted_type(field))
    }
}

impl Rows {
    pub fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.columns.get(name)
    }

    /// Whether any of a column's texts may have these bytes, which is found out once for a row group.
    pub fn mention(&self, column: &str, bytes: &str) -> bool {
        let Some(array) = self.column(column) else { return false };
        let Some((kept, file, row_group)) = &self.kept else { return mentions(array, bytes) };
        let key = Key { file: *file, row_group: *row_group, column: column.into() };
        if let Some(known) = kept.facts.mention(&key, bytes) {
            return known;
        }
        let is_mentioned = mentions(array, bytes);
        kept.facts.note_mention(&key, bytes, is_mentioned);
        is_mentioned
    }
}

fn times_of_batch(batch: &RecordBatch, table: Table) -> Option<(i64, i64)> {
    let times = batch.column_by_name(table.time_column())?.as_primitive_opt::<TimestampNanosecondType>()?;
    Some((arrow::compute::min(times)?, arrow::compute::max(times)?))
}

/// Texts as dictionaries, but for those that hardly ever repeat.
fn wanted_type(field: Field) -> FieldRef {
    let is_text = matches!(field.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::Dictionary(..));
    let field = field.with_nullable(true);
    match is_text && !matches!(field.name().as_str(), "span_attributes" | "log_attributes" | "body") {
        true => {
            let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            Arc::new(field.with_data_type(dictionary))
        }
        false => Arc::new(field),
    }
}

fn of_batch(batch: &RecordBatch, field: &FieldRef) -> Result<ArrayRef, QueryError> {
    match batch.column_by_name(field.name()) {
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        Some(array) if array.data_type() == field.data_type() => Ok(array.clone()),
        Some(array) => cast(array, field.data_type()).map_err(|error| QueryError::Internal(error.to_string())),
    }
}

/// A hundred times faster than reading the texts.
fn mentions(array: &ArrayRef, bytes: &str) -> bool {
    if let Some(list) = array.as_list_opt::<i32>() {
        // Of events and links it is their attributes that have keys.
        let attributes = list.values().as_struct_opt().and_then(|items| items.column_by_name("attributes"));
        return attributes.is_none_or(|attributes| mentions(attributes, bytes));
    }
    let finder = memchr::memmem::Finder::new(bytes.as_bytes());
    let texts = array.as_dictionary_opt::<Int32Type>().map_or(array, |dictionary| dictionary.values());
    if let Some(texts) = texts.as_string_opt::<i32>() {
        return finder.find(texts.value_data()).is_some();
    }
    let Some(texts) = texts.as_string_view_opt() else { return true };
    // Short ones are not in the buffers.
    let is_in_short =
        || texts.iter().flatten().any(|text| text.len() <= SHORT_TEXT && finder.find(text.as_bytes()).is_some());
    texts.data_buffers().iter().any(|buffer| finder.find(buffer.as_slice()).is_some()) || is_in_short()
}

/// Bytes of a text that Arrow keeps in its view.
const SHORT_TEXT: usize = 12;
