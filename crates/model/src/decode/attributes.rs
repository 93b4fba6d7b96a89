//! Which column each attribute of a row goes to: the promoted one of its key, or the JSON text of its scope.

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, FieldRef};
use arrow::error::ArrowError;

use super::columns::Values;
use crate::attributes::{AnyValue, KeyValue, Tally, close_object, push_member};
use crate::promote::{KeyCounts, Kind, Scope};
use crate::wire::{Reader, WireError};
use crate::{Limits, Promoted, Table};

/// The promoted columns of a batch, allocated as they occur, and the counts of what is not promoted.
pub(super) struct PromotedColumns<'a> {
    promoted: &'a Promoted,
    table: Table,
    limits: &'a Limits,
    /// By index in the registry.
    columns: Vec<Option<Column>>,
    counts: KeyCounts,
    /// What the attribute at the same position of the item before was: items of one kind have the same keys in the same
    /// order, so comparing beats hashing.
    expected: Vec<Expected<'a>>,
}

struct Column {
    values: Values,
    /// One more than the last row whose value of this key went to the JSON text. Duplicates must follow it there, or their
    /// order would be lost.
    in_text: usize,
}

struct Expected<'a> {
    key: &'a [u8],
    /// The index of its promoted column.
    column: Option<usize>,
    /// The type that was counted, and how often; not in `counts` yet.
    kind: Option<Kind>,
    uncounted: u64,
}

impl<'a> PromotedColumns<'a> {
    pub fn new(promoted: &'a Promoted, table: Table, limits: &'a Limits) -> Self {
        let mut columns = Vec::new();
        columns.resize_with(promoted.columns(table).len(), || None);
        Self { promoted, table, limits, columns, counts: KeyCounts::default(), expected: Vec::new() }
    }

    /// Stores the attributes of the item in `row`; what is not promoted is written to `text` as a JSON object (nothing if
    /// there is none).
    pub fn item(
        &mut self,
        scope: Scope,
        attributes: &[Reader<'a>],
        row: usize,
        text: &mut String,
        tally: &mut Tally,
    ) -> Result<(), WireError> {
        for (position, message) in attributes.iter().enumerate() {
            let attribute = KeyValue::parse(*message)?;
            let column = self.column_at(position, scope, &attribute);
            if let Some(column) = column
                && self.put(column, attribute.value, row, 1, tally)
            {
                continue;
            }
            if column.is_none() {
                self.count(position, scope, &attribute);
            }
            push_member(text, 0, &attribute, self.limits, tally)?;
        }
        close_object(text, 0);
        Ok(())
    }

    /// Stores one attribute of a resource in all rows `first..first + rows`, or writes it to `text`.
    pub fn resource(
        &mut self,
        attribute: &KeyValue<'a>,
        first: usize,
        rows: usize,
        text: &mut String,
        tally: &mut Tally,
    ) -> Result<(), WireError> {
        match self.promoted.lookup(self.table, Scope::Resource, attribute.key) {
            Some(column) if self.put(column.index, attribute.value, first, rows, tally) => return Ok(()),
            Some(_) => {}
            None => {
                if let Some(kind) = scalar(attribute.value) {
                    self.counts.add(Scope::Resource, attribute.key, kind, rows as u64);
                }
            }
        }
        push_member(text, 0, attribute, self.limits, tally)
    }

    /// The promoted column of the attribute at this position of an item.
    #[inline]
    fn column_at(&mut self, position: usize, scope: Scope, attribute: &KeyValue<'a>) -> Option<usize> {
        if let Some(expected) = self.expected.get(position)
            && expected.key == attribute.key
        {
            return expected.column;
        }
        let column = self.promoted.lookup(self.table, scope, attribute.key).map(|column| column.index);
        let expected = Expected { key: attribute.key, column, kind: None, uncounted: 0 };
        match self.expected.get_mut(position) {
            Some(place) => {
                let replaced = std::mem::replace(place, expected);
                add_uncounted(&mut self.counts, scope, &replaced);
            }
            // Positions come in order, so the list has exactly the positions below.
            None => self.expected.push(expected),
        }
        column
    }

    #[inline]
    fn count(&mut self, position: usize, scope: Scope, attribute: &KeyValue<'a>) {
        let (Some(kind), Some(expected)) = (scalar(attribute.value), self.expected.get_mut(position)) else { return };
        if expected.kind != Some(kind) {
            add_uncounted(&mut self.counts, scope, expected);
            expected.kind = Some(kind);
            expected.uncounted = 0;
        }
        expected.uncounted += 1;
    }

    #[inline]
    fn put(&mut self, index: usize, value: AnyValue<'a>, first: usize, rows: usize, tally: &mut Tally) -> bool {
        let promoted = self.promoted;
        let table = self.table;
        let column = self.columns[index]
            .get_or_insert_with(|| Column { values: Values::new(promoted.columns(table)[index].kind), in_text: 0 });
        if column.in_text == first + 1 {
            return false;
        }
        let done = column.values.put(value, first, rows, self.limits.max_attribute_value_bytes, tally);
        if !done {
            column.in_text = first + 1;
        }
        done
    }

    /// The columns that have a value, with their fields, and the counts. `rows` is how long the columns must be.
    #[allow(clippy::type_complexity)]
    pub fn finish(mut self, scope: Scope, rows: usize) -> Result<(Vec<(FieldRef, ArrayRef)>, KeyCounts), ArrowError> {
        for expected in &self.expected {
            add_uncounted(&mut self.counts, scope, expected);
        }
        self.counts.add_rows(rows as u64);
        let mut columns = Vec::new();
        for (known, column) in self.promoted.columns(self.table).iter().zip(self.columns) {
            let Some(column) = column else { continue };
            let values = column.values.finish(rows)?;
            // A column whose only values were of another type is all NULL.
            if values.null_count() < rows {
                columns.push((Field::new(&*known.name, values.data_type().clone(), true).into(), values));
            }
        }
        Ok((columns, self.counts))
    }
}

fn add_uncounted(counts: &mut KeyCounts, scope: Scope, expected: &Expected<'_>) {
    if let Some(kind) = expected.kind
        && expected.uncounted > 0
    {
        counts.add(scope, expected.key, kind, expected.uncounted);
    }
}

/// The type of column that could hold the value.
fn scalar(value: AnyValue<'_>) -> Option<Kind> {
    match value {
        AnyValue::String(_) => Some(Kind::String),
        AnyValue::Int(_) => Some(Kind::Int),
        AnyValue::Double(_) => Some(Kind::Double),
        AnyValue::Bool(_) => Some(Kind::Bool),
        AnyValue::Empty | AnyValue::Bytes(_) | AnyValue::Array(_) | AnyValue::KvList(_) => None,
    }
}
