"""The rest of Tempo's HTTP API: differences of traces, overrides, parts of a trace."""

import json
import time

import pytest
import requests
from trefoil import ROOT, Server, wait_until

FIRST = 1_700_000_000_000_000_000
SHOP = {"X-Scope-OrgID": "shop"}


def connectors(*names):
    pipelines = {
        "traces": {"receivers": ["otlp"], "exporters": ["trefoil", *names]},
        "metrics/traces": {"receivers": list(names), "exporters": ["trefoil"]},
    }
    options = {"spanmetrics": {"names": "tempo", "metrics_flush_interval": "200ms"}, "servicegraph": {"metrics_flush_interval": "200ms"}}
    return {
        "tenancy": {"enabled": True},
        "connectors": {name: options[name] for name in names},
        "service": {"pipelines": pipelines},
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("tempo"), connectors("spanmetrics"))
    server.start()
    document = json.loads((ROOT / "crates/query/tests/traceql/bookstore.json").read_text())
    shift = time.time_ns() - 60_000_000_000 - FIRST
    for span in spans_in(document):
        for part in [span, *span.get("events", [])]:
            for member in ("startTimeUnixNano", "endTimeUnixNano", "timeUnixNano"):
                if member in part:
                    part[member] = str(int(part[member]) + shift)
    answer = requests.post(f"{server.http}/v1/traces", json=document, headers=SHOP, timeout=60)
    assert answer.status_code == 200, answer.text
    server.document = document
    server.ids = sorted({span["traceId"] for span in spans_in(document)})
    yield server
    server.close()


def spans_in(document):
    return (span for group in document["resourceSpans"] for scope in group["scopeSpans"] for span in scope["spans"])


def diff(server, body, headers=SHOP, method="post"):
    return requests.request(method, f"{server.tempo}/api/v2/traces/diff", json=body, headers=headers, timeout=60)


def test_traces_are_compared(server):
    base, compare = server.ids[:2]
    sides = {"base": {"traceId": base}, "compare": {"traceId": compare}}
    patch = diff(server, sides)
    assert patch.status_code == 200 and patch.headers["Content-Type"] == "application/json"
    patch = patch.json()
    assert patch["version"] == "trace-patch-v0"
    assert (patch["base"]["traceId"], patch["compare"]["traceId"]) == (base, compare)
    stats = patch["stats"]
    assert stats["matchedSpans"] + stats["removedSpans"] == stats["spanCountA"]
    assert stats["matchedSpans"] + stats["addedSpans"] == stats["spanCountB"]
    same = diff(server, {"base": {"traceId": base}, "compare": {"traceId": base}, "format": "trace-summary-v0-native"}).json()
    assert same["signals"]["structure"] == "unchanged" and same["services"] == []
    composed = diff(server, {**sides, "format": "trace-summary-v0-composed"}).json()
    assert composed["patch"] == patch
    under_prefix = requests.post(f"{server.main}/tempo/api/v2/traces/diff", json=sides, headers=SHOP, timeout=60)
    assert under_prefix.json() == patch


def test_what_cannot_be_compared(server):
    base = {"traceId": server.ids[0]}
    for body, status, text in [
        ({}, 400, "base.traceId is required"),
        ({"base": base, "compare": {"traceId": "xyz"}}, 400, "invalid compare.traceId"),
        ({"base": base, "compare": base, "format": "x"}, 400, 'invalid format "x"'),
        ({"base": base, "compare": {"traceId": "abc"}}, 404, "Not Found"),
        ({"base": base, "compare": {**base, "start": 2, "end": 1}}, 400, "received start=2 end=1"),
    ]:
        answer = diff(server, body)
        assert (answer.status_code, text in answer.text) == (status, True), answer.text
    for method in ("get", "put", "delete"):
        answer = diff(server, {}, method=method)
        assert (answer.status_code, answer.text) == (405, "Method Not Allowed")
    assert diff(server, {"base": base, "compare": base}, headers={}).status_code == 401


def by_id(server, trace_id, accept="application/json", **parameters):
    headers = {**SHOP, "Accept": accept}
    return requests.get(f"{server.tempo}/api/v2/traces/{trace_id}", params=parameters, headers=headers, timeout=60)


