//! Who tails lines now: no more than a tenant, and a process, may have at once; and all of them are told when the server ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trefoil_model::Tenant;

use super::LokiError;

/// Of all tenants together: each has a task, and lines on their way.
const MOST_TAILS: usize = 1000;
/// How long clients are waited for when they are told goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Tails {
    by_tenant: Arc<Mutex<HashMap<Tenant, usize>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// One of them; gone when dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    tails: Tails,
    tenant: Tenant,
}

impl Tails {
    /// `limit` is that of a tenant. The errors are Loki's, for which its clients wait and try again.
    pub(super) fn admit(&self, tenant: &Tenant, limit: usize) -> Result<Admitted, LokiError> {
        if self.stop.is_cancelled() {
            return Err(LokiError(StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down".to_owned()));
        }
        let mut by_tenant = self.by_tenant.lock();
        let all: usize = by_tenant.values().sum();
        let count = by_tenant.get(tenant).copied().unwrap_or_default();
        for (count, limit) in [(count, limit), (all, MOST_TAILS)] {
            if count >= limit {
                let wanted = count + 1;
                let message =
                    format!("max concurrent tail requests limit exceeded, count > limit ({wanted} > {limit})");
                return Err(LokiError(StatusCode::TOO_MANY_REQUESTS, message));
            }
        }
        *by_tenant.entry(tenant.clone()).or_default() += 1;
        Ok(Admitted { tails: self.clone(), tenant: tenant.clone() })
    }

    /// Tells all who tail that it is over, and waits a moment for them to hear it. Nobody is admitted any more.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(GOODBYE, self.tasks.wait()).await.is_err() {
            tracing::debug!("some who tail lines did not take leave");
        }
    }
}

impl Admitted {
    /// Resolves when the server ends.
    pub async fn stopped(&self) {
        self.tails.stop.cancelled().await;
    }

    /// `task` is waited for at the end.
    pub fn track<T>(&self, task: impl Future<Output = T>) -> impl Future<Output = T> {
        self.tails.tasks.track_future(task)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut by_tenant = self.tails.by_tenant.lock();
        if let Some(count) = by_tenant.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                by_tenant.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_has_so_many_at_once() {
        let tails = Tails::default();
        let (one, other) = (Tenant::new("one").unwrap(), Tenant::new("other").unwrap());
        let first = tails.admit(&one, 2).unwrap();
        let second = tails.admit(&one, 2).unwrap();
        let LokiError(status, message) = tails.admit(&one, 2).unwrap_err();
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(message, "max concurrent tail requests limit exceeded, count > limit (3 > 2)");
        let others = tails.admit(&other, 2).unwrap();
        drop(first);
        let third = tails.admit(&one, 2).unwrap();
        drop((second, third, others));
        assert!(tails.by_tenant.lock().is_empty(), "nothing is kept of who has gone");
    }

    #[tokio::test]
    async fn a_process_has_so_many_at_once() {
        let tails = Tails::default();
        let tenant = |number: usize| Tenant::new(&format!("t{number}")).unwrap();
        let all: Vec<Admitted> = (0..MOST_TAILS).map(|number| tails.admit(&tenant(number), 10).unwrap()).collect();
        assert!(tails.admit(&tenant(MOST_TAILS), 10).unwrap_err().1.ends_with("(1001 > 1000)"));
        drop(all);
        assert!(tails.admit(&tenant(0), 10).is_ok());
    }

    #[tokio::test]
    async fn nobody_comes_in_after_the_end() {
        let tails = Tails::default();
        let admitted = tails.admit(&Tenant::default(), 1).unwrap();
        let (tell, told) = tokio::sync::oneshot::channel();
        let task = async move {
            admitted.stopped().await;
            tell.send(()).unwrap();
        };
        tokio::spawn(tails.tasks.track_future(task));
        tails.close().await;
        told.await.unwrap();
        assert_eq!(tails.admit(&Tenant::default(), 1).unwrap_err().0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
