"""The exporters for Prometheus: real Prometheus servers that scrape or are written to, and receivers that fail."""

import json
import shutil
import subprocess

import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

import otlp
import reference
import remote_write as rw
from remote_write_receiver import receiver
from trefoil import free_ports, wait_until

NEW = reference.newer()
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
CUMULATIVE, DELTA = 2, 1


def request(temporality=CUMULATIVE, value=7, at=None):
    """A counter, a gauge, a histogram with an exemplar, an exponential histogram and a summary of one service."""
    at = at or otlp.now()
    body = ExportMetricsServiceRequest()
    group = body.resource_metrics.add()
    for key, attribute in {"service.name": "cart", "service.instance.id": "i-1", "host.name": "h"}.items():
        group.resource.attributes.append(otlp.attribute(key, attribute))
    scope = group.scope_metrics.add()
    scope.scope.name = "lib"
    times = {"time_unix_nano": at, "start_time_unix_nano": at - 60 * 10**9}
    route = [otlp.attribute("http.route", "/cart")]

    counter = scope.metrics.add(name="http.requests", unit="{request}", description="How many.")
    counter.sum.aggregation_temporality, counter.sum.is_monotonic = temporality, True
    counter.sum.data_points.add(as_int=value, attributes=route, **times)
    gauge = scope.metrics.add(name="queue.size", unit="By")
    gauge.gauge.data_points.add(as_double=0.5, attributes=route, **times)
    histogram = scope.metrics.add(name="latency", unit="s").histogram
    histogram.aggregation_temporality = temporality
    point = histogram.data_points.add(count=6, sum=4.5, bucket_counts=[1, 2, 3], explicit_bounds=[0.5, 1], **times)
    point.exemplars.add(as_double=0.7, time_unix_nano=at, trace_id=bytes(range(1, 17)))
    exponential = scope.metrics.add(name="native").exponential_histogram
    exponential.aggregation_temporality = temporality
    point = exponential.data_points.add(count=4, sum=1, scale=0, **times)
    point.positive.offset = -1
    point.positive.bucket_counts.extend([1, 3])
    summary = scope.metrics.add(name="sizes").summary.data_points.add(count=9, sum=3, **times)
    summary.quantile_values.add(quantile=0.9, value=2.5)
    return body


def exporting(exporter, options):
    return {
        "exporters": {exporter: options},
        "service": {"pipelines": {"metrics": {"receivers": ["otlp"], "exporters": ["trefoil", exporter]}}},
    }


@pytest.fixture
def scraped(start):
    """`scraped(options)` starts a server with the exporter `prometheus`; returns it and the URL to scrape."""

    def run(**options):
        [port] = free_ports(1)
        server = start(exporting("prometheus", {"endpoint": f"127.0.0.1:{port}", **options}))
        return server, f"http://127.0.0.1:{port}/metrics"

    return run


def send(server, body):
    answer = requests.post(
        f"{server.http}/v1/metrics",
        data=body.SerializeToString(),
        headers={"Content-Type": otlp.PROTOBUF},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return answer


def samples(families):
    return {(sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples}


def test_what_is_scraped_is_what_clients_of_prometheus_read(scraped):
    server, url = scraped(enable_open_metrics=True, without_scope_info=True, const_labels={"region": "eu"})
    send(server, request())
    text = requests.get(url, timeout=30)
    assert text.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_families(text.text)}
    assert {name: family.type for name, family in families.items()} == {
        "http_requests": "counter",
        "latency_seconds": "histogram",
        "native": "histogram",
        "queue_size_bytes": "gauge",
        "sizes": "summary",
        "target_info": "gauge",
    }
    assert families["http_requests"].documentation == "How many."
    who = {"job": "cart", "instance": "i-1", "region": "eu"}
    key = lambda name, **labels: (name, *sorted({**who, **labels}.items()))
    seen = samples(families.values())
    assert seen[key("http_requests_total", http_route="/cart")] == 7
    assert seen[key("latency_seconds_bucket", le="1")] == 3
    assert seen[key("latency_seconds_bucket", le="+Inf")] == seen[key("latency_seconds_count")] == 6
    assert seen[key("sizes", quantile="0.9")] == 2.5
    assert seen[key("target_info", host_name="h")] == 1
    checked = subprocess.run(["promtool", "check", "metrics"], input=text.text, capture_output=True, text=True, timeout=60)
    assert "error while linting" not in checked.stderr, checked.stderr

    # requests asks for gzip and unpacks it.
    assert text.headers["Content-Encoding"] == "gzip"
    plain = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=30)
    assert "Content-Encoding" not in plain.headers and plain.text == text.text

    answer = requests.get(url, headers={"Accept": OPEN_METRICS}, timeout=30)
    assert answer.headers["Content-Type"].startswith(OPEN_METRICS)
    families = {family.name: family for family in open_metrics_families(answer.text)}
    assert families["http_requests"].type == "counter" and families["target"].type == "info"
    assert families["queue_size_bytes"].unit == "bytes"
    [exemplar] = [sample.exemplar for sample in families["latency_seconds"].samples if sample.exemplar]
    assert (exemplar.labels, exemplar.value) == ({"trace_id": bytes(range(1, 17)).hex()}, 0.7)

    protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    answer = requests.get(url, headers={"Accept": protobuf}, timeout=30)
    assert answer.headers["Content-Type"].startswith("application/vnd.google.protobuf")
    assert b"latency_seconds" in answer.content


