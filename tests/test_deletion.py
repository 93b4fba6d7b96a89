"""Prometheus' admin API: deleted samples vanish from every answer at once and for good, and nothing else does."""

import json
import threading

import duckdb
import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

import otlp
import remote_write as rw
from test_duckdb import attach
from test_remote_write import promql
from trefoil import wait_until

ADMIN = {"listeners": {"prometheus": {"admin_api": True}}}
QUIET = {**ADMIN, "storage": {"buffer": {"flush_interval": "1h"}, "compaction": {"interval": "0"}}}
DAY_MS = 86_400_000


def send(server, metric, labels, samples, **headers):
    """`samples`: (milliseconds, value)."""
    message = rw.series_v1({"__name__": metric, **labels}, [rw.sample(value, time) for time, value in samples])
    return rw.post(f"{server.prometheus}/api/v1/write", message, **headers)


def write(server, metric, labels, samples, **headers):
    answer = send(server, metric, labels, samples, **headers)
    assert answer.status_code in (200, 204), answer.text


def admin(server, what, base=None, headers=None, method="post", **parameters):
    parameters = {"match[]" if name == "match" else name: value for name, value in parameters.items()}
    url = f"{base or server.prometheus}/api/v1/admin/tsdb/{what}"
    return requests.request(method, url, params=parameters, headers=headers, timeout=120)


def delete(server, match, **parameters):
    answer = admin(server, "delete_series", match=match, **parameters)
    assert (answer.status_code, answer.text) == (204, ""), answer.text


def values(server, selector, tenant=None):
    """Of all series: labels (as text) → values of all samples."""
    headers = {"X-Scope-OrgID": tenant} if tenant else {}
    answer = requests.get(
        f"{server.prometheus}/api/v1/query", params={"query": f"{selector}[30d]"}, headers=headers, timeout=60
    )
    assert answer.status_code == 200, answer.text
    found = {}
    for series in answer.json()["data"]["result"]:
        labels = {name: value for name, value in series["metric"].items() if name != "__name__"}
        found[" ".join(f"{name}={value}" for name, value in sorted(labels.items()))] = [
            float(value) for _, value in series["values"]
        ]
    return found


def series_of(server, selector):
    answer = requests.get(f"{server.prometheus}/api/v1/series", params={"match[]": selector}, timeout=60)
    return sorted(json.dumps(labels, sort_keys=True) for labels in answer.json()["data"])


def test_it_is_switched_off_until_somebody_wants_it(start):
    server = start()
    for what in ("delete_series", "clean_tombstones", "snapshot"):
        answer = admin(server, what, match="up")
        assert answer.status_code == 503
        assert answer.json() == {"status": "error", "errorType": "unavailable", "error": "admin APIs disabled"}
        assert admin(server, what, method="get").status_code == 405
    flags = requests.get(f"{server.prometheus}/api/v1/status/flags", timeout=10).json()["data"]
    assert flags["web.enable-admin-api"] == "false"


def test_what_is_wrong_is_said(start):
    server = start(QUIET)
    for parameters, expected in [
        ({}, "no match[] parameter provided"),
        ({"match": "up{"}, 'invalid parameter "match[]": '),
        ({"match": "{}"}, 'invalid parameter "match[]": '),
        ({"match": "up", "start": "yesterday"}, 'invalid parameter "start": '),
    ]:
        answer = admin(server, "delete_series", **parameters)
        assert answer.status_code == 400 and expected in answer.json()["error"], answer.text
    answer = admin(server, "snapshot", skip_head="perhaps")
    assert answer.status_code == 400 and "skip_head" in answer.json()["error"], answer.text
    delete(server, "no_such_metric")


