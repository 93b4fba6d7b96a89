"""Zipkin's query API, as its UI (Lens) and Grafana's data source ask it: one URL that takes spans and answers for them."""

import ipaddress
import json
import os
import time
from pathlib import Path

import pytest
import requests
from py_zipkin import Encoding
from py_zipkin.transport import SimpleHTTPTransport
from py_zipkin.util import ZipkinAttrs
from py_zipkin.zipkin import zipkin_client_span, zipkin_server_span

from strict import check
from trefoil import Server, free_ports, merged

CONFORMANCE = Path(os.environ.get("TREFOIL_CONFORMANCE", Path(__file__).resolve().parents[2] / "shared/conformance"))

#: Members of Zipkin's model (zipkin2-api.yaml).
MESSAGES = {
    "Span": {
        "traceId": str, "parentId": str, "id": str, "kind": str, "name": str, "timestamp": int, "duration": int,
        "debug": bool, "shared": bool, "localEndpoint": "Endpoint", "remoteEndpoint": "Endpoint",
        "annotations": ["Annotation"], "tags": {"": str},
    },
    "Endpoint": {"serviceName": str, "ipv4": str, "ipv6": str, "port": int},
    "Annotation": {"timestamp": int, "value": str},
    "Link": {"parent": str, "child": str, "callCount": int, "errorCount": int},
    "Config": {
        "environment": str, "queryLimit": int, "defaultLookback": int, "searchEnabled": bool, "logsUrl": str,
        "supportUrl": str, "archivePostUrl": str, "archiveUrl": str, "dependency": "ConfigOfDependencies",
    },
    "ConfigOfDependencies": {"enabled": bool, "lowErrorRate": float, "highErrorRate": float},
}  # fmt: skip


def with_receiver(directory, more=None):
    """A server with the receiver `zipkin`, at whose endpoint it is asked."""
    (port,) = free_ports(1)
    config = {
        "receivers": {"zipkin": {"endpoint": f"127.0.0.1:{port}"}},
        "service": {"pipelines": {"traces": {"receivers": ["otlp", "zipkin"]}}},
    }
    server = Server(directory, merged(config, more or {}))
    server.zipkin = f"http://127.0.0.1:{port}"
    server.zipkin_port = port
    return server.start()


def post(server, spans, tenant=None, path="/api/v2/spans", status=202):
    headers = {"X-Scope-OrgID": tenant} if tenant else {}
    answer = requests.post(f"{server.zipkin}{path}", json=spans, headers=headers, timeout=60)
    assert answer.status_code == status, answer.text


def ask(server, path, kind=None, status=200, tenant=None, base=None, **parameters):
    headers = {"X-Scope-OrgID": tenant} if tenant else {}
    answer = requests.get(f"{base or server.zipkin}{path}", params=parameters, headers=headers, timeout=60)
    assert answer.status_code == status, f"{path} {parameters}: {answer.status_code} {answer.text}"
    if status != 200:
        return answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    if kind:
        check(MESSAGES, kind, answer.json())
    return answer.json()


FIRST, SECOND = "463ac35c9f6413ad48485a3953bb6124", "86154a4ba6e91385"
NOW = int(time.time() * 1e6) - 30_000_000


