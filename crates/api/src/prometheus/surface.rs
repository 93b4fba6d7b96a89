//! What there is to choose for Prometheus' API of one listener, and what it reaches of the process around it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use prometheus_client::registry::Registry;
use regex::Regex;

use super::notifications::Notifications;

/// By Prometheus' names of flags and options where it has them.
#[derive(Clone, Default)]
pub struct PrometheusApi {
    /// `global.external_labels`: what remote read adds to all series.
    pub external_labels: BTreeMap<String, String>,
    /// `web.cors.origin`: where scripts in browsers may come from, whole origins; `None` for anywhere.
    pub cors_origin: Option<Regex>,
    /// The listener takes remote write.
    pub remote_write: bool,
    /// The listener takes OTLP.
    pub otlp: bool,
    /// `web.enable-lifecycle`: it can be reloaded and stopped from outside.
    pub lifecycle: Option<Lifecycle>,
    /// What the process tells about itself; `None` on a listener that faces users.
    pub registry: Option<Arc<Registry>>,
    pub notifications: Notifications,
}

/// How the process is told to reload and to stop.
#[derive(Clone)]
pub struct Lifecycle {
    /// Ready when it has been done; the error says why the old configuration goes on.
    pub reload: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
    pub quit: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lifecycle")
    }
}
