//! Something for each tenant, kept apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use trefoil_model::Tenant;

/// Tenants that something is held for at once.
const MOST_TENANTS: usize = 10_000;

#[derive(Debug)]
pub struct Tenants<S>(Mutex<BTreeMap<Tenant, Arc<Mutex<S>>>>);

impl<S> Default for Tenants<S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: Default> Tenants<S> {
    /// `None`: there are too many already.
    pub fn of(&self, tenant: &Tenant) -> Option<Arc<Mutex<S>>> {
        let mut all = self.0.lock();
        if let Some(state) = all.get(tenant) {
            return Some(state.clone());
        }
        (all.len() < MOST_TENANTS).then(|| all.entry(tenant.clone()).or_default().clone())
    }

    pub fn all(&self) -> Vec<(Tenant, Arc<Mutex<S>>)> {
        self.0.lock().iter().map(|(tenant, state)| (tenant.clone(), state.clone())).collect()
    }

    /// Forgets those of whom nothing is held.
    pub fn forget(&self, is_empty: impl Fn(&S) -> bool) {
        // Whoever has a state and may still add to it has got it from here, under this lock.
        self.0.lock().retain(|_, state| Arc::strong_count(state) > 1 || !is_empty(&state.lock()));
    }
}
