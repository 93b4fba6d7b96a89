//! Questions that compute more than they wait, away from the threads that serve.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::metrics::{Cancel, CancelOnDrop};
use crate::trace::bounded;
use crate::{Engine, Limits, QueryError};

impl Engine {
    /// `answer` on a thread of its own, within the time that a query may take; as many at once as limits allow, others wait.
    /// It ends where it next waits or yields once nobody waits for it any more.
    pub(crate) async fn on_thread<T, A>(
        &self,
        limits: Limits,
        answer: impl FnOnce(Engine) -> A + Send + 'static,
    ) -> Result<T, QueryError>
    where
        T: Send + 'static,
        A: Future<Output = Result<T, QueryError>>,
    {
        let waiting = timeout(limits.timeout, self.metrics.evaluations().acquire_owned()).await;
        let permit = waiting.map_err(|_| QueryError::Timeout(limits.timeout))?;
        let permit = permit.map_err(|error| QueryError::Internal(error.to_string()))?;
        let cancel = Arc::new(Cancel::default());
        let _guard = CancelOnDrop(cancel.clone());
        let (engine, runtime) = (self.clone(), Handle::current());
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            runtime.block_on(async {
                tokio::select! {
                    answer = bounded(limits, answer(engine)) => answer,
                    () = cancel.canceled() => Err(QueryError::Internal("nobody waits for the answer".to_owned())),
                }
            })
        });
        work.await.map_err(|error| QueryError::Internal(error.to_string()))?
    }
}
