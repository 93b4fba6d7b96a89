//! Row groups of several files, or stretches of them, as the parts of one large row group. They wait as they lie in their
//! files, in memory or there, and are decoded a column at a time.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::{concat, filter};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelector,
};
use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use trefoil_model::Table;

use super::ranges::{Keys, Sorted};
use super::section::Input;
use crate::bodies::{BODY, BODY_IS_JSON, Bodies, BodyColumns};
use crate::catalog::{Column, DataFile};
use crate::files::{FilesError, Gather, Parts, TextIndex, dictionary_type, is_unique_text};

/// Of a string, beside its text.
const VIEW_BYTES: usize = 16;

/// A row group of a file, still encoded.
pub(crate) struct Group {
    file: Arc<DataFile>,
    metadata: ArrowReaderMetadata,
    number: usize,
    /// In the file.
    rows: usize,
    input: Input,
    /// Where not all rows are wanted: which, and how many.
    kept: Option<(BooleanArray, usize)>,
}

impl Group {
    /// `input` has the bytes of row group `number`.
    pub(super) fn new(
        file: Arc<DataFile>,
        footer: Arc<ParquetMetaData>,
        number: usize,
        input: Input,
    ) -> Result<Self, FilesError> {
        let rows = usize::try_from(footer.row_group(number).num_rows()).unwrap_or_default();
        let metadata = with_dictionaries(footer).map_err(|error| FilesError::read(&file.path, error))?;
        Ok(Self { file, metadata, number, rows, input, kept: None })
    }

    pub fn table(&self) -> Table {
        self.file.table
    }

    /// Of the row groups of its file.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Of its file.
    pub fn path(&self) -> &str {
        &self.file.path
    }

    /// Whether its bodies were read for all of these columns.
    fn has_bodies_read(&self, columns: &BodyColumns) -> bool {
        let fields = self.metadata.parquet_schema().root_schema().get_fields();
        let index = TextIndex::of(self.metadata.metadata());
        let known = index.group(self.number).map(|texts| texts.fields.as_slice()).unwrap_or_default();
        columns.are_among(fields.iter().map(|field| field.name()))
            && columns.fields().iter().all(|field| known.contains(field))
    }

    /// Without the rows for which `kept` is false.
    pub fn keeping(mut self, kept: BooleanArray) -> Self {
        let rows = kept.true_count();
        self.kept = Some((kept, rows));
        self
    }

    /// What it takes in memory: encoded as it waits, and its widest column decoded, with views into its strings.
    pub fn bytes(&self) -> usize {
        let schema = self.metadata.parquet_schema();
        let mut columns = vec![0usize; schema.root_schema().get_fields().len()];
        for (leaf, chunk) in self.metadata.metadata().row_group(self.number).columns().iter().enumerate() {
            let encoded = usize::try_from(chunk.uncompressed_size()).unwrap_or_default();
            let values = usize::try_from(chunk.num_values()).unwrap_or_default();
            let width = if chunk.column_type() == Type::BYTE_ARRAY { VIEW_BYTES } else { 8 };
            columns[schema.get_column_root_idx(leaf)] += encoded.saturating_add(values.saturating_mul(width));
        }
        self.input.held_bytes() + columns.into_iter().max().unwrap_or_default()
    }

    /// Those that are kept.
    pub fn rows(&self) -> usize {
        self.kept.as_ref().map_or(self.rows, |(_, rows)| *rows)
    }

    /// What it takes in memory as it waits.
    pub fn held_bytes(&self) -> usize {
        self.input.held_bytes()
    }

    /// The `rows` of a column, of those that are kept; `None` if the file does not have it.
    pub fn column(&self, name: &str, rows: &Range<usize>) -> Result<Option<ArrayRef>, FilesError> {
        let root = self.metadata.parquet_schema().root_schema();
        let Some(index) = root.get_fields().iter().position(|field| field.name() == name) else { return Ok(None) };
        let column = match &self.kept {
            None => self.decode(index, rows),
            Some((kept, _)) => self.decode(index, &(0..self.rows)).and_then(|all| {
                let all = filter(&all, kept)?;
                Ok(all.slice(rows.start, rows.len()))
            }),
        };
        column.map(Some).map_err(|error| FilesError::read(&self.file.path, error))
    }

    /// Where in the file the pages of a column lie that have these rows, a dictionary among them.
    fn byte_range(&self, root: usize, rows: &Range<usize>) -> Result<Range<u64>, ParquetError> {
        let footer = self.metadata.metadata();
        let schema = self.metadata.parquet_schema();
        let (mut start, mut end) = (u64::MAX, 0);
        for (leaf, chunk) in footer.row_group(self.number).columns().iter().enumerate() {
            if schema.get_column_root_idx(leaf) != root {
                continue;
            }
            let (offset, length) = chunk.byte_range();
            let (mut first, mut last) = (offset, offset.saturating_add(length));
            let pages = footer.offset_index().and_then(|groups| groups.get(self.number)?.get(leaf));
            if let Some(pages) = pages.map(|index| index.page_locations()) {
                let row = |row: usize| i64::try_from(row).unwrap_or(i64::MAX);
                let wanted_from =
                    pages.partition_point(|page| page.first_row_index <= row(rows.start)).saturating_sub(1);
                let wanted_to = pages.partition_point(|page| page.first_row_index < row(rows.end));
                if let (None, Some(page)) = (chunk.dictionary_page_offset(), pages.get(wanted_from)) {
                    first = first.max(u64::try_from(page.offset).unwrap_or(0));
                }
                if let Some(page) = pages.get(wanted_to) {
                    last = last.min(u64::try_from(page.offset).unwrap_or(u64::MAX));
                }
            }
            (start, end) = (start.min(first), end.max(last));
        }
        match start <= end && end <= self.file.size_bytes {
            true => Ok(start..end),
            false => Err(ParquetError::General("its footer points beyond its end".into())),
        }
    }

