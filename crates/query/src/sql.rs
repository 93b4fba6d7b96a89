//! SQL over a tenant's tables: read-only, bounded, cancelled when its stream is dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SQLOptions;
use futures::{FutureExt, Stream, StreamExt};
use tokio::time::{Instant, Sleep, sleep_until};
use trefoil_model::Tenant;

use crate::{Engine, Limits, QueryError};

/// The rows of an answer as they are found. Ends with an error when a limit is reached; dropping it stops the work.
pub struct Rows {
    batches: SendableRecordBatchStream,
    limits: Limits,
    seen: usize,
    deadline: Pin<Box<Sleep>>,
    ended: bool,
}

impl Rows {
    pub fn schema(&self) -> SchemaRef {
        self.batches.schema()
    }

    /// All rows at once, for answers known to be small.
    pub async fn collect(self) -> Result<Vec<RecordBatch>, QueryError> {
        let batches: Vec<Result<RecordBatch, QueryError>> = StreamExt::collect(self).await;
        batches.into_iter().collect()
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.deadline.as_mut().poll(context).is_ready() {
            self.ended = true;
            return Poll::Ready(Some(Err(QueryError::Timeout(self.limits.timeout))));
        }
        let batches = &mut self.batches;
        let polled = match catch_unwind(AssertUnwindSafe(|| batches.poll_next_unpin(context))) {
            Ok(polled) => std::task::ready!(polled),
            Err(panic) => {
                self.ended = true;
                return Poll::Ready(Some(Err(QueryError::panicked(panic))));
            }
        };
        let item = match polled {
            None => return Poll::Ready(None),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(batch)) => {
                self.seen += batch.num_rows();
                match self.seen > self.limits.max_rows {
                    true => Err(too_many_rows(self.limits.max_rows)),
                    false => Ok(batch),
                }
            }
        };
        self.ended = item.is_err();
        Poll::Ready(Some(item))
    }
}

fn too_many_rows(limit: usize) -> QueryError {
    QueryError::LimitExceeded(format!(
        "the answer has more than {limit} rows; add a LIMIT, a narrower WHERE, or aggregate"
    ))
}

impl Engine {
    /// Plans and starts `query` over a fresh snapshot of `tenant`. Anything but one reading statement is `Invalid`.
    pub async fn sql(&self, tenant: &Tenant, query: &str, limits: Limits) -> Result<Rows, QueryError> {
        let deadline = Instant::now() + limits.timeout;
        let plan = async {
            let snapshot = self.snapshot(tenant).await?;
            let session = self.session(&snapshot)?;
            let frame = session.sql_with_options(query, read_only()).await?;
            Ok::<_, QueryError>(frame.execute_stream().await?)
        };
        let plan = AssertUnwindSafe(plan).catch_unwind();
        let batches = match tokio::time::timeout_at(deadline, plan).await {
            Ok(planned) => planned.map_err(QueryError::panicked)??,
            Err(_) => return Err(QueryError::Timeout(limits.timeout)),
        };
        Ok(Rows { batches, limits, seen: 0, deadline: Box::pin(sleep_until(deadline)), ended: false })
    }
}

fn read_only() -> SQLOptions {
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

    use super::*;

    #[tokio::test]
    async fn a_panic_of_a_library_is_an_error_of_the_query() {
        let broken = futures::stream::poll_fn(|_| panic!("lengths do not fit"));
        let batches = Box::pin(RecordBatchStreamAdapter::new(Arc::new(Schema::empty()), broken));
        let limits = Limits { max_rows: 1, ..Limits::default() };
        let deadline = Box::pin(sleep_until(Instant::now() + limits.timeout));
        let rows = Rows { batches, limits, seen: 0, deadline, ended: false };
        let error = rows.collect().await.unwrap_err();
        assert!(matches!(&error, QueryError::Internal(reason) if reason.contains("lengths do not fit")), "{error}");
    }
}
