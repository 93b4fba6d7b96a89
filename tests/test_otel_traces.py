"""A trace of unchanged OpenTelemetry SDKs in three languages by every protocol they speak, read as users of Tempo and Jaeger do."""

from base64 import b64decode

import pytest
import requests

from sdks import SDKS, go, node, python, run

PROTOCOLS = [(sdk, protocol) for sdk in SDKS for protocol in ("grpc", "http/protobuf")] + [(node, "http/json")]
MILLISECOND = 1_000_000

ATTRIBUTES = {
    "http.route": {"stringValue": "/orders"},
    "http.response.status_code": {"intValue": "200"},
    "cart.total": {"doubleValue": 12.5},
    "cart.gift": {"boolValue": True},
    "cart.items": {"arrayValue": {"values": [{"stringValue": "atlas"}, {"stringValue": "novel"}]}},
    "cart.prices": {"arrayValue": {"values": [{"doubleValue": 4.25}, {"doubleValue": 8.25}]}},
}
#: The type that each SDK gives to the error that is recorded.
EXCEPTIONS = {python: "ValueError", node: "RangeError", go: "*errors.errorString"}


def attributes(part):
    return {attribute["key"]: attribute["value"] for attribute in part.get("attributes", [])}


@pytest.mark.parametrize(("sdk", "protocol"), PROTOCOLS, ids=lambda value: getattr(value, "__name__", value))
def test_sdk(shared_server, sdk, protocol, tmp_path):
    server = shared_server
    service = f"bookshop-traces-{sdk.__name__}-{protocol.replace('/', '-')}"
    trace_id, earlier = run(
        sdk, "traces", tmp_path,
        EXPORTER_OTLP_PROTOCOL=protocol,
        EXPORTER_OTLP_ENDPOINT=server.grpc if protocol == "grpc" else server.http,
        EXPORTER_OTLP_INSECURE="true",
        SERVICE_NAME=service,
        RESOURCE_ATTRIBUTES="service.namespace=books,service.instance.id=till-1,deployment.environment.name=test",
    ).split()  # fmt: skip
    assert_whole(server, sdk, service, trace_id, earlier)
    assert_found(server, sdk, trace_id, earlier)
    assert_shown_by_jaeger(server, service, trace_id)


def assert_whole(server, sdk, service, trace_id, earlier):
    """The trace by its id: everything that the SDK was told."""
    answer = requests.get(f"{server.tempo}/api/v2/traces/{trace_id}", headers={"Accept": "application/json"}, timeout=30)
    assert answer.status_code == 200, answer.text
    [resource] = answer.json()["trace"]["resourceSpans"]
    told = attributes(resource["resource"])
    assert told["service.name"] == {"stringValue": service}
    assert told["deployment.environment.name"] == {"stringValue": "test"}
    [scope] = resource["scopeSpans"]
    assert scope["scope"] == {"name": "bookshop", "version": "1.2.3"}

    spans = {span["name"]: span for span in scope["spans"]}
    checkout, order, charge, receipt = (spans.pop(name) for name in ("checkout", "POST /orders", "charge card", "send receipt"))
    assert spans == {}
    assert "parentSpanId" not in checkout
    assert order["parentSpanId"] == checkout["spanId"]
    assert charge["parentSpanId"] == receipt["parentSpanId"] == order["spanId"]
    kinds = [span["kind"].removeprefix("SPAN_KIND_") for span in (checkout, order, charge, receipt)]
    assert kinds == ["CLIENT", "SERVER", "CLIENT", "PRODUCER"]

    assert attributes(order) == ATTRIBUTES
    # What the caller sent goes with the span that it called, and with those inside.
    assert "traceState" not in checkout
    assert {order["traceState"], charge["traceState"], receipt["traceState"]} == {"shop=till-1"}

    begun = int(checkout["startTimeUnixNano"])
    times = {span["name"]: [int(span[f"{end}TimeUnixNano"]) - begun for end in ("start", "end")] for span in (order, charge)}
    assert times == {"POST /orders": [10 * MILLISECOND, 300 * MILLISECOND], "charge card": [20 * MILLISECOND, 270 * MILLISECOND]}

    assert charge["status"] == {"code": "STATUS_CODE_ERROR", "message": "card was declined"}
    retry, exception = charge["events"]
    assert (retry["name"], attributes(retry)) == ("retry", {"attempt": {"intValue": "2"}})
    assert int(retry["timeUnixNano"]) - begun == 30 * MILLISECOND
    recorded = attributes(exception)
    assert exception["name"] == "exception"
    assert recorded["exception.type"] == {"stringValue": EXCEPTIONS[sdk]}
    assert recorded["exception.message"] == {"stringValue": "no money"}

    assert receipt["status"] == {"code": "STATUS_CODE_OK"}
    [link] = receipt["links"]
    # Protobuf's JSON has bytes in base 64, and Tempo keeps to it.
    assert (b64decode(link["traceId"]).hex(), attributes(link)) == (earlier, {"reason": {"stringValue": "again"}})


def assert_found(server, sdk, trace_id, earlier):
    """TraceQL finds the trace by everything that it is."""
    for query in (
        '{ span.cart.items = "novel" && span.cart.prices > 8 && span.cart.gift = true && span.http.response.status_code = 200 }',
        '{ name = "checkout" && kind = client } >> { status = error && statusMessage = "card was declined" }',
        '{ name = "charge card" && duration = 250ms } ~ { kind = producer && status = ok }',
        "{ event:name = `retry` && event.attempt = 2 && event:timeSinceStart = 10ms }",
        f"{{ event.exception.type = `{EXCEPTIONS[sdk]}` }}",
        f'{{ link:traceID = "{earlier}" && link.reason = "again" }}',
        '{ instrumentation:name = "bookshop" && instrumentation:version = "1.2.3" && rootName = "checkout" }',
        '{ resource.deployment.environment.name = "test" && trace:duration = 310ms }',
        '{ kind = client } | count() = 2 | avg(duration) > 279ms',
    ):
        answer = requests.get(f"{server.tempo}/api/search", params={"q": query, "limit": 100}, timeout=30)
        assert answer.status_code == 200, (query, answer.text)
        # Tempo leaves out zeros in front.
        assert trace_id in {found["traceID"].rjust(32, "0") for found in answer.json()["traces"]}, query


def assert_shown_by_jaeger(server, service, trace_id):
    """Jaeger's UI lists the trace, with its error and its reference to the other trace."""
    parameters = {"service": service, "operation": "charge card", "tags": '{"error":"true"}', "lookback": "1h"}
    answer = requests.get(f"{server.jaeger}/api/traces", params=parameters, timeout=30)
    assert answer.status_code == 200, answer.text
    [trace] = answer.json()["data"]
    assert trace["traceID"] == trace_id
    references = {span["operationName"]: len(span["references"]) for span in trace["spans"]}
    assert references == {"checkout": 0, "POST /orders": 1, "charge card": 1, "send receipt": 2}
