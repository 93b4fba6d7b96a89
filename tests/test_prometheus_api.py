"""Prometheus' API with real clients: promtool, Grafana's sequence of requests, `trefoil query`."""

import json
import math
import subprocess
import time

import pytest
import requests

import otlp
from trefoil import Server

STEP = 15
#: Seconds of data.
LENGTH = 600
RATE = {"/cart": 2, "/books": 4}
QUANTILE = "histogram_quantile(0.95, sum by (le) (rate(http_server_request_duration_seconds_bucket[5m])))"


class Bookstore:
    """A server with the metrics of one service, a sample each 15 seconds up to `end` (seconds)."""

    def __init__(self, server):
        self.server = server
        self.end = int(time.time())
        self.start = self.end - LENGTH
        otlp.send(server, "metrics", self.metrics())

    @property
    def url(self):
        return self.server.prometheus

    def metrics(self):
        request = otlp.REQUESTS["metrics"]()
        group = request.resource_metrics.add()
        for key, value in {"service.name": "orders", "service.namespace": "shop", "service.instance.id": "o-1"}.items():
            group.resource.attributes.append(otlp.attribute(key, value))
        scope = group.scope_metrics.add()
        queue = scope.metrics.add(name="queue.size", description="Orders that wait")
        duration = scope.metrics.add(name="http.server.request.duration", unit="s", description="Time of requests")
        duration.histogram.aggregation_temporality = 2
        for at in range(self.start, self.end + 1, STEP):
            passed = at - self.start
            wave = 10 + 10 * math.sin(passed / 60)
            queue.gauge.data_points.add(time_unix_nano=at * 10**9, as_double=wave)
            for route, rate in RATE.items():
                # Of each four requests two take up to 0.1 s, one up to 0.5 s and one up to 1 s.
                count = passed * rate
                point = duration.histogram.data_points.add(
                    start_time_unix_nano=self.start * 10**9, time_unix_nano=at * 10**9, count=count, sum=count * 0.25,
                    explicit_bounds=[0.1, 0.5, 1.0], bucket_counts=[count // 2, count // 4, count - count // 2 - count // 4, 0],
                )
                point.attributes.append(otlp.attribute("http.route", route))
                if at == self.end:
                    trace = {"trace_id": b"\x4b" * 16, "span_id": b"\x0a" * 8}
                    point.exemplars.add(time_unix_nano=at * 10**9, as_double=0.7, **trace)
        return request

    def get(self, path, prefix=None, **parameters):
        answer = requests.get(f"{prefix or self.url}{path}", params=parameters, timeout=30)
        return self._data(answer)

    def post(self, path, **parameters):
        return self._data(requests.post(f"{self.url}{path}", data=parameters, timeout=30))

    @staticmethod
    def _data(answer):
        assert answer.status_code == 200, f"{answer.url}: {answer.status_code} {answer.text}"
        body = answer.json()
        assert body["status"] == "success" and "error" not in body, body
        return body["data"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("prometheus")).start()
    yield Bookstore(server)
    server.close()


def promtool(*arguments, check=True):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    if check:
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def test_a_histogram_in_is_a_quantile_out(store):
    answer = store.get("/api/v1/query", query=QUANTILE, time=store.end)
    assert answer["resultType"] == "vector"
    (sample,) = answer["result"]
    assert sample["metric"] == {} and sample["value"][0] == store.end
    # Three quarters are below 0.5 s; of the rest up to 1 s four fifths are below the quantile.
    assert float(sample["value"][1]) == pytest.approx(0.9, abs=0.005)
    series = store.get("/api/v1/query_range", query=QUANTILE, start=store.end - 60, end=store.end, step=15)
    (values,) = [series["values"] for series in series["result"]]
    assert [time for time, _ in values] == [store.end - 60 + 15 * step for step in range(5)]
    total = store.get("/api/v1/query", query="sum(rate(http_server_request_duration_seconds_count[5m]))", time=store.end)
    assert float(total["result"][0]["value"][1]) == pytest.approx(sum(RATE.values()), rel=0.01)


def test_promtool_queries(store):
    done = promtool("query", "instant", "--time", str(store.end), store.url, "queue_size")
    assert done.stdout.startswith('queue_size{instance="o-1", job="shop/orders"} => '), done.stdout
    assert f"@[{store.end}]" in done.stdout
    done = promtool("query", "instant", "-o", "json", store.url, "1 + 1")
    assert json.loads(done.stdout)[1] == "2"
    done = promtool("query", "range", f"--start={store.end - 60}", f"--end={store.end}", "--step=15s", store.url, QUANTILE)
    assert done.stdout.count("@[") == 5, done.stdout
    done = promtool("query", "series", "--match=http_server_request_duration_seconds_count", store.url)
    routes = sorted(line.split('http_route="')[1].split('"')[0] for line in done.stdout.splitlines())
    assert routes == sorted(RATE), done.stdout
    done = promtool("query", "series", "--match=queue_size", "--match=nothing", f"--start={store.start}",
                    f"--end={store.end}", store.url)
    assert done.stdout.splitlines() == ['{__name__="queue_size", instance="o-1", job="shop/orders"}']
    assert promtool("query", "labels", store.url, "http_route").stdout.split() == sorted(RATE)
    assert "queue_size" in promtool("query", "labels", store.url, "__name__").stdout.split()


def test_promtool_shows_what_is_wrong(store):
    done = promtool("query", "instant", store.url, "sum(", check=False)
    assert done.returncode != 0 and "bad_data" in done.stderr and "parse error" in done.stderr, done.stderr
    done = promtool("query", "range", "--step=-1s", store.url, "up", check=False)
    assert done.returncode != 0


def test_the_server_is_healthy(store):
    for kind, word in [("healthy", "Healthy"), ("ready", "Ready")]:
        answer = requests.get(f"{store.url}/-/{kind}", timeout=10)
        assert (answer.status_code, answer.text) == (200, f"Prometheus Server is {word}.\n")
        assert requests.head(f"{store.url}/-/{kind}", timeout=10).status_code == 200


def test_grafana_saves_and_tests_the_data_source(store):
    for prefix in (store.url, f"{store.server.main}/prometheus"):
        assert store.get("/api/v1/query", prefix, query="1+1", time=store.end)["result"] == [store.end, "2"]
        build = store.get("/api/v1/status/buildinfo", prefix)
        assert build["version"] and not build.get("features")
        assert store.get("/api/v1/query", prefix, query="prometheus_build_info")["result"] == []
        assert isinstance(store.get("/api/v1/status/flags", prefix), dict)
        assert store.get("/api/v1/query_exemplars", prefix, query="test", start=store.start, end=store.end) == []


@pytest.mark.parametrize("ask", [Bookstore.get, Bookstore.post])
def test_grafana_builds_a_query(store, ask):
    span = {"start": f"{store.start}.123", "end": f"{store.end}"}
    names = store.get("/api/v1/label/__name__/values", **span, limit=40000)
    assert "queue_size" in names and "http_server_request_duration_seconds_bucket" in names
    assert {"__name__", "job", "instance", "http_route", "le"} <= set(ask(store, "/api/v1/labels", **span, limit=40000))
    match = {"match[]": 'http_server_request_duration_seconds_bucket{job="shop/orders"}'}
    assert store.get("/api/v1/label/le/values", **span, **match) == ["+Inf", "0.1", "0.5", "1"]
    series = ask(store, "/api/v1/series", **span, **match, limit=40000)
    assert len(series) == 8 and all(labels["job"] == "shop/orders" for labels in series)
    metadata = store.get("/api/v1/metadata", limit=40000)
    assert metadata["http_server_request_duration_seconds"] == [
        {"type": "histogram", "help": "Time of requests", "unit": "seconds"}]
    assert store.get("/api/v1/rules", type="record", exclude_alerts="true") == {"groups": []}
    assert store.get("/api/v1/alerts") == {"alerts": []}
    panel = ask(store, "/api/v1/query_range", query="queue_size", start=store.start, end=store.end, step=15, timeout="30s")
    (drawn,) = panel["result"]
    assert len(drawn["values"]) == LENGTH // STEP + 1
    explored = ask(store, "/api/v1/query", query="queue_size", time=f"{store.end}.5")
    assert explored["result"][0]["value"][0] == store.end + 0.5
    found = ask(store, "/api/v1/query_exemplars", query=QUANTILE, start=store.start, end=store.end)
    assert found and {one["labels"]["trace_id"] for series in found for one in series["exemplars"]} == {"4b" * 16}


def test_grafana_looks_for_rules_rulers_and_statistics(store):
    both = {key: "x" for name in ("file", "rule_group", "rule_name") for key in (name, f"{name}[]")}
    rules = store.get("/api/v1/rules", type="alert", exclude_alerts="true", group_limit=40, **both)
    assert rules == {"groups": []}
    # By these it would take the server for Cortex or Mimir.
    for path in ("/rules", "/config/v1/rules", "/api/v1/status/config/v1/rules"):
        assert requests.get(store.url + path, timeout=30).status_code == 404
    assert store.get("/api/v1/label/U__http__route/values") == sorted(RATE)
    span = {"start": store.end - 60, "end": store.end, "step": 30}
    stats = store.post("/api/v1/query_range", query="queue_size", stats="all", **span)["stats"]
    assert stats["samples"]["totalQueryableSamplesPerStep"] == [[store.end - 60, 1], [store.end - 30, 1], [store.end, 1]]
    assert set(stats["timings"]) == {
        "evalTotalTime", "resultSortTime", "queryPreparationTime", "innerEvalTime", "execQueueTime", "execTotalTime"}


def test_what_is_refused_is_refused_as_by_prometheus(store):
    for path, parameters, status, error in [
        ("query", {"query": "sum("}, 400, "invalid parameter \"query\": 1:5: parse error: "),
        ("query_range", {"query": "up", "start": 0, "end": 1e6, "step": 1}, 400, "exceeded maximum resolution of 11,000"),
        ("series", {}, 400, "no match[] parameter provided"),
    ]:
        answer = requests.get(f"{store.url}/api/v1/{path}", params=parameters, timeout=30)
        assert answer.status_code == status and answer.json()["error"].startswith(error), answer.text
    missing = requests.get(f"{store.url}/api/v1/nothing", timeout=30)
    assert (missing.status_code, missing.text) == (404, "404 page not found\n")


def test_a_prometheus_can_federate(store):
    answer = requests.get(f"{store.url}/federate", params={"match[]": "queue_size"}, timeout=30)
    lines = answer.text.splitlines()
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert lines[0] == "# TYPE queue_size untyped" and len(lines) == 2
    assert lines[1].startswith('queue_size{instance="o-1",job="shop/orders"} ') and lines[1].endswith(f" {store.end}000")
    done = subprocess.run(["promtool", "check", "metrics"], input=answer.text, capture_output=True, text=True, timeout=60)
    assert "error while linting" not in done.stderr, done.stderr


def test_the_command_line_draws(store):
    table = store.server.cli("query", "sort(http_server_request_duration_seconds_count)", "--time", str(store.end)).stdout
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if line.startswith("|")]
    assert rows[0][1:-1] == ["metric", "http_route", "instance", "job", "value"]
    assert [row[2] for row in rows[1:]] == ["/cart", "/books"] and rows[1][-2] == str(LENGTH * RATE["/cart"])
    chart = store.server.cli("query", "queue_size", "--since", "10m", "--end", str(store.end), "--step", "15").stdout
    assert "queue_size{" in chart and set("▁▄█") & set(chart), chart
    assert "min 0.007" in chart and "max 19.97" in chart and "step 15s" in chart, chart
    assert store.server.cli("query", "1 + 1").stdout == "2\n"
    assert store.server.cli("query", "'text'").stdout == "text\n"
    raw = json.loads(store.server.cli("query", "queue_size", "--output", "json", "--time", str(store.end)).stdout)
    assert raw["data"]["resultType"] == "vector"


