//! Which fields of bodies are worth a column.

use std::collections::{HashMap, HashSet};

use ahash::RandomState;
use arrow::datatypes::{DataType, Field};
use trefoil_lines::Reader;
use trefoil_model::Table;
use trefoil_model::logs::{BYTES_COLUMN, FORMAT_COLUMN, LEVEL_COLUMN, field_column, field_of_column};

use super::Bodies;
use crate::buffer::Frozen;
use crate::catalog::TableColumns;
use crate::config::FieldsConfig;

/// Lines of one flush that are looked at.
const LOOKED_AT: usize = 4_096;
/// One line in so many must have a field (5%).
const LINES_PER_FIELD: u64 = 20;
/// Different fields that are followed.
const MOST_FOLLOWED: usize = 1_024;
/// Different values that are told apart.
const MOST_VALUES: usize = 1_024;
/// A field with so few values is worth a column, however few lines there were …
const FEW_VALUES: usize = 16;
/// … and one of whose values each comes so often.
const LINES_PER_VALUE: u64 = 4;
/// Bytes of a value at the mean.
const MOST_MEAN_BYTES: u64 = 96;
/// Bytes of an amount. Times have more.
const MOST_AMOUNT_BYTES: usize = 12;
/// Bytes of a field's name.
const MOST_NAME_BYTES: usize = 120;

/// Looks at some lines of each flush.
#[derive(Debug)]
pub(crate) struct Learner {
    config: FieldsConfig,
    lines: u64,
    seen: HashMap<Box<str>, Seen, RandomState>,
    /// Fields that have columns, in small letters: names that differ in case only would be one to SQL.
    known: HashSet<String>,
}

#[derive(Debug, Default)]
struct Seen {
    lines: u64,
    bytes: u64,
    amounts: u64,
    values: HashSet<Box<str>, RandomState>,
}

impl Learner {
    pub fn new(config: FieldsConfig, columns: &TableColumns) -> Self {
        Self { config, lines: 0, seen: HashMap::default(), known: known(columns) }
    }

    /// The columns of bodies that the files of a generation are to have beyond those that `columns` has.
    pub fn columns(&mut self, frozen: &Frozen, columns: &TableColumns) -> Vec<(Table, Field)> {
        let batches = || frozen.tenants.values().flat_map(|tables| &tables[Table::Logs as usize]);
        let rows: usize = batches().map(|batch| batch.num_rows()).sum();
        if rows == 0 || self.config.max_columns == 0 {
            return Vec::new();
        }
        self.known = known(columns);
        let every = rows.div_ceil(LOOKED_AT);
        let (mut next, mut reader) = (0, Reader::default());
        for batch in batches() {
            if let Some(bodies) = Bodies::of_batch(batch) {
                while next < bodies.len() {
                    if let Some(line) = bodies.line(next) {
                        self.observe(line, &mut reader);
                    }
                    next += every;
                }
            }
            next = next.saturating_sub(batch.num_rows());
        }
        let learned = self.judge();
        let texts = [FORMAT_COLUMN, LEVEL_COLUMN].map(str::to_owned).into_iter().chain(learned);
        let texts = texts.map(|name| Field::new(name, DataType::Utf8View, true));
        let fields = texts.chain([Field::new(BYTES_COLUMN, DataType::UInt32, true)]);
        fields.filter(|field| columns.get(field.name()).is_none()).map(|field| (Table::Logs, field)).collect()
    }

    fn observe(&mut self, line: &str, reader: &mut Reader) {
        self.lines += 1;
        let mut fields: Vec<(Box<str>, Box<str>)> = Vec::new();
        let told = reader.read(line, |name, value| {
            if name.len() <= MOST_NAME_BYTES && fields.iter().all(|(known, _)| **known != *name) {
                fields.push((name.into(), value.into()));
            }
        });
        if told.form.is_none() {
            return;
        }
        for (name, value) in fields {
            if self.seen.len() >= MOST_FOLLOWED && !self.seen.contains_key(&name) {
                continue;
            }
            let seen = self.seen.entry(name).or_default();
            seen.lines += 1;
            seen.bytes += value.len() as u64;
            seen.amounts += u64::from(is_amount(&value));
            if seen.values.len() <= MOST_VALUES {
                seen.values.insert(value);
            }
        }
    }

