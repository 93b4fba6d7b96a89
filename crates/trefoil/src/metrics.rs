//! Everything that `/metrics` shows; docs/metrics.md says what it means.

use prometheus_client::registry::Registry;
use trefoil_pipeline::Metrics;
use trefoil_query::Engine;
use trefoil_storage::Storage;

use crate::process;

pub fn registry(storage: &Storage, engine: &Engine, pipelines: &Metrics) -> Registry {
    let mut registry = Registry::default();
    pipelines.register(&mut registry);
    storage.register_metrics(&mut registry);
    engine.register_metrics(&mut registry);
    process::register(&mut registry);
    registry
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use trefoil_model::active::Reason;
    use trefoil_model::series::SeriesIndex;
    use trefoil_model::{Signal, Table, Tenant};
    use trefoil_storage::StorageConfig;
    use trefoil_storage::metrics::{Metrics as StorageMetrics, Refusal, SeriesCollector};

    use super::*;

    const PAGE: &str = include_str!("../../../docs/metrics.md");

    /// Type and labels by name.
    type Families = BTreeMap<String, (String, BTreeSet<String>)>;

    /// The rows of the page's tables.
    fn documented() -> Families {
        let family = |line: &str| {
            let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
            let name = cells.next()?.strip_suffix('`')?.to_owned();
            let kind = cells.next()?.to_owned();
            let labels = cells.next()?.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
            Some((name, (kind, labels)))
        };
        PAGE.lines().filter_map(family).collect()
    }

    /// The families that have series.
    fn exposed(registry: &Registry) -> Families {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        let mut families = Families::new();
        let mut current = String::new();
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                let suffix = if kind == "counter" { "_total" } else { "" };
                current = format!("{name}{suffix}");
                families.insert(current.clone(), (kind.to_owned(), BTreeSet::new()));
            } else if let Some((_, rest)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
                let labels = rest.split("=\"").filter_map(|before| before.rsplit(['"', ',', '{']).next());
                let labels = labels.filter(|label| *label != "le" && !label.contains('}')).map(str::to_owned);
                families.get_mut(&current).unwrap().1.extend(labels);
            }
        }
        families
    }

    /// Makes a series in every family of the pipelines.
    fn touch_pipelines(metrics: &Metrics) {
        metrics.receiver("r").over("grpc");
        metrics.packets("r", "udp_thrift_compact");
        metrics.workflows("r");
        metrics.files("r");
        metrics.syslog("r", "tcp");
        metrics.connections("r");
        metrics.packets_dropped("r");
        metrics.journald("r");
        metrics.processor("p", Signal::Traces);
        metrics.refused_by("p");
        metrics.batch("p");
        metrics.guard("p").removes("t", "m", "l");
        metrics.outlet("c");
        metrics.span_metrics("c");
        metrics.service_graph("c");
        metrics.propagation("c");
        metrics.exporter("e");
        metrics.scrapes().set_targets("j", 1);
        metrics.queue("e").started(1);
    }

    /// The families of the store that have series only once something has happened.
    fn touched_storage() -> Registry {
        let metrics = StorageMetrics::default();
        for family in [&metrics.accepted_items, &metrics.rejected_items, &metrics.received_bytes] {
            family.get_or_create_owned(&Signal::Traces.into());
        }
        let stored = [&metrics.flushed_rows, &metrics.flushed_bytes, &metrics.flushed_files];
        for family in stored.into_iter().chain([&metrics.deleted_rows, &metrics.retention_rows]) {
            family.get_or_create_owned(&Table::Spans.into());
        }
        metrics.refused_requests.get_or_create_owned(&Refusal { signal: "traces", reason: "closed" });
        metrics.failed("flush");
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let index = SeriesIndex::default();
        let series = index.active().of(&Tenant::default());
        series.discard(Reason::TooOld, 1);
        registry.register_collector(Box::new(SeriesCollector(Arc::new(index))));
        registry
    }

    #[tokio::test]
    async fn the_page_lists_what_is_registered_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let config = StorageConfig { path: directory.path().to_path_buf(), ..StorageConfig::default() };
        let storage = Storage::open(config).await.unwrap();
        let pipelines = Metrics::default();
        let engine = Engine::new(storage.clone(), 1 << 20).unwrap();
        let registry = registry(&storage, &engine, &pipelines);
        touch_pipelines(&pipelines);
        let mut families = exposed(&registry);
        families.extend(exposed(&touched_storage()));
        storage.close().await.unwrap();

        // A family without series is not exposed, and a registry does not list what it holds, but its `Debug` shows it.
        let is_collected = |name: &&String| {
            let series = ["trefoil_storage_active_series", "trefoil_storage_discarded_samples"];
            let memory = ["trefoil_query_memory_bytes", "trefoil_query_memory_limit_bytes"];
            let is_of_memory = memory.contains(&name.as_str());
            is_of_memory || name.starts_with("process_") || series.iter().any(|prefix| name.starts_with(prefix))
        };
        let collected = families.keys().filter(is_collected).count();
        let registered = format!("{registry:?}").matches("Descriptor {").count() + collected;
        assert_eq!(families.len(), registered, "a registered family has no series here; touch it in this test");

        let documented = documented();
        for (name, family) in &families {
            assert_eq!(documented.get(name), Some(family), "{name} as exposed and as in docs/metrics.md");
        }
        let gone: Vec<_> = documented.keys().filter(|name| !families.contains_key(*name)).collect();
        assert!(gone.is_empty(), "docs/metrics.md lists what is not registered: {gone:?}");
    }
}