def names(answer):
    return sorted(span["name"] for span in spans_in({"resourceSpans": answer["trace"]["resourceSpans"]}))


def test_a_part_of_a_trace(server):
    trace_id = next(span["traceId"] for span in spans_in(server.document) if span["name"] == "bank.authorize")
    spans = [span for span in spans_in(server.document) if span["traceId"] == trace_id]
    wanted = [span["name"] for span in spans if span["name"] == "bank.authorize"]
    parents = {span.get("parentSpanId") for span in spans if span["name"] == "bank.authorize"}
    assert 0 < len(wanted) < len(spans)
    whole = by_id(server, trace_id).json()
    assert (whole["status"], whole["message"], len(names(whole))) == ("COMPLETE", "", len(spans))
    part = by_id(server, trace_id, q="{ name = `bank.authorize` }").json()
    assert names(part) == wanted
    assert part["status"] == "PARTIAL" and part["message"].startswith("Trace filtered")
    above = by_id(server, trace_id, q="{ name = `bank.authorize` }", keep_hierarchy="true", ancestor_depth="1").json()
    assert names(above) == sorted(wanted + [span["name"] for span in spans if span["spanId"] in parents])
    all_above = by_id(server, trace_id, q="{ name = `bank.authorize` }", keep_hierarchy="true").json()
    roots = [span["name"] for span in spans if not span.get("parentSpanId")]
    assert set(names(above)) | set(roots) <= set(names(all_above))
    all_below = by_id(server, trace_id, q="{ nestedSetParent = -1 }", match_depth="-1").json()
    assert len(names(all_below)) == len(spans) and all_below["status"] == "COMPLETE"
    nothing = by_id(server, trace_id, q="{ name = `no such` }")
    assert nothing.status_code == 200 and names(nothing.json()) == []
    for parameters, text in [
        ({"q": "{"}, "invalid TraceQL filter"),
        ({"q": "{} | count() > 1"}, "one spanset filter"),
        ({"q": "{}", "match_depth": "-2"}, "match_depth: must be >= -1"),
        ({"span_pruning": "true"}, "span_pruning"),
    ]:
        answer = by_id(server, trace_id, **parameters)
        assert answer.status_code == 400 and text in answer.text
    assert by_id(server, trace_id, match_depth="x", keep_hierarchy="x").status_code == 200
    assert by_id(server, "abc", q="{}").status_code == 404


def test_a_trace_for_language_models(server):
    trace_id = server.ids[0]
    answer = by_id(server, trace_id, accept="application/vnd.grafana.llm")
    assert answer.headers["Content-Type"] == "application/vnd.grafana.llm"
    trace = answer.json()["trace"]
    assert trace["traceId"] == trace_id
    found = sorted(span["spanId"] for service in trace["services"] for scope in service["scopes"] for span in scope["spans"])
    assert found == sorted(span["spanId"] for span in spans_in(server.document) if span["traceId"] == trace_id)


def test_parameters_of_queriers_are_no_matter(server):
    path = f"{server.tempo}/api/traces/{server.ids[0]}"
    plain = requests.get(path, headers=SHOP, timeout=60).json()
    ids = "00000000-0000-0000-0000-000000000000"
    parameters = {"mode": "blocks", "blockStart": ids, "blockEnd": ids}
    assert requests.get(path, params=parameters, headers=SHOP, timeout=60).json() == plain


def overrides(server, method, body=None, tenant="shop", match=None, **parameters):
    headers = {"X-Scope-OrgID": tenant, **({"If-Match": match} if match else {})}
    data = body if isinstance(body, str) else None if body is None else json.dumps(body)
    return requests.request(method, f"{server.tempo}/api/overrides", data=data, headers=headers, params=parameters, timeout=60)


