"""The OpenTelemetry Collector between an SDK and Trefoil: as sender, through an outage, and as receiver of our exporters."""

import json
import subprocess

import otlp
import pytest
import requests

from sdks import SDK, compiled, python, run
from test_otel_traces import assert_whole
from trefoil import free_ports, wait_until

#: The first of them downloads and builds a Collector, where nobody did so before.
pytestmark = pytest.mark.timeout(600)

SIGNALS = ("traces", "metrics", "logs")
EXPORTERS = {
    "grpc, gzip": ("otlp_grpc", {"compression": "gzip"}),
    "grpc, zstd": ("otlp_grpc", {"compression": "zstd"}),
    "http, protobuf, gzip": ("otlp_http", {"encoding": "proto", "compression": "gzip"}),
    "http, json, zstd": ("otlp_http", {"encoding": "json", "compression": "zstd"}),
}


@pytest.fixture(scope="session")
def otelcol(tmp_path_factory):
    """The Collector, made of its own modules."""
    return compiled(SDK.parent / "collector", ".", tmp_path_factory.mktemp("otelcol") / "otelcol")


@pytest.fixture
def start_collector(otelcol, tmp_path):
    """`start_collector(exporter, settings)` starts one that sends everything there; all of them end with the test."""
    running = []

    def start(exporter, settings):
        grpc, http = free_ports(2)
        address = lambda port: {"endpoint": f"127.0.0.1:{port}"}
        config = {
            "receivers": {"otlp": {"protocols": {"grpc": address(grpc), "http": address(http)}}},
            "processors": {"batch": {"timeout": "100ms"}},
            "exporters": {exporter: settings},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {
                    signal: {"receivers": ["otlp"], "processors": ["batch"], "exporters": [exporter]} for signal in SIGNALS
                },
            },
        }
        path = tmp_path / f"collector-{len(running)}.json"
        path.write_text(json.dumps(config))
        log = path.with_suffix(".log")
        with open(log, "wb") as output:
            process = subprocess.Popen([otelcol, "--config", path], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        running.append(process)

        def answers():
            assert process.poll() is None, log.read_text()
            try:
                # It has no such path, which it says.
                return requests.get(f"http://127.0.0.1:{http}/", timeout=5).status_code == 404
            except requests.ConnectionError:
                return False

        wait_until(answers, "the Collector answers")
        return f"http://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}"

    yield start
    for process in running:
        process.terminate()
        process.wait(30)


def send_trace(grpc, service, tmp_path):
    """The ids of the trace that `test_otel_traces.py` knows, and of the one it links to."""
    return run(
        python, "traces", tmp_path,
        EXPORTER_OTLP_PROTOCOL="grpc", EXPORTER_OTLP_ENDPOINT=grpc, EXPORTER_OTLP_INSECURE="true", SERVICE_NAME=service,
        RESOURCE_ATTRIBUTES="service.namespace=books,service.instance.id=till-1,deployment.environment.name=test",
    ).split()  # fmt: skip


def to(server, exporter):
    return {"endpoint": server.grpc if exporter == "otlp_grpc" else server.http, "tls": {"insecure": True}}


@pytest.mark.parametrize("form", EXPORTERS)
def test_a_collector_sends_all_signals(shared_server, start_collector, form, tmp_path):
    server, service = shared_server, f"behind a collector: {form}"
    exporter, settings = EXPORTERS[form]
    grpc, http = start_collector(exporter, {**to(server, exporter), **settings})
    trace_id, earlier = send_trace(grpc, service, tmp_path)
    for signal, request in (("logs", otlp.logs(3, service=service)), ("metrics", otlp.gauge([1.0, 2.0, 3.0], service=service))):
        answer = requests.post(
            f"{http}/v1/{signal}", data=request.SerializeToString(), headers={"Content-Type": otlp.PROTOBUF}, timeout=30
        )
        assert answer.status_code == 200, answer.text

    here = f"service_name = '{service}'"
    wait_until(lambda: server.count("spans", here) == 5, "the spans")
    assert_whole(server, python, service, trace_id, earlier)
    wait_until(lambda: server.count("logs", here) == 3, "the log records")
    points = f"SELECT count(*) FROM samples JOIN series USING (series_id) WHERE {here}"
    wait_until(lambda: server.sql(points) == [(3,)], "the points")


def test_what_a_collector_queues_arrives_after_an_outage(start, start_collector):
    server = start()
    exporter, settings = "otlp_grpc", {"retry_on_failure": {"initial_interval": "100ms", "max_interval": "500ms"}}
    _, http = start_collector(exporter, {**to(server, exporter), **settings})

    def send(first):
        request = otlp.logs(100, service=f"queue {first}")
        answer = requests.post(
            f"{http}/v1/logs", data=request.SerializeToString(), headers={"Content-Type": otlp.PROTOBUF}, timeout=30
        )
        assert answer.status_code == 200, answer.text

    send("before")
    wait_until(lambda: server.count("logs") == 100, "what came before the outage")
    server.kill()
    send("during")
    server.start()
    send("after")
    rows = "SELECT service_name, count(*) FROM logs GROUP BY 1 ORDER BY 1"
    everything = [("queue after", 100), ("queue before", 100), ("queue during", 100)]
    wait_until(lambda: server.sql(rows) == everything, "what was queued")


@pytest.mark.parametrize("exporter", ["otlp", "otlphttp"])
def test_our_exporters_send_to_a_collector(start, start_collector, exporter, tmp_path):
    last = start(name="last")
    grpc, http = start_collector("otlp_grpc", to(last, "otlp_grpc"))
    settings = {"endpoint": {"otlp": grpc, "otlphttp": http}[exporter], "tls": {"insecure": True}}
    first = start(
        {"exporters": {exporter: settings}, "service": {"pipelines": {"traces": {"exporters": ["trefoil", exporter]}}}},
        name="first",
    )
    trace_id, earlier = send_trace(first.grpc, "three hops", tmp_path)
    wait_until(lambda: last.count("spans") == 5, "the spans")
    for server in (first, last):
        assert_whole(server, python, "three hops", trace_id, earlier)
