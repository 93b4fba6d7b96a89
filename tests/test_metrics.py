"""Trefoil's own metrics: the Collector's names for the pipelines, counts that survive a reload, and the page that lists them."""

import re
import signal

import requests

import otlp
from trefoil import ROOT, merged, wait_until

PAGE = ROOT / "docs" / "metrics.md"

PIPELINES = {
    "processors": {
        "memory_limiter": {"check_interval": "1s", "limit_percentage": 95},
        "batch": {"timeout": "1ms"},
    },
    "exporters": {
        "debug": {},
        "otlphttp/nowhere": {
            "endpoint": "http://127.0.0.1:1",
            "sending_queue": {"queue_size": 2, "num_consumers": 1},
            "retry_on_failure": {"enabled": False},
        },
    },
    "service": {
        "pipelines": {
            "traces": {
                "processors": ["memory_limiter", "batch"],
                "exporters": ["trefoil", "debug", "otlphttp/nowhere"],
            }
        }
    },
}


def test_items_are_counted_under_the_collectors_names(start):
    server = start(PIPELINES)
    otlp.send(server, "traces", otlp.spans(7))
    assert otlp.post(server, "traces", b"\xff\xff").status_code == 400
    otlp.send(server, "logs", otlp.logs(3))
    otlp.send(server, "metrics", otlp.gauge(range(5)))

    metrics = server.metrics()
    over_http = '{receiver="otlp",transport="http"}'
    assert metrics["otelcol_receiver_accepted_spans_total" + over_http] == 7
    assert metrics["otelcol_receiver_accepted_log_records_total" + over_http] == 3
    assert metrics["otelcol_receiver_accepted_metric_points_total" + over_http] == 5
    assert metrics["otelcol_receiver_refused_spans_total" + over_http] == 0
    assert metrics["otelcol_receiver_duration_seconds_count" + over_http] == 4
    assert metrics['otelcol_receiver_requests_total{receiver="otlp",transport="http",outcome="success"}'] == 3
    assert metrics['otelcol_receiver_requests_total{receiver="otlp",transport="http",outcome="refused"}'] == 1
    for processor in ("memory_limiter", "batch"):
        labels = f'{{processor="{processor}",otel_signal="traces"}}'
        assert metrics["otelcol_processor_incoming_items_total" + labels] == 7
        assert metrics["otelcol_processor_outgoing_items_total" + labels] == 7
    assert metrics['otelcol_processor_batch_timeout_trigger_send_total{processor="batch"}'] == 1
    assert metrics['otelcol_exporter_sent_spans_total{exporter="trefoil"}'] == 7
    assert metrics['otelcol_exporter_sent_spans_total{exporter="debug"}'] == 7
    assert metrics['otelcol_exporter_queue_capacity{exporter="otlphttp/nowhere"}'] == 2
    failed = 'otelcol_exporter_send_failed_spans_total{exporter="otlphttp/nowhere"}'
    wait_until(lambda: server.metrics()[failed] >= 7, "the spans to nowhere fail")
    assert metrics["process_resident_memory_bytes"] > 1 << 20


def test_counts_go_on_after_a_reload_and_what_is_gone_loses_its_series(start):
    server = start(PIPELINES)
    otlp.send(server, "traces", otlp.spans(2))
    server.config = merged(
        server.config,
        {"service": {"pipelines": {"traces": {"processors": ["batch"], "exporters": ["trefoil", "otlphttp/nowhere"]}}}},
    )
    server.write_config()
    server.process.send_signal(signal.SIGHUP)
    sent_by_debug = 'otelcol_exporter_sent_spans_total{exporter="debug"}'
    wait_until(lambda: sent_by_debug not in server.metrics(), "the exporter is gone from the metrics")
    otlp.send(server, "traces", otlp.spans(3))
    metrics = server.metrics()
    assert not [name for name in metrics if 'processor="memory_limiter"' in name]
    assert metrics['otelcol_processor_incoming_items_total{processor="batch",otel_signal="traces"}'] == 5
    assert metrics['otelcol_receiver_accepted_spans_total{receiver="otlp",transport="http"}'] == 5
    assert metrics['otelcol_exporter_sent_spans_total{exporter="trefoil"}'] == 5


def test_the_page_has_every_name(start):
    server = start(PIPELINES)
    for send in (("traces", otlp.spans()), ("logs", otlp.logs()), ("metrics", otlp.gauge([1.5]))):
        otlp.send(server, *send)
    server.sql("SELECT count(*) FROM spans")
    text = requests.get(f"{server.internal}/metrics", timeout=10).text
    exposed = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    listed = set(re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE))
    assert len(exposed) > 40, text
    assert not exposed - listed
