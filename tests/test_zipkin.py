"""Zipkin's clients and formats against the receiver, and the exporter to another Trefoil."""

import gzip
import json
import os
import struct
import time
from pathlib import Path

import pytest
import requests
from py_zipkin import Encoding
from py_zipkin.transport import SimpleHTTPTransport
from py_zipkin.util import ZipkinAttrs
from py_zipkin.zipkin import zipkin_client_span, zipkin_server_span, zipkin_span

from trefoil import free_ports, merged, wait_until

CONFORMANCE = Path(os.environ.get("TREFOIL_CONFORMANCE", Path(__file__).resolve().parents[2] / "shared/conformance"))
JSON = {"Content-Type": "application/json"}
THRIFT = {"Content-Type": "application/x-thrift"}


def receiving(port, options=None):
    return {
        "receivers": {"zipkin": {"endpoint": f"127.0.0.1:{port}", **(options or {})}},
        "service": {"pipelines": {"traces": {"receivers": ["otlp", "zipkin"]}}},
    }


@pytest.fixture
def zipkin(start):
    """`zipkin()` starts a server with the receiver, of which `zipkin_port` is told."""

    def start_zipkin(options=None, more=None, name="server"):
        port = free_ports(1)[0]
        server = start(merged(receiving(port, options), more or {}), name=name)
        server.zipkin_port = port
        return server

    return start_zipkin


def post(server, path, body, headers=JSON, status=202):
    data = json.dumps(body) if isinstance(body, list) else body
    answer = requests.post(f"http://127.0.0.1:{server.zipkin_port}{path}", data=data, headers=headers, timeout=60)
    assert answer.status_code == status, answer.text
    return answer


def now():
    return int(time.time() * 1e6)


def by_tempo(server, trace_id):
    """The spans of a trace by Tempo's API, each with the attributes of its resource."""
    answer = requests.get(f"{server.tempo}/api/traces/{trace_id}", headers={"Accept": "application/json"}, timeout=60)
    assert answer.status_code == 200, answer.text
    return [
        (attributes(batch.get("resource", {}).get("attributes", [])), span)
        for batch in answer.json()["batches"]
        for scope in batch["scopeSpans"]
        for span in scope["spans"]
    ]


def attributes(pairs):
    return {pair["key"]: next(iter(pair["value"].values())) for pair in pairs}


@pytest.mark.parametrize("encoding", [Encoding.V2_JSON, Encoding.V2_PROTO3, Encoding.V1_JSON])
def test_a_stock_client(zipkin, encoding):
    server = zipkin()
    transport = SimpleHTTPTransport("127.0.0.1", server.zipkin_port)
    trace_id = "463ac35c9f6413ad48485a3953bb6124"
    ids = ZipkinAttrs(trace_id, "00000000000000a1", "00000000000000b2", "0", True)
    with zipkin_server_span(
        service_name="shop",
        span_name="GET /items",
        zipkin_attrs=ids,
        transport_handler=transport,
        encoding=encoding,
        port=8080,
        host="10.1.2.3",
    ) as span:
        span.update_binary_annotations({"http.status_code": "500", "error": "out of stock"})
        span.add_annotation("cache miss")
        with zipkin_client_span(service_name="shop", span_name="query") as client:
            client.add_sa_binary_annotation(port=5432, service_name="db", host="10.9.9.9")
        with zipkin_span(service_name="shop", span_name="render") as local:
            # In version 1, nothing but an annotation says whose a span is.
            local.update_binary_annotations({"part": "list"})
    # Its last request is sent when the block ends.
    rows = server.sql(
        f"SELECT service_name, name FROM spans WHERE encode(trace_id, 'hex') = '{trace_id}' ORDER BY name"
    )
    assert rows == [("shop", "GET /items"), ("shop", "query"), ("shop", "render")]
    found = {span["name"]: (resource, span) for resource, span in by_tempo(server, trace_id)}
    resource, request = found["GET /items"]
    assert resource == {"service.name": "shop"}
    assert request["kind"] == "SPAN_KIND_SERVER"
    assert request["status"] == {"code": "STATUS_CODE_ERROR", "message": "out of stock"}
    expected = {"http.status_code": "500", "network.local.address": "10.1.2.3", "network.local.port": "8080"}
    if encoding != Encoding.V1_JSON:
        # It joined the span of its caller, which version 1 cannot say.
        expected["otel.zipkin.shared"] = True
    assert attributes(request["attributes"]) == expected
    assert [event["name"] for event in request["events"]] == ["cache miss"]
    assert int(request["endTimeUnixNano"]) > int(request["startTimeUnixNano"]) > 0
    _, query = found["query"]
    assert query["kind"] == "SPAN_KIND_CLIENT"
    assert query["parentSpanId"] == request["spanId"]
    called = attributes(query["attributes"])
    assert (called["peer.service"], called["network.peer.address"], called["network.peer.port"]) == ("db", "10.9.9.9", "5432")
    accepted = 'otelcol_receiver_accepted_spans_total{receiver="zipkin",transport="http_'
    assert sum(value for name, value in server.metrics().items() if name.startswith(accepted)) == 3


