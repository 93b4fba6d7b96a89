"""The requests of Loki's clients, one after the other as they send them: Grafana's data source and its Explore, Logs Drilldown,
logcli, and what is left of old clients, operators and rulers."""

import json
import time
from datetime import datetime, timezone
from urllib.parse import urlencode

import duckdb
import pytest
import requests
from trefoil import Server
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

SECOND = 10**9
JSON = {"Content-Type": "application/json"}
CATEGORIZE = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
GRAFANA = {"User-Agent": "Grafana/13.1.0", "X-Query-Tags": "Source=grafana-lokiexplore-app", **CATEGORIZE}
LOGCLI = {"User-Agent": "loki-logcli/3.7.6", "Cache-Control": "no-cache", "X-Query-Tags": "Source=logcli"}
PARQUET = {"Accept": "application/vnd.apache.parquet"}


def push(server, labels, values, tenant=None):
    body = json.dumps({"streams": [{"stream": labels, "values": values}]})
    headers = {**JSON, **({"X-Scope-OrgID": tenant} if tenant else {})}
    answer = requests.post(f"{server.loki}/loki/api/v1/push", data=body, headers=headers, timeout=60)
    assert answer.status_code == 204, answer.text


class Shop:
    """Lines of two services, one every second of the last minute."""

    def __init__(self, server):
        self.server = server
        self.end = time.time_ns() // SECOND * SECOND
        self.start = self.end - 60 * SECOND
        lines = {"cart": [], "payments": []}
        for second in range(60):
            at = str(self.start + second * SECOND)
            level = "error" if second % 10 == 0 else "info"
            lines["cart"].append([at, f"level={level} msg=added n={second}", {"trace": f"t{second}"}])
            lines["payments"].append([at, json.dumps({"level": level, "took_ms": second * 1.5})])
        for app, values in lines.items():
            push(server, {"app": app}, values)

    def get(self, path, headers=None, **parameters):
        return requests.get(f"{self.server.loki}{path}", params=parameters, headers=headers, timeout=60)

    def ask(self, path, headers=None, **parameters):
        answer = self.get(path, headers, **parameters)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        assert answer.headers["Content-Type"].split(";")[0] == "application/json"
        return answer.json()

    @property
    def period(self):
        return {"start": self.start, "end": self.end}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("clients")).start()
    yield Shop(server)
    server.close()


