"""Limits of series, duplicates and order of samples: what Prometheus' ways in and OTLP are told, and what a crash leaves."""

import pytest
import requests

import remote_write as rw
from trefoil import merged, wait_until

WRITE = "/api/v1/write"
HOUR = 3_600_000


def post(server, version, series, **headers):
    """`series` as (labels, [(value, time)]); the answer."""
    if version == 2:
        request = rw.RequestV2()
        for labels, samples in series:
            request.add(labels, [rw.sample(value, at) for value, at in samples])
        return rw.post(server.prometheus + WRITE, request, rw.V2, **headers)
    body = b"".join(rw.series_v1(labels, [rw.sample(value, at) for value, at in samples]) for labels, samples in series)
    return rw.post(server.prometheus + WRITE, body, **headers)


def values(server, name, tenant=None):
    rows = server.sql(f"SELECT value_int FROM samples WHERE metric_name = '{name}' ORDER BY time_unix_nano, 1", tenant)
    return [row[0] for row in rows]


def discarded(server, reason, tenant="default"):
    name = f'trefoil_storage_discarded_samples_total{{tenant="{tenant}",reason="{reason}"}}'
    return server.metrics().get(name, 0)


@pytest.mark.parametrize("version", [1, 2])
def test_a_sample_is_stored_once_and_never_contradicted(server, version):
    now = rw.now_ms()
    m = {"__name__": "m", "job": "a"}
    for _ in range(3):
        answer = post(server, version, [(m, [(1, now)])])
        assert answer.status_code == 204, answer.text
    answer = post(server, version, [(m, [(2, now), (3, now + 1)]), ({"__name__": "other"}, [(4, now)])])
    assert answer.status_code == 400
    assert "duplicate sample for timestamp" in answer.text and "1 of 3 samples" in answer.text
    if version == 2:
        assert rw.written(answer) == (2, 0, 0)
    assert (values(server, "m"), values(server, "other")) == ([1, 3], [4])
    assert discarded(server, "new_value_for_timestamp") == 1
    [count] = [value for name, value in server.metrics().items() if name.startswith("trefoil_storage_active_series{")]
    assert count == 2


@pytest.mark.parametrize(
    "window, allowed, refused, reason",
    [("1h", HOUR, HOUR + 1000, "too old sample"), ("0s", 0, 1, "out of order sample")],
)
def test_older_samples_are_taken_within_the_window(start, window, allowed, refused, reason):
    server = start({"storage": {"limits": {"out_of_order_time_window": window}}})
    now = rw.now_ms()
    m = {"__name__": "m"}
    assert post(server, 1, [(m, [(1, now)])]).status_code == 204
    if allowed:
        assert post(server, 1, [(m, [(2, now - allowed)])]).status_code == 204
    answer = post(server, 2, [(m, [(3, now - refused)])])
    assert (answer.status_code, rw.written(answer)) == (400, (0, 0, 0))
    assert reason in answer.text
    assert values(server, "m") == ([2, 1] if allowed else [1])
    answer = post(server, 2, [(m, [(5, now + 20 * 60_000), (4, now + 1)])])
    assert (answer.status_code, rw.written(answer)) == (400, (1, 0, 0))
    assert "too far in the future" in answer.text
    assert discarded(server, "sample_too_far_in_future") == 1


LIMITED = {
    "tenancy": {"enabled": True},
    "storage": {
        "limits": {
            "max_active_series": 3,
            "max_label_names_per_series": 4,
            "max_label_name_length": 20,
            "max_label_value_length": 20,
            "tenants": {"large": {"max_active_series": 5}},
        }
    },
}
CASES = [
    ({f"l{index}": "x" for index in range(4)}, "label names per series limit of 4", "max_label_names_per_series"),
    ({"n" * 21: "x"}, "label name too long", "label_name_too_long"),
    ({"l": "v" * 21}, "label value too long", "label_value_too_long"),
]


@pytest.mark.parametrize("version", [1, 2])
def test_limits_cost_the_series_that_exceed_them(start, version):
    server = start(LIMITED)
    now = rw.now_ms()
    one = {"X-Scope-OrgID": "one"}
    for labels, message, reason in CASES:
        answer = post(server, version, [({"__name__": "m", **labels}, [(1, now)]), ({"__name__": "good"}, [(1, now)])], **one)
        assert (answer.status_code, message in answer.text) == (400, True), answer.text
        assert discarded(server, reason, "one") == 1
    many = [({"__name__": "many", "n": str(n)}, [(n, now)]) for n in range(5)]
    answer = post(server, version, many, **one)
    # With the good one.
    assert (answer.status_code, "per-user series limit of 3" in answer.text) == (400, True), answer.text
    assert values(server, "many", "one") == [0, 1]
    assert discarded(server, "per_user_series_limit", "one") == 3
    # Series that are there go on, other tenants have other limits.
    assert post(server, version, [({"__name__": "many", "n": "1"}, [(7, now + 1)])], **one).status_code == 204
    assert post(server, version, many, **{"X-Scope-OrgID": "large"}).status_code == 204
    assert (values(server, "good", "one"), len(values(server, "many", "large"))) == ([1], 5)


