//! From bodies to columns.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use arrow::array::{
    Array, ArrayRef, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, StringArray, UInt32Array,
    UInt32Builder,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use trefoil_lines::level::Level;
use trefoil_lines::{Form, Reader, Told};
use trefoil_model::logs::{BYTES_COLUMN, FORMAT_COLUMN, LEVEL_COLUMN, field_column, field_of_column};
use trefoil_model::texts::Texts;

use super::Bodies;

/// Bytes of a value that a column has. A body with a longer one is left to whoever asks for it.
const MOST_VALUE_BYTES: usize = 256;

/// Which columns of bodies there are.
#[derive(Debug, Clone)]
pub(crate) struct BodyColumns {
    fields: Vec<String>,
    places: HashMap<String, usize, RandomState>,
    /// Files from before do not have it.
    has_bytes: bool,
}

/// Columns with their names.
type Named = Vec<(String, ArrayRef)>;

impl BodyColumns {
    /// Those among the columns of a table. `None`: it has none for forms and levels, without which others say nothing.
    pub fn among<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Option<Self> {
        let has = |wanted: &str| names.clone().any(|name| name == wanted);
        if !has(FORMAT_COLUMN) || !has(LEVEL_COLUMN) {
            return None;
        }
        let has_bytes = has(BYTES_COLUMN);
        let fields: Vec<String> = names.filter_map(field_of_column).map(str::to_owned).collect();
        let places = fields.iter().enumerate().map(|(place, field)| (field.clone(), place)).collect();
        Some(Self { fields, places, has_bytes })
    }

    /// Whether a file with these columns may have been written with all of them.
    pub fn are_among<'n>(&self, names: impl Iterator<Item = &'n str> + Clone) -> bool {
        let has = |wanted: &str| names.clone().any(|name| name == wanted);
        has(FORMAT_COLUMN) && (has(BYTES_COLUMN) || !self.has_bytes)
    }

    /// The fields that are looked for.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// Batches with what their bodies say. The texts of a field are one dictionary for all of them.
    pub fn extended(&self, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut reading = Reading::new(self);
        let read = batches.iter().map(|batch| Some(reading.bodies(&Bodies::of_batch(batch)?)));
        let read: Vec<Option<Keys>> = read.collect();
        let dictionaries = reading.finish();
        let extended = batches.iter().zip(read).map(|(batch, read)| match read {
            Some(keys) => with_columns(batch, self.named(keys, &dictionaries)?),
            None => Ok(batch.clone()),
        });
        extended.collect()
    }

    /// Dictionaries of texts, and bytes, with a row for each body. Fields that none of them has are left out.
    pub fn read(&self, bodies: &Bodies<'_>) -> Result<Named, ArrowError> {
        let mut reading = Reading::new(self);
        let keys = reading.bodies(bodies);
        self.named(keys, &reading.finish())
    }

    fn named(&self, keys: Keys, dictionaries: &Dictionaries) -> Result<Named, ArrowError> {
        let mut named = vec![
            (FORMAT_COLUMN.to_owned(), dictionary(keys.forms, &dictionaries.forms)?),
            (LEVEL_COLUMN.to_owned(), dictionary(keys.levels, &dictionaries.levels)?),
        ];
        if self.has_bytes {
            named.push((BYTES_COLUMN.to_owned(), Arc::new(keys.bytes)));
        }
        for ((field, keys), texts) in self.fields.iter().zip(keys.fields).zip(&dictionaries.fields) {
            if !keys.is_empty() {
                named.push((field_column(field), dictionary(keys, texts)?));
            }
        }
        Ok(named)
    }
}

