"""Log records of unchanged OpenTelemetry SDKs in three languages by every protocol they speak, read as users of Loki do."""

import json

import pytest
import requests

from sdks import SDKS, go, node, python, run

PROTOCOLS = [(sdk, protocol) for sdk in SDKS for protocol in ("grpc", "http/protobuf")] + [(node, "http/json")]
MILLISECOND = 1_000_000
CATEGORIZE = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}

#: The type that each program gives to the error that it tells of.
EXCEPTIONS = {python: "ValueError", node: "RangeError", go: "*errors.errorString"}
DECLINED = 'card "7" was declined\n\tat the till: naïve ☕'
ORDER = {
    "http_route": "/orders",
    "http_response_status_code": "200",
    "cart_total": "12.5",
    "cart_gift": "true",
    "cart_items": '["atlas","novel"]',
    # Loki has the members of a map one by one.
    "cart_owner_name": "Ada",
    "cart_owner_visits": "3",
}


def ask(server, query, start, **parameters):
    """The streams and lines in the order of time, each line as (time, line, metadata, parsed)."""
    parameters = {"query": query, "start": start, "end": start + 60_000 * MILLISECOND, "direction": "forward"} | parameters
    url = f"{server.loki}/loki/api/v1/query_range"
    answer = requests.get(url, params=parameters, headers=CATEGORIZE, timeout=30)
    assert answer.status_code == 200, (query, answer.text)
    result = answer.json()["data"]["result"]
    lines = [
        (int(at), line, more.get("structuredMetadata", {}), more.get("parsed", {}))
        for stream in result for at, line, more in stream["values"]
    ]  # fmt: skip
    return [stream["stream"] for stream in result], sorted(lines, key=lambda line: line[0])


@pytest.mark.parametrize(("sdk", "protocol"), PROTOCOLS, ids=lambda value: getattr(value, "__name__", value))
def test_sdk(shared_server, sdk, protocol, tmp_path):
    server = shared_server
    service = f"bookshop-logs-{sdk.__name__}-{protocol.replace('/', '-')}"
    trace_id, start = run(
        sdk, "logs", tmp_path,
        EXPORTER_OTLP_PROTOCOL=protocol,
        EXPORTER_OTLP_ENDPOINT=server.grpc if protocol == "grpc" else server.http,
        EXPORTER_OTLP_INSECURE="true",
        SERVICE_NAME=service,
        RESOURCE_ATTRIBUTES="service.namespace=books,service.instance.id=till-1,deployment.environment.name=test,host.name=shop",
    ).split()  # fmt: skip
    selector, start = f'{{service_name="{service}"}}', int(start)

    streams, lines = ask(server, selector, start)
    labels = {
        "service_name": service,
        "service_namespace": "books",
        "service_instance_id": "till-1",
        "deployment_environment_name": "test",
    }
    assert all(stream == labels for stream in streams), streams
    order, stock, declined = lines[:3]
    # The standard library's logging is Python's alone.
    assert len(lines) == (4 if sdk is python else 3), lines
    assert [at - start for at, *_ in (order, stock, declined)] == [0, MILLISECOND, 2 * MILLISECOND]

    assert order[1] == "order received"
    metadata = order[2]
    assert {name: metadata.get(name) for name in ORDER} == ORDER
    rest = {"scope_name": "bookshop", "scope_version": "1.2.3", "host_name": "shop", "trace_id": trace_id}
    assert {name: metadata.get(name) for name in rest} == rest
    assert levels(metadata) == ("9", "INFO", "info") and len(metadata["span_id"]) == 16

    assert json.loads(stock[1]) == {"what": "stock is low", "left": 3, "shelf": {"row": "B"}}
    assert levels(stock[2]) == ("13", "WARN", "warn") and "trace_id" not in stock[2]

    assert declined[1] == DECLINED
    assert levels(declined[2]) == ("17", "ERROR", "error")
    assert (declined[2]["exception_type"], declined[2]["exception_message"]) == (EXCEPTIONS[sdk], "no money")
    assert declined[2]["event_name"] == "card.declined"

    if sdk is python:
        failed = lines[3]
        assert failed[1] == "order 7 failed" and levels(failed[2]) == ("17", "ERROR", "error")
        assert failed[2]["till_number"] == "2" and failed[2]["scope_name"] == "till"
        assert failed[2]["exception_stacktrace"].endswith("ValueError: no money\n")

    for stages, found in [
        (f'| trace_id="{trace_id}"', [order]),
        ('| http_response_status_code >= 200 | cart_gift="true"', [order]),
        ('| json | left < 4 | shelf_row="B"', [stock]),
        ('|= "naïve ☕"', [declined]),
        ('| detected_level="error" | event_name="card.declined"', [declined]),
    ]:
        _, lines = ask(server, f"{selector} {stages}", start)
        assert [line[:2] for line in lines] == [line[:2] for line in found], stages
    parsed = ask(server, f'{selector} | json | what="stock is low"', start)[1][0][3]
    assert parsed == {"what": "stock is low", "left": "3", "shelf_row": "B"}


def levels(metadata):
    return tuple(metadata.get(name) for name in ("severity_number", "severity_text", "detected_level"))