def shop():
    """A checkout that calls a shared span of another service, which asks a database and fails; and a small trace."""
    web, cart = {"serviceName": "web", "ipv4": "10.0.0.1"}, {"serviceName": "Cart"}
    return [
        {"traceId": FIRST, "id": "1", "kind": "SERVER", "name": "GET /Checkout", "timestamp": NOW, "duration": 90_000,
         "localEndpoint": web, "tags": {"http.status_code": "500"}, "annotations": [{"timestamp": NOW + 5, "value": "retried"}]},
        {"traceId": FIRST, "id": "2", "parentId": "1", "kind": "CLIENT", "name": "load", "timestamp": NOW + 1000,
         "duration": 60_000, "localEndpoint": web, "remoteEndpoint": cart},
        {"traceId": FIRST, "id": "2", "parentId": "1", "kind": "SERVER", "name": "load", "timestamp": NOW + 2000,
         "duration": 50_000, "localEndpoint": cart, "shared": True, "tags": {"error": "no stock"}},
        {"traceId": FIRST, "id": "3", "parentId": "2", "kind": "CLIENT", "name": "query", "timestamp": NOW + 3000,
         "duration": 4000, "localEndpoint": cart, "remoteEndpoint": {"serviceName": "db", "port": 5432}},
        {"traceId": SECOND, "id": "7", "kind": "SERVER", "name": "GET /", "timestamp": NOW + 1_000_000, "duration": 3000,
         "localEndpoint": web},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = with_receiver(tmp_path_factory.mktemp("zipkin"))
    post(server, shop())
    yield server
    server.close()


def search(server, **parameters):
    return [trace[0]["traceId"] for trace in ask(server, "/api/v2/traces", kind=[["Span"]], **parameters)]


def test_what_grafanas_data_source_asks(server):
    assert ask(server, "/api/v2/services") == ["Cart", "web"]
    assert ask(server, "/api/v2/spans", serviceName="web") == ["GET /", "GET /Checkout", "load"]
    assert search(server, serviceName="web", spanName="GET /Checkout") == [FIRST]
    spans = ask(server, f"/api/v2/trace/{FIRST}", kind=["Span"])
    assert len(spans) == 4
    (root,) = [span for span in spans if span["id"] == f"{1:016x}"]
    expected = {**shop()[0], "id": f"{1:016x}"}
    assert root == expected
    called = next(span for span in spans if span.get("shared"))
    assert called["localEndpoint"] == {"serviceName": "Cart"} and called["tags"]["error"] == "no stock"
    assert ask(server, "/api/v2/trace/123", status=404) == "123 not found"


def test_what_the_ui_asks(server):
    """Below `/zipkin`, where the UI has its base."""
    zipkin = f"{server.zipkin}/zipkin"
    ask(server, "/config.json", kind="Config", base=zipkin)
    ask(server, "/config.json", kind="Config")
    assert ask(server, "/health")["status"] == "UP"
    assert ask(server, "/info")["zipkin"]["version"]
    assert ask(server, "/api/v2/services", base=zipkin) == ["Cart", "web"]
    assert ask(server, "/api/v2/remoteServices", serviceName="web") == ["Cart"]
    assert ask(server, "/api/v2/remoteServices", serviceName="cart") == ["db"]
    assert "http.status_code" in ask(server, "/api/v2/autocompleteKeys")
    assert ask(server, "/api/v2/autocompleteValues", key="http.status_code") == ["500"]
    assert ask(server, "/api/v2/autocompleteValues", key="nothing") == []
    links = ask(server, "/api/v2/dependencies", kind=["Link"], endTs=NOW // 1000 + 60_000, lookback=3_600_000)
    assert links == [
        # A database sends no spans.
        {"parent": "Cart", "child": "db", "callCount": 1},
        {"parent": "web", "child": "Cart", "callCount": 1, "errorCount": 1},
    ]
    first, second = ask(server, "/api/v2/traceMany", kind=[["Span"]], traceIds=f"{FIRST},{SECOND},77")
    assert (len(first), second[0]["traceId"]) == (4, SECOND)


def test_searches(server):
    for parameters, expected in [
        ({}, [SECOND, FIRST]),
        ({"limit": 1}, [SECOND]),
        ({"serviceName": "WEB"}, [SECOND, FIRST]),
        ({"serviceName": "cart"}, [FIRST]),
        ({"serviceName": "cart", "spanName": "get /"}, []),
        ({"serviceName": "web", "spanName": "all"}, [SECOND, FIRST]),
        ({"remoteServiceName": "DB"}, [FIRST]),
        ({"serviceName": "web", "remoteServiceName": "db"}, []),
        ({"annotationQuery": "retried"}, [FIRST]),
        ({"annotationQuery": "retried and http.status_code=500"}, [FIRST]),
        ({"annotationQuery": "http.status_code"}, [FIRST]),
        ({"annotationQuery": "http.status_code="}, [FIRST]),
        ({"annotationQuery": "http.status_code=501"}, []),
        ({"annotationQuery": "error"}, [FIRST]),
        ({"annotationQuery": "error=no stock"}, [FIRST]),
        # These hold for different spans of the service.
        ({"serviceName": "web", "spanName": "load", "annotationQuery": "retried"}, [FIRST]),
        ({"serviceName": "cart", "annotationQuery": "retried"}, []),
        ({"minDuration": 90_000}, [FIRST]),
        ({"serviceName": "cart", "minDuration": 50_001}, []),
        ({"serviceName": "web", "minDuration": 3000, "maxDuration": 3000}, [SECOND]),
        ({"endTs": NOW // 1000 - 60_000}, []),
        ({"endTs": NOW // 1000 + 60_000, "lookback": 60_000}, [SECOND, FIRST]),
        ({"endTs": NOW // 1000 + 60_000, "lookback": 59_500}, [SECOND]),
    ]:
        assert search(server, **parameters) == expected, parameters


def test_wrong_questions_are_answered_with_text(server):
    for path, parameters, told in [
        ("/api/v2/traces", {"limit": "x"}, 'limit: "x" is not a number'),
        ("/api/v2/traces", {"maxDuration": 5}, "maxDuration is only valid with minDuration"),
        ("/api/v2/spans", {}, "serviceName parameter is required"),
        ("/api/v2/remoteServices", {}, "serviceName parameter is required"),
        ("/api/v2/autocompleteValues", {}, "key parameter is required"),
        ("/api/v2/dependencies", {}, "endTs parameter is required"),
        ("/api/v2/dependencies", {"endTs": 0}, "endTs <= 0"),
        ("/api/v2/traceMany", {}, "traceIds parameter is empty"),
        ("/api/v2/traceMany", {"traceIds": FIRST}, "Use /api/v2/trace/{traceId} endpoint to retrieve a single trace"),
        ("/api/v2/trace/xyz", {}, "xyz should be lower-hex encoded with no prefix"),
    ]:
        assert ask(server, path, status=400, **parameters) == told


def test_spans_of_a_stock_client(tmp_path):
    server = with_receiver(tmp_path / "server")
    try:
        transport = SimpleHTTPTransport("127.0.0.1", server.zipkin_port)
        ids = ZipkinAttrs(FIRST, "00000000000000a1", None, "0", True)
        options = {"transport_handler": transport, "encoding": Encoding.V2_JSON, "port": 8080, "host": "10.1.2.3"}
        with zipkin_server_span(service_name="shop", span_name="GET /items", zipkin_attrs=ids, **options) as span:
            span.update_binary_annotations({"http.status_code": "200"})
            with zipkin_client_span(service_name="shop", span_name="query") as client:
                client.add_sa_binary_annotation(port=5432, service_name="db", host="10.9.9.9")
        query, items = sorted(ask(server, f"/api/v2/trace/{FIRST}", kind=["Span"]), key=lambda span: span["name"], reverse=True)
        assert query["remoteEndpoint"] == {"serviceName": "db", "ipv4": "10.9.9.9", "port": 5432}
        assert query["parentId"] == items["id"] == "00000000000000a1"
        assert items["localEndpoint"] == {"serviceName": "shop", "ipv4": "10.1.2.3", "port": 8080}
        assert items["tags"] == {"http.status_code": "200"}
        assert search(server, serviceName="shop", annotationQuery="http.status_code=200") == [FIRST]
    finally:
        server.close()


def test_one_url_of_the_main_listener_takes_and_answers(server):
    trace_id = f"{0xABC:016x}"
    span = {**shop()[4], "traceId": trace_id, "localEndpoint": {"serviceName": "main"}}
    answer = requests.post(f"{server.main}/zipkin/api/v2/spans", json=[span], timeout=60)
    assert answer.status_code == 202, answer.text
    (found,) = ask(server, f"/api/v2/trace/{trace_id}", kind=["Span"], base=f"{server.main}/zipkin")
    assert found["localEndpoint"] == {"serviceName": "main"}
    # By Jaeger's API it is the same trace.
    answer = requests.get(f"{server.jaeger}/api/traces/{trace_id}", timeout=60)
    assert answer.json()["data"][0]["spans"][0]["operationName"] == "GET /"


def test_tenants_see_their_own_only(tmp_path):
    server = with_receiver(tmp_path / "server", {"tenancy": {"enabled": True}})
    try:
        post(server, shop(), tenant="a")
        post(server, [{**shop()[4], "localEndpoint": {"serviceName": "other"}}], tenant="b")
        assert ask(server, "/api/v2/services", tenant="a") == ["Cart", "web"]
        assert ask(server, "/api/v2/services", tenant="b") == ["other"]
        assert ask(server, "/api/v2/spans", tenant="b", serviceName="web") == []
        assert ask(server, "/api/v2/remoteServices", tenant="b", serviceName="web") == []
        assert "http.status_code" not in ask(server, "/api/v2/autocompleteKeys", tenant="b")
        assert ask(server, "/api/v2/autocompleteValues", tenant="b", key="http.status_code") == []
        ask(server, f"/api/v2/trace/{FIRST}", tenant="b", status=404)
        (trace,) = ask(server, "/api/v2/traces", tenant="b")
        assert [span["localEndpoint"]["serviceName"] for span in trace] == ["other"], "the same id, another tenant"
        assert len(ask(server, "/api/v2/traceMany", tenant="b", traceIds=f"{FIRST},{SECOND}")) == 1
        assert ask(server, "/api/v2/dependencies", tenant="b", endTs=NOW // 1000 + 60_000) == []
        post(server, shop(), status=401)
        for path in ("services", "spans?serviceName=a", "remoteServices?serviceName=a", "autocompleteKeys", "autocompleteValues?key=a",
                     "traces", f"trace/{FIRST}", f"traceMany?traceIds={FIRST},1", "dependencies?endTs=5"):  # fmt: skip
            assert "X-Scope-OrgID" in ask(server, f"/api/v2/{path}", status=401), path
    finally:
        server.close()


def test_questions_can_be_switched_off(tmp_path):
    server = with_receiver(tmp_path / "server", {"listeners": {"zipkin": {"enabled": False}}})
    try:
        post(server, shop())
        for path in ("/api/v2/services", "/config.json", "/zipkin/api/v2/services"):
            ask(server, path, status=404)
        ask(server, "/api/v2/spans", status=405)
    finally:
        server.close()


def test_zipkins_own_traces_come_back(tmp_path):
    folder = CONFORMANCE / "zipkin/zipkin-lens/testdata"
    if not folder.is_dir():
        assert "CI" not in os.environ, f"conformance data is missing: {folder}"
        pytest.skip(f"no conformance data at {folder} (set TREFOIL_CONFORMANCE)")
    # They are years old.
    server = with_receiver(tmp_path / "server", {"storage": {"retention": {"block_retention": "0"}}})
    try:
        compared = 0
        for path in sorted(folder.glob("*.json")):
            sent = json.loads(path.read_text())
            post(server, sent)
            by_trace = {}
            for span in sent:
                by_trace.setdefault(span["traceId"], []).append(span)
            for trace_id, expected in by_trace.items():
                found = ask(server, f"/api/v2/trace/{trace_id}", kind=["Span"])
                assert sorted(found, key=place) == sorted(map(as_answered, expected), key=place), (path.name, trace_id)
                compared += len(expected)
        assert compared > 200
    finally:
        server.close()


def place(span):
    return span["id"], span.get("localEndpoint", {}).get("serviceName", ""), span.get("kind", ""), span.get("timestamp", 0)


def as_answered(span):
    """A span that was sent: with ids of full width, without what says nothing, and with OpenTelemetry's words for a failure."""
    ids = {"traceId": 32 if len(span["traceId"]) > 16 else 16, "id": 16, "parentId": 16}
    span = {key: str(value).zfill(ids[key]) if key in ids else value for key, value in span.items()}
    # Some of their addresses are none.
    for side in ("localEndpoint", "remoteEndpoint"):
        if side in span:
            span[side] = {key: value for key, value in span[side].items() if key != "ipv4" or is_address(value)}
    if "error" in span.get("tags", {}):
        span["tags"] = {**span["tags"], "otel.status_code": "ERROR", "error": span["tags"]["error"] or "true"}
    return {key: value for key, value in span.items() if value not in ([], {}, None, False, "")}


def is_address(text):
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
