"""What Grafana's Loki data source and logcli ask, of lines in the buffer and in files."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from trefoil import wait_until

SECOND = 10**9
JSON = {"Content-Type": "application/json"}
CATEGORIZE = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}


class Shop:
    """A server with lines of two services, one every second, the newest now."""

    def __init__(self, server):
        self.server = server
        self.end = time.time_ns() // SECOND * SECOND
        self.start = self.end - 60 * SECOND
        lines = {"cart": [], "payments": []}
        for second in range(60):
            at = str(self.start + second * SECOND)
            level = "error" if second % 10 == 0 else "info"
            lines["cart"].append([at, f"level={level} msg=added n={second}", {"trace": f"t{second}"}])
            lines["payments"].append([at, json.dumps({"level": level, "took_ms": second * 1.5, "msg": "charged"})])
        for app, values in lines.items():
            self.push({"app": app, "env": "test"}, values)

    def push(self, labels, values):
        body = json.dumps({"streams": [{"stream": labels, "values": values}]})
        answer = requests.post(f"{self.server.loki}/loki/api/v1/push", data=body, headers=JSON, timeout=60)
        assert answer.status_code == 204, answer.text

    def raw(self, path, headers=None, **parameters):
        period = {"start": self.start, "end": self.end + SECOND}
        parameters = {name.rstrip("_"): value for name, value in parameters.items()}
        url = f"{self.server.loki}/loki/api/v1/{path}"
        return requests.get(url, params={**period, **parameters}, headers=headers, timeout=60)

    def ask(self, path, headers=None, **parameters):
        answer = self.raw(path, headers, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def lines(self, query, **parameters):
        data = self.ask("query_range", query=query, **parameters)["data"]
        assert data["resultType"] == "streams"
        rows = [(int(at), line) for stream in data["result"] for at, line in stream["values"]]
        return [line for _, line in sorted(rows, reverse=parameters.get("direction") != "forward")]

    def vector(self, query):
        data = self.ask("query", query=query, time=self.end)["data"]
        assert data["resultType"] == "vector"
        return {json.dumps(series["metric"], sort_keys=True): series["value"][1] for series in data["result"]}


@pytest.fixture(params=["buffered", "flushed"])
def shop(start, request):
    server = start({"storage": {"buffer": {"flush_interval": "1h" if request.param == "buffered" else "1s"}}})
    shop = Shop(server)
    if request.param == "flushed":
        is_empty = lambda: server.metrics().get("trefoil_storage_buffer_rows", 0) == 0
        wait_until(lambda: server.live_files()[0] > 0 and is_empty(), "lines to be in files")
    return shop


def test_lines(shop):
    newest = shop.lines('{app="cart"}', limit=3)
    assert newest == [f"level=info msg=added n={n}" for n in (59, 58, 57)]
    oldest = shop.lines('{app="cart"}', limit=2, direction="forward")
    assert oldest == ["level=error msg=added n=0", "level=info msg=added n=1"]
    assert len(shop.lines('{env="test"}', limit=1000)) == 120
    assert len(shop.lines('{env="test"} |= "error"', limit=1000)) == 12
    assert shop.lines('{env="test"} |= "n=17"') == ["level=info msg=added n=17"]
    assert shop.lines('{env="test"} |= "nowhere to be found"') == []
    assert shop.lines('{app=~"pay.+"} | json | took_ms > 87 | line_format "{{.msg}} {{.took_ms}}"') == ["charged 88.5"]
    assert shop.lines('{app="cart"} | trace="t33"') == ["level=info msg=added n=33"]
    apart = shop.lines('{app="cart"}', interval="20s", direction="forward", limit=10)
    assert [line.rsplit("=")[-1] for line in apart] == ["0", "20", "40"]
    assert shop.lines('{app="none"}') == []


def test_labels_are_told_by_where_they_come_from(shop):
    query = '{app="cart"} |= "n=33" | logfmt'
    answer = shop.raw("query_range", CATEGORIZE, query=query).text
    # Grafana's decoder picks the form of rows when it reaches the result.
    assert answer.index("resultType") < answer.index("encodingFlags") < answer.index('"result"') < answer.index("stats")
    [stream] = json.loads(answer)["data"]["result"]
    assert stream["stream"] == {"app": "cart", "env": "test", "service_name": "cart"}
    [[_, line, more]] = stream["values"]
    assert line == "level=info msg=added n=33"
    assert more["parsed"] == {"level": "info", "msg": "added", "n": "33"}
    assert more["structuredMetadata"] == {"trace": "t33", "detected_level": "info"}
    [stream] = shop.ask("query_range", query=query)["data"]["result"]
    everything = {**more["parsed"], **more["structuredMetadata"], "app": "cart", "env": "test", "service_name": "cart"}
    assert stream["stream"] == everything and len(stream["values"][0]) == 2


def test_series_of_lines(shop):
    by_app = shop.vector('sum by (app) (count_over_time({env="test"}[2m]))')
    assert by_app == {'{"app": "cart"}': "60", '{"app": "payments"}': "60"}
    by_level = shop.vector('sum by (level) (count_over_time({app="payments"} | json [2m]))')
    assert by_level == {'{"level": "error"}': "6", '{"level": "info"}': "54"}
    assert shop.vector('sum by (detected_level) (count_over_time({env="test"}[2m]))') == {
        '{"detected_level": "error"}': "12",
        '{"detected_level": "info"}': "108",
    }
    assert shop.vector('max_over_time({app="payments"} | json | unwrap took_ms [2m]) by (app)') == {
        '{"app": "payments"}': "88.5"
    }
    assert shop.vector('topk(1, sum by (app) (bytes_over_time({env="test"}[2m])))').keys() == {'{"app": "payments"}'}
    data = shop.ask("query_range", query='sum(rate({app="cart"}[10s]))', step="10s")["data"]
    [series] = data["result"]
    assert data["resultType"] == "matrix" and series["metric"] == {}
    assert "1" in {value for _, value in series["values"]}
    # Steps lie at multiples of their distance.
    assert data["stats"]["summary"]["totalLinesProcessed"] >= 50


def test_what_there_is(shop):
    assert shop.ask("labels") == {"status": "success", "data": ["app", "env", "service_name"]}
    assert shop.ask("label/app/values")["data"] == ["cart", "payments"]
    assert shop.ask("label/app/values", query='{app!="cart"}')["data"] == ["payments"]
    cart = {"app": "cart", "env": "test", "service_name": "cart"}
    for name in ("match[]", "match"):
        assert shop.ask("series", **{name: '{app="cart"}'})["data"] == [cart]
    assert len(shop.ask("series", **{"match[]": ['{app="cart"}', '{app="payments"}']})["data"]) == 2
    stats = shop.ask("index/stats", query='{app="cart"}')
    assert stats["streams"] == 1 and stats["entries"] == 60 and stats["chunks"] >= 1
    assert stats["bytes"] == sum(len(line) for line in shop.lines('{app="cart"}', limit=1000))
    [volume, _] = shop.ask("index/volume", query='{app=~".+"}')["data"]["result"]
    assert volume["metric"] == {"app": "payments"} and int(volume["value"][1]) > 60 * 30
    by_label = shop.ask("index/volume", query='{app=~".+"}', aggregateBy="labels")["data"]["result"]
    assert [one["metric"] for one in by_label] == [{"app": ""}]
    over_time = shop.ask("index/volume_range", query='{app="cart"}', step="30s")["data"]
    assert over_time["resultType"] == "matrix" and len(over_time["result"][0]["values"]) == 2
    earlier = {"start": shop.start - 3600 * SECOND, "end": shop.start - 1800 * SECOND}
    assert shop.ask("labels", **earlier)["data"] == []


def test_what_drilldown_asks(shop):
    labels = {label["label"]: label["cardinality"] for label in shop.ask("detected_labels", query='{env="test"}')["detectedLabels"]}
    assert labels == {"app": 2, "env": 1, "service_name": 2}
    answer = shop.ask("detected_fields", query='{env="test"}', line_limit=1000)
    fields = {field["label"]: field for field in answer["fields"]}
    assert (fields["took_ms"]["type"], fields["took_ms"]["parsers"], fields["took_ms"]["jsonPath"]) == ("float", ["json"], ["took_ms"])
    assert (fields["n"]["type"], fields["n"]["cardinality"], fields["n"]["parsers"]) == ("int", 60, ["logfmt"])
    assert fields["level"]["parsers"] == ["json", "logfmt"] and fields["trace"]["parsers"] is None
    assert shop.ask("detected_field/level/values", query='{env="test"}', line_limit=1000)["values"] == ["error", "info"]
    assert shop.ask("drilldown-limits")["limits"]["max_entries_limit_per_query"] == 5000


def test_grafanas_health_check(shop):
    answer = shop.ask("query", query="vector(1)+vector(1)", time=4 * SECOND)["data"]
    assert answer["resultType"] == "vector" and answer["result"][0]["value"][1] == "2"
    scalar = shop.ask("query", query="1+1", time=shop.end)["data"]
    assert scalar["resultType"] == "scalar" and scalar["result"] == [shop.end // 10**6, "2"]


def test_errors_are_plain_text(shop):
    for path, parameters, status, says in [
        ("query", {"query": '{app="cart"}'}, 400, "log queries are not supported as an instant query type"),
        ("query_range", {"query": "{"}, 400, "parse error at line 1"),
        ("query_range", {"query": '{app=~".*"}'}, 400, "at least one regexp or equality matcher"),
        ("query_range", {"query": '{app="cart"}', "limit": 0}, 400, "limit must be a positive value"),
        ("query_range", {"query": '{app="cart"}', "limit": 6000}, 400, "max entries limit"),
        ("query_range", {"query": '{app="cart"}', "direction": "sideways"}, 400, "invalid direction"),
        ("query_range", {"query": '{app="cart"}', "start": "soon"}, 400, "invalid start"),
        ("query_range", {"query": 'rate({app="cart"}[1m])', "step": "1ms"}, 400, "exceeded maximum resolution"),
        ("query", {"query": 'count_over_time({app="cart"} | json [1m])', "time": shop.end}, 400, "pipeline error"),
    ]:
        answer = shop.raw(path, **parameters)
        assert answer.status_code == status and says in answer.text, answer.text
        assert answer.headers["Content-Type"].startswith("text/plain")


def test_queries_are_formatted(shop):
    assert shop.ask("format_query", query='{app="cart"}|="x"|json')["data"] == '{app="cart"} |= "x" | json'
    answer = shop.raw("format_query", query="{")
    assert answer.status_code == 400 and answer.json()["status"] == "invalid-query"


def test_tenants_see_their_own(start):
    server = start({"tenancy": {"enabled": True}})
    shops = {}
    for tenant in ("one", "two"):
        body = json.dumps({"streams": [{"stream": {"of": tenant}, "values": [[str(time.time_ns()), "x"]]}]})
        headers = {**JSON, "X-Scope-OrgID": tenant}
        answer = requests.post(f"{server.loki}/loki/api/v1/push", data=body, headers=headers, timeout=60)
        assert answer.status_code == 204, answer.text
        shops[tenant] = headers
    for tenant, headers in shops.items():
        values = requests.get(f"{server.loki}/loki/api/v1/label/of/values", headers=headers, timeout=60).json()
        assert values["data"] == [tenant]
    assert requests.get(f"{server.loki}/loki/api/v1/labels", timeout=60).status_code == 401


def test_otlp_logs_have_lokis_labels(start):
    server = start()
    at = time.time_ns()
    record = {
        "timeUnixNano": str(at), "severityNumber": 17, "severityText": "ERROR", "body": {"stringValue": "no stock left"},
        "traceId": "463ac35c9f6413ad48485a3953bb6124", "attributes": [{"key": "order.id", "value": {"intValue": "7"}}],
    }  # fmt: skip
    resource = [{"key": key, "value": {"stringValue": value}} for key, value in
                {"service.name": "cart", "k8s.pod.name": "cart-1", "host.name": "h"}.items()]  # fmt: skip
    body = {"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [{"logRecords": [record]}]}]}
    answer = requests.post(f"{server.http}/v1/logs", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    parameters = {"query": '{service_name="cart"} | order_id="7"', "start": at - SECOND, "end": at + SECOND}
    answer = requests.get(f"{server.loki}/loki/api/v1/query_range", params=parameters, headers=CATEGORIZE, timeout=60)
    [stream] = answer.json()["data"]["result"]
    assert stream["stream"] == {"service_name": "cart", "k8s_pod_name": "cart-1"}
    metadata = stream["values"][0][2]["structuredMetadata"]
    expected = {"host_name": "h", "order_id": "7", "severity_text": "ERROR", "severity_number": "17",
                "trace_id": "463ac35c9f6413ad48485a3953bb6124", "detected_level": "error"}  # fmt: skip
    assert {name: metadata.get(name) for name in expected} == expected


def test_lines_are_tailed_without_gaps_or_duplicates(start):
    """Through flushes all the time, with a sender that never rests."""
    server = start({"storage": {"buffer": {"flush_interval": "1s"}, "compaction": {"interval": "1s"}}})
    total = 2000

    def push(number):
        values = [[str(time.time_ns()), f"line {number}"]]
        body = json.dumps({"streams": [{"stream": {"app": "tailed"}, "values": values}]})
        assert requests.post(f"{server.loki}/loki/api/v1/push", data=body, headers=JSON, timeout=60).status_code == 204

    push(0)
    url = server.loki.replace("http://", "ws://") + "/loki/api/v1/tail?" + urlencode({"query": '{app="tailed"} |= "line"'})
    with connect(url, open_timeout=60) as client, ThreadPoolExecutor(1) as sender:
        sent = sender.submit(lambda: [push(number) for number in range(1, total)])
        got = []
        while len(got) < total:
            frame = json.loads(client.recv(timeout=60))
            assert "dropped_entries" not in frame
            got += [line for stream in frame["streams"] for _, line in stream["values"]]
        sent.result()
    assert got == [f"line {number}" for number in range(total)]


def test_what_cannot_be_tailed(shop):
    for query, says in [("{", "parse error"), ('rate({app="cart"}[1m])', "only log queries")]:
        url = shop.server.loki.replace("http://", "ws://") + "/loki/api/v1/tail?" + urlencode({"query": query})
        with pytest.raises(InvalidStatus) as refused:
            connect(url, open_timeout=60)
        assert refused.value.response.status_code == 400 and says in refused.value.response.body.decode()