def test_grafanas_data_source(shop):
    # Save & test.
    health = shop.ask("/loki/api/v1/query", GRAFANA, direction="backward", query="vector(1)+vector(1)", time=4 * SECOND)
    assert health["status"] == "success" and health["data"]["resultType"] == "vector"
    [series] = health["data"]["result"]
    assert series["metric"] == {} and series["value"][1] == "2"
    assert shop.ask("/loki/api/v1/status/buildinfo", GRAFANA)["version"].startswith("3.")

    # The builder: labels, values of those chosen so far, shards, streams.
    assert shop.ask("/loki/api/v1/labels", GRAFANA, **shop.period)["data"] == ["app", "service_name"]
    path = "/loki/api/v1/label/app/values"
    assert shop.ask(path, GRAFANA, query='{service_name="cart"}', **shop.period)["data"] == ["cart"]
    assert shop.ask("/loki/api/v1/label/__stream_shard__/values", GRAFANA, **shop.period)["data"] == []
    assert len(shop.ask("/loki/api/v1/series", GRAFANA, **{"match[]": '{app=~".+"}'}, **shop.period)["data"]) == 2
    stats = shop.ask("/loki/api/v1/index/stats", GRAFANA, query='{app="cart"}', **shop.period)
    assert (stats["streams"], stats["entries"]) == (1, 60)
    assert shop.ask("/loki/api/v1/format_query", GRAFANA, query='{app="cart"}|="x"')["data"] == '{app="cart"} |= "x"'

    # Run: the lines and above them how many there are by level.
    query = '{app="cart"} |= `added` | logfmt'
    run = {"direction": "backward", "limit": 1000, "step": "1000ms", **shop.period}
    data = shop.ask("/loki/api/v1/query_range", GRAFANA, query=query, **run)["data"]
    assert (data["resultType"], data["encodingFlags"]) == ("streams", ["categorize-labels"])
    assert sum(len(stream["values"]) for stream in data["result"]) == 60
    assert all(len(row) == 3 and row[2]["parsed"]["msg"] == "added" for stream in data["result"] for row in stream["values"])
    summary = data["stats"]["summary"]
    assert summary["totalLinesProcessed"] == summary["totalEntriesReturned"] == 60
    assert summary["totalBytesProcessed"] == sum(len(row[1]) for stream in data["result"] for row in stream["values"])
    assert 0 < summary["execTime"] < 60 and 0 <= summary["queueTime"] < 60
    assert summary["bytesProcessedPerSecond"] == pytest.approx(summary["totalBytesProcessed"] / summary["execTime"], rel=0.01)
    volume = 'sum by (level, detected_level) (count_over_time({app="cart"} |= `added` | drop __error__[1s]))'
    tags = {**GRAFANA, "X-Query-Tags": "Source=logvolhist"}
    data = shop.ask("/loki/api/v1/query_range", tags, query=volume, **run)["data"]
    counts = {series["metric"]["detected_level"]: sum(int(value) for _, value in series["values"]) for series in data["result"]}
    assert data["resultType"] == "matrix" and counts == {"error": 6, "info": 54}

    # The lines around one of them.
    at = shop.start + 30 * SECOND
    two_hours = 7200 * SECOND
    for direction, period, expected in [
        ("forward", {"start": at, "end": at + two_hours}, [f"n={n}" for n in (30, 31, 32)]),
        ("backward", {"start": at - two_hours, "end": at}, [f"n={n}" for n in (29, 28, 27)]),
    ]:
        context = {"query": '{app="cart"}', "limit": 3, "direction": direction, **period}
        [stream, *others] = shop.ask("/loki/api/v1/query_range", GRAFANA, **context)["data"]["result"]
        assert others == [] and [line.rsplit(" ")[-1] for _, line, _ in stream["values"]] == expected

    # Alerting: no rules of its own.
    assert shop.get("/api/prom/rules", GRAFANA).status_code == 404
    assert shop.ask("/prometheus/api/v1/rules", GRAFANA)["data"] == {"groups": []}


def test_a_live_tail(shop):
    url = shop.server.loki.replace("http://", "ws://") + "/loki/api/v1/tail?" + urlencode({"query": '{app="live"}'})
    with connect(url, open_timeout=60, additional_headers=CATEGORIZE) as client:
        push(shop.server, {"app": "live"}, [[str(time.time_ns()), "here", {"of": "me"}]])
        frame = json.loads(client.recv(timeout=60))
    assert frame["encodingFlags"] == ["categorize-labels"]
    [[_, line, more]] = frame["streams"][0]["values"]
    assert line == "here" and more["structuredMetadata"]["of"] == "me"


def test_logs_drilldown(shop):
    iso = lambda nanos: datetime.fromtimestamp(nanos / SECOND, timezone.utc).isoformat().replace("+00:00", "Z")
    period = {"start": iso(shop.start), "end": iso(shop.end)}
    assert "max_entries_limit_per_query" in shop.ask("/loki/api/v1/drilldown-limits", GRAFANA)["limits"]
    volumes = shop.ask("/loki/api/v1/index/volume", GRAFANA, query='{service_name=~".+"}', limit=5000, **period)["data"]["result"]
    assert {volume["metric"]["service_name"] for volume in volumes} == {"cart", "payments"}
    labels = shop.ask("/loki/api/v1/detected_labels", GRAFANA, query='{service_name="cart"}', **period)["detectedLabels"]
    assert {label["label"] for label in labels} == {"app", "service_name"}
    fields = shop.ask("/loki/api/v1/detected_fields", GRAFANA, query='{service_name="cart"}', limit=1000, **period)["fields"]
    assert {"level", "msg", "n", "trace", "detected_level"} <= {field["label"] for field in fields}
    path = "/loki/api/v1/detected_field/level/values"
    values = shop.ask(path, GRAFANA, query='{service_name="cart"}', line_limit=100, **period)["values"]
    assert values == ["error", "info"]
    query = '{service_name="payments"} | json took_ms="took_ms" | logfmt | drop __error__, __error_details__ | took_ms > 80'
    data = shop.ask("/loki/api/v1/query_range", GRAFANA, query=query, limit=1000, direction="backward", **period)["data"]
    assert sum(len(stream["values"]) for stream in data["result"]) == 6
    over_time = 'sum by (level) (count_over_time({service_name="cart"} | logfmt | level != "" [10s]))'
    data = shop.ask("/loki/api/v1/query_range", GRAFANA, query=over_time, step="10s", **period)["data"]
    assert {series["metric"]["level"] for series in data["result"]} == {"error", "info"}


