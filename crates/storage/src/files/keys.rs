//! Columns of texts that come as keys of a dictionary. Arrow's writer would look each row's text up in a dictionary of its own and
//! compare it with the bounds; here the keys are numbered anew and put into pages, and a text is looked at once.

use std::io::Write;

use arrow::array::{Array, StringArray};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnIndexBuilder;
use parquet::file::properties::EnabledStatistics;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::gather::{Flat, Row};
use super::hybrid;
use super::pages::{Compressor, Pages};

/// Bytes of a bound. Columns with longer ones are left to Arrow's writer, which cuts bounds.
const MOST_BOUND_BYTES: usize = 64;

/// What the columns' writers need: which columns of the file may be written here, by their names.
pub(super) struct KeyColumns {
    columns: Vec<KeyColumn>,
    page_rows: usize,
}

struct KeyColumn {
    column: ColumnDescPtr,
    level: ZstdLevel,
    dictionary_bytes: usize,
    has_bounds_of_pages: bool,
}

/// The texts of some rows of a column.
struct Keyed<'a> {
    values: &'a StringArray,
    /// Places among `values`, in the order in which rows have them.
    dictionary: Vec<u32>,
    /// Of each row that has a text, its place in the dictionary.
    keys: Vec<u32>,
    /// Of each row whether it has a text, 0 or 1; empty where all of them have.
    levels: Vec<u32>,
}

impl KeyColumns {
    pub fn new<W: Write + Send>(parquet: &SerializedFileWriter<W>) -> Self {
        let properties = parquet.properties();
        let columns = parquet.schema_descr().columns().iter().filter_map(|column| {
            let path = column.path();
            let is_text = column.physical_type() == Type::BYTE_ARRAY;
            let is_flat = path.parts().len() == 1 && column.max_rep_level() == 0 && column.max_def_level() <= 1;
            let has_dictionary =
                properties.dictionary_enabled(path) && properties.bloom_filter_properties(path).is_none();
            let statistics = properties.statistics_enabled(path);
            let Compression::ZSTD(level) = properties.compression(path) else { return None };
            (is_text && is_flat && has_dictionary && statistics != EnabledStatistics::None).then(|| KeyColumn {
                column: column.clone(),
                level,
                dictionary_bytes: properties.column_dictionary_page_size_limit(path),
                has_bounds_of_pages: statistics == EnabledStatistics::Page,
            })
        });
        Self { columns: columns.collect(), page_rows: properties.data_page_row_count_limit() }
    }

    /// Appends the column's rows to a row group. `false`: this column, or what it has in these rows, is not for this writer, and nothing
    /// was appended.
    pub fn write<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        name: &str,
        flat: &Flat,
        rows: &[Row],
        compressor: &mut Compressor,
    ) -> Result<bool> {
        let column = self.columns.iter().find(|column| column.column.name() == name);
        let Some(column) = column else { return Ok(false) };
        let Some(keyed) = Keyed::of(flat, rows, column.dictionary_bytes) else { return Ok(false) };
        if !keyed.levels.is_empty() && column.column.max_def_level() == 0 {
            return Err(ParquetError::General(format!("a row without {name}")));
        }
        let Some(bounds) = keyed.bounds_of(&keyed.keys) else { return Ok(false) };
        let mut chunk = TrackedWrite::new(Vec::new());
        let pages = Pages::new(&mut chunk, &column.column, column.level, compressor)?;
        let Some(closed) = column.write_pages(pages, &keyed, rows.len(), self.page_rows, bounds)? else {
            return Ok(false);
        };
        group.append_column(&Bytes::from(chunk.into_inner()?), closed)?;
        Ok(true)
    }
}

/// The least and the greatest text; `None` where there is no text.
type Bounds<'a> = Option<(&'a str, &'a str)>;

impl<'a> Keyed<'a> {
    /// `None`: the column has no keys, or its texts take more bytes than a dictionary may.
    fn of(flat: &'a Flat, rows: &[Row], most_bytes: usize) -> Option<Self> {
        const UNSEEN: u32 = u32::MAX;
        let Flat::Keys { values, .. } = flat else { return None };
        let mut places = vec![UNSEEN; values.len()];
        let (mut dictionary, mut bytes) = (Vec::new(), 0);
        let (mut keys, mut levels) = (Vec::with_capacity(rows.len()), Vec::new());
        for (row, key) in flat.keys(rows)?.enumerate() {
            let Some(key) = key else {
                if levels.is_empty() {
                    levels.resize(rows.len(), 1);
                }
                levels[row] = 0;
                continue;
            };
            let place = &mut places[key as usize];
            if *place == UNSEEN {
                *place = dictionary.len() as u32;
                dictionary.push(key);
                bytes += size_of::<u32>() + values.value_length(key as usize) as usize;
                if bytes > most_bytes {
                    return None;
                }
            }
            keys.push(*place);
        }
        Some(Self { values, dictionary, keys, levels })
    }