def test_both_sides_of_a_shared_span_are_kept(zipkin):
    server = zipkin()
    at = now()
    side = {"traceId": "86154a4ba6e91385", "parentId": "1", "id": "2", "timestamp": at, "duration": 500}
    client = {**side, "kind": "CLIENT", "localEndpoint": {"serviceName": "web"}}
    shared = {**side, "kind": "SERVER", "localEndpoint": {"serviceName": "api"}, "shared": True}
    for span in (client, shared):
        post(server, "/api/v2/spans", [span])
    found = by_tempo(server, "86154a4ba6e91385")
    sides = {resource["service.name"]: attributes(span.get("attributes", [])) for resource, span in found}
    assert sides == {"web": {}, "api": {"otel.zipkin.shared": True}}
    assert len({span["spanId"] for _, span in found}) == 1


def thrift_span(trace_id, span_id, at, service):
    """A span of a server in thrift, in a list of its own."""
    field = lambda kind, number, value: struct.pack(">bh", kind, number) + value
    text = lambda value: struct.pack(">i", len(value)) + value.encode()
    structs = lambda *elements: struct.pack(">bi", 12, len(elements)) + b"".join(elements)
    host = field(8, 1, struct.pack(">i", 0x0A000001)) + field(6, 2, struct.pack(">h", 80)) + field(11, 3, text(service)) + b"\0"
    at_host = field(12, 3, host) + b"\0"
    annotation = lambda when, value: field(10, 1, struct.pack(">q", when)) + field(11, 2, text(value)) + at_host
    count = field(11, 1, text("rows")) + field(11, 2, struct.pack(">ii", 4, 7)) + field(8, 3, struct.pack(">i", 3)) + b"\0"
    span = (
        field(10, 1, struct.pack(">q", trace_id))
        + field(11, 3, text("select"))
        + field(10, 4, struct.pack(">q", span_id))
        + field(15, 6, structs(annotation(at, "sr"), annotation(at + 250, "ss")))
        + field(15, 8, structs(count))
        + b"\0"
    )
    return structs(span)


def test_raw_bodies_of_version_1(zipkin):
    server = zipkin()
    at = now()
    post(server, "/api/v1/spans", thrift_span(0xABC, 0xDEF, at, "db"), THRIFT)
    [(resource, span)] = by_tempo(server, "abc")
    assert (resource, span["name"], span["kind"]) == ({"service.name": "db"}, "select", "SPAN_KIND_SERVER")
    expected = {"network.local.address": "10.0.0.1", "network.local.port": "80", "rows": "7"}
    assert attributes(span["attributes"]) == expected
    assert int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) == 250_000

    web, api = {"serviceName": "web"}, {"serviceName": "api"}
    annotations = [(at, "cs", web), (at + 10, "sr", api), (at + 20, "ss", api), (at + 30, "cr", web)]
    body = [
        {
            "traceId": "123",
            "id": "456",
            "name": "get",
            "timestamp": at,
            "duration": 30,
            "annotations": [{"timestamp": when, "value": value, "endpoint": host} for when, value, host in annotations],
        }
    ]
    post(server, "/api/v1/spans", gzip.compress(json.dumps(body).encode()), {**JSON, "Content-Encoding": "gzip"})
    kinds = {resource["service.name"]: span["kind"] for resource, span in by_tempo(server, "123")}
    assert kinds == {"web": "SPAN_KIND_CLIENT", "api": "SPAN_KIND_SERVER"}


