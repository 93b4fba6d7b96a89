"""Series out of spans, as Grafana's Tempo data source and Traces Drilldown ask for them, by HTTP and by gRPC."""

import json
import time

import grpc
import pytest
import requests
import tempopb
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from test_tempo_search import FIRST, MESSAGES, TENANT, check
from trefoil import ROOT, Server

MESSAGES |= {
    "QueryInstantResponse": {"series": ["InstantSeries"], "metrics": "SearchMetrics", "status": str, "message": str},
    "InstantSeries": {"labels": ["KeyValue"], "value": float},
    "QueryRangeResponse": {"series": ["TimeSeries"], "metrics": "SearchMetrics", "status": str, "message": str},
    "TimeSeries": {"labels": ["KeyValue"], "samples": ["Sample"], "exemplars": ["Exemplar"]},
    "Sample": {"timestampMs": "uint64", "value": float},
    "Exemplar": {"labels": ["KeyValue"], "value": float, "timestampMs": "uint64"},
}
SECOND = 1_000_000_000


class Store:
    """A server with the bookstore's traces, which began a minute ago."""

    def __init__(self, directory):
        self.server = Server(directory, {"tenancy": {"enabled": True}})
        self.server.start()
        self.begin = time.time_ns() // SECOND - 60
        document = json.loads((ROOT / "crates/query/tests/traceql/bookstore.json").read_text())
        for span in (span for group in document["resourceSpans"] for scope in group["scopeSpans"] for span in scope["spans"]):
            for part in [span, *span.get("events", [])]:
                for member in ("startTimeUnixNano", "endTimeUnixNano", "timeUnixNano"):
                    if member in part:
                        part[member] = str(int(part[member]) + self.begin * SECOND - FIRST)
        answer = requests.post(f"{self.server.http}/v1/traces", json=document, headers=TENANT, timeout=60)
        assert answer.status_code == 200, answer.text

    def ask(self, path, headers=TENANT, **parameters):
        return requests.get(f"{self.server.tempo}{path}", params=parameters, headers=headers, timeout=60)

    def range(self, query, **parameters):
        parameters = {"start": self.begin - 60, "end": self.begin + 60, "step": "10s"} | parameters
        answer = self.ask("/api/metrics/query_range", q=query, **parameters)
        assert answer.status_code == 200, answer.text
        check("QueryRangeResponse", answer.json())
        return answer.json()["series"]

    def instant(self, query, **parameters):
        parameters = {"start": self.begin - 60, "end": self.begin + 60} | parameters
        answer = self.ask("/api/metrics/query", q=query, **parameters)
        assert answer.status_code == 200, answer.text
        check("QueryInstantResponse", answer.json())
        return {labels(series): series["value"] for series in answer.json()["series"]}

    @property
    def port(self):
        return int(self.server.tempo.rsplit(":", 1)[1])

    def call(self, method, tenant="shop", **fields):
        return tempopb.call(self.port, method, tenant, **fields)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("tempo"))
    yield store
    store.server.close()


def labels(series):
    return tuple((label["key"], *label["value"].values()) for label in series["labels"])


def total(series):
    return sum(sample["value"] for sample in series["samples"])


def test_spans_are_counted_over_time(store):
    (all_spans,) = store.range("{ } | count_over_time()")
    assert labels(all_spans) == (("__name__", "count_over_time"),)
    assert total(all_spans) == 26
    times = [int(sample["timestampMs"]) for sample in all_spans["samples"]]
    assert all(time % 10_000 == 0 for time in times) and times == sorted(times)
    by_service = store.range("{ status = error } | rate() by (resource.service.name)")
    assert {labels(series): round(total(series) * 10, 6) for series in by_service} == {
        (("resource.service.name", "inventory"),): 1,
        (("resource.service.name", "payments"),): 3,
        (("resource.service.name", "web"),): 2,
    }


def test_an_interval_that_has_not_ended_is_not_shown(store):
    (series,) = store.range("{ } | rate()", start=int(time.time()) - 30, end=int(time.time()) + 3600, step="5s")
    assert int(series["samples"][-1]["timestampMs"]) <= time.time() * 1000


def test_values_of_all_of_the_time(store):
    assert store.instant("{ } | count_over_time() by (status)") == {
        (("status", "error"),): 6, (("status", "ok"),): 2, (("status", "unset"),): 18,
    }  # fmt: skip
    assert store.instant("{ } | max_over_time(duration)") == {(("__name__", "max_over_time"),): 3}
    quantiles = store.instant("{ } | quantile_over_time(duration, 0.5, 0.99) by (resource.service.name)")
    assert quantiles[(("resource.service.name", "web"), ("p", 0.99))] > 2
    assert len(quantiles) == 12
    buckets = store.instant("{ } | histogram_over_time(duration)")
    assert sum(buckets.values()) == 24 and all(name == "__bucket" for ((name, _),) in buckets)