    fn text(&self, place: u32) -> &'a str {
        self.values.value(self.dictionary[place as usize] as usize)
    }

    /// Of these keys. `None`: one of the bounds is too long.
    fn bounds_of(&self, keys: &[u32]) -> Option<Bounds<'a>> {
        let mut seen = vec![false; self.dictionary.len()];
        keys.iter().for_each(|key| seen[*key as usize] = true);
        let texts = || (0..).zip(&seen).filter(|(_, seen)| **seen).map(|(place, _)| self.text(place));
        let bounds = texts().min().zip(texts().max());
        let is_short = bounds.is_none_or(|(least, greatest)| least.len().max(greatest.len()) <= MOST_BOUND_BYTES);
        is_short.then_some(bounds)
    }

    fn levels(&self, rows: std::ops::Range<usize>) -> &[u32] {
        self.levels.get(rows).unwrap_or_default()
    }

    /// Texts with their lengths in front, as PLAIN.
    fn dictionary_page(&self) -> Vec<u8> {
        let mut page = Vec::new();
        for place in 0..self.dictionary.len() as u32 {
            let text = self.text(place);
            page.extend_from_slice(&(text.len() as u32).to_le_bytes());
            page.extend_from_slice(text.as_bytes());
        }
        page
    }
}

impl KeyColumn {
    /// `None`: the bounds of a page are too long.
    fn write_pages(
        &self,
        mut pages: Pages<'_, Vec<u8>>,
        keyed: &Keyed<'_>,
        rows: usize,
        page_rows: usize,
        bounds: Bounds<'_>,
    ) -> Result<Option<ColumnCloseResult>> {
        let mut column_index = ColumnIndexBuilder::new(Type::BYTE_ARRAY);
        pages.write_dictionary(keyed.dictionary.len(), &keyed.dictionary_page())?;
        let width = hybrid::width(keyed.dictionary.len().saturating_sub(1) as u32);
        let (mut encoded, mut key, mut nulls) = (Vec::new(), 0, 0);
        for start in (0..rows).step_by(page_rows) {
            let in_page = page_rows.min(rows - start);
            let levels = keyed.levels(start..start + in_page);
            let absent = levels.iter().filter(|level| **level == 0).count();
            let keys = &keyed.keys[key..key + in_page - absent];
            key += keys.len();
            nulls += absent;
            encoded.clear();
            if self.column.max_def_level() > 0 {
                encode_levels(levels, in_page, &mut encoded);
            }
            encoded.push(width as u8);
            hybrid::encode(keys, width, &mut encoded);
            pages.write_data(in_page, Encoding::RLE_DICTIONARY, &encoded)?;
            if self.has_bounds_of_pages {
                let Some(bounds) = keyed.bounds_of(keys) else { return Ok(None) };
                let (least, greatest) = bounds.unwrap_or_default();
                column_index.append(bounds.is_none(), least.into(), greatest.into(), absent as i64);
            }
        }
        let (least, greatest) = bounds.map(|(least, greatest)| (ByteArray::from(least), greatest.into())).unzip();
        let statistics = ValueStatistics::<ByteArray>::new(least, greatest, None, Some(nulls as u64), false);
        let column_index = self.has_bounds_of_pages.then_some(column_index);
        pages.close(Statistics::ByteArray(statistics), column_index).map(Some)
    }
}

