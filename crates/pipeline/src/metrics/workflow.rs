//! Events and instances of `workflow` receivers: `otelcol_receiver_workflow_*`.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Count = Gauge<u64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    receiver: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    receiver: String,
    state: &'static str,
}

const OUTCOMES: [&str; 3] = ["accepted", "duplicate", "rejected"];
const STATES: [&str; 2] = ["running", "finished"];
const RETIRED: [&str; 2] = ["finished", "idle"];

#[derive(Debug, Default)]
pub struct Workflows {
    events: Family<OutcomeLabels, Counter>,
    instances: Family<StateLabels, Count>,
    retired: Family<StateLabels, Counter>,
    known: Mutex<HashSet<String>>,
}

impl Workflows {
    pub fn register(&self, registry: &mut Registry) {
        let events = "CloudEvents that came, by what became of them";
        registry.register("receiver_workflow_events", events, self.events.clone());
        let instances = "Instances of workflows that are known";
        registry.register("receiver_workflow_instances", instances, self.instances.clone());
        let retired = "Instances that were forgotten, as they were then";
        registry.register("receiver_workflow_retired", retired, self.retired.clone());
    }

    pub fn of(&self, receiver: String) -> WorkflowMetrics {
        let event = |outcome| self.events.get_or_create_owned(&OutcomeLabels { receiver: receiver.clone(), outcome });
        let state = |state| StateLabels { receiver: receiver.clone(), state };
        let [accepted, duplicate, rejected] = OUTCOMES.map(event);
        let [running, finished] = STATES.map(|name| self.instances.get_or_create_owned(&state(name)));
        let [retired_finished, retired_idle] = RETIRED.map(|name| self.retired.get_or_create_owned(&state(name)));
        self.known.lock().insert(receiver);
        WorkflowMetrics { accepted, duplicate, rejected, running, finished, retired_finished, retired_idle }
    }

    pub fn retain(&self, wanted: impl Fn(&str) -> bool) {
        let gone: Vec<String> = self.known.lock().extract_if(|receiver| !wanted(receiver)).collect();
        for receiver in gone {
            for outcome in OUTCOMES {
                self.events.remove(&OutcomeLabels { receiver: receiver.clone(), outcome });
            }
            for state in STATES {
                self.instances.remove(&StateLabels { receiver: receiver.clone(), state });
            }
            for state in RETIRED {
                self.retired.remove(&StateLabels { receiver: receiver.clone(), state });
            }
        }
    }
}

/// Of one receiver.
#[derive(Debug, Clone)]
pub struct WorkflowMetrics {
    pub accepted: Counter,
    pub duplicate: Counter,
    pub rejected: Counter,
    pub running: Count,
    pub finished: Count,
    pub retired_finished: Counter,
    pub retired_idle: Counter,
}
