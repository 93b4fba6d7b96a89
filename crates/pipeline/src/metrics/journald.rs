//! What `journald` receivers read: `otelcol_journald_receiver_*`.

use std::collections::HashSet;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// `{receiver="journald"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    receiver: String,
}

#[derive(Debug, Default)]
pub struct Journals {
    starts: Family<Label, Counter>,
    malformed: Family<Label, Counter>,
    known: Mutex<HashSet<String>>,
}

impl Journals {
    pub fn register(&self, registry: &mut Registry) {
        let starts = "Times that journalctl was started; it ends only when it fails";
        registry.register("journald_receiver_journalctl_starts", starts, self.starts.clone());
        let malformed = "Entries of journalctl that cannot be read, or are too large";
        registry.register("journald_receiver_malformed_entries", malformed, self.malformed.clone());
    }

    pub fn of(&self, receiver: String) -> JournaldMetrics {
        self.known.lock().insert(receiver.clone());
        let label = Label { receiver };
        JournaldMetrics {
            starts: self.starts.get_or_create_owned(&label),
            malformed: self.malformed.get_or_create_owned(&label),
        }
    }

    pub fn retain(&self, wanted: impl Fn(&str) -> bool) {
        for receiver in self.known.lock().extract_if(|receiver| !wanted(receiver)) {
            let label = Label { receiver };
            self.starts.remove(&label);
            self.malformed.remove(&label);
        }
    }
}

/// Of one receiver.
#[derive(Debug, Clone)]
pub struct JournaldMetrics {
    pub starts: Counter,
    pub malformed: Counter,
}