def test_differences_become_totals_and_series_expire(scraped):
    server, url = scraped(metric_expiration="10s", send_timestamps=True, translation_strategy="NoTranslation")
    for value in (1, 2, 4):
        send(server, request(DELTA, value))
    line = lambda: [line for line in requests.get(url, timeout=30).text.splitlines() if line.startswith("http_requests{")]
    [counted] = line()
    assert counted.split(" ")[1] == "7" and len(counted.split(" ")) == 3
    quoted = requests.get(url, headers={"Accept": "text/plain; version=1.0.0; escaping=allow-utf-8"}, timeout=30)
    assert '{"http.requests","http.route"="/cart"' in quoted.text
    wait_until(lambda: requests.get(url, timeout=30).text == "", "all series to expire")


def test_literal_series_come_out_as_they_came_in(scraped):
    [port] = free_ports(1)
    server, url = scraped()
    server.stop()
    server.config["receivers"]["prometheusremotewrite"] = {"endpoint": f"127.0.0.1:{port}"}
    server.config["service"]["pipelines"]["metrics"]["receivers"] = ["otlp", "prometheusremotewrite"]
    server.start()
    write = rw.RequestV2()
    now = rw.now_ms()
    write.add({"__name__": "x_total", "job": "a", "instance": "b"}, [rw.sample(7, now)], kind=1, help="How many.")
    for le, count in (("0.5", 1), ("+Inf", 3)):
        write.add({"__name__": "h_bucket", "le": le}, [rw.sample(count, now)], kind=3)
    write.add({"__name__": "h_count"}, [rw.sample(3, now)], kind=3)
    write.add({"__name__": "h_sum"}, [rw.sample(2.5, now)], kind=3)
    answer = rw.post(f"http://127.0.0.1:{port}/api/v1/write", write, rw.V2)
    assert answer.status_code == 204, answer.text
    assert requests.get(url, timeout=30).text.splitlines() == [
        "# TYPE h histogram",
        'h_bucket{le="0.5"} 1',
        'h_bucket{le="+Inf"} 3',
        "h_sum 2.5",
        "h_count 3",
        "# HELP x_total How many.",
        "# TYPE x_total counter",
        'x_total{instance="b",job="a"} 7',
    ]


# What a Prometheus must be told to scrape native histograms: 2.x by an option, 3.9 and newer in their configuration.
OLD_SCRAPES = ("prometheus", {}, ["--enable-feature=native-histograms"])
NEW_SCRAPES = (str(NEW and NEW / "prometheus"), {"scrape_native_histograms": True}, [])
IS_NEW_THERE = pytest.mark.skipif(NEW is None, reason="`make new-prometheus` has built no Prometheus 3.x")


@pytest.fixture(params=[pytest.param(OLD_SCRAPES, id="2.x"), pytest.param(NEW_SCRAPES, id="3.x", marks=IS_NEW_THERE)])
def prometheus(request, tmp_path):
    """`prometheus(targets, *options)` runs a Prometheus that scrapes them, native histograms included; returns its URL."""
    program, scraping, always = request.param
    if shutil.which(program) is None:
        pytest.fail(f"{program} is missing; `make check-deps` installs it")
    processes = []

    def run(targets, *options):
        directory = tmp_path / "prometheus"
        directory.mkdir()
        [port] = free_ports(1)
        job = {"job_name": "trefoil", "honor_labels": True, "static_configs": [{"targets": targets}]}
        configuration = {"global": {"scrape_interval": "1s", **scraping}, "scrape_configs": [job] if targets else []}
        (directory / "prometheus.yml").write_text(json.dumps(configuration))
        command = [
            program,
            f"--config.file={directory}/prometheus.yml",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            *always,
            *options,
        ]
        with open(directory / "prometheus.log", "wb") as log:
            processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: is_ready(url), "Prometheus is ready")
        return url

    yield run
    for process in processes:
        process.terminate()
        process.wait(30)


