//! The list columns of spans: events and links.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeBinaryArray, ListArray, StringViewBuilder, StructArray, TimestampNanosecondArray, UInt32Array,
    new_null_array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;

use crate::attributes::{Tally, push_attributes};
use crate::schema::{span_event_fields, span_link_fields};
use crate::wire::{Reader, WireError};
use crate::{Limits, Table};

/// Why an event or link is not stored.
pub(super) type Unfit = &'static str;

/// The lengths of lists; an empty one is NULL.
#[derive(Default)]
struct Lengths {
    lengths: Vec<usize>,
    total: usize,
}

impl Lengths {
    /// The list of `row` has the items that were added since the row before, if any; rows between such rows have none.
    fn end_row(&mut self, row: usize, items: usize) {
        if items == self.total {
            return;
        }
        self.lengths.resize(row, 0);
        self.lengths.push(items - self.total);
        self.total = items;
    }

    fn lists(mut self, fields: Fields, items: Vec<ArrayRef>, rows: usize) -> Result<ArrayRef, ArrowError> {
        self.lengths.resize(rows, 0);
        let nulls: NullBuffer = self.lengths.iter().map(|&length| length > 0).collect();
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        let field = Arc::new(Field::new("element", DataType::Struct(fields.clone()), true));
        let items = Arc::new(StructArray::try_new(fields, items, None)?);
        Ok(Arc::new(ListArray::try_new(field, offsets, items, Some(nulls))?))
    }
}

/// A NULL column of the `spans` table.
fn absent(column: &str, rows: usize) -> Result<ArrayRef, ArrowError> {
    let schema = Table::Spans.base_schema();
    Ok(new_null_array(schema.field_with_name(column)?.data_type(), rows))
}

/// Texts as they are most useful inside lists; what is empty is NULL in an optional one.
#[derive(Default)]
struct Texts(StringViewBuilder);

impl Texts {
    fn push(&mut self, text: &[u8], tally: &mut Tally) {
        match std::str::from_utf8(text) {
            Ok(text) => self.0.append_value(text),
            Err(_) => {
                tally.replaced_utf8 += 1;
                self.0.append_value(String::from_utf8_lossy(text));
            }
        }
    }

    fn push_optional(&mut self, text: &[u8], tally: &mut Tally) {
        if text.is_empty() {
            return self.0.append_null();
        }
        self.push(text, tally);
    }
}

#[derive(Default)]
pub(super) struct Events {
    lengths: Lengths,
    times: Vec<i64>,
    names: Texts,
    attributes: Texts,
    dropped: Vec<u32>,
}

impl Events {
    /// Adds an event to the list that [`Self::end_row`] closes.
    pub fn push(
        &mut self,
        message: Reader<'_>,
        limits: &Limits,
        text: &mut String,
        replaced_utf8: &mut u64,
    ) -> Result<Result<(), Unfit>, WireError> {
        let (mut time, mut name, mut dropped) = (0, &[][..], 0);
        for field in message {
            let field = field?;
            match field.number {
                1 => time = field.fixed64()?,
                2 => name = field.bytes()?,
                3 => drop(field.message()?),
                4 => dropped = field.uint32()?,
                _ => {}
            }
        }
        let Ok(time) = i64::try_from(time) else {
            return Ok(Err("an event's time_unix_nano is after the year 2262"));
        };
        let mut tally = Tally { dropped, ..Tally::default() };
        push_list(text, message, 3, limits, &mut tally)?;
        self.times.push(time);
        self.names.push(name, &mut tally);
        self.attributes.push_optional(text.as_bytes(), &mut tally);
        self.dropped.push(tally.dropped);
        *replaced_utf8 += tally.replaced_utf8;
        Ok(Ok(()))
    }

    pub fn end_row(&mut self, row: usize) {
        self.lengths.end_row(row, self.times.len());
    }

    pub fn finish(mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        if self.times.is_empty() {
            return absent("events", rows);
        }
        let items: Vec<ArrayRef> = vec![
            Arc::new(TimestampNanosecondArray::from(self.times)),
            Arc::new(self.names.0.finish()),
            Arc::new(self.attributes.0.finish()),
            Arc::new(UInt32Array::from(self.dropped)),
        ];
        self.lengths.lists(span_event_fields(), items, rows)
    }
}

#[derive(Default)]
pub(super) struct Links {
    lengths: Lengths,
    trace_ids: Vec<u8>,
    span_ids: Vec<u8>,
    trace_states: Texts,
    flags: Vec<u32>,
    attributes: Texts,
    dropped: Vec<u32>,
}

impl Links {
    /// Adds a link to the list that [`Self::end_row`] closes. Ids of zeros are legal here (a link to something that was not
    /// sampled still carries its attributes); an empty id is one of zeros.
    pub fn push(
        &mut self,
        message: Reader<'_>,
        limits: &Limits,
        text: &mut String,
        replaced_utf8: &mut u64,
    ) -> Result<Result<(), Unfit>, WireError> {
        let (mut trace_id, mut span_id, mut trace_state) = (&[][..], &[][..], &[][..]);
        let (mut flags, mut dropped) = (0, 0);
        for field in message {
            let field = field?;
            match field.number {
                1 => trace_id = field.bytes()?,
                2 => span_id = field.bytes()?,
                3 => trace_state = field.bytes()?,
                4 => drop(field.message()?),
                5 => dropped = field.uint32()?,
                6 => flags = field.fixed32()?,
                _ => {}
            }
        }
        if !matches!(trace_id.len(), 0 | 16) {
            return Ok(Err("a link's trace_id is not 16 bytes long"));
        }
        if !matches!(span_id.len(), 0 | 8) {
            return Ok(Err("a link's span_id is not 8 bytes long"));
        }
        let mut tally = Tally { dropped, ..Tally::default() };
        push_list(text, message, 4, limits, &mut tally)?;
        self.flags.push(flags);
        self.trace_ids.extend_from_slice(trace_id);
        self.trace_ids.resize(self.flags.len() * 16, 0);
        self.span_ids.extend_from_slice(span_id);
        self.span_ids.resize(self.flags.len() * 8, 0);
        self.trace_states.push_optional(trace_state, &mut tally);
        self.attributes.push_optional(text.as_bytes(), &mut tally);
        self.dropped.push(tally.dropped);
        *replaced_utf8 += tally.replaced_utf8;
        Ok(Ok(()))
    }

    pub fn end_row(&mut self, row: usize) {
        self.lengths.end_row(row, self.flags.len());
    }

    pub fn finish(mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        if self.flags.is_empty() {
            return absent("links", rows);
        }
        let items: Vec<ArrayRef> = vec![
            Arc::new(FixedSizeBinaryArray::try_new(16, Buffer::from_vec(self.trace_ids), None)?),
            Arc::new(FixedSizeBinaryArray::try_new(8, Buffer::from_vec(self.span_ids), None)?),
            Arc::new(self.trace_states.0.finish()),
            Arc::new(UInt32Array::from(self.flags)),
            Arc::new(self.attributes.0.finish()),
            Arc::new(UInt32Array::from(self.dropped)),
        ];
        self.lengths.lists(span_link_fields(), items, rows)
    }
}

/// Writes the attributes in the fields `number` of `message` to `text`, whose old content goes.
fn push_list(
    text: &mut String,
    message: Reader<'_>,
    number: u32,
    limits: &Limits,
    tally: &mut Tally,
) -> Result<(), WireError> {
    text.clear();
    // Read before without an error.
    let attributes = message.flatten().filter(|field| field.number == number).flat_map(|field| field.message());
    push_attributes(text, attributes, limits, tally)?;
    Ok(())
}
