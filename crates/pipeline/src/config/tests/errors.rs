//! What is said about a file that is wrong.

use super::*;

fn wrong(replace: &str, with: &str) -> String {
    assert!(BASE.contains(replace), "{replace}");
    let yaml = BASE.replacen(replace, with, 1);
    match configuration(&yaml) {
        Ok(_) => format!("--- {with}\naccepted\n"),
        Err(error) => format!("--- {with}\n{error}\n"),
    }
}

#[test]
fn errors_name_the_place_and_what_to_do() {
    let cases = [
        // Components.
        ("batch: {}", "bach: {}"),
        ("batch: {}", "tail_sampling: {}"),
        ("debug: {}", "tempo: {}"),
        ("debug: {}", "logging: {}"),
        ("otlp: {protocols: {grpc: , http: }}", "prometheus: {}"),
        ("otlp: {protocols: {grpc: , http: }}", "kafka: {}"),
        ("otlp: {protocols: {grpc: , http: }}", "filelog: {}"),
        ("otlp: {protocols: {grpc: , http: }}", "oltp: {}"),
        ("otlp: {protocols: {grpc: , http: }}", "otlp/: {}"),
        ("service:", "connectors: {routing: }\nservice:"),
        ("service:", "extensions: {zpages: }\nservice:\n  extensions: [zpages]"),
        // Options.
        ("batch: {}", "batch: {timout: 1s, send_batch_size: many, send_batch_max_size: -1}"),
        ("batch: {}", "batch: {timeout: 5}"),
        ("batch: {}", "batch: {timeout: -5s}"),
        ("batch: {}", "batch: {send_batch_size: 10, send_batch_max_size: 5}"),
        ("batch: {}", "batch: {metadata_keys: [a, A]}"),
        ("batch: {}", "batch: [1]"),
        ("batch: {}", "memory_limiter: {}"),
        ("batch: {}", "memory_limiter: {check_interval: 1s, limit_percentage: 110, ballast_size_mib: 5}"),
        ("batch: {}", "resource: {attributes: [{key: a, action: insert}]}"),
        ("batch: {}", "resource: {}"),
        ("batch: {}", "batch: {timeout: 1s, timeout: 2s}"),
        ("grpc: ,", "grcp: ,"),
        // The section `service`.
        ("[otlp]", "[otlp/2]"),
        ("[batch]", "[btch]"),
        ("[debug]", "[trefoil]"),
        ("[debug]", "[]"),
        ("[otlp]", "otlp"),
        ("[batch]", "[batch, batch]"),
        ("traces: {", "trace: {"),
        ("traces: {", "profiles: {"),
        ("traces: {", "traces/: {"),
        ("processors: [batch], ", "procesors: [batch], "),
        ("pipelines:\n    traces: {receivers: [otlp], processors: [batch], exporters: [debug]}", "pipelines: {}"),
        ("service:", "servise:"),
        ("service:", "telemetry: {}\nservice:\n  telemetry: {logs: {level: loud}}"),
        // Connectors.
        ("[debug]", "[forward]"),
        (
            "service:\n  pipelines:",
            "connectors: {forward: }\nservice:\n  pipelines:\n    traces/2: {receivers: [forward], exporters: [forward]}",
        ),
        (
            "service:\n  pipelines:",
            "connectors: {forward: }\nservice:\n  pipelines:\n    traces/2: {receivers: [otlp], exporters: [forward]}\n    \
             logs: {receivers: [forward], exporters: [debug]}",
        ),
        // Variables.
        ("batch: {}", "batch: {timeout: '${env:PORT}'}"),
        ("batch: {}", "batch: {timeout: '${file:/etc/x}'}"),
        ("batch: {}", "batch: {timeout: '${env:1X}'}"),
        ("batch: {}", "batch: {timeout: '${X:-5s}'}"),
        ("batch: {}", "batch: {timeout: '${env:LOOP}'}"),
        // YAML.
        ("batch: {}", "batch: {"),
        ("batch: {}", "batch: *nowhere"),
        ("service:", "---\nservice:"),
        ("batch: {}", "[a]: {}"),
    ];
    let report: String = cases.iter().map(|(replace, with)| wrong(replace, with)).collect();
    insta::assert_snapshot!(report, @r#"
    --- bach: {}
    c.yaml:5:3: processors.bach: unknown processor type `bach`; did you mean `batch`?
    c.yaml:10:46: service.pipelines.traces.processors[0]: `batch` is not defined under `processors`; did you mean `bach`?
    --- tail_sampling: {}
    c.yaml:5:3: processors.tail_sampling: the processor `tail_sampling` of the Collector is not supported by Trefoil yet; supported are attributes, batch, cardinality_guard, memory_limiter, resource
    c.yaml:10:46: service.pipelines.traces.processors[0]: `batch` is not defined under `processors`; the only one is `tail_sampling`
    --- tempo: {}
    c.yaml:7:3: exporters.tempo: the exporter `tempo` of the Collector is not supported by Trefoil yet; Tempo takes OTLP: use `otlp` or `otlphttp`
    c.yaml:10:66: service.pipelines.traces.exporters[0]: `debug` is not defined under `exporters`; the only one is `tempo`
    --- logging: {}
    c.yaml:7:3: exporters.logging: the exporter `logging` of the Collector is not supported by Trefoil yet; it was renamed in the Collector: use `debug`
    c.yaml:10:66: service.pipelines.traces.exporters[0]: `debug` is not defined under `exporters`; the only one is `logging`
    --- prometheus: {}
    c.yaml:3:15: receivers.prometheus.config: there is nothing to scrape: no scrape_configs, no scrape_config_files
    c.yaml:10:26: service.pipelines.traces.receivers[0]: `otlp` is not defined under `receivers`; the only one is `prometheus`
    --- kafka: {}
    c.yaml:3:3: receivers.kafka: the receiver `kafka` of the Collector is not supported by Trefoil yet; supported are filelog, file_log, jaeger, journald, loki, otlp, prometheus, prometheusremotewrite, syslog, workflow, zipkin
    c.yaml:10:26: service.pipelines.traces.receivers[0]: `otlp` is not defined under `receivers`; the only one is `kafka`
    --- filelog: {}
    c.yaml:3:12: receivers.filelog.include: at least one pattern of paths is needed
    c.yaml:10:26: service.pipelines.traces.receivers[0]: `otlp` is not defined under `receivers`; the only one is `filelog`
    --- oltp: {}
    c.yaml:3:3: receivers.oltp: unknown receiver type `oltp`; did you mean `otlp`?
    c.yaml:10:26: service.pipelines.traces.receivers[0]: `otlp` is not defined under `receivers`; did you mean `oltp`?
    --- otlp/: {}
    c.yaml:3:3: receivers.otlp/: `otlp/` has no name after the slash, expected `type/name`
    c.yaml:10:26: service.pipelines.traces.receivers[0]: `otlp` is not defined under `receivers`; the section `receivers` is empty or missing
    --- connectors: {routing: }
    service:
    c.yaml:8:14: connectors.routing: the connector `routing` of the Collector is not supported by Trefoil yet; supported are forward, propagation, servicegraph, service_graph, spanmetrics, span_metrics
    --- extensions: {zpages: }
    service:
      extensions: [zpages]
    c.yaml:8:14: extensions.zpages: the extension `zpages` of the Collector is not supported by Trefoil yet; remove it; `health_check` and `pprof` are supported
    --- batch: {timout: 1s, send_batch_size: many, send_batch_max_size: -1}
    c.yaml:5:11: processors.batch.timout: unknown option; did you mean `timeout`?
    c.yaml:5:40: processors.batch.send_batch_size: expected a whole number, not negative, found `many`
    c.yaml:5:67: processors.batch.send_batch_max_size: expected a whole number, not negative, found `-1`
    --- batch: {timeout: 5}
    c.yaml:5:20: processors.batch.timeout: `5` has no unit; write 5s for seconds or 5ms for milliseconds
    --- batch: {timeout: -5s}
    c.yaml:5:20: processors.batch.timeout: `-5s` is negative; a duration here must not be
    --- batch: {send_batch_size: 10, send_batch_max_size: 5}
    c.yaml:5:53: processors.batch.send_batch_max_size: must not be less than `send_batch_size`, which is 10
    --- batch: {metadata_keys: [a, A]}
    c.yaml:5:30: processors.batch.metadata_keys[1]: `A` is named twice
    --- batch: [1]
    c.yaml:5:10: processors.batch: expected a mapping, found a list
    --- memory_limiter: {}
    c.yaml:5:19: processors.memory_limiter.check_interval: must be greater than zero; 1s is recommended
    c.yaml:5:19: processors.memory_limiter: one of `limit_mib` and `limit_percentage` is needed
    c.yaml:10:46: service.pipelines.traces.processors[0]: `batch` is not defined under `processors`; the only one is `memory_limiter`
    --- memory_limiter: {check_interval: 1s, limit_percentage: 110, ballast_size_mib: 5}
    c.yaml:5:63: processors.memory_limiter.ballast_size_mib: this option of the Collector is not supported by Trefoil: it is about Go's garbage collector; remove it
    c.yaml:10:46: service.pipelines.traces.processors[0]: `batch` is not defined under `processors`; the only one is `memory_limiter`
    --- resource: {attributes: [{key: a, action: insert}]}
    c.yaml:5:27: processors.resource.attributes[0]: one of `value`, `from_attribute`, `from_context`, `default_value` is needed
    c.yaml:10:46: service.pipelines.traces.processors[0]: `batch` is not defined under `processors`; the only one is `resource`
    --- resource: {}
    c.yaml:5:13: processors.resource: the option `attributes` is missing
    c.yaml:10:46: service.pipelines.traces.processors[0]: `batch` is not defined under `processors`; the only one is `resource`
    --- batch: {timeout: 1s, timeout: 2s}
    c.yaml:5:24: the key `timeout` was given before, in line 5
    --- grcp: ,
    c.yaml:3:22: receivers.otlp.protocols.grcp: unknown option; did you mean `grpc`?
    --- [otlp/2]
    c.yaml:10:26: service.pipelines.traces.receivers[0]: `otlp/2` is not defined under `receivers`; did you mean `otlp`?
    --- [btch]
    c.yaml:10:46: service.pipelines.traces.processors[0]: `btch` is not defined under `processors`; did you mean `batch`?
    --- [trefoil]
    c.yaml:10:66: service.pipelines.traces.exporters[0]: `trefoil` is not defined under `exporters`; the only one is `debug`
    --- []
    c.yaml:10:5: service.pipelines.traces: the pipeline needs at least one exporter
    --- otlp
    c.yaml:10:5: service.pipelines.traces: the pipeline needs at least one receiver
    c.yaml:10:25: service.pipelines.traces.receivers: expected a list of component ids, found `otlp`
    --- [batch, batch]
    c.yaml:10:53: service.pipelines.traces.processors[1]: `batch` is named twice
    --- trace: {
    c.yaml:10:5: service.pipelines.trace: unknown signal `trace`; did you mean `traces`?
    --- profiles: {
    c.yaml:10:5: service.pipelines.profiles: the signal `profiles` is not supported; known are traces, metrics, logs
    --- traces/: {
    c.yaml:10:5: service.pipelines.traces/: `traces/` is not the id of a pipeline; expected `traces`, `metrics` or `logs`, or `traces/name`
    --- procesors: [batch], 
    c.yaml:10:33: service.pipelines.traces.procesors: unknown option; did you mean `processors`?
    --- pipelines: {}
    c.yaml:9:14: service.pipelines: at least one pipeline is needed, such as `traces`
    --- servise:
    c.yaml:2:1: the section `service` with its `pipelines` is missing
    c.yaml:8:1: servise: unknown section; did you mean `service`?
    --- telemetry: {}
    service:
      telemetry: {logs: {level: loud}}
    c.yaml:8:1: telemetry: unknown section; known are receivers, processors, exporters, connectors, extensions, service, storage, listeners, tenancy, query
    c.yaml:10:29: service.telemetry.logs.level: unknown value `loud`; known are debug, info, warn, error
    --- [forward]
    c.yaml:10:66: service.pipelines.traces.exporters[0]: `forward` is not defined under `exporters`; the only one is `debug`
    --- connectors: {forward: }
    service:
      pipelines:
        traces/2: {receivers: [forward], exporters: [forward]}
    c.yaml:11:5: service.pipelines.traces/2: telemetry would go round in a circle: traces/2 → traces/2
    --- connectors: {forward: }
    service:
      pipelines:
        traces/2: {receivers: [otlp], exporters: [forward]}
        logs: {receivers: [forward], exporters: [debug]}
    c.yaml:8:14: connectors.forward: it takes traces but is the receiver of no pipeline that its traces can go to
    c.yaml:8:14: connectors.forward: it is the receiver of a pipeline of logs but takes nothing that could become logs
    --- batch: {timeout: '${env:PORT}'}
    c.yaml:5:20: processors.batch.timeout: `4318` has no unit; write 4318s for seconds or 4318ms for milliseconds
    --- batch: {timeout: '${file:/etc/x}'}
    c.yaml:5:20: processors.batch.timeout: `file:` in `${file:/etc/x}` is not supported; only ${env:NAME} is, and $$ stands for a dollar sign
    --- batch: {timeout: '${env:1X}'}
    c.yaml:5:20: processors.batch.timeout: `1X` is not the name of an environment variable: only letters, digits and `_`, no digit first; $$ stands for a dollar sign
    --- batch: {timeout: '${X:-5s}'}
    c.yaml:5:20: processors.batch.timeout: write ${env:X:-5s} for a variable with a default
    --- batch: {timeout: '${env:LOOP}'}
    c.yaml:5:20: processors.batch.timeout: environment variables refer to one another more than 8 levels deep
    --- batch: {
    c.yaml:7:8: this is not YAML: while parsing a flow mapping, did not find expected ',' or '}'
    --- batch: *nowhere
    c.yaml:5:10: this is not YAML: while parsing node, found unknown anchor
    --- ---
    service:
    c.yaml:8:1: a second document (`---`) begins here, but a configuration is one document
    --- [a]: {}
    c.yaml:5:3: a key must be a name, not a list or a mapping
    "#);
}

#[test]
fn all_errors_are_told_at_once_in_the_order_of_the_file() {
    let error = configuration(
        "
receivers: {otlp: {protocols: {grpc: {endpont: x}}}}
processors: {batch: {timeout: x, send_batch_size: y}}
exporters: {debg: {}}
service: {pipelines: {traces: {receivers: [otpl], exporters: [debug]}}}
",
    )
    .unwrap_err();
    let lines: Vec<u32> = error.problems().iter().map(|problem| problem.at.line).collect();
    assert_eq!(lines, [2, 3, 3, 4, 5, 5], "{error}");
}

#[test]
fn the_nearest_name_is_near() {
    let known = ["timeout", "send_batch_size", "otlp", "otlphttp"];
    assert_eq!(nearest("timout", known), Some("timeout"));
    assert_eq!(nearest("otlp_http", known), Some("otlphttp"));
    assert_eq!(nearest("batch_size", known), Some("send_batch_size"));
    assert_eq!(nearest("zzz", known), None);
    assert_eq!(nearest(&"timeout".repeat(40), known), None);
}
