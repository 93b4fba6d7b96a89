//! Which attributes are labels of streams.

/// Loki's `otlp_config`, `discover_service_name` and `discover_log_levels`, with its defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogView {
    /// Attributes of resources that are labels of streams. All others are structured metadata.
    pub index_labels: Vec<String>,
    /// Attributes that name the service of a resource without `service.name`, the first that is there. Without any of them it is
    /// `unknown_service`; where the list is empty there is no label for it.
    pub discover_service_name: Vec<String>,
    /// Whether each line has its level as structured metadata, `detected_level`.
    pub discover_log_levels: bool,
    /// The value of a label that all streams have ([`TENANT_LABEL`](super::TENANT_LABEL)), where a question is about several tenants.
    pub tenant: Option<String>,
}

const INDEX_LABELS: [&str; 18] = [
    "service.name",
    "service.namespace",
    "service.instance.id",
    "deployment.environment",
    "deployment.environment.name",
    "cloud.region",
    "cloud.availability_zone",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.container.name",
    "container.name",
    "k8s.replicaset.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
];

const SERVICE_NAMES: [&str; 13] = [
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

impl Default for LogView {
    fn default() -> Self {
        Self {
            index_labels: INDEX_LABELS.map(str::to_owned).to_vec(),
            discover_service_name: SERVICE_NAMES.map(str::to_owned).to_vec(),
            discover_log_levels: true,
            tenant: None,
        }
    }
}
