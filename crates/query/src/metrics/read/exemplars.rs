//! The exemplars of series.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, FixedSizeBinaryArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};
use futures::StreamExt;
use trefoil_model::Table;

use super::columns::{number, numbers, text, texts};
use super::samples::of_found;
use super::series::{FoundSeries, Wanted};
use super::{NANOS_PER_MILLI, Period, Store};
use crate::metrics::error::PromqlError;

/// Of both ids on the heap.
const IDS_BYTES: usize = 48;

#[derive(Debug, Clone)]
pub struct StoredExemplar {
    /// Which of the series found.
    pub place: usize,
    pub time_ms: i64,
    pub value: f64,
    pub trace_id: Option<Vec<u8>>,
    pub span_id: Option<Vec<u8>>,
    /// Stored as any attribute list.
    pub filtered_attributes: Option<String>,
}

impl StoredExemplar {
    /// About what it holds in memory, and what it becomes as labels of an answer.
    fn bytes(&self) -> usize {
        let texts = self.filtered_attributes.as_ref().map_or(0, String::len);
        2 * (size_of::<Self>() + IDS_BYTES + texts)
    }
}

impl Store {
    /// The exemplars of the series found, in no order.
    pub async fn exemplars(
        &self,
        wanted: &[Wanted<'_>],
        found: &FoundSeries,
        period: Period,
    ) -> Result<Vec<StoredExemplar>, PromqlError> {
        let mut exemplars = Vec::new();
        if found.series.is_empty() {
            return Ok(exemplars);
        }
        let places: HashMap<u64, usize> =
            found.series.iter().enumerate().map(|(place, series)| (series.id, place)).collect();
        let columns =
            ["series_id", "time_unix_nano", "value_int", "value_double", "trace_id", "span_id", "filtered_attributes"];
        let rows = self.session()?.table(Table::Exemplars.name()).await?;
        let rows = rows.filter(of_found(wanted, found, period))?.select_columns(&columns)?;
        let meter = self.meter();
        let mut batches = rows.execute_stream().await?;
        while let Some(batch) = batches.next().await.transpose()? {
            meter.add(batch.num_rows())?;
            let known = exemplars.len();
            collect(&batch, &places, &mut exemplars)?;
            meter.hold(exemplars[known..].iter().map(StoredExemplar::bytes).sum())?;
        }
        Ok(exemplars)
    }
}

fn collect(
    batch: &RecordBatch,
    places: &HashMap<u64, usize>,
    exemplars: &mut Vec<StoredExemplar>,
) -> Result<(), PromqlError> {
    let ids = numbers::<UInt64Type>(batch, "series_id")?;
    let times = numbers::<TimestampNanosecondType>(batch, "time_unix_nano")?;
    let (ints, doubles) = (numbers::<Int64Type>(batch, "value_int")?, numbers::<Float64Type>(batch, "value_double")?);
    let (traces, spans) = (id_column(batch, "trace_id")?, id_column(batch, "span_id")?);
    let attributes = texts(batch, "filtered_attributes")?;
    for row in 0..batch.num_rows() {
        let Some(place) = places.get(&ids.value(row)) else { continue };
        let int = number(ints, row).map(|value| value as f64);
        let Some(value) = int.or_else(|| number(doubles, row)) else { continue };
        let bytes = |ids: &FixedSizeBinaryArray| ids.is_valid(row).then(|| ids.value(row).to_vec());
        exemplars.push(StoredExemplar {
            place: *place,
            time_ms: times.value(row).div_euclid(NANOS_PER_MILLI),
            value,
            trace_id: bytes(traces),
            span_id: bytes(spans),
            filtered_attributes: text(attributes, row).map(str::to_owned),
        });
    }
    Ok(())
}

fn id_column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b FixedSizeBinaryArray, PromqlError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_fixed_size_binary_opt());
    column.ok_or_else(|| PromqlError::Internal(format!("the column {name} is no id")))
}
