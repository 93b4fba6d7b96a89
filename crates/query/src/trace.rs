//! A whole trace by its id.

use std::ops::Range;
use std::panic::AssertUnwindSafe;

use datafusion::common::ScalarValue;
use datafusion::prelude::{col, lit};
use futures::FutureExt;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use trefoil_model::{Table, Tenant};

use crate::{Engine, Limits, QueryError};

impl Engine {
    /// Every span of the trace that `tenant` has, grouped by resource and scope; empty when there is none.
    ///
    /// `starts` narrows the search to spans that start within it (Unix nanoseconds), which spares files.
    pub async fn trace(
        &self,
        tenant: &Tenant,
        trace_id: [u8; 16],
        starts: Option<Range<i64>>,
        limits: Limits,
    ) -> Result<TracesData, QueryError> {
        let read = AssertUnwindSafe(self.read_trace(tenant, trace_id, starts, limits)).catch_unwind();
        match tokio::time::timeout(limits.timeout, read).await {
            Ok(trace) => trace.map_err(QueryError::panicked)?,
            Err(_) => Err(QueryError::Timeout(limits.timeout)),
        }
    }

    async fn read_trace(
        &self,
        tenant: &Tenant,
        trace_id: [u8; 16],
        starts: Option<Range<i64>>,
        limits: Limits,
    ) -> Result<TracesData, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let session = self.session(&snapshot)?;
        let id = lit(ScalarValue::FixedSizeBinary(16, Some(trace_id.to_vec())));
        let mut spans = session.table(Table::Spans.name()).await?.filter(col("trace_id").eq(id))?;
        if let Some(starts) = starts {
            let time = col(Table::Spans.time_column());
            let nanos = |nanos| lit(ScalarValue::TimestampNanosecond(Some(nanos), None));
            spans = spans.filter(time.clone().gt_eq(nanos(starts.start)).and(time.lt(nanos(starts.end))))?;
        }
        // One row more than allowed tells "too many" from "just as many".
        let batches = spans.limit(0, Some(limits.max_rows.saturating_add(1)))?.collect().await?;
        let found: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        if found > limits.max_rows {
            return Err(QueryError::LimitExceeded(format!("the trace has more than {} spans", limits.max_rows)));
        }
        trefoil_model::encode::traces(&batches).map_err(|error| QueryError::Internal(error.to_string()))
    }
}