@pytest.mark.parametrize("method", ["post", "put"])
def test_exactly_what_was_asked_for_goes_from_buffer_and_files(start, method):
    server = start(QUIET)
    now = rw.now_ms()
    times = [now - 600_000 + 1000 * number for number in range(600)]
    for name in ("a", "b"):
        write(server, "requests", {"user": name}, [(time, number) for number, time in enumerate(times[:300])])
    # Copies what there is to files; the rest stays in memory.
    assert admin(server, "snapshot").status_code == 200
    for name in ("a", "b"):
        write(server, "requests", {"user": name}, [(time, number + 300) for number, time in enumerate(times[300:])])
    write(server, "requests_in_flight", {"user": "a"}, [(times[0], 1.0)])
    every = [float(number) for number in range(600)]
    assert values(server, "requests") == {"user=a": every, "user=b": every}

    # Both ends are inclusive.
    parameters = {"match": 'requests{user="a"}', "start": times[100] / 1000, "end": times[399] / 1000}
    assert admin(server, "delete_series", method=method, **parameters).status_code == 204
    left = every[:100] + every[400:]
    assert values(server, "requests") == {"user=a": left, "user=b": every}
    assert values(server, "requests_in_flight") == {"user=a": [1.0]}
    assert server.count("samples", "metric_name = 'requests'") == 900
    assert len(series_of(server, "requests")) == 2, "a series that has samples left is listed"

    delete(server, 'requests{user="a"}')
    assert values(server, "requests") == {"user=b": every}
    assert len(series_of(server, "requests")) == 1
    # (A row of `series` may come again.)
    ids = server.sql("SELECT count(DISTINCT series_id) FROM series WHERE metric_name = 'requests'")
    assert ids == [(1,)]
    values_of_user = requests.get(f"{server.prometheus}/api/v1/label/user/values", timeout=10).json()["data"]
    assert values_of_user == ["a", "b"], "of the other metric"
    delete(server, "requests_in_flight")
    values_of_user = requests.get(f"{server.prometheus}/api/v1/label/user/values", timeout=10).json()["data"]
    assert values_of_user == ["b"]
    assert server.metrics()['trefoil_storage_deleted_rows_total{table="samples"}'] == 601

    # The same series may come back, at the very times that were deleted.
    write(server, "requests", {"user": "a"}, [(times[0], 7.0), (now, 8.0)])
    assert values(server, "requests") == {"user=a": [7.0, 8.0], "user=b": every}
    assert len(series_of(server, "requests")) == 2

    server.kill()
    server.start()
    assert values(server, "requests") == {"user=a": [7.0, 8.0], "user=b": every}
    assert values(server, "requests_in_flight") == {}


def test_several_selectors_and_days(start):
    server = start(QUIET)
    now = rw.now_ms()
    days = [now - number * DAY_MS for number in range(5, 0, -1)]
    for metric in ("one", "two", "three"):
        write(server, metric, {"job": "x"}, [(time, index) for index, time in enumerate(days)])
    answer = requests.post(
        f"{server.prometheus}/api/v1/admin/tsdb/delete_series",
        data={"match[]": ["one", '{__name__=~"t.*o",job="x"}'], "start": days[1] / 1000, "end": days[3] / 1000},
        timeout=60,
    )
    assert answer.status_code == 204, answer.text
    for metric, left in [("one", [0.0, 4.0]), ("two", [0.0, 4.0]), ("three", [0.0, 1.0, 2.0, 3.0, 4.0])]:
        assert values(server, metric) == {"job=x": left}, metric
    assert server.count("series", "metric_name = 'one'") == 2, "of the days that have samples left"
    assert server.count("series", "metric_name = 'three'") == 5
    delete(server, '{job="x"}')
    assert [values(server, metric) for metric in ("one", "two", "three")] == [{}, {}, {}]
    assert server.count("samples") == 0 and server.count("series") == 0


def test_only_the_tenant_of_the_request_is_touched(start):
    server = start({**QUIET, "tenancy": {"enabled": True}})
    for tenant in ("shop", "bank"):
        write(server, "up", {"job": "x"}, [(rw.now_ms(), 1.0)], **{"X-Scope-OrgID": tenant})
    answer = admin(server, "delete_series", match="up", headers={"X-Scope-OrgID": "shop"})
    assert answer.status_code == 204, answer.text
    assert values(server, "up", "shop") == {} and values(server, "up", "bank") == {"job=x": [1.0]}
    assert admin(server, "delete_series", match="up").status_code == 401


