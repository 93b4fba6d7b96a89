use prometheus_client::encoding::text::encode;
use trefoil_model::Signal;

use super::*;
use crate::telemetry::{Accepted, Refused};

fn exposed(registry: &Registry) -> String {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    text
}

fn registered(metrics: &Metrics) -> Registry {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    registry
}

#[test]
fn names_are_the_collectors() {
    let metrics = Metrics::default();
    let registry = registered(&metrics);
    let grpc = metrics.receiver("otlp").over("grpc");
    grpc.begin().delivered(Signal::Traces, 5, &Ok(Accepted { rejected: 2, message: None }));
    grpc.begin().delivered(Signal::Logs, 7, &Err(Refused::unavailable("down")));
    drop(grpc.begin());
    metrics.processor("batch", Signal::Metrics).incoming.inc_by(4);
    metrics.refused_by("memory_limiter").add(Signal::Traces, 9);
    metrics.batch("batch").triggered(Trigger::Timeout);
    metrics.batch("batch").sent(60);
    metrics.exporter("otlp/2").answered(Signal::Metrics, 3, &Ok(Accepted::all()));
    metrics.queue("otlp/2").started(1000);
    let text = exposed(&registry);
    for line in [
        r#"otelcol_receiver_accepted_spans_total{receiver="otlp",transport="grpc"} 3"#,
        r#"otelcol_receiver_refused_spans_total{receiver="otlp",transport="grpc"} 2"#,
        r#"otelcol_receiver_refused_log_records_total{receiver="otlp",transport="grpc"} 7"#,
        r#"otelcol_receiver_accepted_metric_points_total{receiver="otlp",transport="grpc"} 0"#,
        r#"otelcol_receiver_requests_total{receiver="otlp",transport="grpc",outcome="success"} 1"#,
        r#"otelcol_receiver_requests_total{receiver="otlp",transport="grpc",outcome="refused"} 1"#,
        r#"otelcol_receiver_requests_total{receiver="otlp",transport="grpc",outcome="failure"} 1"#,
        r#"otelcol_receiver_duration_seconds_count{receiver="otlp",transport="grpc"} 3"#,
        r#"otelcol_processor_incoming_items_total{processor="batch",otel_signal="metrics"} 4"#,
        r#"otelcol_processor_refused_spans_total{processor="memory_limiter"} 9"#,
        r#"otelcol_processor_batch_timeout_trigger_send_total{processor="batch"} 1"#,
        r#"otelcol_processor_batch_batch_send_size_bucket{le="75.0",processor="batch"} 1"#,
        r#"otelcol_exporter_sent_metric_points_total{exporter="otlp/2"} 3"#,
        r#"otelcol_exporter_queue_capacity{exporter="otlp/2"} 1000"#,
        r#"otelcol_exporter_enqueue_failed_spans_total{exporter="otlp/2"} 0"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} not in\n{text}");
    }
}

#[test]
fn what_is_gone_is_not_exposed_and_what_stays_counts_on() {
    let metrics = Metrics::default();
    let registry = registered(&metrics);
    for id in ["otlp", "otlp/old"] {
        drop(metrics.receiver(id).over("http").begin());
        metrics.processor(id, Signal::Logs).outgoing.inc();
        metrics.refused_by(id).add(Signal::Logs, 1);
        metrics.batch(id).triggered(Trigger::Size);
        metrics.exporter(id).lost(Signal::Logs, 1);
        metrics.queue(id).started(1);
        metrics.outlet(id).lost.inc();
        metrics.span_metrics(id).counted.inc();
        metrics.service_graph(id).total_edges.inc();
    }
    let wanted = |id: &str| id == "otlp";
    metrics.retain(wanted, wanted, wanted, wanted);
    let text = exposed(&registry);
    assert!(!text.contains("otlp/old"), "{text}");
    metrics.exporter("otlp").lost(Signal::Logs, 1);
    let text = exposed(&registry);
    assert!(text.contains(r#"otelcol_exporter_send_failed_log_records_total{exporter="otlp"} 2"#), "{text}");
}

#[test]
fn a_stopped_queue_has_no_size() {
    let metrics = Metrics::default();
    let registry = registered(&metrics);
    let queue = metrics.queue("otlp");
    queue.started(10);
    queue.size.set(3);
    assert!(exposed(&registry).contains(r#"otelcol_exporter_queue_size{exporter="otlp"} 3"#));
    queue.stopped();
    assert!(!exposed(&registry).contains("otelcol_exporter_queue_"));
}
