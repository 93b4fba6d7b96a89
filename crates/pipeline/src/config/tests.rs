use trefoil_model::Signal;

use super::*;
use crate::component::Registry;

mod errors;
mod hostile;
mod own_sections;

/// Trefoil's own sections, as the program names them.
const OWN: [&str; 4] = ["storage", "listeners", "tenancy", "query"];

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "MY_POD_IP" => "10.1.2.3",
        "PORT" => "4318",
        "SIZE" => "1000",
        "EMPTY" => "",
        "LIST" => "[otlp]",
        "BRACES" => "{abc}",
        "NESTED" => "${env:PORT}",
        "LOOP" => "${env:LOOP}",
        _ => return None,
    };
    Some(value.to_owned())
}

fn configuration(yaml: &str) -> Result<Configuration, ConfigError> {
    let document = Document::parse("c.yaml", yaml, &environment)?;
    check(&document, &Registry::builtin(), &OWN)
}

#[track_caller]
fn loads(yaml: &str) -> Configuration {
    configuration(yaml).unwrap_or_else(|error| panic!("{error}\nin\n{yaml}"))
}

fn warnings(configuration: &Configuration) -> String {
    configuration.warnings.iter().map(|warning| format!("{warning}\n")).collect()
}

/// A valid file in which one thing is replaced.
const BASE: &str = "
receivers:
  otlp: {protocols: {grpc: , http: }}
processors:
  batch: {}
exporters:
  debug: {}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [debug]}
";

#[test]
fn digits_may_stand_in_groups() {
    loads(&BASE.replace("batch: {}", "batch: {send_batch_size: 10_000, send_batch_max_size: 131_072}"));
    let error = configuration(&BASE.replace("batch: {}", "batch: {send_batch_size: 1_0_x}")).unwrap_err().to_string();
    assert!(error.contains("expected a whole number, not negative, found `1_0_x`"), "{error}");
}

#[test]
fn the_built_in_configuration_is_valid() {
    let configuration = check(&Document::built_in().unwrap(), &Registry::builtin(), &OWN).unwrap();
    assert!(configuration.warnings.is_empty());
    let pipelines: Vec<String> = configuration.pipelines.iter().map(|pipeline| pipeline.id.to_string()).collect();
    assert_eq!(pipelines, ["traces", "metrics", "logs"]);
    let receivers: Vec<String> = configuration.pipelines[0].receivers.iter().map(ToString::to_string).collect();
    assert_eq!(receivers, ["otlp", "jaeger", "zipkin"]);
    assert_eq!(configuration.receivers.len(), 3);
    assert_eq!(configuration.exporters.len(), 1);
}

#[test]
fn a_collector_file_for_kubernetes_loads() {
    let configuration = loads(
        "
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: ${env:MY_POD_IP}:4317
      http:
        endpoint: ${env:MY_POD_IP}:${env:PORT}
processors:
  batch: {}
  memory_limiter:
    # Memory is looked at every five seconds.
    check_interval: 5s
    limit_percentage: 80
    spike_limit_percentage: 25
exporters:
  debug: {}
  otlp:
    endpoint: tempo.observability.svc.cluster.local:4317
    tls:
      insecure: true
  otlphttp/tempo:
    endpoint: http://tempo.observability.svc.cluster.local:4318
extensions:
  health_check:
    endpoint: ${env:MY_POD_IP}:13133
service:
  extensions: [health_check]
  telemetry:
    logs:
      level: debug
    metrics:
      level: detailed
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [otlp, debug]
    metrics/2:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [debug, otlphttp/tempo]
    logs:
      receivers: [otlp]
      exporters: [debug]
",
    );
    assert_eq!(configuration.telemetry.log_level, Some(LogLevel::Debug));
    let metrics = &configuration.pipelines[1];
    assert_eq!((metrics.id.signal, metrics.id.name.as_str()), (Signal::Metrics, "2"));
    assert_eq!(configuration.exporters.len(), 3);
    assert_eq!(configuration.extensions.len(), 1);
    insta::assert_snapshot!(warnings(&configuration), @"c.yaml:32:5: service.telemetry.metrics: has no effect here: Trefoil tells of itself at its internal listener");
}

#[test]
fn the_flow_style_of_the_bookstore_loads() {
    let yaml = "
receivers:
  otlp:
    protocols: { grpc: {}, http: {} }
processors:
  batch: {}
  memory_limiter: { check_interval: 1s, limit_mib: 512 }
  resource:
    attributes:
      - { key: region, value: eu, action: insert }
exporters:
  otlphttp/tempo: { endpoint: http://tempo.tempo-system.svc.cluster.local:4318 }
  otlphttp/loki: { endpoint: http://loki.loki-system.svc.cluster.local:3100/otlp }
service:
  pipelines:
    traces:  { receivers: [otlp], processors: [memory_limiter, resource, batch], exporters: [otlphttp/tempo] }
    logs:    { receivers: [otlp], processors: [memory_limiter, resource, batch], exporters: [otlphttp/loki] }
";
    assert_eq!(loads(yaml).processors.len(), 3);
    let with_metrics = format!("{yaml}    metrics: {{ receivers: [otlp], exporters: [prometheusremotewrite] }}\n")
        .replace(
            "exporters:\n",
            "exporters:\n  prometheusremotewrite: { endpoint: http://prometheus:9090/api/v1/write }\n",
        );
    assert_eq!(loads(&with_metrics).exporters.len(), 3);
}

#[test]
fn protocols_without_a_body_and_anchors_load() {
    let configuration = loads(
        "
x: &none
receivers:
  otlp: {protocols: {grpc: , http: }}
exporters:
  debug: &empty {}
  debug/2: *empty
  debug/3: {<<: *empty, verbosity: detailed}
  debug/4:
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [debug, debug/2, debug/3]}
"
        .replace("x: &none\n", "")
        .as_str(),
    );
    assert_eq!(configuration.exporters.len(), 3);
    insta::assert_snapshot!(warnings(&configuration), @"c.yaml:8:3: exporters.debug/4: no pipeline uses it, so it is not started");
}