    /// Names of columns to be made, once enough lines have been looked at.
    fn judge(&mut self) -> Vec<String> {
        if self.lines < self.config.learn_lines {
            return Vec::new();
        }
        let lines = std::mem::take(&mut self.lines);
        let seen = std::mem::take(&mut self.seen).into_iter();
        let mut worthy: Vec<(Box<str>, u64)> = seen
            .filter(|(_, seen)| seen.lines >= lines.div_ceil(LINES_PER_FIELD) && seen.is_worth_it())
            .map(|(name, seen)| (name, seen.lines))
            .collect();
        worthy.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut learned = Vec::new();
        for (name, _) in worthy {
            if self.known.len() < self.config.max_columns && self.known.insert(name.to_lowercase()) {
                learned.push(field_column(&name));
            }
        }
        learned
    }
}

fn known(columns: &TableColumns) -> HashSet<String> {
    let fields = columns.promoted().iter().filter_map(|column| field_of_column(&column.name));
    fields.map(str::to_lowercase).collect()
}

impl Seen {
    /// Values that come again are, and amounts, for which people want sums and quantiles. Ids and times are not, nor are texts that tell a
    /// story: they take as much room again as in the line.
    fn is_worth_it(&self) -> bool {
        let values = self.values.len() as u64;
        let are_few = self.values.len() <= FEW_VALUES || values * LINES_PER_VALUE <= self.lines;
        let are_amounts = self.amounts * 10 >= self.lines * 9;
        self.bytes <= self.lines * MOST_MEAN_BYTES && (are_few || are_amounts)
    }
}

/// Whether a text is a number, perhaps with a unit; not one of digits with zeros in front, which is a name.
fn is_amount(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let unit = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let (number, unit) = digits.split_at(unit);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    text.len() <= MOST_AMOUNT_BYTES
        && !whole.is_empty()
        && (whole.len() == 1 || !whole.starts_with('0'))
        && !fraction.contains('.')
        && unit.chars().count() <= 3
        && unit.chars().all(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learner(learn_lines: u64, max_columns: usize) -> Learner {
        let config = FieldsConfig { learn_lines, max_columns };
        Learner { config, lines: 0, seen: HashMap::default(), known: HashSet::new() }
    }

    fn learned(learner: &mut Learner, line: impl Fn(u64) -> String, lines: u64) -> Vec<String> {
        (0..lines).for_each(|number| learner.observe(&line(number), &mut Reader::default()));
        learner.judge()
    }

    #[test]
    fn fields_that_repeat_and_amounts_are_learned() {
        let line = |number: u64| {
            let rare = if number.is_multiple_of(21) { r#","rare":1"# } else { "" };
            let often = if number.is_multiple_of(19) { r#","often":1"# } else { "" };
            format!(
                r#"{{"level":"info","Level":"x","ms":{}.{number},"id":"{:032x}","at":"2026-01-01T00:00:{number}","user":"{:08}","msg":"user {number} came","path":"/{}","story":"{}"{rare}{often}}}"#,
                number * 3 % 70,
                u128::from(number) * 77,
                number * 3,
                number % 100,
                "long ".repeat(40),
            )
        };
        let mut all = learner(1_000, 100);
        assert_eq!(learned(&mut all, line, 999), [""; 0]);
        let expected = ["body.level", "body.ms", "body.path", "body.often"];
        let found = learned(&mut all, line, 1);
        assert!(found.iter().any(|name| name == "body.Level") != found.iter().any(|name| name == "body.level"));
        let found: Vec<String> = found.into_iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(found, expected);
        assert_eq!(learned(&mut all, line, 1_000), [""; 0], "they are known");
        assert_eq!(learned(&mut learner(10, 2), line, 1_000).len(), 2);
    }

    #[test]
    fn amounts_are_told_from_names() {
        for (text, expected) in [
            ("1", true),
            ("0", true),
            ("-12.5ms", true),
            ("0.25", true),
            ("5µs", true),
            ("12MiB", true),
            ("007", false),
            ("1.2.3", false),
            ("", false),
            ("-", false),
            ("ms", false),
            ("1732743828123", false),
            ("12abcd", false),
            ("1-2", false),
        ] {
            assert_eq!(is_amount(text), expected, "{text:?}");
        }
    }
}
