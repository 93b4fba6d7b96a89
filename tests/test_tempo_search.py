"""Tempo's search, as Grafana's data source asks it: a decoder as strict as Grafana's, which refuses members it does not know."""

import json
import time

import pytest
import requests
from trefoil import ROOT, Server

FIRST = 1_700_000_000_000_000_000
TENANT = {"X-Scope-OrgID": "shop"}

#: Members of the messages in tempo.proto, by the names of protobuf's JSON mapping, with their types there.
MESSAGES = {
    "SearchResponse": {"traces": ["TraceSearchMetadata"], "metrics": "SearchMetrics"},
    "TraceSearchMetadata": {
        "traceID": str, "rootServiceName": str, "rootTraceName": str, "startTimeUnixNano": "uint64", "durationMs": int,
        "spanSet": "SpanSet", "spanSets": ["SpanSet"], "serviceStats": {"": "ServiceStats"},
    },
    "ServiceStats": {"spanCount": int, "errorCount": int},
    "SpanSet": {"spans": ["Span"], "matched": int, "attributes": ["KeyValue"]},
    "Span": {"spanID": str, "name": str, "startTimeUnixNano": "uint64", "durationNanos": "uint64", "attributes": ["KeyValue"]},
    "KeyValue": {"key": str, "value": "AnyValue"},
    "AnyValue": {"stringValue": str, "boolValue": bool, "intValue": "int64", "doubleValue": float, "arrayValue": "ArrayValue"},
    "ArrayValue": {"values": ["AnyValue"]},
    "SearchMetrics": {
        "inspectedTraces": int, "inspectedBytes": "uint64", "completedJobs": int, "totalJobs": int, "inspectedSpans": "uint64",
    },
}  # fmt: skip


def check(kind, value):
    """Fails where `value` is not of that type, or has a member that it does not know."""
    if kind in ("uint64", "int64"):
        assert isinstance(value, str) and (int(value) >= 0 or kind == "int64")
    elif isinstance(kind, list):
        assert isinstance(value, list)
        for item in value:
            check(kind[0], item)
    elif isinstance(kind, dict):
        for item in value.values():
            check(kind[""], item)
    elif isinstance(kind, str):
        for name, member in value.items():
            assert name in MESSAGES[kind], f"{kind} has no member {name}"
            check(MESSAGES[kind][name], member)
    else:
        assert isinstance(value, kind) or (kind is float and isinstance(value, int)), f"{value!r} is no {kind}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("tempo"), {"tenancy": {"enabled": True}})
    server.start()
    traces = (ROOT / "crates/query/tests/traceql/bookstore.json").read_text()
    # They began a minute ago, instead of years.
    shift = time.time_ns() - 60_000_000_000 - FIRST
    document = json.loads(traces)
    for span in (span for group in document["resourceSpans"] for scope in group["scopeSpans"] for span in scope["spans"]):
        for part in [span, *span.get("events", [])]:
            for member in ("startTimeUnixNano", "endTimeUnixNano", "timeUnixNano"):
                if member in part:
                    part[member] = str(int(part[member]) + shift)
    answer = requests.post(f"{server.http}/v1/traces", json=document, headers=TENANT, timeout=60)
    assert answer.status_code == 200, answer.text
    yield server
    server.close()


def ask(server, path, headers=TENANT, **parameters):
    return requests.get(f"{server.tempo}{path}", params=parameters, headers=headers, timeout=60)


def search(server, query, **parameters):
    answer = ask(server, "/api/search", q=query, **parameters)
    assert answer.status_code == 200, answer.text
    check("SearchResponse", answer.json())
    return answer.json()["traces"]


def test_traces_are_found_with_what_grafana_shows_of_them(server):
    (trace,) = search(server, '{ resource.service.name = "payments" && status = error } | count() > 1', spss=2)
    assert (trace["traceID"], trace["rootServiceName"], trace["rootTraceName"]) == ("2", "web", "GET /checkout")
    assert trace["durationMs"] == 3000
    assert trace["serviceStats"] == {"web": {"spanCount": 2, "errorCount": 2}, "payments": {"spanCount": 3, "errorCount": 3}}
    (spans,) = trace["spanSets"]
    assert spans == trace["spanSet"] and spans["matched"] == 3 and len(spans["spans"]) == 2
    assert spans["attributes"] == [{"key": "count()", "value": {"intValue": "3"}}]
    first = spans["spans"][0]
    assert (first["spanID"], first["name"], first["durationNanos"]) == ("00000000000000b3", "POST /charge", "2600000000")
    assert {"key": "service.name", "value": {"stringValue": "payments"}} in first["attributes"]
    assert {"key": "status", "value": {"stringValue": "error"}} in first["attributes"]


