//! What a file knows of the texts of its `body` column beside the column itself: their grams, row group by row group, and which
//! fields of bodies are columns of their own.
//!
//! The grams of a row group follow it as bytes that no other reader of Parquet looks at; where they lie is said in the file's
//! metadata, under [`KEY`]. A row group that is moved to another file takes them along.

use std::rc::Rc;

use arrow::array::{Array, ArrayRef};
use arrow::error::ArrowError;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use serde::{Deserialize, Serialize};
use trefoil_model::logs::is_field_column;

use super::FilesError;
use super::columns::Columns;
use super::gather::{Flat, Parts, Row};
use super::grams::{GramBuilder, GramFilter};
use super::left_out::LeftOutOfRow;
use crate::bodies::BODY;

/// In the metadata of a file.
pub(crate) const KEY: &str = "trefoil.text_index";

/// zstd's; filters have few bits set.
const LEVEL: i32 = 1;

/// What [`KEY`] says, as JSON: of each row group, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct TextIndex {
    pub groups: Vec<GroupTexts>,
}

/// Of one row group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct GroupTexts {
    /// Where its grams lie in the file; as many bytes as `length`, none where it has no grams.
    pub offset: u64,
    pub length: u64,
    /// Fields that were looked for in every row whose form has a column: where the column of one is NULL, the body does not have it. (Other
    /// columns of fields may have values, too.)
    pub fields: Vec<String>,
    /// Columns whose values its grams do not have, where bodies have them between quotes.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// The rows that were sorted together, of which this row group has those of one form; 0 in files from before.
    #[serde(default)]
    pub together: u64,
}

impl TextIndex {
    /// What a file says; empty for one that says nothing.
    pub fn of(footer: &ParquetMetaData) -> TextIndex {
        let entries = footer.file_metadata().key_value_metadata().into_iter().flatten();
        let value = entries.filter(|entry| entry.key == KEY).find_map(|entry| entry.value.as_deref());
        value.and_then(|value| serde_json::from_str(value).ok()).unwrap_or_default()
    }

    pub fn group(&self, group: usize) -> Option<&GroupTexts> {
        self.groups.get(group)
    }

    /// As it is written into a file.
    pub fn entry(&self) -> Option<KeyValue> {
        let value = serde_json::to_string(self).ok().filter(|_| !self.groups.is_empty())?;
        Some(KeyValue::new(KEY.to_owned(), value))
    }
}

impl GroupTexts {
    /// Where its grams lie.
    pub fn range(&self) -> Option<std::ops::Range<u64>> {
        let end = self.offset.checked_add(self.length)?;
        (self.length > 0).then_some(self.offset..end)
    }
}

/// The grams of a row group, and the columns whose values they leave out.
#[derive(Default)]
pub(super) struct Grams {
    pub compressed: Vec<u8>,
    pub left_out: Vec<String>,
}

/// The grams of a row group in the making.
pub(super) struct GroupGrams {
    builder: GramBuilder,
    left_out: Vec<String>,
    fields: Vec<Rc<Flat>>,
    ids: Vec<Rc<Flat>>,
}

impl GroupGrams {
    /// `columns`: of logs.
    pub fn of(columns: &Columns<'_, impl Parts>) -> Result<Self, FilesError> {
        let schema = columns.schema();
        let (mut left_out, mut fields) = (Vec::new(), Vec::new());
        for (index, field) in schema.fields().iter().enumerate().filter(|(_, field)| is_field_column(field.name())) {
            let column = columns.at(index)?;
            // Many values would have to be looked through by whoever looks for a text. Mostly they are numbers, which have few grams.
            if matches!(&*column, Flat::Keys { values, .. } if values.len() <= MOST_VALUES) {
                left_out.push(field.name().clone());
                fields.push(column);
            }
        }
        let ids = ["trace_id", "span_id"].map(|name| schema.index_of(name).ok());
        let ids = ids.into_iter().flatten().map(|index| columns.at(index)).collect::<Result<_, FilesError>>()?;
        Ok(Self { builder: GramBuilder::default(), left_out, fields, ids })
    }

    /// Adds rows, which have these bodies.
    pub fn add(&mut self, rows: &[Row], bodies: &ArrayRef) -> Result<(), FilesError> {
        let gather = |flat: &Rc<Flat>| flat.gather(rows).map_err(failed);
        let fields = self.fields.iter().map(gather).collect::<Result<Vec<_>, _>>()?;
        let ids = self.ids.iter().map(gather).collect::<Result<Vec<_>, _>>()?;
        let mut of_row = LeftOutOfRow::new(&fields, &ids);
        for row in 0..bodies.len() {
            if let Some(text) = super::left_out::text(bodies, row) {
                of_row.set_row(row);
                self.builder.add(text.as_bytes(), &of_row);
            }
        }
        Ok(())
    }

    pub fn finish(self) -> Result<Grams, FilesError> {
        let mut bytes = Vec::new();
        self.builder.finish().write(&mut bytes);
        let compressed = zstd::bulk::compress(&bytes, LEVEL);
        let compressed =
            compressed.map_err(|error| FilesError::Encode { path: BODY.into(), reason: error.to_string() })?;
        Ok(Grams { compressed, left_out: self.left_out })
    }
}

/// Values of a column that is left out.
const MOST_VALUES: usize = 1_024;

fn failed(error: ArrowError) -> FilesError {
    FilesError::Encode { path: "the grams of bodies".into(), reason: error.to_string() }
}

/// The filter of a row group. `None` for bytes that are no such thing.
pub(crate) fn read_grams(compressed: &[u8]) -> Option<GramFilter> {
    GramFilter::read(&zstd::bulk::decompress(compressed, GramFilter::MOST_BYTES).ok()?)
}
