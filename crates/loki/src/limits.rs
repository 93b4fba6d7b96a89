//! What a stream and an entry may be, by the names that Loki's `limits_config` has for it.

use std::time::Duration;

/// Lengths are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Of one line; one that is just as long is taken.
    pub max_line_size: usize,
    /// Labels of a stream, the name of the service not counted.
    pub max_label_names_per_series: usize,
    pub max_label_name_length: usize,
    pub max_label_value_length: usize,
    /// Of one entry.
    pub max_structured_metadata_entries_count: usize,
    /// Names and values of one entry together.
    pub max_structured_metadata_size: usize,
    /// Older entries are refused. Zero refuses none.
    pub reject_old_samples_max_age: Duration,
    /// Entries that are further in the future are refused. Zero refuses none.
    pub creation_grace_period: Duration,
    /// The first of these labels that a stream has tells its service, where it has no `service_name`. Without any of them the service is
    /// `unknown_service`. An empty list looks for none.
    pub discover_service_name: Vec<String>,
}

/// Where Loki looks for the service.
const SERVICE_LABELS: [&str; 13] = [
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
];

/// Loki's, but for old entries, which are as good as new ones here.
impl Default for Limits {
    fn default() -> Self {
        Self {
            max_line_size: 256 << 10,
            max_label_names_per_series: 15,
            max_label_name_length: 1024,
            max_label_value_length: 2048,
            max_structured_metadata_entries_count: 128,
            max_structured_metadata_size: 64 << 10,
            reject_old_samples_max_age: Duration::ZERO,
            creation_grace_period: Duration::from_secs(10 * 60),
            discover_service_name: SERVICE_LABELS.map(str::to_owned).to_vec(),
        }
    }
}
