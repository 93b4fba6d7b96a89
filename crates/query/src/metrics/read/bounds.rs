//! Which buckets and quantiles series have, without their samples.

use std::collections::{BTreeSet, HashMap};

use arrow::array::{Array, ListArray, RecordBatch};
use arrow::datatypes::{Float64Type, UInt64Type};
use futures::StreamExt;
use trefoil_model::Table;

use super::columns::{items, lists, numbers};
use super::samples::of_found;
use super::series::{FoundSeries, Wanted};
use super::{Period, Store};
use crate::metrics::error::PromqlError;

/// The bounds of one series' buckets, or its quantiles: bits of doubles, since those are equal or not. `None`: it has no sample.
pub type Bounds = Option<BTreeSet<u64>>;

impl Store {
    /// What the points of each of the series found say, in their order.
    pub async fn bounds(
        &self,
        wanted: &[Wanted<'_>],
        found: &FoundSeries,
        period: Period,
    ) -> Result<Vec<Bounds>, PromqlError> {
        let mut bounds: Vec<Bounds> = vec![None; found.series.len()];
        if found.series.is_empty() {
            return Ok(bounds);
        }
        let places: HashMap<u64, usize> =
            found.series.iter().enumerate().map(|(place, series)| (series.id, place)).collect();
        let rows = self.session()?.table(Table::Samples.name()).await?;
        let rows = rows.filter(of_found(wanted, found, period))?;
        let mut batches = rows.select_columns(&["series_id", "explicit_bounds", "quantiles"])?.execute_stream().await?;
        while let Some(batch) = batches.next().await.transpose()? {
            collect(&batch, &places, &mut bounds)?;
        }
        Ok(bounds)
    }
}

fn collect(batch: &RecordBatch, places: &HashMap<u64, usize>, bounds: &mut [Bounds]) -> Result<(), PromqlError> {
    let ids = numbers::<UInt64Type>(batch, "series_id")?;
    let columns = [lists(batch, "explicit_bounds")?, lists(batch, "quantiles")?];
    let mut last: Option<(u64, usize)> = None;
    for row in 0..batch.num_rows() {
        let id = ids.value(row);
        let says_the_same = |before: usize, column: &ListArray| {
            column.is_null(row) == column.is_null(before)
                && items::<Float64Type>(column, row) == items::<Float64Type>(column, before)
        };
        let is_repeated =
            last.is_some_and(|(last_id, before)| last_id == id && columns.iter().all(|c| says_the_same(before, c)));
        last = Some((id, row));
        let Some(place) = places.get(&id).filter(|_| !is_repeated) else { continue };
        let known = bounds[*place].get_or_insert_default();
        for column in columns {
            known.extend(items::<Float64Type>(column, row).iter().map(|bound| bound.to_bits()));
        }
    }
    Ok(())
}