def histogram(name, counts):
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.append(otlp.attribute("service.name", "cart"))
    metric = group.scope_metrics.add().metrics.add(name=name, unit="s")
    metric.histogram.aggregation_temporality = 2
    point = metric.histogram.data_points.add(
        time_unix_nano=otlp.now(), count=sum(counts), sum=1.5, explicit_bounds=[0.1, 1.0], bucket_counts=counts
    )
    point.exemplars.add(time_unix_nano=otlp.now(), as_double=0.5, trace_id=bytes(range(16)), span_id=bytes(range(8)))
    return request


def test_a_histogram_goes_as_a_whole_or_not_at_all(start):
    server = start(QUIET)
    otlp.send(server, "metrics", histogram("request.duration", [1, 2, 3]))
    for match in (
        "request_duration_seconds_count",
        'request_duration_seconds_bucket{le="1"}',
        '{__name__=~"request_duration_seconds.*", le="1"}',
        "target_info",
    ):
        answer = admin(server, "delete_series", match=match)
        assert answer.status_code == 422, f"{match}: {answer.text}"
    error = admin(server, "delete_series", match="request_duration_seconds_count").json()["error"]
    assert "request_duration_seconds_bucket" in error and "nothing was deleted" in error, error
    assert promql(server, "request_duration_seconds_count")[0]["value"][1] == "6"
    assert server.count("exemplars") == 1
    delete(server, '{__name__=~"request_duration_seconds_(bucket|count|sum)"}')
    assert promql(server, '{job="cart"}') == []
    assert [server.count(table) for table in ("samples", "series", "exemplars")] == [0, 0, 0]


def test_duckdb_does_not_see_it_and_cleaning_removes_the_bytes(start):
    server = start(QUIET)
    now = rw.now_ms()
    write(server, "secret_metric", {"user": "somebody"}, [(now, 1.0)])
    write(server, "public_metric", {"user": "nobody"}, [(now, 1.0)])
    assert admin(server, "snapshot", skip_head="true").status_code == 200
    delete(server, "secret_metric")
    count = lambda: attach(server).execute("SELECT count(*), min(metric_name) FROM lake.samples").fetchone()
    assert count() == (1, "public_metric")
    files = lambda: [path for path in (server.data_dir / "data/main").rglob("*.parquet") if path.parts[-4] in
                     ("samples", "series", "exemplars")]
    holds = lambda: any(
        duckdb.sql(f"SELECT count(*) FROM read_parquet('{path}') WHERE metric_name = 'secret_metric'").fetchone()[0]
        for path in files()
    )
    assert holds(), "until it is cleaned the bytes are there"
    assert admin(server, "clean_tombstones").status_code == 204
    assert not holds()
    assert values(server, "public_metric") == {"user=nobody": [1.0]} and count() == (1, "public_metric")
    assert len(list((server.data_dir / "data/main").rglob("*.parquet"))) == server.live_files()[0]


def test_a_snapshot_is_a_copy_that_duckdb_reads(start):
    server = start(QUIET)
    now = rw.now_ms()
    write(server, "up", {"job": "x"}, [(now - 1000, 1.5), (now, 2.0)])
    answer = admin(server, "snapshot", skip_head="true").json()["data"]["name"]
    empty = server.data_dir / "data/snapshots/default" / answer
    assert json.loads((empty / "manifest.json").read_text())["tables"]["samples"]["rows"] == 0
    name = admin(server, "snapshot").json()["data"]["name"]
    directory = server.data_dir / "data/snapshots/default" / name
    assert json.loads((directory / "manifest.json").read_text())["tables"]["samples"]["rows"] == 2
    delete(server, "up")
    assert admin(server, "clean_tombstones").status_code == 204
    # Files lack columns that are NULL throughout.
    files = f"read_parquet('{directory}/samples/*.parquet', union_by_name = true)"
    query = f"SELECT metric_name, sum(coalesce(value_int, value_double)) FROM {files} GROUP BY 1"
    assert duckdb.sql(query).fetchall() == [("up", 3.5)]
    assert values(server, "up") == {}


