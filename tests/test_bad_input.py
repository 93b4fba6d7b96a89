"""What bad input gets: a correct OTLP answer, everything valid in the same request kept, bounded memory."""

import gzip
import json
import math
import os
import re
import zlib

import grpc
import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

import otlp
from otlp import attribute, gauge, logs, post, send, spans


@pytest.fixture
def server(shared_server):
    yield shared_server
    # Whatever a test sent, the server lives and works.
    send(shared_server, "logs", logs(1, service="afterwards"))


def stored(server, service, table="spans"):
    return server.count(table, f"service_name = '{service}'")


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", b"\x0a\x7fabc", os.urandom(997)], ids=["tag", "short", "random"])
def test_malformed_protobuf_is_400(server, signal, body):
    answer = post(server, signal, body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("application/x-protobuf")
    assert answer.content, "the answer carries a google.rpc.Status"


@pytest.mark.parametrize("body", ["{", '{"resourceSpans": 7}', "[]", '{"resourceSpans": [{"scopeSpans": "x"}]}', "\ufeff"])
def test_malformed_json_is_400(server, body):
    answer = post(server, "traces", body.encode(), "application/json")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()["message"]


def test_json_is_taken(server):
    body = {
        "resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "json"}}]},
            "scopeSpans": [{"spans": [{
                "traceId": "5b8aa5a2d2c872e8321cf37308d69df2", "spanId": "5fb397be34d26b51", "name": "by hand",
                "kind": "SPAN_KIND_SERVER", "startTimeUnixNano": str(otlp.now()), "endTimeUnixNano": str(otlp.now()),
                "attributes": [{"key": "n", "value": {"intValue": "7"}}], "unknownField": {"is": "ignored"},
            }]}],
        }]
    }
    answer = post(server, "traces", json.dumps(body), "application/json")
    assert answer.status_code == 200 and answer.json() in ({}, {"partialSuccess": {}})
    rows = server.sql("SELECT trace_id, name FROM spans WHERE service_name = 'json'")
    assert rows == [("5b8aa5a2d2c872e8321cf37308d69df2", "by hand")]


def test_wrong_content_type_is_415(server):
    for content_type in ("text/plain", "application/xml", ""):
        assert post(server, "traces", b"", content_type).status_code == 415, content_type


def test_wrong_method_and_path(server):
    assert requests.get(f"{server.http}/v1/traces", timeout=10).status_code == 405
    assert requests.post(f"{server.http}/v1/trace", timeout=10).status_code == 404


def test_compressed_bodies(server):
    body = spans(3, service="gzip").SerializeToString()
    assert post(server, "traces", gzip.compress(body), Content_Encoding="gzip").status_code == 200
    assert post(server, "traces", zlib.compress(body), Content_Encoding="deflate").status_code == 200
    assert stored(server, "gzip") == 6
    assert post(server, "traces", body, Content_Encoding="gzip").status_code == 400
    assert post(server, "traces", body, Content_Encoding="br").status_code == 415


def test_oversize_and_bombs_are_refused(server):
    huge = b"\x0a" + b"\0" * (64 << 20)
    assert post(server, "traces", huge).status_code == 413
    bomb = gzip.compress(b"\0" * (1 << 30), compresslevel=1)
    assert post(server, "logs", bomb, Content_Encoding="gzip").status_code in (400, 413)
    status = open(f"/proc/{server.process.pid}/status").read()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) >> 10
    assert peak < 1024, f"{peak} MiB"


def test_an_attribute_of_1_mib(server):
    request = spans(2, service="large")
    request.resource_spans[0].scope_spans[0].spans[0].attributes.append(attribute("large", "x" * (1 << 20)))
    rejected, message = send(server, "traces", request)
    assert (rejected, stored(server, "large")) == (0, 2), message


def test_10000_attributes_a_span(server):
    request = spans(2, service="many")
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend(attribute(f"key.{number}", number) for number in range(10_000))
    rejected, message = send(server, "traces", request)
    assert (rejected, stored(server, "many")) == (0, 2), message


def test_duplicate_keys(server):
    request = spans(1, service="duplicates")
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend([attribute("twice", 1), attribute("twice", "two"), attribute("http.route", "/a"),
                            attribute("http.route", "/b")])
    rejected, _ = send(server, "traces", request)
    assert rejected == 0
    assert stored(server, "duplicates") == 1


