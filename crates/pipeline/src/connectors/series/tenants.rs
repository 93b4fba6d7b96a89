//! Something for each tenant, kept apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use trefoil_model::Tenant;

use crate::overrides::Running;

/// Tenants that something is held for at once.
const MOST_TENANTS: usize = 10_000;

#[derive(Debug)]
pub struct Tenants<S> {
    held: Mutex<BTreeMap<Tenant, Arc<Mutex<S>>>>,
    /// By which tenants may choose to have none of it; `None`: they may not.
    running: Option<Running>,
}

impl<S: Default> Tenants<S> {
    /// Of those tenants that want it.
    pub fn new(running: Running) -> Self {
        Self { held: Mutex::default(), running: Some(running) }
    }

    /// Of all tenants.
    pub fn of_everybody() -> Self {
        Self { held: Mutex::default(), running: None }
    }

    fn is_for(&self, tenant: &Tenant) -> bool {
        self.running.as_ref().is_none_or(|running| running.is_for(tenant))
    }

    /// `None`: there are too many already, or the tenant wants none of it.
    pub fn of(&self, tenant: &Tenant) -> Option<Arc<Mutex<S>>> {
        if !self.is_for(tenant) {
            return None;
        }
        let mut all = self.held.lock();
        if let Some(state) = all.get(tenant) {
            return Some(state.clone());
        }
        (all.len() < MOST_TENANTS).then(|| all.entry(tenant.clone()).or_default().clone())
    }

    /// Of those who want it.
    pub fn all(&self) -> Vec<(Tenant, Arc<Mutex<S>>)> {
        let held = self.held.lock();
        let wanted = held.iter().filter(|(tenant, _)| self.is_for(tenant));
        wanted.map(|(tenant, state)| (tenant.clone(), state.clone())).collect()
    }

    /// Forgets those of whom nothing is held, or who want none of it.
    pub fn forget(&self, is_empty: impl Fn(&S) -> bool) {
        // Whoever has a state and may still add to it has got it from here, under this lock.
        self.held
            .lock()
            .retain(|tenant, state| self.is_for(tenant) && (Arc::strong_count(state) > 1 || !is_empty(&state.lock())));
    }
}