def test_a_series_comes_again_after_its_deletion(start):
    server = start(QUIET)
    now = rw.now_ms()
    # From the second time on its labels are known and not sent to the store any more.
    for at in (now - 3000, now - 2000, now - 1000):
        write(server, "up", {"job": "x"}, [(at, 1.0)])
    delete(server, "up")
    assert values(server, "up") == {}
    # The same sample is no duplicate of the deleted one.
    write(server, "up", {"job": "x"}, [(now - 1000, 1.0)])
    write(server, "up", {"job": "x"}, [(now, 2.0)])
    assert values(server, "up") == {"job=x": [1.0, 2.0]}
    assert requests.get(f"{server.prometheus}/api/v1/label/job/values", timeout=30).json()["data"] == ["x"]


def test_deleting_while_everything_moves_and_dies(start):
    """Writers, flushes, compaction, deletions of one label at a time, and kill -9: what was deleted stays deleted, what was
    acknowledged and not deleted stays."""
    server = start(
        {
            **ADMIN,
            "storage": {
                "buffer": {"flush_interval": "1s", "flush_bytes": "64KiB"},
                "compaction": {"interval": "20ms", "min_files": 2},
                "garbage": {"interval": "500ms", "grace": "1s"},
            },
        }
    )
    base = rw.now_ms() - 3_600_000
    acknowledged, stop, failures = {}, threading.Event(), []

    def keep_writing(writer):
        number = 0
        while not stop.is_set():
            labels = {"writer": str(writer), "part": str(number % 10)}
            try:
                answer = send(server, "moving", labels, [(base + number, number)])
            except requests.RequestException as error:
                failures.append(error)
                return
            # Samples that a deletion overtook are to be sent again, as every sender does.
            if answer.status_code == 503 and "send the samples again" in answer.text:
                continue
            if answer.status_code not in (200, 204):
                failures.append(answer.text)
                return
            acknowledged[writer] = number
            number += 1

    writers = [threading.Thread(target=keep_writing, args=(writer,)) for writer in range(3)]
    for writer in writers:
        writer.start()
    deleted = {}
    for part in (3, 5, 7):
        wait_until(
            lambda: failures or min(acknowledged.get(writer, 0) for writer in range(3)) >= part * 20, "samples are written"
        )
        assert not failures, failures
        # All parts up to here; what arrives during the deletion may go or stay.
        before = {writer: acknowledged[writer] for writer in range(3)}
        delete(server, f'moving{{part="{part}"}}', end=(base + min(before.values())) / 1000)
        deleted[part] = min(before.values())
        found = values(server, f'moving{{part="{part}"}}')
        assert all(value > deleted[part] for series in found.values() for value in series), (part, deleted, found)
    files_before = server.live_files()[0]
    stop.set()
    for writer in writers:
        writer.join()
    assert not failures, failures
    server.kill()
    server.start()

    def check():
        found = values(server, "moving")
        for writer in range(3):
            present = sorted(value for labels, series in found.items() if f"writer={writer}" in labels for value in series)
            assert len(present) == len(set(present)), "nothing is there twice"
            wanted = {
                float(number)
                for number in range(acknowledged[writer] + 1)
                if not (number % 10 in deleted and number <= deleted[number % 10])
            }
            missing = wanted - set(present)
            assert not missing, f"writer {writer} lost {sorted(missing)[:10]} (deleted: {deleted})"
            back = {value for value in present if value % 10 in deleted and value <= deleted[value % 10]}
            assert not back, f"{sorted(back)[:10]} came back"

    check()
    wait_until(lambda: server.live_files()[0] < max(files_before, 30), "compaction")
    check()
    assert admin(server, "clean_tombstones").status_code == 204
    check()