fn with_columns(batch: &RecordBatch, named: Named) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut columns) = (batch.schema().fields().to_vec(), batch.columns().to_vec());
    for (name, column) in named {
        fields.push(Arc::new(Field::new(name, column.data_type().clone(), true)));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// Of some bodies, a row each.
struct Keys {
    forms: Vec<i32>,
    levels: Vec<i32>,
    bytes: UInt32Array,
    /// Empty where none of them has the field.
    fields: Vec<Vec<i32>>,
}

/// What keys stand for.
struct Dictionaries {
    forms: ArrayRef,
    levels: ArrayRef,
    fields: Vec<ArrayRef>,
}

struct Reading<'c> {
    columns: &'c BodyColumns,
    reader: Reader,
    texts: Vec<Texts>,
    /// Of the bodies that are being read. Those of a field may lag behind the rows.
    keys: Vec<Vec<i32>>,
    /// The fields that the last line had, in their order, with the places of their columns: of objects and of other lines. The next one
    /// mostly has the same.
    expected: [Vec<(String, Option<usize>)>; 2],
    /// Columns with a value of the row.
    set: Vec<usize>,
}

impl<'c> Reading<'c> {
    fn new(columns: &'c BodyColumns) -> Self {
        Self {
            columns,
            reader: Reader::default(),
            texts: columns.fields.iter().map(|_| Texts::default()).collect(),
            keys: Vec::new(),
            expected: Default::default(),
            set: Vec::new(),
        }
    }

    fn bodies(&mut self, bodies: &Bodies<'_>) -> Keys {
        let rows = bodies.len();
        let (mut forms, mut levels) = (vec![NULL; rows], vec![NULL; rows]);
        let mut bytes = UInt32Builder::with_capacity(rows);
        self.keys = vec![Vec::new(); self.texts.len()];
        for row in 0..rows {
            let line = bodies.line(row);
            bytes.append_option(line.and_then(|line| u32::try_from(line.len()).ok()));
            let Some(line) = line else { continue };
            let told = self.line((row, rows), line);
            levels[row] = told.level as i32;
            if let Some(form) = told.form {
                forms[row] = form as i32;
            }
        }
        let mut fields = std::mem::take(&mut self.keys);
        fields.iter_mut().filter(|keys| !keys.is_empty()).for_each(|keys| keys.resize(rows, NULL));
        Keys { forms, levels, bytes: bytes.finish(), fields }
    }

    /// The line of a row among so many.
    fn line(&mut self, (row, rows): (usize, usize), line: &str) -> Told {
        let Self { columns, reader, texts, keys, expected, set } = self;
        let expected = &mut expected[usize::from(line.starts_with('{'))];
        set.clear();
        let (mut count, mut is_too_long) = (0, false);
        let Told { form, level } = reader.read(line, |name, value: Cow<'_, str>| {
            let place = match expected.get_mut(count) {
                Some((known, place)) if known == name => *place,
                other => {
                    let place = columns.places.get(name).copied();
                    match other {
                        Some(other) => *other = (name.to_owned(), place),
                        None => expected.push((name.to_owned(), place)),
                    }
                    place
                }
            };
            count += 1;
            // Of fields with one name the first counts.
            let Some(place) = place.filter(|place| keys[*place].len() <= row) else { return };
            is_too_long |= value.len() > MOST_VALUE_BYTES;
            if !is_too_long {
                if keys[place].is_empty() {
                    keys[place].reserve(rows);
                }
                keys[place].resize(row, NULL);
                keys[place].push(texts[place].key(&value));
                set.push(place);
            }
        });
        let form = form.filter(|_| !is_too_long);
        if form.is_none() {
            set.iter().for_each(|place| keys[*place].truncate(row));
        }
        Told { form, level }
    }

    fn finish(self) -> Dictionaries {
        Dictionaries {
            forms: Arc::new(StringArray::from(Form::ALL.map(Form::name).to_vec())),
            levels: Arc::new(StringArray::from(Level::ALL.map(Level::name).to_vec())),
            fields: self.texts.into_iter().map(|texts| Arc::new(texts.finish()) as ArrayRef).collect(),
        }
    }
}

/// The key of NULL.
const NULL: i32 = -1;