/// With their length in front, as a page of the first version has them. Without levels every row has a text.
fn encode_levels(levels: &[u32], rows: usize, to: &mut Vec<u8>) {
    to.extend_from_slice(&[0; size_of::<u32>()]);
    match levels.is_empty() {
        true => hybrid::encode(&vec![1; rows], 1, to),
        false => hybrid::encode(levels, 1, to),
    }
    let length = (to.len() - size_of::<u32>()) as u32;
    to[..size_of::<u32>()].copy_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, DictionaryArray, RecordBatch};
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use parquet::schema::parser::parse_message_type;
    use proptest::prelude::*;

    use super::*;
    use crate::files::gather::Gather;

    const PAGE_ROWS: usize = 16;
    const DICTIONARY_BYTES: usize = 400;

    type Texts = Vec<Option<String>>;

    fn properties() -> WriterProperties {
        WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_write_batch_size(PAGE_ROWS)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            .set_statistics_enabled(EnabledStatistics::Page)
            .build()
    }

    fn array(texts: &Texts) -> ArrayRef {
        Arc::new(texts.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
    }

    /// A file with a row group of these texts, unless they are not for this writer.
    fn file(texts: &Texts) -> Option<Bytes> {
        let schema = parse_message_type("message logs { optional binary service (UTF8); }").unwrap();
        let mut file = SerializedFileWriter::new(Vec::new(), schema.into(), properties().into()).unwrap();
        // Two parts, the second of which comes first.
        let cut = texts.len() / 3;
        let parts = [texts[cut..].to_vec(), texts[..cut].to_vec()];
        let row_counts = parts.each_ref().map(Vec::len);
        let gather = Gather::new(&DataType::Utf8View, &parts.each_ref().map(|part| Some(array(part))), &row_counts);
        let flat = Flat::new(gather.unwrap(), &row_counts, &DataType::Utf8View).unwrap();
        let of_part = |part: u32| (0..row_counts[part as usize] as u32).map(move |row| (part, row));
        let rows: Vec<Row> = of_part(1).chain(of_part(0)).collect();
        let columns = KeyColumns::new(&file);
        let mut group = file.next_row_group().unwrap();
        if !columns.write(&mut group, "service", &flat, &rows, &mut Compressor::new().unwrap()).unwrap() {
            return None;
        }
        group.close().unwrap();
        Some(file.into_inner().unwrap().into())
    }

    /// As Arrow writes it.
    fn of_arrow(texts: &Texts) -> Bytes {
        let array = array(texts);
        let schema = Arc::new(Schema::new(vec![Field::new("service", array.data_type().clone(), true)]));
        let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties())).unwrap();
        writer.write(&RecordBatch::try_new(schema, vec![array]).unwrap()).unwrap();
        writer.into_inner().unwrap().into()
    }

    fn open(file: &Bytes) -> ParquetRecordBatchReaderBuilder<Bytes> {
        let options =
            ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required).with_skip_arrow_metadata(true);
        ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options).unwrap()
    }

    fn read(file: &Bytes) -> Texts {
        let batches = open(file).build().unwrap().map(Result::unwrap);
        batches
            .flat_map(|batch| {
                batch.column(0).as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect::<Texts>()
            })
            .collect()
    }

    /// What a file says of its column, but for the places where it lies, the order of its pages and how many have a value.
    fn told(metadata: &ParquetMetaData) -> String {
        let column = metadata.row_group(0).column(0);
        let pages = metadata.offset_index().unwrap()[0][0].page_locations();
        let first_rows: Vec<i64> = pages.iter().map(|page| page.first_row_index).collect();
        let index = &metadata.column_index().unwrap()[0][0];
        let nulls: Vec<bool> = (0..pages.len()).map(|page| index.is_null_page(page)).collect();
        let said = format!("{index:?}");
        let bounds = &said[said.find("min_bytes").unwrap()..];
        format!(
            "{:?} {} {first_rows:?} {nulls:?} {:?} {bounds}",
            column.statistics(),
            column.num_values(),
            index.null_counts()
        )
    }

    fn texts(longest: usize) -> impl Strategy<Value = Texts> {
        let text = proptest::option::weighted(0.8, "[a-c]{0,2}|ä");
        let run = (text, 1..longest).prop_map(|(text, count)| vec![text; count]);
        proptest::collection::vec(run, 1..40).prop_map(|runs| runs.concat())
    }

    proptest! {
        #[test]
        fn any_texts_come_back(texts in prop_oneof![texts(2), texts(40)]) {
            let file = file(&texts).unwrap();
            prop_assert_eq!(read(&file), texts.clone());
            let arrow = of_arrow(&texts);
            prop_assert_eq!(told(open(&file).metadata()), told(open(&arrow).metadata()));
        }
    }

    #[test]
    fn many_or_long_texts_are_left_to_arrow() {
        let different = |count: usize| (0..count).map(|number| Some(format!("{number:06}"))).collect::<Texts>();
        assert_eq!(read(&file(&different(40)).unwrap()), different(40));
        assert!(file(&different(41)).is_none());
        let long = |length: usize| vec![Some("x".repeat(length)), None];
        assert!(file(&long(MOST_BOUND_BYTES)).is_some() && file(&long(MOST_BOUND_BYTES + 1)).is_none());
        assert_eq!(read(&file(&vec![None; 40]).unwrap()), vec![None; 40]);
    }
}