def test_bad_spans_are_named_and_cost_only_themselves(zipkin):
    server = zipkin({"parse_string_tags": True})
    good = {"traceId": "1", "id": "2", "timestamp": now(), "tags": {"count": "7"}}
    answer = post(server, "/api/v2/spans", [good, {**good, "id": "x"}])
    assert answer.text == '1 span cannot be taken: [1].id: "x" is not hexadecimal'
    assert post(server, "/", [{**good, "id": "3"}]).content == b""
    assert server.sql("SELECT DISTINCT attribute_number(span_attributes, 'count') FROM spans") == [(7.0,)]
    answer = post(server, "/api/v2/spans", [{"id": "x"}], status=400)
    assert answer.text == "1 span cannot be taken: [0].traceId: is missing"
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert post(server, "/api/v2/spans", "{", status=400).text.startswith("the body is not a list of spans in Zipkin's JSON")
    assert post(server, "/api/v1/spans", b"\x0c\x7f\xff\xff\xff", THRIFT, status=400).text.startswith("the body is not a list")
    assert server.count("spans") == 2


def test_tenants_are_told_apart(zipkin):
    server = zipkin(more={"tenancy": {"enabled": True}})
    span = {"traceId": "1", "id": "2", "timestamp": now()}
    assert "X-Scope-OrgID" in post(server, "/api/v2/spans", [span], status=401).text
    post(server, "/api/v2/spans", [span], {**JSON, "X-Scope-OrgID": "acme"})
    assert (server.count("spans", tenant="acme"), server.count("spans", tenant="other")) == (1, 0)


@pytest.mark.parametrize("form", ["json", "proto"])
def test_the_exporter_sends_to_another_trefoil(zipkin, form):
    destination = zipkin(name="destination")
    exporter = {"endpoint": f"http://127.0.0.1:{destination.zipkin_port}/api/v2/spans", "format": form, "compression": "gzip"}
    source = zipkin(
        more={
            "exporters": {"zipkin": exporter},
            "service": {"pipelines": {"traces": {"exporters": ["trefoil", "zipkin"]}}},
        },
        name="source",
    )
    at = now()
    span = {
        "traceId": "4d1e00c0db9010db86154a4ba6e91385",
        "parentId": "1",
        "id": "2",
        "kind": "CLIENT",
        "name": "get",
        "timestamp": at,
        "duration": 207,
        "localEndpoint": {"serviceName": "frontend", "ipv6": "2001:db8::c001"},
        "remoteEndpoint": {"serviceName": "backend", "ipv4": "192.168.99.101", "port": 9000},
        "annotations": [{"timestamp": at + 1, "value": "retry"}],
        "tags": {"http.path": "/api", "error": "timed out", "host.name": "h"},
        "debug": True,
        "shared": True,
    }
    post(source, "/api/v2/spans", [span, {**span, "id": "3", "shared": False}])
    wait_until(lambda: destination.count("spans") == 2, "the spans arrive")
    trace = lambda server: sorted(by_tempo(server, span["traceId"]), key=lambda found: found[1]["spanId"])
    assert trace(destination) == trace(source)
    assert len(trace(source)) == 2
    assert source.metrics()['otelcol_exporter_sent_spans_total{exporter="zipkin"}'] == 2


def test_zipkins_own_traces(zipkin):
    folder = CONFORMANCE / "zipkin/zipkin-lens/testdata"
    if not folder.is_dir():
        assert "CI" not in os.environ, f"conformance data is missing: {folder}"
        pytest.skip(f"no conformance data at {folder} (set TREFOIL_CONFORMANCE)")
    # They are years old.
    server = zipkin(more={"storage": {"retention": {"block_retention": "0"}}})
    for path in sorted(folder.glob("*.json")):
        spans = json.loads(path.read_text())
        assert post(server, "/api/v2/spans", spans).text == "", path
        by_trace = {}
        for span in spans:
            by_trace.setdefault(span["traceId"], []).append(span)
        for trace_id, expected in by_trace.items():
            found = sorted((span["spanId"], span.get("name", "")) for _, span in by_tempo(server, trace_id))
            assert len(found) == len(expected), (path, trace_id)
            assert {name for _, name in found} == {span.get("name", "") for span in expected}