def test_structure_arithmetic_and_second_stages(store):
    assert store.instant('{ resource.service.name = "web" } >> { status = error } | count_over_time() by (name)') == {
        (("name", "POST /charge"),): 1, (("name", "bank.authorize"),): 2, (("name", "payments.charge"),): 1,
    }  # fmt: skip
    assert store.instant("({ status = error } | count_over_time()) / ({ } | count_over_time())") == {
        (("__name__", "(count_over_time / count_over_time)"),): 6 / 26,
    }  # fmt: skip
    assert store.instant("{ } | count_over_time() by (resource.service.name) | topk(1)") == {
        (("resource.service.name", "odd"),): 7,
    }  # fmt: skip
    assert len(store.instant("{ } | count_over_time() by (resource.service.name) > 3")) == 4


def test_exemplars_lead_to_traces(store):
    shown = [
        (labels(series), exemplar)
        for series in store.range("{ } | quantile_over_time(duration, 0.5, 0.99) by (resource.service.name)")
        for exemplar in series.get("exemplars", [])
    ]
    assert 0 < len(shown) <= 5
    for _, exemplar in shown:
        names = {label["key"]: label["value"] for label in exemplar["labels"]}
        trace = store.ask(f"/api/v2/traces/{names['trace:id']['stringValue']}")
        assert trace.status_code == 200 and names["resource.service.name"]["stringValue"] in trace.text
    assert all("exemplars" not in series for series in store.range("{ } | rate() with (exemplars = false)"))


def test_traces_drilldown(store):
    """What the application asks when it is opened, an error rate is chosen, and a breakdown and a comparison are looked at."""
    roots = store.range("{ nestedSetParent < 0 } | rate() by (resource.service.name) with (sample = true)")
    assert {labels(series)[0][1] for series in roots} == {"mail", "odd", "web"}
    assert store.range('{ nestedSetParent < 0 && status = error && resource.service.name != nil } | rate() by (resource.service.name)')
    assert store.range("{ nestedSetParent < 0 } | histogram_over_time(duration) with (sample = true)")
    compared = store.range("{ nestedSetParent < 0 } | compare({ status = error }, 10)")
    kinds = {labels(series)[0] for series in compared}
    assert kinds == {("__meta_type", f"{side}{total}") for side in ("baseline", "selection") for total in ("", "_total")}
    tiers = {labels(series)[0][1]: labels(series)[1] for series in compared if labels(series)[1][0] == "span.user.tier"}
    assert tiers["selection"] == ("span.user.tier", "basic") and tiers["baseline"] == ("span.user.tier", "gold")
    window = (store.begin + 5) * SECOND, (store.begin + 8) * SECOND
    assert store.range(f"{{ }} | compare({{ status = ok }}, 10, {window[0]}, {window[1]})")
    structure = store.ask(
        "/api/search",
        q="({ nestedSetParent < 0 } &>> { kind = server }) || ({ nestedSetParent < 0 }) | select(status, resource.service.name, "
        "name, nestedSetParent, nestedSetLeft, nestedSetRight)",
    )
    assert structure.status_code == 200 and len(structure.json()["traces"]) == 4


def test_too_many_series_are_cut_and_told(store):
    answer = store.ask("/api/metrics/query_range", q="{ } | rate() by (name)", maxSeries=2).json()
    check("QueryRangeResponse", answer)
    assert len(answer["series"]) == 2 and answer["status"] == "PARTIAL" and "maximum series limit of 2" in answer["message"]


def test_wrong_requests_are_told_why(store):
    for path, parameters, told in [
        ("/api/metrics/query_range", {"q": "{ }"}, "not a metrics query"),
        ("/api/metrics/query_range", {"q": "{ } | rate("}, "parse error at line 1, col 12"),
        ("/api/metrics/query_range", {"q": "{ } | rate()", "step": "1ms", "since": "1d"}, "step of 1ms is too small"),
        ("/api/metrics/query_range", {"q": "{ } | rate()", "start": 20, "end": 10}, "end must be greater than start"),
        ("/api/metrics/query", {"q": "{ } | rate()", "start": "then"}, "could not parse 'start' parameter"),
        ("/api/metrics/query", {"q": "({ } | by(name)) > {} | rate()"}, "consider using coalesce()"),
    ]:
        answer = store.ask(path, **parameters)
        assert answer.status_code == 400 and told in answer.text, answer.text
        assert answer.headers["Content-Type"].startswith("text/plain")
    assert store.ask("/api/metrics/query", headers={}, q="{ } | rate()").status_code == 401


