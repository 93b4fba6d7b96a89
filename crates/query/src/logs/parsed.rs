//! Fields of lines out of columns, where a query needs no more of the lines.

use std::collections::HashMap;

use ahash::RandomState;
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringArray};
use arrow::datatypes::Int32Type;
use trefoil_lines::Form;
use trefoil_lines::level::Level;
use trefoil_logql::pipeline::{Fields, Known};
use trefoil_model::logs::{FORMAT_COLUMN, LEVEL_COLUMN, field_column};

use super::columns::Numbers;
use super::record::DETECTED_LEVEL;
use crate::QueryError;
use crate::sources::{Rows, Source, Sources};

/// What [`FieldColumns`] are made of: names of columns, and those of the fields that were looked for in all lines.
pub struct Asked {
    pub columns: Vec<String>,
    looked_for: Vec<String>,
}

/// The columns of fields that a pipeline asks for, of one source.
pub struct FieldColumns<'r> {
    asked: Fields<'r>,
    forms: Option<Texts<'r>>,
    /// Of each value of `forms`.
    form_of: Vec<Option<Form>>,
    fields: Vec<(&'r str, Option<Texts<'r>>)>,
    /// Labels of which nothing is known.
    missing: Vec<&'r str>,
    /// The levels of lines and of records, where they are asked for.
    levels: Option<(Texts<'r>, Numbers<'r>)>,
}

/// A column of texts.
struct Texts<'r> {
    keys: &'r Int32Array,
    values: &'r StringArray,
}

impl<'r> Texts<'r> {
    fn of(column: &'r ArrayRef) -> Option<Self> {
        let dictionary = column.as_dictionary_opt::<Int32Type>()?;
        Some(Self { keys: dictionary.keys(), values: dictionary.values().as_string_opt()? })
    }

    /// The place of a row's value.
    fn key(&self, row: usize) -> Option<usize> {
        if self.keys.is_null(row) {
            return None;
        }
        usize::try_from(self.keys.value(row)).ok()
    }

    fn text(&self, row: usize) -> Option<&'r str> {
        self.key(row).map(|key| self.values.value(key))
    }
}

impl Asked {
    /// `None`: the source has no columns of fields.
    pub async fn of(sources: &Sources<'_>, source: &Source, fields: Fields<'_>) -> Result<Option<Asked>, QueryError> {
        let Source::Group { file, row_group, .. } = source else { return Ok(None) };
        let texts = sources.snapshot.texts(file).await?;
        let Some(texts) = texts.get(*row_group) else { return Ok(None) };
        let is_known = |label: &&str| texts.fields.iter().any(|field| field == label);
        let looked_for: Vec<String> = fields.labels().filter(is_known).map(str::to_owned).collect();
        let columns = looked_for.iter().map(|label| field_column(label));
        let others = [FORMAT_COLUMN, LEVEL_COLUMN].map(str::to_owned);
        Ok(Some(Asked { columns: columns.chain(others).collect(), looked_for }))
    }
}

impl<'r> FieldColumns<'r> {
    /// `rows` have the columns that are asked for, and where levels are needed those that these are found by. `None`: they say nothing.
    pub fn new(rows: &'r Rows, asked: &Asked, fields: Fields<'r>, needs_level: bool) -> Option<Self> {
        let texts = |name: &str| rows.column(name).and_then(Texts::of);
        let forms = texts(FORMAT_COLUMN);
        let levels = texts(LEVEL_COLUMN).map(|levels| (levels, Numbers::of(rows, "severity_number")));
        let is_missing = (fields.form.is_some() && forms.is_none()) || (needs_level && levels.is_none());
        if is_missing {
            return None;
        }
        let form_of = forms.iter().flat_map(|forms| forms.values).map(|name| Form::of_name(name?)).collect();
        let labels = || fields.labels().filter(|_| fields.form.is_some());
        let is_looked_for = |label: &str| asked.looked_for.iter().any(|field| field == label);
        let found = labels().filter(|label| is_looked_for(label));
        let found: Vec<_> = found.map(|label| (label, texts(&field_column(label)))).collect();
        // A line has its level already.
        let is_known = |label: &str| is_looked_for(label) || (needs_level && label == DETECTED_LEVEL);
        let missing = labels().filter(|label| !is_known(label)).collect();
        let levels = levels.filter(|_| needs_level);
        Some(Self { asked: fields, forms, form_of, fields: found, missing, levels })
    }