def test_logcli(shop):
    # Batches: each asks on from the last line of the one before, which comes again.
    got, end = [], shop.end + SECOND
    while True:
        asked = {"query": '{app="cart"}', "limit": 25, "direction": "BACKWARD", "start": shop.start, "end": end}
        data = shop.ask("/loki/api/v1/query_range", LOGCLI, **asked)["data"]
        rows = sorted(((int(at), line) for stream in data["result"] for at, line in stream["values"]), reverse=True)
        new = [row for row in rows if row not in got]
        if not new:
            break
        got += new
        end = got[-1][0] + 1
    assert [line.rsplit(" ")[-1] for _, line in got] == [f"n={n}" for n in reversed(range(60))]
    instant = shop.ask("/loki/api/v1/query", LOGCLI, query='sum(count_over_time({app="cart"}[2m]))', limit=30, time=shop.end)
    assert instant["data"]["result"][0]["value"][1] == "60"
    assert shop.ask("/loki/api/v1/labels", LOGCLI, **shop.period)["data"] == ["app", "service_name"]
    assert shop.ask("/loki/api/v1/label/app/values", LOGCLI, **shop.period)["data"] == ["cart", "payments"]
    assert len(shop.ask("/loki/api/v1/series", LOGCLI, match='{app="cart"}', **shop.period)["data"]) == 1
    assert shop.ask("/loki/api/v1/index/stats", LOGCLI, query='{app="cart"}', **shop.period)["entries"] == 60
    volume = {"query": '{app=~".+"}', "limit": 30, **shop.period}
    assert len(shop.ask("/loki/api/v1/index/volume", LOGCLI, **volume)["data"]["result"]) == 2
    assert len(shop.ask("/loki/api/v1/index/volume_range", LOGCLI, step=30, **volume)["data"]["result"]) == 2
    fields = shop.ask("/loki/api/v1/detected_fields", LOGCLI, query='{app="cart"}', line_limit=1000, limit=100, **shop.period)
    assert fields["limit"] == 100 and len(fields["fields"]) >= 4


def test_answers_are_compressed(shop):
    asked = {"query": '{app=~".+"}', "limit": 1000, **shop.period}
    url = f"{shop.server.loki}/loki/api/v1/query_range"
    for encoding in ("gzip", "identity"):
        answer = requests.get(url, params=asked, headers={"Accept-Encoding": encoding}, timeout=60)
        assert answer.headers.get("Content-Encoding", "identity") == encoding
        assert sum(len(stream["values"]) for stream in answer.json()["data"]["result"]) == 120