def test_other_tenants_see_nothing(store):
    other = {"X-Scope-OrgID": "other"}
    assert store.ask("/api/metrics/query_range", headers=other, q="{ } | rate() by (name)").json()["series"] == []
    assert store.call("Search", tenant="other", query="{ }", limit=10)[-1].traces == []


def of(labels_of):
    return {label.key: label.value.string_value for label in labels_of if isinstance(label, KeyValue)}


def test_grafana_streams_a_search(store):
    # Its health check first.
    now = int(time.time())
    checked = store.call("Search", query="{}", limit=1, start=now - 900, end=now)
    assert sum(len(answer.traces) for answer in checked) == 1
    found = store.call("Search", query="{ status = error }", limit=20, spans_per_span_set=3, start=now - 900, end=now)
    traces = {trace.trace_id: trace for answer in found for trace in answer.traces}
    assert set(traces) == {"2", "4"} and traces["2"].root_service_name == "web"
    assert found[-1].metrics.completed_jobs == 1 and found[-1].metrics.inspected_spans > 0
    recent = store.call("Search", query="{ kind = client } with (most_recent=true)", limit=1)
    assert [trace.trace_id for answer in recent for trace in answer.traces] == ["4"]


def test_grafana_streams_series(store):
    asked = {"start": (store.begin - 60) * SECOND, "end": (store.begin + 60) * SECOND}
    answers = store.call("MetricsQueryRange", query="{ } | count_over_time() by (resource.service.name)", step=10 * SECOND, **asked)
    counts = {of(series.labels)["resource.service.name"]: sum(s.value for s in series.samples) for series in answers[-1].series}
    assert counts == {"cart": 2, "inventory": 3, "mail": 4, "odd": 7, "payments": 5, "web": 5}
    assert any(of(exemplar.labels).get("trace:id") for series in answers[-1].series for exemplar in series.exemplars)
    (instant,) = store.call("MetricsQueryInstant", query="{ } | count_over_time()", **asked)
    assert [series.value for series in instant.series] == [26]


def test_names_and_values_by_grpc(store):
    (names,) = store.call("SearchTagsV2", scope="resource")
    assert [scope.name for scope in names.scopes] == ["resource"] and "service.name" in names.scopes[0].tags
    (names,) = store.call("SearchTags")
    assert "http.route" in names.tag_names
    (values,) = store.call("SearchTagValuesV2", tag_name="resource.service.name", query="{ status = error }")
    assert [(value.type, value.value) for value in values.tag_values] == [
        ("string", name) for name in ("inventory", "payments", "web")
    ]
    (values,) = store.call("SearchTagValues", tag_name="service.name")
    assert "cart" in values.tag_values


def test_wrong_calls_are_told_why(store):
    for method, fields, code, told in [
        ("Search", {"query": "{ name = }"}, grpc.StatusCode.INVALID_ARGUMENT, "parse error at line 1, col 10"),
        ("MetricsQueryRange", {"query": "{ }", "start": 1, "end": 2}, grpc.StatusCode.INVALID_ARGUMENT, "not a metrics query"),
        ("MetricsQueryInstant", {"query": "{ } | rate()"}, grpc.StatusCode.INVALID_ARGUMENT, "end must be greater"),
        ("SearchTagValuesV2", {"tag_name": "foo"}, grpc.StatusCode.INVALID_ARGUMENT, "invalid tag foo"),
        ("Search", {"query": "({} | by(name)) > {}"}, grpc.StatusCode.INVALID_ARGUMENT, "consider using coalesce()"),
    ]:
        with pytest.raises(grpc.RpcError) as error:
            store.call(method, **fields)
        assert error.value.code() == code and told in error.value.details()
    with pytest.raises(grpc.RpcError) as error:
        store.call("Search", tenant=None, query="{ }")
    assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_it_is_the_same_from_files(store):
    query = "{ } | quantile_over_time(duration, 0.9) by (resource.service.name)"
    before = store.instant(query), store.instant("{ } > { } | count_over_time() by (name)")
    store.server.stop()
    store.server.start()
    assert store.server.live_files()[0] > 0
    assert (store.instant(query), store.instant("{ } > { } | count_over_time() by (name)")) == before