def test_the_newest_come_first_and_no_more_than_asked_for(server):
    assert [trace["traceID"] for trace in search(server, "{}")] == ["5", "4", "3", "2", "1"]
    assert [trace["traceID"] for trace in search(server, "{ kind = client } with (most_recent=true)", limit=2)] == ["4", "3"]
    now = int(time.time())
    assert search(server, "{}", start=now - 3600, end=now + 1) != []
    assert search(server, "{}", start=now - 7200, end=now - 3600) == []


def test_a_trace_whose_root_is_missing_says_so(server):
    (trace,) = search(server, '{ resource.service.name = "inventory" && kind = client }')
    assert trace["rootServiceName"] == "<root span not yet received>" and "rootTraceName" not in trace


def test_older_clients_send_tags(server):
    answer = ask(server, "/api/search", tags='service.name=payments http.route="/charge"', minDuration="2s").json()
    assert [trace["traceID"] for trace in answer["traces"]] == ["2"]


def test_wrong_requests_are_told_why(server):
    for parameters, told in [
        ({"q": "{ name = }"}, "invalid TraceQL query: parse error at line 1, col 10"),
        ({"q": "{ } | rate()"}, "metrics queries are for /api/metrics/query_range"),
        ({"q": "{}", "tags": "a=b"}, "can't specify tags and q"),
        ({"q": "{}", "limit": "0"}, "invalid limit"),
        ({"q": "({} | by(name)) > {}"}, "consider using coalesce()"),
    ]:
        answer = ask(server, "/api/search", **parameters)
        assert answer.status_code == 400 and told in answer.text, answer.text
        assert answer.headers["Content-Type"].startswith("text/plain")
    assert ask(server, "/api/search", headers={}, q="{}").status_code == 401


def test_other_tenants_see_nothing(server):
    assert ask(server, "/api/search", headers={"X-Scope-OrgID": "other"}, q="{}").json()["traces"] == []
    assert ask(server, "/api/v2/search/tags", headers={"X-Scope-OrgID": "other"}, scope="span").json()["scopes"] == []


def scopes(server, **parameters):
    answer = ask(server, "/api/v2/search/tags", **parameters)
    assert answer.status_code == 200, answer.text
    return {scope["name"]: scope["tags"] for scope in answer.json()["scopes"]}


def test_names_come_by_scope(server):
    found = scopes(server)
    assert "http.route" in found["span"] and "with space" in found["span"] and 'quo"te' in found["span"]
    assert {"service.name", "k8s.pod.name", "replicas"} <= set(found["resource"])
    assert found["event"] == ["attempt", "exception.message", "exception.type"]
    assert (found["link"], found["instrumentation"]) == (["reason"], ["language"])
    assert {"name", "status", "rootServiceName"} <= set(found["intrinsic"])
    assert set(scopes(server, scope="resource")) == {"resource"}
    narrowed = scopes(server, scope="span", q='{ resource.service.name = "mail" && name = ')["span"]
    assert "recipients" in narrowed and "http.route" not in narrowed
    assert "http.route" in ask(server, "/api/search/tags").json()["tagNames"]
    assert ask(server, "/api/v2/search/tags", scope="nothing").status_code == 400


def values(server, tag, **parameters):
    answer = ask(server, f"/api/v2/search/tag/{tag}/values", **parameters)
    assert answer.status_code == 200, answer.text
    return [(value["type"], value["value"]) for value in answer.json()["tagValues"]]


def test_values_come_with_their_types(server):
    assert values(server, "resource.service.name") == [
        ("string", name) for name in ("cart", "inventory", "mail", "odd", "payments", "web")
    ]
    assert values(server, "span.http.response.status_code", q='{ resource.service.name = "payments" && span.missing = }') == [
        ("int", "201"), ("int", "500"),
    ]  # fmt: skip
    assert values(server, "span.cached") == [("bool", "false"), ("bool", "true")]
    assert values(server, "status") == [("keyword", "error"), ("keyword", "ok"), ("keyword", "unset")]
    assert values(server, "trace:rootName") == [
        ("string", name) for name in ("GET /checkout", "odd", "orders.placed process")
    ]
    assert ("string", "exception") in values(server, "event:name")
    assert {kind for kind, _ in values(server, "span.value")} == {"int", "float", "string", "bool"}
    assert values(server, 'span."with space"') == [("string", "x")]
    assert values(server, "duration") == []
    assert ask(server, "/api/search/tag/service.name/values").json()["tagValues"][0] == "cart"
    assert ask(server, "/api/v2/search/tag/foo/values").status_code == 400


def test_it_is_the_same_from_files(server):
    before = search(server, "{ }"), scopes(server)
    server.stop()
    server.start()
    assert server.live_files()[0] > 0
    assert (search(server, "{ }"), scopes(server)) == before
