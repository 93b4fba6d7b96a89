//! Counters of items. The Collector has one metric for each signal: `…_spans`, `…_metric_points`, `…_log_records`.

use std::fmt::Debug;
use std::hash::Hash;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use trefoil_model::Signal;

/// How the Collector calls the items of a signal, in names and in help texts.
const fn names(signal: Signal) -> (&'static str, &'static str) {
    match signal {
        Signal::Traces => ("spans", "Spans"),
        Signal::Metrics => ("metric_points", "Metric points"),
        Signal::Logs => ("log_records", "Log records"),
    }
}

/// The three families of one thing that is counted, by `Signal as usize`.
#[derive(Debug)]
pub struct Items<L>([Family<L, Counter>; 3]);

impl<L: Clone + Hash + Eq> Default for Items<L> {
    fn default() -> Self {
        Self([(); 3].map(|()| Family::default()))
    }
}

impl<L: Clone + Hash + Eq + Debug + EncodeLabelSet + Send + Sync + 'static> Items<L> {
    /// `("receiver_accepted", "taken by the pipelines")` registers `receiver_accepted_spans` and so on.
    pub fn register(&self, registry: &mut Registry, name: &str, what: &str) {
        for signal in Signal::ALL {
            let (items, of) = names(signal);
            registry.register(format!("{name}_{items}"), format!("{of} {what}"), self.0[signal as usize].clone());
        }
    }

    /// The counters of one component; from now on they are exposed, at zero.
    pub fn of(&self, labels: &L) -> ItemCounters {
        ItemCounters(self.0.each_ref().map(|family| family.get_or_create_owned(labels)))
    }

    pub fn remove(&self, labels: &L) {
        for family in &self.0 {
            family.remove(labels);
        }
    }
}

/// Items of each signal, of one component.
#[derive(Debug, Clone, Default)]
pub struct ItemCounters([Counter; 3]);

impl ItemCounters {
    pub fn add(&self, signal: Signal, items: u64) {
        self.0[signal as usize].inc_by(items);
    }

    #[cfg(test)]
    pub fn get(&self, signal: Signal) -> u64 {
        self.0[signal as usize].get()
    }
}
