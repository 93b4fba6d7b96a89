//! A whole trace by its id, or one span of it; and what was logged on the way.

use std::future::Future;
use std::ops::Range;
use std::panic::AssertUnwindSafe;

use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::prelude::{Expr, col, lit};
use futures::FutureExt;
use opentelemetry_proto::tonic::logs::v1::LogsData;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use trefoil_model::{Table, Tenant, versions};

use crate::{Engine, Limits, QueryError};

impl Engine {
    /// Every span of the trace that `tenant` has, grouped by resource and scope, in the order of their start; empty when
    /// there is none.
    ///
    /// `starts` narrows the search to spans that start within it (Unix nanoseconds), which spares files.
    pub async fn trace(
        &self,
        tenant: &Tenant,
        trace_id: [u8; 16],
        starts: Option<Range<i64>>,
        limits: Limits,
    ) -> Result<TracesData, QueryError> {
        let mut wanted = of_trace(trace_id);
        if let Some(starts) = starts {
            let time = col(Table::Spans.time_column());
            let nanos = |nanos| lit(ScalarValue::TimestampNanosecond(Some(nanos), None));
            wanted = wanted.and(time.clone().gt_eq(nanos(starts.start))).and(time.lt(nanos(starts.end)));
        }
        bounded(limits, self.read_trace(tenant, wanted, limits)).await
    }

    /// The span with this id, with its resource and scope; more than one where a sender repeated itself.
    pub async fn span(
        &self,
        tenant: &Tenant,
        trace_id: [u8; 16],
        span_id: [u8; 8],
        limits: Limits,
    ) -> Result<TracesData, QueryError> {
        let id = lit(ScalarValue::FixedSizeBinary(8, Some(span_id.to_vec())));
        let wanted = of_trace(trace_id).and(col("span_id").eq(id));
        bounded(limits, self.read_trace(tenant, wanted, limits)).await
    }

    /// The first `limit` log records of the trace that `tenant` has, by time, or of one of its spans.
    pub async fn trace_logs(
        &self,
        tenant: &Tenant,
        trace_id: [u8; 16],
        span_id: Option<[u8; 8]>,
        limit: usize,
        limits: Limits,
    ) -> Result<LogsData, QueryError> {
        let of_span = |id: [u8; 8]| col("span_id").eq(lit(ScalarValue::FixedSizeBinary(8, Some(id.to_vec()))));
        let wanted = match span_id {
            Some(id) => of_trace(trace_id).and(of_span(id)),
            None => of_trace(trace_id),
        };
        bounded(limits, self.read_trace_logs(tenant, wanted, limit)).await
    }

    async fn read_trace_logs(&self, tenant: &Tenant, wanted: Expr, limit: usize) -> Result<LogsData, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let session = self.session(&snapshot)?;
        let by_time = col(Table::Logs.time_column()).sort(true, false);
        let logs = session.table(Table::Logs.name()).await?.filter(wanted)?.sort(vec![by_time])?;
        let batches = logs.limit(0, Some(limit))?.collect().await?;
        let encoded = trefoil_model::encode::logs(&batches);
        encoded.map_err(|error| QueryError::Internal(error.to_string()))
    }

    async fn read_trace(&self, tenant: &Tenant, wanted: Expr, limits: Limits) -> Result<TracesData, QueryError> {
        // Files and memory are read side by side; without an order each answer would have another one.
        let by_start = [Table::Spans.time_column(), "span_id"].map(|column| col(column).sort(true, false));
        let batches = self.spans(tenant, wanted, limits).await?.sort(by_start.to_vec())?.collect().await?;
        let found: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        if found > limits.max_rows {
            return Err(too_many_spans(limits));
        }
        let encoded = trefoil_model::encode::traces(&batches);
        let mut trace = encoded.map_err(|error| QueryError::Internal(error.to_string()))?;
        versions::keep_last(&mut trace);
        Ok(trace)
    }

    /// The rows of `spans` that `wanted` holds for: at most one more than allowed, which tells "too many" from "just as
    /// many".
    pub(crate) async fn spans(&self, tenant: &Tenant, wanted: Expr, limits: Limits) -> Result<DataFrame, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let session = self.session(&snapshot)?;
        let spans = session.table(Table::Spans.name()).await?.filter(wanted)?;
        Ok(spans.limit(0, Some(limits.max_rows.saturating_add(1)))?)
    }
}

pub(crate) fn of_trace(trace_id: [u8; 16]) -> Expr {
    col("trace_id").eq(lit(ScalarValue::FixedSizeBinary(16, Some(trace_id.to_vec()))))
}

pub(crate) fn too_many_spans(limits: Limits) -> QueryError {
    QueryError::LimitExceeded(format!("the trace has more than {} spans", limits.max_rows))
}

/// `answer` within the time that a query may take, a panic of a library on the way being an error.
pub(crate) async fn bounded<T>(
    limits: Limits,
    answer: impl Future<Output = Result<T, QueryError>>,
) -> Result<T, QueryError> {
    match tokio::time::timeout(limits.timeout, AssertUnwindSafe(answer).catch_unwind()).await {
        Ok(answer) => answer.map_err(QueryError::panicked)?,
        Err(_) => Err(QueryError::Timeout(limits.timeout)),
    }
}
