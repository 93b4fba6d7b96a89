//! What is left of series once samples of them are deleted.

use arrow::datatypes::UInt64Type;
use datafusion::common::ScalarValue;
use datafusion::prelude::{Expr, col, lit};
use futures::StreamExt;
use trefoil_model::Table;
use trefoil_storage::Deletion;
use trefoil_storage::deletion::DAY_NANOS;

use super::columns::numbers;
use super::{Store, of_metrics};
use crate::metrics::error::PromqlError;

impl Store {
    /// Adds to `deletion` the series of which it leaves nothing on a day that it deletes a part of.
    pub async fn find_emptied(&self, deletion: &mut Deletion) -> Result<(), PromqlError> {
        let names: Vec<String> = deletion.metrics.iter().cloned().collect();
        for day in deletion.broken_days() {
            let mut emptied = deletion.series.clone();
            let rows = self.session()?.table(Table::Samples.name()).await?;
            let rows = rows.filter(of_metrics(&names).and(outside(deletion, day)))?;
            let mut batches = rows.select_columns(&["series_id"])?.execute_stream().await?;
            while let Some(batch) = batches.next().await.transpose()? {
                for id in numbers::<UInt64Type>(&batch, "series_id")?.values() {
                    emptied.remove(id);
                }
            }
            deletion.emptied.extend(emptied.into_iter().map(|id| (id, day)));
        }
        Ok(())
    }
}

/// Of the samples of the day that stay.
fn outside(deletion: &Deletion, day: i32) -> Expr {
    let time = || col("time_unix_nano");
    let nanos = |nanos| lit(ScalarValue::TimestampNanosecond(Some(nanos), None));
    let start = i64::from(day).saturating_mul(DAY_NANOS);
    let is_of_day = time().gt_eq(nanos(start)).and(time().lt_eq(nanos(start.saturating_add(DAY_NANOS - 1))));
    is_of_day.and(time().lt(nanos(deletion.first_nanos)).or(time().gt(nanos(deletion.last_nanos))))
}
