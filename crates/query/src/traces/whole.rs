//! Traces whole, as OTLP has them, by their ids.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, FixedSizeBinaryArray, RecordBatch};
use datafusion::common::ScalarValue;
use datafusion::prelude::{col, lit};
use opentelemetry_proto::tonic::trace::v1::TracesData;
use trefoil_model::{Tenant, versions};

use super::assemble::TraceId;
use super::source::{START, TRACE_ID};
use crate::trace::bounded;
use crate::{Engine, Limits, QueryError};

impl Engine {
    /// All spans of those of the traces that `tenant` has, in the order of `ids`; each as [`Engine::trace`] gives it.
    pub async fn traces(
        &self,
        tenant: &Tenant,
        ids: &[TraceId],
        limits: Limits,
    ) -> Result<Vec<TracesData>, QueryError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        bounded(limits, self.read_traces(tenant, ids, limits)).await
    }

    async fn read_traces(
        &self,
        tenant: &Tenant,
        ids: &[TraceId],
        limits: Limits,
    ) -> Result<Vec<TracesData>, QueryError> {
        let literals = ids.iter().map(|id| lit(ScalarValue::FixedSizeBinary(16, Some(id.to_vec())))).collect();
        let wanted = col(TRACE_ID).in_list(literals, false);
        let order = [TRACE_ID, START, "span_id"].map(|column| col(column).sort(true, false));
        let batches = self.spans(tenant, wanted, limits).await?.sort(order.to_vec())?.collect().await?;
        if batches.iter().map(RecordBatch::num_rows).sum::<usize>() > limits.max_rows {
            return Err(QueryError::LimitExceeded(format!(
                "the {} traces have more than {} spans together; ask for fewer",
                ids.len(),
                limits.max_rows
            )));
        }
        let memory = self.memory();
        let bytes = batches.iter().map(RecordBatch::get_array_memory_size).sum();
        memory.grow(bytes).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        let mut found: HashMap<TraceId, Vec<RecordBatch>> = HashMap::new();
        for batch in &batches {
            for (id, rows) in by_trace(batch)? {
                found.entry(id).or_default().push(rows);
            }
        }
        let parts = ids.iter().filter_map(|id| found.remove(id));
        let trace = |parts: Vec<RecordBatch>| {
            let encoded = trefoil_model::encode::traces(&parts);
            let mut trace = encoded.map_err(|error| QueryError::Internal(error.to_string()))?;
            versions::keep_last(&mut trace);
            Ok(trace)
        };
        parts.map(trace).collect()
    }
}

/// The parts of a batch in the order of trace ids that are of one trace each.
fn by_trace(batch: &RecordBatch) -> Result<Vec<(TraceId, RecordBatch)>, QueryError> {
    let ids = batch.column_by_name(TRACE_ID).and_then(|array| array.as_fixed_size_binary_opt());
    let ids: &FixedSizeBinaryArray = ids.ok_or_else(|| QueryError::Internal("spans without trace ids".to_owned()))?;
    let mut parts = Vec::new();
    let mut first = 0;
    if ids.is_empty() {
        return Ok(parts);
    }
    for row in 1..=ids.len() {
        if row < ids.len() && ids.value(row) == ids.value(first) {
            continue;
        }
        if let Ok(id) = TraceId::try_from(ids.value(first)) {
            parts.push((id, batch.slice(first, row - first)));
        }
        first = row;
    }
    Ok(parts)
}