    fn decode(&self, root: usize, rows: &Range<usize>) -> Result<ArrayRef, ParquetError> {
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), [root]);
        let section = self.input.section(self.byte_range(root, rows)?)?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(section, self.metadata.clone())
            .with_row_groups(vec![self.number])
            .with_projection(mask)
            .with_batch_size(rows.len().max(1));
        // A stretch is found by the index of pages; what lies before it is not decoded.
        let reader = match *rows == (0..self.rows) {
            true => reader,
            false => {
                let stretch = vec![RowSelector::skip(rows.start), RowSelector::select(rows.len())];
                reader.with_row_selection(stretch.into())
            }
        };
        let reader = reader.build()?;
        let arrays: Vec<ArrayRef> =
            reader.map(|batch| batch.map(|batch| batch.column(0).clone())).collect::<Result<_, _>>()?;
        let array = match arrays.as_slice() {
            [array] => array.clone(),
            several => concat(&several.iter().map(|array| array.as_ref()).collect::<Vec<_>>())?,
        };
        // The reader does not mind a page that says it holds fewer values than it does.
        match array.len() == rows.len() {
            true => Ok(array),
            false => Err(ParquetError::General(format!(
                "row group {} has the rows {rows:?}, but of them column {root} has {}",
                self.number,
                array.len()
            ))),
        }
    }
}

impl Sorted for Group {
    fn rows(&self) -> usize {
        self.rows()
    }

    fn keys(&self) -> Result<Keys, FilesError> {
        let column = |name| self.column(name, &(0..self.rows()));
        let keys = match (column("metric_name")?, column("series_id")?) {
            (Some(names), Some(ids)) => Keys::of(&names, &ids),
            _ => None,
        };
        keys.ok_or_else(|| FilesError::read(&self.file.path, "it has no metric_name and series_id to be merged by"))
    }
}

/// Strings as dictionaries where the file has them so, which is most of them; the others, and those in lists, as views into
/// its pages.
fn with_dictionaries(footer: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata, ParquetError> {
    let plain = ArrowReaderMetadata::try_new(Arc::clone(&footer), ArrowReaderOptions::new())?;
    let fields = plain.schema().fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 | DataType::Utf8View if !is_unique_text(field.name()) => {
            Field::clone(field).with_data_type(dictionary_type())
        }
        _ => with_views(field),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    ArrowReaderMetadata::try_new(footer, ArrowReaderOptions::new().with_schema(schema))
}

fn with_views(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::List(element) => DataType::List(Arc::new(with_views(element))),
        DataType::Struct(members) => DataType::Struct(members.iter().map(|member| with_views(member)).collect()),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

/// A stretch of a row group.
pub(super) struct Slice<'g> {
    pub group: &'g Group,
    pub rows: Range<usize>,
}

/// What is sorted into one row group.
pub(super) struct Groups<'g> {
    columns: &'g [Column],
    schema: &'g SchemaRef,
    slices: Vec<Slice<'g>>,
    rows: Vec<usize>,
    /// Of each slice, columns that its file does not have, or not as they are to be.
    made: Vec<HashMap<String, ArrayRef>>,
}

impl<'g> Groups<'g> {
    /// `schema` = that of `columns`, with field ids.
    pub fn new(columns: &'g [Column], schema: &'g SchemaRef, slices: Vec<Slice<'g>>) -> Self {
        let rows = slices.iter().map(|slice| slice.rows.len()).collect();
        let made = slices.iter().map(|_| HashMap::new()).collect();
        Self { columns, schema, slices, rows, made }
    }

    /// Makes columns of bodies for files that were written before there were these columns.
    pub fn read_bodies(&mut self, columns: &BodyColumns) -> Result<(), FilesError> {
        for (slice, made) in self.slices.iter().zip(&mut self.made) {
            if slice.group.has_bodies_read(columns) {
                continue;
            }
            let Some(texts) = slice.group.column(BODY, &slice.rows)? else { continue };
            let are_json = slice.group.column(BODY_IS_JSON, &slice.rows)?;
            let read = columns.read(&Bodies::new(&texts, are_json.as_ref()));
            made.extend(read.map_err(|error| FilesError::read(slice.group.path(), error))?);
        }
        Ok(())
    }
}

impl Parts for Groups<'_> {
    fn schema(&self) -> &SchemaRef {
        self.schema
    }

    fn rows(&self) -> &[usize] {
        &self.rows
    }

    fn column(&self, index: usize) -> Result<Gather, FilesError> {
        let column = &self.columns[index];
        let arrays = self.slices.iter().zip(&self.made).map(|(slice, made)| match made.get(&column.name) {
            Some(made) => Ok(Some(made.clone())),
            None => slice.group.column(&column.name, &slice.rows),
        });
        let arrays: Vec<_> = arrays.collect::<Result<_, FilesError>>()?;
        Gather::new(&column.data_type, &arrays, &self.rows).map_err(|error| FilesError::Encode {
            path: format!("column {:?} of a merged file", column.name),
            reason: error.to_string(),
        })
    }
}