def test_the_command_line_points_at_mistakes(store):
    done = store.server.cli("query", "sum(queue_size", check=False)
    assert done.returncode == 1
    _, query, caret = done.stderr.splitlines()
    assert query.strip() == "sum(queue_size" and caret.index("^") >= query.index("queue_size"), done.stderr
    done = store.server.cli("query", "rate(queue_size[5m])", "--time", str(store.end))
    assert "might not be a counter" in done.stderr and "queue_size" not in done.stdout
    done = store.server.cli("query", "{__name__=~'.+'}", "--time", str(store.end), "--limit", "1")
    assert "results truncated due to limit" in done.stderr and "1 row" in done.stdout


def test_tenants_ask_apart(start):
    server = start({"tenancy": {"enabled": True}})
    otlp.send(server, "metrics", otlp.gauge([1.5], name="a.gauge"), X_Scope_OrgID="north")
    url = f"{server.prometheus}/api/v1/query"
    assert requests.get(url, params={"query": "a_gauge"}, timeout=30).status_code == 401
    for tenant, found in [("north", 1), ("south", 0)]:
        answer = requests.get(url, params={"query": "a_gauge"}, headers={"X-Scope-OrgID": tenant}, timeout=30)
        assert len(answer.json()["data"]["result"]) == found, answer.text


def test_the_listener_can_be_switched_off_and_a_taken_port_is_told(start):
    server = start({"listeners": {"prometheus": {"enabled": False}}}, name="off")
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.prometheus}/-/healthy", timeout=5)
    assert requests.get(f"{server.main}/prometheus/-/healthy", timeout=5).status_code == 200
    other = start({"listeners": {"prometheus": {"endpoint": f"127.0.0.1:{server.main_port}"}}}, name="taken", wait=False)
    assert other.process.wait(30) != 0
    assert f"listener prometheus cannot bind 127.0.0.1:{server.main_port}" in other.log_tail()
