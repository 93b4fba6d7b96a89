"""Where series come from: the API and `trefoil cardinality`; and the guard that keeps labels with too many values out."""

import json
import time

import requests

import otlp
import remote_write as rw
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from test_deletion import values
from test_remote_write import promql
from trefoil import wait_until

HOUR = 3_600_000


def write(server, series, **headers):
    """`series`: (labels with __name__, milliseconds, value)."""
    message = b"".join(rw.series_v1(labels, [rw.sample(value, at)]) for labels, at, value in series)
    answer = rw.post(f"{server.prometheus}/api/v1/write", message, **headers)
    assert answer.status_code in (200, 204), answer.text


def cardinality(server, tenant=None, **parameters):
    headers = {"X-Scope-OrgID": tenant} if tenant else {}
    answer = requests.get(f"{server.main}/api/v1/cardinality", params=parameters, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def of(ranking, *members):
    return [tuple(item[member] for member in members) for item in ranking]


def test_series_are_ranked_where_they_are_and_where_they_grow(start):
    server = start({"storage": {"buffer": {"flush_interval": "1h"}}})
    now = rw.now_ms()
    yesterday = now - 24 * HOUR - 60_000
    write(server, [({"__name__": "up", "job": "x", "instance": str(n)}, yesterday, 1) for n in range(5)])
    write(server, [({"__name__": "requests", "user_id": str(n), "code": "200"}, yesterday, 1) for n in range(2)])
    write(server, [({"__name__": "up", "job": "x", "instance": str(n)}, now - 60_000, 1) for n in range(5)])
    write(
        server,
        [
            ({"__name__": "requests", "user_id": str(n), "code": code}, now - 60_000, 1)
            for n in range(30)
            for code in ("200", "500")
        ],
    )
    # Of some hours ago, and so in neither window.
    write(server, [({"__name__": "batch_job", "run": str(n)}, now - 5 * HOUR, 1) for n in range(100)])

    def check():
        found = cardinality(server)
        assert (found["series"], found["series_before"], found["approximate"]) == (65, 7, False)
        assert (found["metric_count"], found["label_count"], found["value_count"]) == (2, 4, 30 + 2 + 1 + 5)
        assert of(found["metrics"], "name", "series", "series_before") == [("requests", 60, 2), ("up", 5, 5)]
        assert found["metrics"][0]["hint"] == {"label": "user_id", "values": 30, "series_without": 2}
        assert found["metrics"][1]["hint"] == {"label": "instance", "values": 5, "series_without": 1}
        assert of(found["labels"], "name", "series", "series_before", "values") == [
            ("code", 60, 2, 2), ("user_id", 60, 2, 30), ("instance", 5, 5, 5), ("job", 5, 5, 1),
        ]
        assert of(found["pairs"], "name", "value", "series")[:2] == [("code", "200", 30), ("code", "500", 30)]

    check()
    server.kill()
    server.start()
    check()

    grown = cardinality(server, sort="growth", limit=1)
    assert of(grown["metrics"], "name", "series", "series_before") == [("requests", 60, 2)]
    alone = cardinality(server, metric="up", ago="0")
    assert (alone["series"], alone["series_before"], alone["before"]) == (5, None, None)
    assert of(alone["metrics"], "name", "series", "series_before") == [("up", 5, None)]
    some = cardinality(server, match='requests{user_id=~"1."}', label="user_id")
    assert some["series"] == 20
    assert of(some["pairs"], "name", "value", "series")[0] == ("user_id", "10", 2) and len(some["pairs"]) == 10
    longer = cardinality(server, start=(now - 6 * HOUR) / 1000)
    assert of(longer["metrics"], "name", "series")[0] == ("batch_job", 100)
    wrong = requests.get(f"{server.main}/api/v1/cardinality", params={"limit": 0}, timeout=10)
    assert wrong.status_code == 400 and wrong.json()["error"]["code"] == "bad_request"

    table = server.cli("cardinality").stdout
    assert "| requests | 60     | +58    | user_id (30 values; 2 series without it)" in table, table
    assert table.endswith("65 series (+58), 2 metrics, 4 labels with 38 values\n"), table
    table = server.cli("cardinality", "--by", "pair", "--label", "job", "--ago", "1h").stdout
    assert '| job="x" | 5      | +5     |' in table, table
    table = server.cli("cardinality", "--by", "label", "--metric", "requests", "--sort", "growth", "--ago", "0").stdout
    assert "| user_id | 60     | 30     |" in table, table
    assert json.loads(server.cli("cardinality", "-o", "json", "--limit", "1").stdout)["series"] == 65
    failed = server.cli("cardinality", "--label", "job", check=False)
    assert failed.returncode == 1 and "--by pair" in failed.stderr

    tsdb = requests.get(f"{server.prometheus}/api/v1/status/tsdb", params={"limit": 2}, timeout=30).json()["data"]
    assert tsdb["headStats"]["numSeries"] == 65 and tsdb["headStats"]["numLabelPairs"] == 40
    assert tsdb["seriesCountByMetricName"] == [{"name": "requests", "value": 60}, {"name": "up", "value": 5}]
    assert tsdb["labelValueCountByLabelName"] == [{"name": "user_id", "value": 30}, {"name": "instance", "value": 5}]
    mimir = f"{server.main}/prometheus/api/v1/cardinality"
    names = requests.get(f"{mimir}/label_names", params={"selector": "requests"}, timeout=30).json()
    assert names == {
        "label_values_count_total": 33,
        "label_names_count": 3,
        "cardinality": [
            {"label_name": "user_id", "label_values_count": 30},
            {"label_name": "code", "label_values_count": 2},
            {"label_name": "__name__", "label_values_count": 1},
        ],
    }
    active = requests.get(f"{mimir}/active_series", params={"selector": 'requests{user_id="7"}'}, timeout=30).json()
    assert active == {
        "data": [{"__name__": "requests", "code": code, "user_id": "7"} for code in ("200", "500")]
    }
    of_labels = requests.get(f"{mimir}/label_values", params={"label_names[]": "code", "limit": 1}, timeout=30).json()
    assert of_labels == {
        "series_count_total": 65,
        "labels": [
            {
                "label_name": "code",
                "label_values_count": 2,
                "series_count": 60,
                "cardinality": [{"label_value": "200", "series_count": 30}],
            }
        ],
    }


def test_tenants_see_their_own_series(start):
    server = start({"tenancy": {"enabled": True}})
    for tenant, count in (("shop", 3), ("bank", 1)):
        series = [({"__name__": "up", "n": str(n)}, rw.now_ms(), 1) for n in range(count)]
        write(server, series, **{"X-Scope-OrgID": tenant})
    wait_until(lambda: cardinality(server, "shop")["series"] == 3, "shop's series")
    assert cardinality(server, "bank")["series"] == 1
    assert requests.get(f"{server.main}/api/v1/cardinality", timeout=10).status_code == 401
    assert "up" in server.cli("cardinality", "--tenant", "shop").stdout


def guarded(*rules, **options):
    guard = {"interval": "1s", "rules": list(rules), **options}
    pipeline = {"receivers": ["otlp"], "processors": ["cardinality_guard"], "exporters": ["trefoil"]}
    return {"processors": {"cardinality_guard": guard}, "service": {"pipelines": {"metrics": pipeline}}}


def test_a_guarded_label_never_reaches_the_store(start):
    server = start(guarded({"metrics": ["requests_total"], "labels": ["user_id"]}))
    begun = rw.now_ms()
    send = lambda value: write(
        server,
        [({"__name__": "requests_total", "user_id": str(n), "job": "x"}, rw.now_ms(), value) for n in range(50)]
        + [({"__name__": "other_total", "user_id": "1"}, rw.now_ms(), value)],
    )
    send(100)
    time.sleep(0.01)
    send(110)
    total = lambda: [series["value"][1] for series in promql(server, "requests_total")]
    wait_until(lambda: total() == ["500"], f"the sum of the increases, and nothing else: {total()}")
    # One sample a user is missing, another begins again.
    write(server, [({"__name__": "requests_total", "user_id": "0", "job": "x"}, rw.now_ms(), 3)])
    wait_until(lambda: total() == ["503"], f"a reset counts from zero: {total()}")
    assert server.count("series", "metric_name = 'requests_total' AND attributes LIKE '%user_id%'") == 0
    assert server.sql("SELECT count(DISTINCT series_id) FROM series WHERE metric_name = 'requests_total'") == [(1,)]
    assert promql(server, "requests_total")[0]["metric"] == {"__name__": "requests_total", "job": "x"}
    assert promql(server, 'other_total{user_id="1"}'), "no rule is about it"
    # It is told for as long as somebody is alive, and stopping in order loses nothing.
    write(server, [({"__name__": "requests_total", "user_id": "0", "job": "x"}, rw.now_ms(), 10)])
    assert server.stop() == 0
    server.start()
    samples = values(server, "requests_total")["job=x"]
    assert max(samples) == 510.0 and samples == sorted(samples), samples[-5:]
    points = server.metrics()
    assert points['otelcol_processor_cardinality_guard_points_total{processor="cardinality_guard",outcome="aggregated"}'] == 0
    assert rw.now_ms() - begun < 240_000


def sums(name, users, value, temporality=1):
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.append(otlp.attribute("service.name", "cart"))
    metric = group.scope_metrics.add().metrics.add(name=name)
    metric.sum.aggregation_temporality = temporality
    metric.sum.is_monotonic = True
    for user in users:
        point = metric.sum.data_points.add(time_unix_nano=otlp.now(), as_int=value)
        point.attributes.append(otlp.attribute("user.id", user))
        point.attributes.append(otlp.attribute("http.route", "/"))
    return request


def test_a_label_is_removed_by_itself_once_it_has_too_many_values(start):
    server = start(guarded({"max_values": 10, "tenants": ["default"]}))
    for number in range(40):
        otlp.send(server, "metrics", sums("orders", [f"u{number}"], 1))
    removed = 'removed_label{processor="cardinality_guard",tenant="default",metric="orders",label="user.id"}'
    assert server.metrics()[f"otelcol_processor_cardinality_guard_{removed}"] == 1
    assert "this label has too many values" in server.log_path.read_text()
    wait_until(lambda: server.sql("SELECT sum(value_int) FROM samples") == [(40,)], "all orders are counted")
    series = server.sql("SELECT count(DISTINCT series_id) FROM series")
    assert series == [(11,)], "ten, and one for all others"
    assert cardinality(server)["metrics"][0]["hint"]["label"] == "user_id"


def test_dropped_labels_of_gauges_go_on_at_once(start):
    server = start(guarded({"labels": ["version"], "action": "drop", "function": "max"}))
    request = otlp.gauge([3, 7], name="load", time_unix_nano=otlp.now())
    for number, point in enumerate(request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points):
        point.attributes.append(otlp.attribute("version", str(number)))
    otlp.send(server, "metrics", request)
    assert server.sql("SELECT value_int FROM samples") == [(7,)]


def test_retention_is_reloaded(start):
    import signal

    server = start(
        {"storage": {"buffer": {"flush_interval": "1s"}, "garbage": {"interval": "1s", "grace": "1s"}}}
    )
    now = rw.now_ms()
    write(server, [({"__name__": "up"}, now - 3 * 24 * HOUR, 1), ({"__name__": "up"}, now, 2)])
    wait_until(lambda: server.live_files()[0] >= 3, "files")
    assert server.count("samples") == 2
    server.config["storage"]["retention"] = {"metrics": "720h", "tenants": {"default": {"metrics": "24h"}}}
    server.write_config()
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.count("samples") == 1, "the old sample goes without a restart")
    assert server.metrics()['trefoil_storage_retention_rows_total{table="samples"}'] == 1
