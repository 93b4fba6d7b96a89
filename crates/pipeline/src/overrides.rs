//! What tenants choose for themselves of what the pipelines do for them: which metrics are made of their traces, by which connector.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use trefoil_model::Tenant;

/// What makes metrics of traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generator {
    /// The connector `servicegraph`.
    ServiceGraphs,
    /// The connector `spanmetrics`.
    SpanMetrics,
}

/// Of one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only these, of those that run; `None`: all that run.
    pub generators: Option<BTreeSet<Generator>>,
    /// None at all.
    pub is_off: bool,
}

/// Shared by whoever sets and whoever heeds it.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    choices: ArcSwap<BTreeMap<Tenant, Choice>>,
    /// How many connectors of each kind run.
    running: Mutex<BTreeMap<Generator, usize>>,
}

impl Overrides {
    /// Whether it is made for the tenant, where it runs.
    pub fn wants(&self, tenant: &Tenant, generator: Generator) -> bool {
        let choices = self.0.choices.load();
        let Some(choice) = choices.get(tenant) else { return true };
        !choice.is_off && choice.generators.as_ref().is_none_or(|chosen| chosen.contains(&generator))
    }

    pub fn set(&self, tenant: &Tenant, choice: Option<Choice>) {
        self.0.choices.rcu(|choices| {
            let mut choices = BTreeMap::clone(choices);
            match &choice {
                Some(choice) => choices.insert(tenant.clone(), choice.clone()),
                None => choices.remove(tenant),
            };
            choices
        });
    }

    pub fn set_all(&self, choices: BTreeMap<Tenant, Choice>) {
        self.0.choices.store(Arc::new(choices));
    }

    /// Those that there is a connector for.
    pub fn running(&self) -> BTreeSet<Generator> {
        self.0.running.lock().iter().filter(|(_, count)| **count > 0).map(|(generator, _)| *generator).collect()
    }

    /// One more runs, until what is returned is dropped.
    pub(crate) fn run(&self, generator: Generator) -> Running {
        *self.0.running.lock().entry(generator).or_default() += 1;
        Running { overrides: self.clone(), generator }
    }
}

/// A connector for which tenants may choose.
#[derive(Debug)]
pub(crate) struct Running {
    overrides: Overrides,
    generator: Generator,
}

impl Running {
    pub fn is_for(&self, tenant: &Tenant) -> bool {
        self.overrides.wants(tenant, self.generator)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(count) = self.overrides.0.running.lock().get_mut(&self.generator) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_chooses_among_what_runs() {
        let overrides = Overrides::default();
        let (one, other) = (Tenant::new("one").unwrap(), Tenant::new("other").unwrap());
        let graph = overrides.run(Generator::ServiceGraphs);
        let spans = overrides.run(Generator::SpanMetrics);
        assert_eq!(overrides.running().len(), 2);
        assert!(graph.is_for(&one));
        let chosen = Choice { generators: Some(BTreeSet::from([Generator::SpanMetrics])), is_off: false };
        overrides.set(&one, Some(chosen.clone()));
        assert!(!graph.is_for(&one) && spans.is_for(&one) && graph.is_for(&other));
        overrides.set(&one, Some(Choice { is_off: true, ..chosen }));
        assert!(!spans.is_for(&one));
        overrides.set(&one, None);
        assert!(graph.is_for(&one));
        drop(graph);
        assert_eq!(overrides.running(), BTreeSet::from([Generator::SpanMetrics]));
    }
}