    /// Whether they tell all that is asked for of lines of a stream with these labels: a field with the name of one gets another name.
    pub fn answer_for(&self, stream: &[(&str, &str)]) -> bool {
        self.missing.iter().all(|label| stream.iter().any(|(name, _)| name == label))
    }

    /// The form of the line in a row. `None`: the line has to be read.
    pub fn form(&self, row: usize) -> Option<Form> {
        if self.levels.as_ref().is_some_and(|(of_lines, _)| of_lines.key(row).is_none()) {
            return None;
        }
        if self.asked.form.is_none() {
            return Some(Form::Text);
        }
        let form = self.forms.as_ref()?.key(row).and_then(|key| self.form_of[key])?;
        self.asked.is_known_of(form).then_some(form)
    }

    /// The level that the line in a row tells.
    pub fn level(&self, row: usize) -> Level {
        let level = self.levels.as_ref().and_then(|(of_lines, _)| Level::of_name(of_lines.text(row)?));
        level.unwrap_or(Level::Unknown)
    }

    /// Whether lines of that form have fields for the stage.
    fn has_fields(&self, form: Form) -> bool {
        self.asked.form == Some(form)
    }

    /// `found` is for the fields.
    pub fn known<'f>(&self, row: usize, form: Form, found: &'f mut Vec<(&'r str, &'r str)>) -> Known<'f> {
        found.clear();
        if self.has_fields(form) {
            let fields = self.fields.iter();
            found.extend(fields.filter_map(|(label, texts)| Some((*label, texts.as_ref()?.text(row)?))));
        }
        Known { form, fields: found }
    }

    /// What tells lines of a stream apart: their forms, where their fields (but one, by its place) are among the values of their columns, and
    /// levels.
    fn key(&self, row: usize, form: Form, without: Option<usize>, key: &mut Vec<i32>) {
        const NONE: i32 = -1;
        // Keys are of 32 bits.
        let place = |texts: &Texts<'_>| texts.key(row).map_or(NONE, |key| key as i32);
        key.clear();
        key.push(form as i32);
        if self.has_fields(form) {
            for (field, (_, texts)) in self.fields.iter().enumerate() {
                if without != Some(field) {
                    key.push(texts.as_ref().map_or(NONE, place));
                }
            }
        }
        if let Some((of_lines, severities)) = &self.levels {
            let severity = i32::try_from(severities.at(row)).unwrap_or_default();
            key.extend([place(of_lines), severity]);
        }
    }

    /// The place of a field among those that are looked at.
    pub fn field(&self, label: &str) -> Option<usize> {
        self.fields.iter().position(|(name, _)| *name == label)
    }

    /// The place of a field's value among [the values](FieldColumns::values_of) of its column, for lines that have it.
    pub fn place_of(&self, field: usize, row: usize, form: Form) -> Option<usize> {
        self.texts(field).filter(|_| self.has_fields(form))?.key(row)
    }

    pub fn values_of(&self, field: usize) -> Option<&'r StringArray> {
        self.texts(field).map(|texts| texts.values)
    }

    fn texts(&self, field: usize) -> Option<&Texts<'r>> {
        self.fields.get(field)?.1.as_ref()
    }
}

/// Outcomes that are remembered of one stream in one source.
const REMEMBERED: usize = 1 << 14;

/// What became of lines of a stream, which becomes of all others with the same fields and levels.
pub struct Outcomes<T> {
    known: HashMap<Box<[i32]>, T, RandomState>,
    key: Vec<i32>,
    last: (Vec<i32>, Option<T>),
}

impl<T: Copy> Default for Outcomes<T> {
    fn default() -> Self {
        Self { known: HashMap::default(), key: Vec::new(), last: (Vec::new(), None) }
    }
}

impl<T: Copy> Outcomes<T> {
    /// What became of a line like the one in a row, whatever its field `without`.
    pub fn of(&mut self, columns: &FieldColumns<'_>, row: usize, form: Form, without: Option<usize>) -> Option<T> {
        columns.key(row, form, without, &mut self.key);
        // One by one: they are a few.
        if !self.last.0.iter().eq(&self.key) {
            self.last.1 = self.known.get(self.key.as_slice()).copied();
            self.last.0.clone_from(&self.key);
        }
        self.last.1
    }

    /// Of the line that was asked for last.
    pub fn note(&mut self, outcome: T) {
        if self.known.len() < REMEMBERED {
            self.known.insert(self.key.as_slice().into(), outcome);
        }
        self.last.1 = Some(outcome);
    }
}