def test_overrides_are_versioned_and_kept(start):
    server = start(connectors("spanmetrics"))
    assert (overrides(server, "GET").status_code, overrides(server, "GET").text) == (404, "")
    body = {"metrics_generator": {"processors": ["span-metrics"]}}
    answer = overrides(server, "POST", body)
    assert (answer.status_code, answer.text) == (428, "must specify If-Match header")
    assert overrides(server, "POST", body, match="5").status_code == 412
    created = overrides(server, "POST", body, match="0")
    assert (created.status_code, created.text) == (200, "")
    answer = overrides(server, "POST", body, match="0")
    assert (answer.status_code, answer.text) == (412, "version does not match")
    answer = overrides(server, "POST", body, match="x")
    assert (answer.status_code, answer.text) == (412, "version is not valid")
    got = overrides(server, "GET")
    assert got.headers["ETag"] == created.headers["ETag"] and got.headers["Content-Type"] == "application/json"
    empty = {"service_graphs": {}, "span_metrics": {}, "host_info": {}}
    assert got.json() == {"cost_attribution": {}, "metrics_generator": {"processors": ["span-metrics"], "processor": empty}}
    assert overrides(server, "GET", tenant="other").status_code == 404

    patched = overrides(server, "PATCH", {"metrics_generator": {"disable_collection": True, "processors": None}})
    assert patched.status_code == 200 and patched.headers["ETag"] != got.headers["ETag"]
    assert patched.json()["metrics_generator"] == {"disable_collection": True, "processor": empty}
    merged = overrides(server, "GET", scope="merged").json()
    assert merged["metrics_generator"]["processors"] == ["span-metrics"] and merged["forwarders"] == []
    assert overrides(server, "GET", scope="x").status_code == 400
    assert overrides(server, "DELETE", match=got.headers["ETag"]).status_code == 412

    server.kill()
    server.start()
    assert overrides(server, "GET").json() == patched.json()
    assert overrides(server, "DELETE").status_code == 428
    assert overrides(server, "DELETE", match=patched.headers["ETag"]).status_code == 200
    assert overrides(server, "GET").status_code == 404
    assert overrides(server, "PATCH", {"forwarders": []}, tenant="new").status_code == 200


def test_what_has_no_effect_is_refused(server):
    for body, text in [
        ({"metrics_generator": {"collection_interval": "30s"}}, "metrics_generator.collection_interval has no effect here"),
        ({"metrics_generator": {"processors": ["service-graphs"]}}, "no pipeline has the connector `servicegraph`"),
        ({"metrics_generator": {"processors": ["x"]}}, "is not a known processor"),
        ({"forwarders": ["f"]}, 'forwarder "f" is not a known forwarder, contact your system administrator'),
        ({"cost_attribution": {"dimensions": {"a": "b"}}}, "cost_attribution.dimensions has no effect here"),
        ({"x": 1}, 'unknown field "x"'),
        ("{", "EOF"),
    ]:
        for method in ("POST", "PATCH"):
            answer = overrides(server, method, body, match="0", tenant="refused")
            assert (answer.status_code, text in answer.text) == (400, True), answer.text
    answer = overrides(server, "POST", {}, match="0", tenant="refused", **{"skip-conflicting-overrides-check": "maybe"})
    assert answer.status_code == 400
    assert overrides(server, "GET", tenant="refused").status_code == 404
    assert requests.get(f"{server.tempo}/api/overrides", timeout=60).status_code == 401


def spans_of(tenant, server):
    span = {"traceId": f"{time.time_ns():032x}", "spanId": f"{time.time_ns():016x}", "name": "x", "kind": 2}
    now = time.time_ns()
    span |= {"startTimeUnixNano": str(now - 1000), "endTimeUnixNano": str(now)}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    answer = requests.post(f"{server.http}/v1/traces", json=body, headers={"X-Scope-OrgID": tenant}, timeout=60)
    assert answer.status_code == 200, answer.text


def counted(server, tenant):
    return server.count("samples", "metric_name = 'traces_spanmetrics_calls_total'", tenant)


def test_a_tenant_switches_its_metrics_off(start):
    server = start(connectors("spanmetrics"))
    assert overrides(server, "PATCH", {"metrics_generator": {"processors": []}}, tenant="quiet").status_code == 200
    for tenant in ("quiet", "loud"):
        spans_of(tenant, server)
    wait_until(lambda: counted(server, "loud") > 1, "metrics of who wants them")
    assert counted(server, "quiet") == 0
    assert overrides(server, "PATCH", {"metrics_generator": {"processors": None}}, tenant="quiet").status_code == 200
    spans_of("quiet", server)
    wait_until(lambda: counted(server, "quiet") > 0, "metrics of who wants them again")
