//! The rows of `exemplars`.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryBuilder, StringViewBuilder, TimestampNanosecondArray, UInt64Array};

use super::Decoder;
use super::columns::{Nulls, Texts, constant};
use super::samples::{Head, Number, Numbers};
use crate::attributes::{KeyValue, Tally, close_object, push_member};
use crate::wire::{Reader, WireError};

pub struct Exemplars {
    metrics: Vec<i32>,
    series_ids: Vec<u64>,
    times: Vec<i64>,
    point_times: Vec<i64>,
    trace_ids: FixedSizeBinaryBuilder,
    span_ids: FixedSizeBinaryBuilder,
    filtered_attributes: StringViewBuilder,
    numbers: Numbers,
}

impl Default for Exemplars {
    fn default() -> Self {
        Self {
            metrics: vec![],
            series_ids: vec![],
            times: vec![],
            point_times: vec![],
            trace_ids: FixedSizeBinaryBuilder::with_capacity(0, 16),
            span_ids: FixedSizeBinaryBuilder::with_capacity(0, 8),
            filtered_attributes: StringViewBuilder::new(),
            numbers: Numbers::default(),
        }
    }
}

/// An id as the table holds it: absent if empty or all zeros (W3C's "invalid"), None if it has another length than `N`.
fn id<const N: usize>(bytes: &[u8]) -> Option<Option<[u8; N]>> {
    if bytes.is_empty() {
        return Some(None);
    }
    let id: [u8; N] = bytes.try_into().ok()?;
    Some((id != [0; N]).then_some(id))
}

impl<'a> Decoder<'a> {
    /// The exemplars of an accepted point. One that cannot be stored is left out with a warning; the point stays.
    pub(super) fn exemplar_rows(&mut self, head: Head, point: Reader<'a>, number: u32) -> Result<(), WireError> {
        for field in point {
            let field = field?;
            if field.number == number {
                self.exemplar_row(head, field.message()?)?;
            }
        }
        Ok(())
    }

    fn exemplar_row(&mut self, head: Head, exemplar: Reader<'a>) -> Result<(), WireError> {
        let (mut trace_id, mut span_id): (&[u8], &[u8]) = (&[], &[]);
        let mut time = 0;
        let mut number = Number::Absent;
        let mut tally = Tally::default();
        let mut attributes = 0;
        self.text.clear();
        for field in exemplar {
            let field = field?;
            match field.number {
                2 => time = field.fixed64()?,
                3 => number = Number::Double(field.double()?),
                4 => span_id = field.bytes()?,
                5 => trace_id = field.bytes()?,
                6 => number = Number::Int(field.sfixed64()?),
                7 if attributes < self.context.limits.max_attributes => {
                    attributes += 1;
                    let attribute = KeyValue::parse(field.message()?)?;
                    push_member(&mut self.text, 0, &attribute, self.context.limits, &mut tally)?;
                }
                7 => tally.dropped += 1,
                _ => {}
            }
        }
        let has_attributes = close_object(&mut self.text, 0);
        self.replaced_utf8 += tally.replaced_utf8;
        let Ok(time) = i64::try_from(time) else {
            self.warn(format_args!("an exemplar's time_unix_nano {time} is after the year 2262; it is left out"));
            return Ok(());
        };
        let (Some(trace_id), Some(span_id)) = (id::<16>(trace_id), id::<8>(span_id)) else {
            self.warn("an exemplar's trace_id has not 16 or its span_id not 8 bytes; it is left out");
            return Ok(());
        };
        if tally.dropped > 0 {
            self.warn("attributes of an exemplar exceed the limits; they are left out");
        }
        let rows = &mut self.exemplars;
        rows.metrics.push(head.metric);
        rows.series_ids.push(head.series_id);
        rows.times.push(time);
        rows.point_times.push(head.time);
        append_id(&mut rows.trace_ids, trace_id.as_ref());
        append_id(&mut rows.span_ids, span_id.as_ref());
        rows.filtered_attributes.append_option(has_attributes.then_some(&self.text));
        rows.numbers.push(number);
        Ok(())
    }

    #[cold]
    fn warn(&mut self, warning: impl std::fmt::Display) {
        self.report.warn(self.place, warning);
    }
}

fn append_id<const N: usize>(ids: &mut FixedSizeBinaryBuilder, id: Option<&[u8; N]>) {
    // The builder only refuses values of another length than its own, which the type rules out.
    match id.map(|id| ids.append_value(id)) {
        Some(Ok(())) => {}
        Some(Err(_)) | None => ids.append_null(),
    }
}

impl Exemplars {
    pub fn len(&self) -> usize {
        self.metrics.len()
    }

    /// The columns of [`crate::schema`]'s `exemplars`, in its order.
    pub fn finish(mut self, tenant: &str, metrics: &Texts) -> Vec<ArrayRef> {
        let rows = self.len();
        if rows == 0 {
            return vec![];
        }
        let mut columns: Vec<ArrayRef> = vec![
            constant(tenant, rows),
            metrics.column(self.metrics),
            Arc::new(UInt64Array::from(self.series_ids)),
            Arc::new(TimestampNanosecondArray::from(self.times)),
            Arc::new(TimestampNanosecondArray::from(self.point_times)),
            Arc::new(self.trace_ids.finish()),
            Arc::new(self.span_ids.finish()),
            Arc::new(self.filtered_attributes.finish()),
        ];
        columns.extend(self.numbers.finish(&Nulls::new(rows)));
        columns
    }
}
