"""Prometheus' remote write: a real Prometheus that sends what it scrapes of itself, and hand-made requests."""

import json
import shutil
import subprocess

import pytest
import requests

import remote_write as rw
from trefoil import free_ports, wait_until

WRITE = "/api/v1/write"


def promql(server, query, time=None):
    """The result of an instant query."""
    parameters = {"query": query, **({"time": time} if time else {})}
    answer = requests.get(f"{server.prometheus}/api/v1/query", params=parameters, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["result"]


@pytest.fixture
def prometheus(tmp_path):
    """`prometheus(url)` runs a Prometheus that scrapes itself and sends to `url`; returns its own URL."""
    if shutil.which("prometheus") is None:
        pytest.fail("prometheus is missing; `make check-deps` installs it")
    processes = []

    def start(url):
        directory = tmp_path / "prometheus"
        directory.mkdir()
        [port] = free_ports(1)
        configuration = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
            "remote_write": [
                {
                    "url": url,
                    "send_exemplars": True,
                    "queue_config": {"batch_send_deadline": "1s"},
                    "metadata_config": {"send_interval": "1s"},
                }
            ],
        }
        # JSON is YAML.
        (directory / "prometheus.yml").write_text(json.dumps(configuration))
        with open(directory / "prometheus.log", "wb") as log:
            command = ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data"]
            options = [f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"]
            processes.append(subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        return f"http://127.0.0.1:{port}"

    yield start
    for process in processes:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("listener", ["prometheus", "main", "receiver"])
def test_a_prometheus_can_send_what_it_scrapes(start, prometheus, listener):
    [port] = free_ports(1)
    configured = {
        "receivers": {"prometheusremotewrite": {"endpoint": f"127.0.0.1:{port}"}},
        "service": {"pipelines": {"metrics": {"receivers": ["prometheusremotewrite"]}}},
    }
    server = start(configured if listener == "receiver" else {})
    base = {"prometheus": server.prometheus, "main": f"{server.main}/prometheus", "receiver": f"http://127.0.0.1:{port}"}
    sender = prometheus(base[listener] + WRITE)

    wait_until(lambda: server.count("samples", "metric_name = 'up' AND value_int = 1") >= 3, "samples of three scrapes")
    names = "SELECT count(DISTINCT metric_name), count(DISTINCT series_id) FROM samples"
    metrics, series = server.sql(names)[0]
    assert metrics > 150 and series > 400
    # Its own view of one scrape, and ours of the same instant.
    [labels] = {row[0] for row in server.sql("SELECT attributes FROM series WHERE metric_name = 'up'")}
    assert json.loads(labels) == {"instance": sender.removeprefix("http://"), "job": "self"}
    time = server.sql("SELECT max(CAST(time_unix_nano AS BIGINT)) FROM samples WHERE metric_name = 'up'")[0][0] / 1e9
    query = {"query": 'count by (job) ({job="self"})', "time": f"{time:.3f}"}
    theirs = lambda: requests.get(f"{sender}/api/v1/query", params=query, timeout=30).json()["data"]["result"]
    wait_until(lambda: promql(server, **query) == theirs(), "both see the same series")
    for expression in ('prometheus_tsdb_head_series', 'sum by (le) (prometheus_http_response_size_bytes_bucket)'):
        query = {"query": expression, "time": f"{time:.3f}"}
        same = lambda: sorted(map(str, promql(server, **query))) == sorted(map(str, theirs())) != []
        wait_until(same, f"both answer alike: {expression}")

    # Types and texts come in requests of their own.
    def told():
        answer = requests.get(f"{server.prometheus}/api/v1/metadata", params={"metric": "go_goroutines"}, timeout=30)
        return [one for one in answer.json()["data"].get("go_goroutines", []) if one["type"] == "gauge"]

    assert wait_until(told, "the metadata")[0]["help"].startswith("Number of goroutines")
    refused = [value for name, value in server.metrics().items() if "receiver_refused_metric_points" in name]
    assert sum(refused) == 0


def test_a_series_that_ends_is_told_to_end(server):
    now = rw.now_ms()
    stale = rw.field(1, b"")[:0] + b"\x09\x02\x00\x00\x00\x00\x00\xf0\x7f" + rw.field(2, now)
    labels = {"__name__": "gone", "job": "a"}
    samples = [rw.sample(1, now - 2000), rw.sample(2, now - 1000), stale]
    assert rw.post(server.prometheus + WRITE, rw.series_v1(labels, samples)).status_code == 204
    assert [row["value"][1] for row in promql(server, "gone", (now - 500) / 1000)] == ["2"]
    assert promql(server, "gone", (now + 500) / 1000) == []


def test_the_second_version_brings_everything_at_once(server):
    trace = "0af7651916cd43dd8448eb211c80319c"
    now = rw.now_ms()
    request = rw.RequestV2()
    request.add(
        {"__name__": "requests_total", "job": "a"},
        [rw.sample(7, now, start=now - 60_000)],
        exemplars=[({"trace_id": trace, "span_id": "b7ad6b7169203331"}, 0.25)],
        kind=1,
        help="How many.",
        unit="requests",
    )
    request.add({"__name__": "latency", "job": "a"}, histograms=[rw.histogram([1, 2, 3], timestamp=now)], kind=3)
    custom = rw.histogram([1, 2, 3], schema=-53, custom_values=[0.5, 1.0], timestamp=now)
    request.add({"__name__": "custom", "job": "a"}, histograms=[custom], kind=3)
    answer = rw.post(server.prometheus + WRITE, request, rw.V2)
    assert (answer.status_code, rw.written(answer)) == (204, (1, 2, 1)), answer.text

    [row] = server.sql(
        "SELECT unit, description, attribute(metric_metadata, 'prometheus.type') FROM series WHERE metric_name = 'requests_total'"
    )
    assert row == ("requests", "How many.", "counter")
    starts = server.sql("SELECT CAST(start_time_unix_nano AS BIGINT) FROM samples WHERE metric_name = 'requests_total'")
    assert starts == [((now - 60_000) * 1_000_000,)]
    assert server.count("exemplars", f"trace_id = '{trace}' AND span_id = 'b7ad6b7169203331'") == 1
    rows = server.sql("SELECT scale, positive_offset, positive_bucket_counts FROM samples WHERE metric_name = 'latency'")
    assert rows == [(0, -1, [1, 2, 3])]

    at = now / 1000
    assert promql(server, "histogram_count(latency)", at)[0]["value"][1] == "6"
    # (1, 2] holds the upper half.
    assert promql(server, "histogram_quantile(1, latency)", at)[0]["value"][1] == "4"
    assert promql(server, "histogram_fraction(0, 1, custom)", at)[0]["value"][1] == "0.5"
    [native] = promql(server, "latency", at)
    assert native["histogram"][1]["buckets"][0] == [0, "0.5", "1", "1"]


def test_the_first_custom_bound_may_be_below_everything(server):
    now = rw.now_ms()
    for bounds, status in (([float("-inf"), 1.0], 204), ([1.0, float("inf")], 400)):
        histogram = rw.histogram([1, 2, 3], schema=-53, custom_values=bounds, timestamp=now)
        answer = rw.post(server.prometheus + WRITE, rw.series_v1({"__name__": "lowest"}, histograms=[histogram]))
        assert answer.status_code == status, answer.text
    [native] = promql(server, "lowest", now / 1000)
    buckets = [[3, "-Inf", "-Inf", "1"], [0, "-Inf", "1", "2"], [0, "1", "+Inf", "3"]]
    assert native["histogram"][1]["buckets"] == buckets


def test_buckets_that_are_too_fine_are_put_together(server):
    now = rw.now_ms()
    for schema, status in ((11, 204), (53, 400)):
        histogram = rw.histogram([1, 2, 3, 4, 5, 6, 7, 8, 9], schema=schema, offset=-1, timestamp=now)
        answer = rw.post(server.prometheus + WRITE, rw.series_v1({"__name__": "fine"}, histograms=[histogram]))
        assert answer.status_code == status, answer.text
    # -1 and 0 are of the bucket that ends at 1, 1 to 7 of the next one, as a Prometheus 3.16 has it.
    rows = server.sql("SELECT scale, positive_offset, positive_bucket_counts FROM samples WHERE metric_name = 'fine'")
    assert rows == [(8, -1, [3, 42])]
    [native] = promql(server, "fine", now / 1000)
    assert [bucket[3] for bucket in native["histogram"][1]["buckets"]] == ["3", "42"]


def test_a_bad_series_costs_itself(server):
    request = rw.RequestV2()
    request.add({"__name__": "good"}, [rw.sample(1)])
    request.add({"job": "nameless"}, [rw.sample(1), rw.sample(2)])
    request.add({}, [rw.sample(1)], refs=bytes([1, 99]))
    answer = rw.post(server.prometheus + WRITE, request, rw.V2)
    assert (answer.status_code, rw.written(answer)) == (400, (1, 0, 0))
    assert answer.text.startswith("3 of 4 samples are not stored: series {job=")
    assert "reference 99 points beyond" in answer.text
    bad = rw.series_v1({"job": "nameless"}, [rw.sample(1)])
    answer = rw.post(f"{server.main}/prometheus{WRITE}", bad + rw.series_v1({"__name__": "good"}, [rw.sample(1)]))
    assert (answer.status_code, "X-Prometheus-Remote-Write-Samples-Written" in answer.headers) == (400, False)
    assert server.count("samples", "metric_name = 'good'") == 2
    assert server.count("samples") == 2
    labels = '{receiver="listeners/main",transport="http"}'
    assert server.metrics()[f"otelcol_receiver_refused_metric_points_total{labels}"] == 4


@pytest.mark.parametrize(
    "headers, body, status",
    [
        ({"Content-Type": "application/json"}, b"", 415),
        ({"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v3.Request"}, b"", 415),
        ({"Content-Encoding": "gzip"}, b"", 415),
        ({}, b"not snappy at all", 400),
        ({}, rw.snappy(b"\x0a\x7fnot protobuf"), 400),
        ({}, rw.varint(1 << 30) + b"\x00", 413),
        # What `promtool push metrics --protobuf_message=io.prometheus.write.v2.Request` sends.
        ({"Content-Type": rw.V2}, rw.snappy(rw.series_v1({"__name__": "m"}, [rw.sample(1)])), 400),
    ],
)
def test_what_is_not_remote_write_is_told_so(shared_server, headers, body, status):
    headers = {"Content-Type": rw.V1, "Content-Encoding": "snappy", **headers}
    answer = requests.post(shared_server.prometheus + WRITE, data=body, headers=headers, timeout=30)
    assert answer.status_code == status, answer.text
    assert len(answer.text) > 10


def test_tenants_are_kept_apart(start):
    server = start({"tenancy": {"enabled": True}})
    series = rw.series_v1({"__name__": "m"}, [rw.sample(1)])
    assert rw.post(server.prometheus + WRITE, series).status_code == 401
    assert rw.post(server.prometheus + WRITE, series, **{"X-Scope-OrgID": "one"}).status_code == 204
    assert (server.count("samples", tenant="one"), server.count("samples", tenant="two")) == (1, 0)


def test_it_can_be_switched_off(start):
    server = start({"listeners": {"main": {"otlp": False}, "prometheus": {"remote_write": False}}})
    series = rw.series_v1({"__name__": "m"}, [rw.sample(1)])
    for base in (server.prometheus, f"{server.main}/prometheus"):
        assert rw.post(base + WRITE, series).status_code in (404, 405)
    assert server.count("samples") == 0


def test_promtool_can_push(server, tmp_path):
    tool = shutil.which("promtool")
    help_text = subprocess.run([tool, "--help"], capture_output=True, text=True).stderr if tool else ""
    if "push metrics" not in help_text:
        pytest.skip("this promtool cannot push")
    file = tmp_path / "metrics.txt"
    file.write_text("# HELP pushed Pushed.\n# TYPE pushed gauge\npushed{a=\"b\"} 5\n")
    done = subprocess.run([tool, "push", "metrics", server.prometheus, str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert server.count("samples", "metric_name = 'pushed' AND value_int = 5") == 1