def gauge(name, attributes, now):
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    point = {"timeUnixNano": str(now * 1_000_000), "asInt": "1", "attributes": attributes}
    return {"name": name, "gauge": {"dataPoints": [point]}}


def send_otlp(server, metrics, **headers):
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    answer = requests.post(f"{server.http}/v1/metrics", json=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json().get("partialSuccess", {})


def test_otlp_is_told_by_partial_success_and_a_crash_keeps_it_so(start):
    server = start(LIMITED)
    now = rw.now_ms()
    one = {"X-Scope-OrgID": "one"}
    metrics = [gauge("bad", labels, now) for labels, _, _ in CASES] + [gauge(f"m{n}", {}, now) for n in range(5)]
    partial = send_otlp(server, metrics, **one)
    assert int(partial["rejectedDataPoints"]) == 5
    assert "label name too long" in partial["errorMessage"]
    names = lambda: [row[0] for row in server.sql("SELECT metric_name FROM samples ORDER BY 1", "one")]
    assert names() == ["m0", "m1", "m2"]
    # Without limits the log must not bring back what was refused.
    server.kill()
    server.config = merged(server.config, {"storage": {"limits": {"max_active_series": 100, "max_label_value_length": 0}}})
    server.write_config()
    server.start()
    assert names() == ["m0", "m1", "m2"]
    assert send_otlp(server, metrics, **one)["rejectedDataPoints"] == "2"


@pytest.mark.parametrize("version", [1, 2])
def test_a_crash_brings_back_what_was_stored_and_nothing_else(start, version):
    server = start({"storage": {"limits": {"out_of_order_time_window": "0s"}}})
    now = rw.now_ms()
    m, other = {"__name__": "m"}, {"__name__": "other"}
    # The long way, the short way, and both at once, each with samples that are refused.
    assert post(server, version, [(m, [(1, now)])]).status_code == 204
    assert post(server, version, [(m, [(2, now + 1), (9, now + 1), (9, now)])]).status_code == 400
    assert post(server, version, [(other, [(1, now), (9, now - 1)]), (m, [(3, now + 2), (9, now)])]).status_code == 400
    before = (values(server, "m"), values(server, "other"))
    assert before == ([1, 2, 3], [1])
    for _ in range(2):
        server.kill()
        server.start()
        assert (values(server, "m"), values(server, "other")) == before
    # What the log brought back is known: the sender of the last request may send it again.
    answer = post(server, version, [(m, [(3, now + 2)]), (m, [(9, now + 2)]), (m, [(9, now + 1)])])
    assert (answer.status_code, "2 of 3 samples" in answer.text) == (400, True), answer.text
    assert values(server, "m") == [1, 2, 3]
    # So is the first sample of a series, which goes another way.
    assert post(server, version, [(other, [(1, now)])]).status_code == 204
    answer = post(server, version, [(other, [(9, now)])])
    assert (answer.status_code, "duplicate sample for timestamp" in answer.text) == (400, True), answer.text
    assert values(server, "other") == [1]


def test_samples_are_found_in_files_too(start):
    server = start({"storage": {"buffer": {"flush_interval": "1s"}}})
    now = rw.now_ms()
    series = lambda tick: [({"__name__": "m", "n": str(n)}, [(n, now + tick)]) for n in range(50)]
    flushed = lambda: server.metrics().get('trefoil_storage_flushed_rows_total{table="samples"}', 0)
    for tick in range(4):
        assert post(server, 1, series(tick)).status_code == 204
        if tick % 2:
            wait_until(lambda: flushed() == 50 * (tick + 1), "a flush")
    expression = {"query": "count(count_over_time(m[1m]) == 4)", "time": (now + 10) / 1000}
    answer = requests.get(f"{server.prometheus}/api/v1/query", params=expression, timeout=30).json()
    assert answer["data"]["result"][0]["value"][1] == "50"
    assert server.count("samples", "metric_name = 'm'") == 200