def is_ready(url):
    try:
        return requests.get(f"{url}/-/ready", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def promql(url, query):
    answer = requests.get(f"{url}/api/v1/query", params={"query": query}, timeout=30).json()
    assert answer["status"] == "success", answer
    return [(row["metric"], row["value"][1]) for row in answer["data"]["result"]]


@pytest.mark.parametrize("open_metrics", [False, True])
def test_a_prometheus_scrapes(scraped, prometheus, open_metrics):
    server, url = scraped(enable_open_metrics=open_metrics, without_scope_info=True)
    send(server, request())
    target = url.removeprefix("http://").removesuffix("/metrics")
    real = prometheus([target])
    wait_until(lambda: promql(real, "up") == [({"__name__": "up", "instance": target, "job": "trefoil"}, "1")], "a scrape")
    who = {"job": "cart", "instance": "i-1"}
    [(labels, value)] = promql(real, "http_requests_total")
    assert (labels, value) == ({"__name__": "http_requests_total", "http_route": "/cart", **who}, "7")
    assert promql(real, 'latency_seconds_bucket{le=~"1|1.0"}')[0][1] == "3"
    # By protobuf, which it asks for first: the exponential histogram is a native one.
    assert promql(real, "histogram_count(native)") == [(who, "4")]
    assert promql(real, "target_info")[0][0]["host_name"] == "h"


@pytest.mark.parametrize("protobuf_message", ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"])
def test_a_prometheus_is_written_to(start, prometheus, protobuf_message):
    # 2.x only knows 1.0 and does not say so: it takes requests of 2.0 and finds nothing in them.
    real = prometheus([], "--web.enable-remote-write-receiver")
    options = {
        "endpoint": f"{real}/api/v1/write",
        "protobuf_message": protobuf_message,
        "disable_scope_info": True,
        "external_labels": {"region": "eu"},
    }
    server = start(exporting("prometheusremotewrite", options))
    for value in (7, 8, 9):
        send(server, request(value=value))
    wait_until(lambda: promql(real, "http_requests_total")[-1:] and promql(real, "http_requests_total")[0][1] == "9", "it")
    who = {"job": "cart", "instance": "i-1", "region": "eu"}
    assert promql(real, "histogram_count(native)") == [(who, "4")]
    assert promql(real, 'latency_seconds_bucket{le="1.0"}')[0][1] == "3"
    assert promql(real, "target_info")[0][0]["host_name"] == "h"
    assert counted(server, "otelcol_exporter_send_failed_metric_points") == 0
    sent = lambda: counted(server, "otelcol_exporter_sent_metric_points")
    wait_until(lambda: sent() == 15, "all points to be sent")


# It takes 2.0, and asks for a second of peace where it fails.
TAKES_V2 = {"X-Prometheus-Remote-Write-Samples-Written": "1000", "Retry-After": "1"}


def counted(server, name):
    wanted = f'{name}_total{{exporter="prometheusremotewrite"'
    return sum(value for series, value in server.metrics().items() if series.startswith(wanted))


def test_a_receiver_that_fails_gets_it_later(start):
    with receiver([503, 429], TAKES_V2) as (url, seen):
        server = start(exporting("prometheusremotewrite", {"endpoint": url}))
        send(server, request())
        wait_until(lambda: len(seen) == 3, "two more attempts")
        # As long as it asks for, though the first wait would be 50 ms.
        assert seen[1].at - seen[0].at > 0.9 and seen[2].at - seen[1].at > 0.9
        assert {request.headers["x-prometheus-remote-write-version"] for request in seen} == {"2.0.0"}
        wait_until(lambda: counted(server, "otelcol_exporter_sent_metric_points") == 5, "the points to be counted")
        assert counted(server, "otelcol_exporter_send_failed_metric_points") == 0


def test_what_is_refused_is_dropped_and_counted(start):
    # The first answer has counts, but nothing of a refused request is written.
    with receiver([403], TAKES_V2) as (url, seen):
        server = start(exporting("prometheusremotewrite", {"endpoint": url}))
        send(server, request())
        wait_until(lambda: counted(server, "otelcol_exporter_send_failed_metric_points") == 5, "the points to be given up")
        send(server, request())
        wait_until(lambda: counted(server, "otelcol_exporter_sent_metric_points") == 5, "the next to be sent")
        assert len(seen) == 2


def test_what_waits_on_disk_is_sent_after_a_crash(start):
    with receiver([503] * 1000, TAKES_V2) as (url, seen):
        queue = {"storage": "file_storage", "num_consumers": 2}
        options = {"endpoint": url, "remote_write_queue": queue, "retry_on_failure": {"initial_interval": "100ms"}}
        server = start(exporting("prometheusremotewrite", options))
        send(server, request())
        wait_until(lambda: seen, "an attempt")
        server.kill()
    with receiver([], TAKES_V2) as (url, seen):
        server.config["exporters"]["prometheusremotewrite"]["endpoint"] = url
        server.start()
        wait_until(lambda: seen, "the request of before")
        wait_until(lambda: counted(server, "otelcol_exporter_sent_metric_points") == 5, "it to be counted")
