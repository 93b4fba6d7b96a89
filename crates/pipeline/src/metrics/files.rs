//! Files of `filelog` receivers: `otelcol_fileconsumer_*`.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Count = Gauge<u64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    receiver: String,
}

#[derive(Debug, Default)]
pub struct Files {
    open: Family<Labels, Count>,
    known: Mutex<HashSet<String>>,
}

impl Files {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("fileconsumer_open_files", "Files that are open to be read", self.open.clone());
    }

    pub fn of(&self, receiver: String) -> FileMetrics {
        let open = self.open.get_or_create_owned(&Labels { receiver: receiver.clone() });
        self.known.lock().insert(receiver);
        FileMetrics { open }
    }

    pub fn retain(&self, wanted: impl Fn(&str) -> bool) {
        for receiver in self.known.lock().extract_if(|receiver| !wanted(receiver)) {
            self.open.remove(&Labels { receiver });
        }
    }
}

/// Of one receiver.
#[derive(Debug, Clone)]
pub struct FileMetrics {
    pub open: Count,
}