@pytest.mark.parametrize("trace_id, span_id", [(b"", b"\1" * 8), (bytes(16), b"\1" * 8), (b"\1" * 16, bytes(8)),
                                               (b"\1" * 15, b"\1" * 8), (b"\1" * 16, b"\1" * 9)])
def test_bad_ids_are_rejected_one_by_one(server, trace_id, span_id):
    service = f"ids-{trace_id.hex()}-{span_id.hex()}"
    request = spans(4, service=service)
    bad = request.resource_spans[0].scope_spans[0].spans[1]
    bad.trace_id, bad.span_id = trace_id, span_id
    rejected, message = send(server, "traces", request)
    assert rejected == 1
    assert "id" in message
    assert stored(server, service) == 3


def test_logs_without_ids_are_fine(server):
    rejected, _ = send(server, "logs", logs(2, service="no-ids"))
    assert rejected == 0 and stored(server, "no-ids", "logs") == 2


@pytest.mark.parametrize("when", [0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1],
                         ids=["zero", "one", "year 2262", "beyond", "negative"])
def test_extreme_times(server, when):
    service = f"time-{when}"
    request = spans(3, service=service)
    span = request.resource_spans[0].scope_spans[0].spans[1]
    span.start_time_unix_nano = span.end_time_unix_nano = when
    rejected, message = send(server, "traces", request)
    assert stored(server, service) == 3 - rejected
    assert rejected == (1 if when >= 1 << 63 else 0), message
    if rejected:
        assert "time" in message
    rejected, _ = send(server, "logs", logs(2, service=service, time_unix_nano=when))
    assert stored(server, service, "logs") == 2 - rejected
    rejected, message = send(server, "metrics", gauge([1, 2], service=service, time_unix_nano=when))
    assert rejected == (2 if when == 0 or when >= 1 << 63 else 0), message


def test_invalid_utf8_is_replaced(server):
    body = spans(1, service="utf8", name="NAME-HERE").SerializeToString()
    rejected, _ = send(server, "traces", body.replace(b"NAME-HERE", b"NAME\xff\xfeERE"))
    assert rejected == 0
    assert server.sql("SELECT name FROM spans WHERE service_name = 'utf8'") == [("NAME\ufffd\ufffdERE",)]


def test_nan_and_infinities(server):
    values = [math.nan, math.inf, -math.inf, 1.5, -0.0, 5e-324]
    rejected, _ = send(server, "metrics", gauge(values, name="odd.numbers", service="numbers"))
    assert rejected == 0
    rows = server.sql(
        "SELECT cast(value_double AS varchar) FROM samples WHERE metric_name = 'odd.numbers' ORDER BY time_unix_nano"
    )
    assert [float(row[0]) for row in rows[1:]] == values[1:] and rows[0][0].lower() == "nan"
    assert math.copysign(1, float(rows[4][0])) == -1
    request = spans(1, service="numbers")
    request.resource_spans[0].scope_spans[0].spans[0].attributes.append(attribute("ratio", math.nan))
    send(server, "traces", request)
    assert stored(server, "numbers") == 1


def test_empty_requests_are_fine(server):
    for signal in ("traces", "logs", "metrics"):
        assert send(server, signal, b"") == (0, "")


def test_a_million_distinct_keys(server):
    """Keys never seen before and never again: memory and columns stay bounded, and everything is kept."""
    total = 0
    for batch in range(20):
        request = logs(500, service="keys")
        for number, record in enumerate(request.resource_logs[0].scope_logs[0].log_records):
            first = (batch * 500 + number) * 100
            record.attributes.extend(attribute(f"k{key}", key) for key in range(first, first + 100))
        rejected, _ = send(server, "logs", request)
        assert rejected == 0
        total += 500
    assert stored(server, "keys", "logs") == total
    columns = server.sql("SELECT count(*) FROM information_schema.columns WHERE table_name = 'logs'")[0][0]
    assert columns < 400, columns
    status = open(f"/proc/{server.process.pid}/status").read()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) >> 10
    assert peak < 1536, f"{peak} MiB"


def test_grpc_errors(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        raw = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as error:
            raw(b"\xff\xff\xff")
        assert error.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL)
        with pytest.raises(grpc.RpcError) as error:
            raw(b"\x0a" + b"\0" * (32 << 20))
        assert error.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.OUT_OF_RANGE)
        request = spans(2, service="grpc-partial")
        request.resource_spans[0].scope_spans[0].spans[0].trace_id = b""
        answer = TraceServiceStub(channel).Export(request)
        assert answer.partial_success.rejected_spans == 1
        assert stored(server, "grpc-partial") == 1