def test_parquet(shop, tmp_path):
    def table(path, **parameters):
        answer = shop.get(path, PARQUET, **parameters)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == PARQUET["Accept"]
        file = tmp_path / "answer.parquet"
        file.write_bytes(answer.content)
        columns = duckdb.sql(f"SELECT * FROM read_parquet('{file}')")
        # A time with a zone would want one more library.
        rows = duckdb.sql(f"SELECT * REPLACE (epoch_ns(timestamp) AS timestamp) FROM read_parquet('{file}')")
        return list(zip(columns.columns, map(str, columns.types))), rows.fetchall()

    asked = {"query": '{app="cart"} |= "n=7"', **shop.period}
    columns, [row] = table("/loki/api/v1/query_range", **asked)
    assert [name for name, _ in columns] == ["timestamp", "labels", "line"]
    assert columns[1][1] == "MAP(VARCHAR, VARCHAR)" and row[2] == "level=info msg=added n=7"
    assert row[1] == {"app": "cart", "service_name": "cart", "trace": "t7", "detected_level": "info"}
    assert row[0] == shop.start + 7 * SECOND

    asked = {"query": 'sum by (app) (count_over_time({app=~".+"}[10s]))', "step": "10s", **shop.period}
    columns, rows = table("/loki/api/v1/query_range", **asked)
    assert [name for name, _ in columns] == ["timestamp", "labels", "value"] and columns[2][1] == "DOUBLE"
    series = shop.ask("/loki/api/v1/query_range", **asked)["data"]["result"]
    told = {(one["metric"]["app"], at, float(value)) for one in series for at, value in one["values"]}
    assert {(labels["app"], at / SECOND, value) for at, labels, value in rows} == told and len(rows) == len(told) > 10

    _, [row] = table("/loki/api/v1/query", query="1+1", time=shop.end)
    assert (row[1], row[2]) == ({}, 2.0)


def test_shards(shop):
    asked = {"query": '{app="cart"}', "targetBytesPerShard": "600MB", **shop.period}
    answer = shop.ask("/loki/api/v1/index/shards", **asked)
    [shard] = answer["shards"]
    stats = shop.ask("/loki/api/v1/index/stats", query='{app="cart"}', **shop.period)
    assert shard == {"bounds": {"min": 0, "max": 2**64 - 1}, "stats": stats}
    assert answer["statistics"]["summary"]["execTime"] > 0
    for wrong in ("0", "many", "-5"):
        refused = shop.get("/loki/api/v1/index/shards", **{**asked, "targetBytesPerShard": wrong})
        assert refused.status_code == 400 and "targetBytesPerShard" in refused.text


