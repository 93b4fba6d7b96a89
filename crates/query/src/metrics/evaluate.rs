//! Queries: parsed, evaluated on a thread of their own, bounded in time, ended when nobody waits any more.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use trefoil_model::Tenant;
use trefoil_promql::ast::Expr;
use trefoil_promql::eval::{Answer, Engine as PromqlEngine, QueryFailure, QueryLimits};
use trefoil_promql::memory::Memory;
use trefoil_promql::source::SeriesSource;
use trefoil_promql::steps::Steps;

use super::cancel::{Cancel, CancelOnDrop};
use super::error::PromqlError;
use super::options::PromqlOptions;
use super::read::{ReadLimits, Store, crashed};
use super::source::StoreSource;
use crate::Engine;

impl Engine {
    /// The value of `query` at `time_ms` (milliseconds since the epoch). Dropping the future ends the evaluation.
    pub async fn promql_instant(
        &self,
        tenant: &Tenant,
        query: &str,
        time_ms: i64,
        options: &PromqlOptions,
    ) -> Result<Answer, PromqlError> {
        self.evaluate(tenant, query, options, move |engine, source, expr, limits| {
            engine.instant_expr(source, expr, time_ms, limits)
        })
        .await
    }

    /// The values of `query` at each of `steps`. How many there may be is for the caller to limit (Prometheus: 11,000).
    pub async fn promql_range(
        &self,
        tenant: &Tenant,
        query: &str,
        steps: Steps,
        options: &PromqlOptions,
    ) -> Result<Answer, PromqlError> {
        self.evaluate(tenant, query, options, move |engine, source, expr, limits| {
            engine.range_expr(source, expr, steps, limits)
        })
        .await
    }

    async fn evaluate<F>(
        &self,
        tenant: &Tenant,
        query: &str,
        options: &PromqlOptions,
        evaluate: F,
    ) -> Result<Answer, PromqlError>
    where
        F: FnOnce(&PromqlEngine, &dyn SeriesSource, &Expr, QueryLimits<'_>) -> Result<Answer, QueryFailure>,
        F: Send + 'static,
    {
        let deadline = Instant::now() + options.timeout;
        let mut engine = PromqlEngine::new(options.engine.clone(), options.parser);
        engine.options.type_and_unit_labels |= self.metrics.view.type_and_unit_labels;
        let expr = engine.parse(query)?;
        let timed_out = |place: &str| PromqlError::Timeout(format!("query timed out in {place}"));
        let begin = Instant::now();
        let waiting = timeout_at(deadline, self.metrics.evaluations().acquire_owned()).await;
        let permit = waiting.map_err(|_| timed_out("query queue"))?;
        let permit = permit.map_err(|error| PromqlError::Internal(error.to_string()))?;
        let queue = begin.elapsed();
        let limits = ReadLimits { max_raw_samples: options.max_raw_samples, max_series: options.max_series };
        let store = timeout_at(deadline, Store::new(self, tenant, limits)).await;
        let store = store.map_err(|_| timed_out("query preparation"))??.telling(options.spent.clone());
        let preparation = begin.elapsed() - queue;

        let cancel = Arc::new(Cancel::default());
        let _guard = CancelOnDrop(cancel.clone());
        let timeout = options.timeout;
        let (runtime, spent) = (Handle::current(), options.spent.clone());
        let memory: Arc<dyn Memory> = self.memory();
        let source = StoreSource { store, runtime, deadline, timeout, cancel: cancel.clone(), spent };
        let evaluation = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let memory = Some(&memory);
            let limits = QueryLimits { deadline: Some(deadline.into_std()), canceled: Some(cancel.flag()), memory };
            evaluate(&engine, &source, &expr, limits)
        });
        let mut answer = evaluation.await.map_err(crashed)??;
        (answer.stats.timings.queue, answer.stats.timings.preparation) = (queue, preparation);
        Ok(answer)
    }
}