fn dictionary(mut keys: Vec<i32>, values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let valid = BooleanBuffer::collect_bool(keys.len(), |row| keys[row] != NULL);
    keys.iter_mut().for_each(|key| *key = (*key).max(0));
    // A dictionary without a value is all NULL.
    let keys = Int32Array::try_new(keys.into(), Some(NullBuffer::new(valid)))?;
    Ok(Arc::new(DictionaryArray::try_new(keys, values.clone())?))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, BooleanArray};
    use arrow::datatypes::Int32Type;
    use proptest::prelude::*;
    use trefoil_lines::level;

    use super::*;

    /// Each row's form, level and fields.
    fn read(fields: &[&str], lines: &[&str], are_json: &[bool]) -> Vec<String> {
        let names: Vec<String> = fields.iter().map(|field| field_column(field)).collect();
        let all = names.iter().map(String::as_str).chain([FORMAT_COLUMN, LEVEL_COLUMN, "body"]);
        let columns = BodyColumns::among(all).unwrap();
        let texts: ArrayRef = Arc::new(StringArray::from(lines.to_vec()));
        let flags: ArrayRef = Arc::new(BooleanArray::from(are_json.to_vec()));
        let named = columns.read(&Bodies::new(&texts, Some(&flags))).unwrap();
        let text = |name: &str, row: usize| -> String {
            let Some((_, column)) = named.iter().find(|(known, _)| known == name) else { return "-".to_owned() };
            let column = column.as_dictionary::<Int32Type>();
            assert_eq!(column.len(), lines.len());
            match column.is_null(row) {
                true => "-".to_owned(),
                false => column.values().as_string::<i32>().value(column.keys().value(row) as usize).to_owned(),
            }
        };
        let wanted = || [FORMAT_COLUMN, LEVEL_COLUMN].map(str::to_owned).into_iter().chain(names.clone());
        (0..lines.len()).map(|row| wanted().map(|name| text(&name, row)).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn bodies_become_columns() {
        let long = format!(r#"{{"level":"info","msg":"{}"}}"#, "x".repeat(MOST_VALUE_BYTES + 1));
        let lines = [
            (r#"{"level":"warn","msg":"a","n":1}"#, "json warn warn a"),
            ("level=debug x=1", "logfmt debug debug -"),
            (r#"{"msg":"b","msg":"c","level":7}"#, "json unknown 7 b"),
            (r#"{"level":"warn","msg":"a""#, "- warn - -"),
            ("ERROR: all", "text error - -"),
            (long.as_str(), "- info - -"),
            (r#"{"msg":"b","l":{"evel":1}}"#, "json unknown - b"),
            (r#"{"level":"warn"}"#, "json warn warn -"),
        ];
        let texts = lines.map(|(line, _)| line);
        assert_eq!(read(&["level", "msg"], &texts, &[false; 8]), lines.map(|(_, expected)| expected));
        assert_eq!(read(&["level"], &[texts[0]], &[true]), ["- - -"]);
        assert_eq!(BodyColumns::among(["body.level"].into_iter()).map(|columns| columns.fields), None);
    }

    proptest! {
        /// Whatever order lines of whatever kind come in: a column has what the stage finds first under its name.
        #[test]
        fn columns_say_what_stages_find(lines in prop::collection::vec(
            prop_oneof![
                r#"[a-c="\{\}: ,]{0,20}"#,
                prop::collection::vec(("[a-c]", "[a-c\"\\\\]{0,2}"), 0..4).prop_map(|pairs| {
                    let members = pairs.iter().map(|(key, value)| format!("{key:?}:{value:?}"));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
                }),
                prop::collection::vec(("[a-c]", "[a-c]{0,2}"), 0..4).prop_map(|pairs| {
                    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
                }),
            ], 0..12)) {
            let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
            let read = read(&["a", "b"], &texts, &vec![false; lines.len()]);
            for (line, read) in texts.iter().zip(read) {
                let mut found: Vec<(String, String)> = Vec::new();
                let form = Reader::default().read(line, |name, value| found.push((name.to_owned(), value.into_owned()))).form;
                let field = |name: &str| match form {
                    None => "-".to_owned(),
                    Some(_) => found.iter().find(|(known, _)| known == name).map_or("-".to_owned(), |(_, value)| value.clone()),
                };
                let expected = [form.map_or("-", Form::name).to_owned(), level::of_line(line).name().to_owned(), field("a"), field("b")];
                prop_assert_eq!(read, expected.join(" "), "{}", line);
            }
        }
    }
}