def test_the_paths_of_old(shop):
    asked = {"query": '{app="cart"}', "regexp": "n=1[0-1]$", **shop.period}
    answer = shop.ask("/api/prom/query", **asked)
    entries = [entry for stream in answer["streams"] for entry in stream["entries"]]
    assert [entry["line"].rsplit(" ")[-1] for entry in sorted(entries, key=lambda entry: entry["ts"])] == ["n=10", "n=11"]
    ts = datetime.fromtimestamp((shop.start + 10 * SECOND) // SECOND, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert min(entry["ts"] for entry in entries) == ts
    labels = {stream["labels"] for stream in answer["streams"]}
    assert '{app="cart", detected_level="error", service_name="cart", trace="t10"}' in labels
    assert answer["stats"]["summary"]["totalEntriesReturned"] == 2
    assert shop.ask("/api/prom/label", **shop.period) == {"values": ["app", "service_name"]}
    assert shop.ask("/api/prom/label/app/values", **shop.period) == {"values": ["cart", "payments"]}
    assert shop.ask("/api/prom/label/none/values", **shop.period) == {}
    assert len(shop.ask("/api/prom/series", match='{app="cart"}', **shop.period)["data"]) == 1
    refused = shop.get("/api/prom/query", query='rate({app="cart"}[1m])', **shop.period)
    assert refused.status_code == 400 and "only support streams" in refused.text
    url = shop.server.loki.replace("http://", "ws://") + "/api/prom/tail?"
    with connect(url + urlencode({"query": '{app="cart"}', "limit": 1}), open_timeout=60) as client:
        [stream] = json.loads(client.recv(timeout=60))["streams"]
    assert stream["entries"][0]["line"].endswith("n=59") and stream["labels"].startswith('{app="cart"')


def test_rules_are_none(shop):
    for base in ("/loki/api/v1/rules", "/api/prom/rules"):
        for path, says in [("", "no rule groups found"), ("/shop", "no rule groups found"), ("/shop/cart", "group does not exist")]:
            answer = shop.get(base + path)
            assert (answer.status_code, answer.text.strip()) == (404, says)
            assert answer.headers["Content-Type"].startswith("text/plain")
        group = "name: cart\nrules:\n- record: x\n  expr: vector(1)\n"
        written = requests.post(f"{shop.server.loki}{base}/shop", data=group, timeout=60)
        deleted = requests.delete(f"{shop.server.loki}{base}/shop/cart", timeout=60)
        for refused in (written, deleted):
            assert refused.status_code == 501 and "rules" in refused.text
    envelope = {"status": "success", "errorType": "", "error": ""}
    assert shop.ask("/prometheus/api/v1/rules", type="alert") == {**envelope, "data": {"groups": []}}
    assert shop.ask("/prometheus/api/v1/alerts") == {**envelope, "data": {"alerts": []}}
    assert shop.get("/prometheus/api/v1/rules", type="all").status_code == 400


def test_what_operators_ask(shop):
    assert shop.get("/ready").text == "ready\n"
    assert "server => Running\n" in shop.get("/services").text
    assert shop.ask("/log_level") == {"message": "Current log level is info"}
    refused = requests.post(f"{shop.server.loki}/log_level", data={"log_level": "debug"}, timeout=60)
    assert refused.status_code == 501 and "TREFOIL_LOG" in refused.json()["message"]
    config = shop.get("/config").text
    assert "auth_enabled: false\n" in config and "  max_entries_limit_per_query: 5000\n" in config
    assert "\nmax_entries_limit_per_query: 5000\n" in shop.get("/config/tenant/v1/limits").text
    assert "trefoil_storage_buffer_rows" in shop.get("/metrics").text
    # What tells of the process is for Loki's own listener.
    assert requests.get(f"{shop.server.main}/loki/metrics", timeout=60).status_code == 404
    assert requests.get(f"{shop.server.main}/loki/loki/api/v1/labels", timeout=60).status_code == 200
    assert requests.get(f"{shop.server.main}/loki/prometheus/api/v1/rules", timeout=60).status_code == 200


def test_several_tenants_at_once(start):
    server = start({"tenancy": {"enabled": True}})
    at = time.time_ns()
    for number, tenant in enumerate(("one", "two", "three")):
        push(server, {"of": tenant}, [[str(at + number), f"of {tenant}"]], tenant)

    def get(path, tenants, **parameters):
        headers = {"X-Scope-OrgID": tenants}
        return requests.get(f"{server.loki}/loki/api/v1/{path}", params=parameters, headers=headers, timeout=60)

    def lines(tenants, query):
        answer = get("query_range", tenants, query=query)
        assert answer.status_code == 200, answer.text
        streams = answer.json()["data"]["result"]
        return {(stream["stream"].get("__tenant_id__"), line) for stream in streams for _, line in stream["values"]}

    assert lines("one|two", '{of=~".+"}') == {("one", "of one"), ("two", "of two")}
    assert lines("one", '{of=~".+"}') == {(None, "of one")}
    assert lines("one|two|three", '{of=~".+", __tenant_id__!="two"}') == {("one", "of one"), ("three", "of three")}
    assert get("label/__tenant_id__/values", "two|one|two").json()["data"] == ["one", "two"]
    assert get("labels", "one|two").json()["data"] == ["__tenant_id__", "of", "service_name"]
    assert len(get("series", "one|two", match='{__tenant_id__="two"}').json()["data"]) == 1
    counted = get("query", "one|two|three", query='sum(count_over_time({of=~".+"}[5m]))').json()["data"]["result"]
    assert counted[0]["value"][1] == "3"
    assert get("index/stats", "one|two", query='{of=~".+"}').json()["entries"] == 2
    for wrong in ("one|", "one|a/b", "|".join(str(number) for number in range(65))):
        assert get("labels", wrong).status_code == 401
    # One tenant writes, one is tailed.
    body = json.dumps({"streams": [{"stream": {"a": "b"}, "values": [[str(at), "x"]]}]})
    headers = {**JSON, "X-Scope-OrgID": "one|two"}
    assert requests.post(f"{server.loki}/loki/api/v1/push", data=body, headers=headers, timeout=60).status_code == 401
    url = server.loki.replace("http://", "ws://") + "/loki/api/v1/tail?" + urlencode({"query": '{of=~".+"}'})
    with pytest.raises(InvalidStatus) as refused:
        connect(url, open_timeout=60, additional_headers={"X-Scope-OrgID": "one|two"})
    assert refused.value.response.status_code == 400 and b"multiple org IDs" in refused.value.response.body
