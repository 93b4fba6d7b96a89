"""Jaeger's query APIs, as its UI and Grafana's data source ask them: decoders as strict as theirs, and Jaeger's own queries."""

import base64
import json
import os
import time
from pathlib import Path

import grpc
import jaeger_client
import pytest
import requests
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from strict import check
from test_jaeger import Ports, field
from trefoil import Server, wait_until

CONFORMANCE = Path(os.environ.get("TREFOIL_CONFORMANCE", Path(__file__).resolve().parents[2] / "shared/conformance"))
FIXTURES = CONFORMANCE / "jaeger/internal/storage/integration/fixtures"
HOUR_US = 3_600_000_000

#: Members of Jaeger's `internal/uimodel`, of its envelopes, and of `jaeger.api_v3` in protobuf's JSON.
MESSAGES = {
    "Names": {"data": [str], "total": int, "limit": int, "offset": int, "errors": (["Error"], None)},
    "Operations": {"data": ["Operation"], "total": int, "limit": int, "offset": int, "errors": (["Error"], None)},
    "Traces": {"data": (["Trace"], None), "total": int, "limit": int, "offset": int, "errors": (["Error"], None)},
    "Links": {"data": ["Link"], "total": int, "limit": int, "offset": int, "errors": (["Error"], None)},
    "Error": {"code": int, "msg": str, "traceID": str},
    "Operation": {"name": str, "spanKind": str},
    "Link": {"parent": str, "child": str, "callCount": int},
    "Trace": {"traceID": str, "spans": ["Span"], "processes": {"": "Process"}, "warnings": ([str], None)},
    "Span": {
        "traceID": str, "spanID": str, "flags": int, "operationName": str, "references": ["Reference"], "startTime": int,
        "duration": int, "tags": ["KeyValue"], "logs": ["Log"], "processID": str, "warnings": ([str], None),
    },
    "Reference": {"refType": str, "traceID": str, "spanID": str},
    "Process": {"serviceName": str, "tags": ["KeyValue"]},
    "Log": {"timestamp": int, "fields": ["KeyValue"]},
    "KeyValue": {"key": str, "type": str, "value": object},
    "Family": {"name": str, "type": str, "help": str, "metrics": ["Metric"]},
    "Metric": {"labels": ["Label"], "metricPoints": ["Point"]},
    "Label": {"name": str, "value": str},
    "Point": {"gaugeValue": "Gauge", "timestamp": str},
    "Gauge": {"doubleValue": float},
    "V3Services": {"services": [str]},
    "V3Operations": {"operations": ["Operation"]},
    "V3Traces": {"result": "TracesData"},
    "V3Error": {"error": "V3Details"},
    "V3Details": {"grpcCode": int, "httpCode": int, "message": str, "httpStatus": str},
    "TracesData": {"resourceSpans": ["ResourceSpans"]},
    "ResourceSpans": {"resource": "Resource", "scopeSpans": ["ScopeSpans"], "schemaUrl": str},
    "Resource": {"attributes": ["Attribute"], "droppedAttributesCount": int},
    "ScopeSpans": {"scope": "Scope", "spans": ["OtlpSpan"], "schemaUrl": str},
    "Scope": {"name": str, "version": str, "attributes": ["Attribute"], "droppedAttributesCount": int},
    "OtlpSpan": {
        "traceId": str, "spanId": str, "traceState": str, "parentSpanId": str, "flags": int, "name": str, "kind": int,
        "startTimeUnixNano": "uint64", "endTimeUnixNano": "uint64", "attributes": ["Attribute"], "droppedAttributesCount": int,
        "events": ["Event"], "droppedEventsCount": int, "links": ["SpanLink"], "droppedLinksCount": int, "status": "Status",
    },
    "Event": {"timeUnixNano": "uint64", "name": str, "attributes": ["Attribute"], "droppedAttributesCount": int},
    "SpanLink": {"traceId": str, "spanId": str, "traceState": str, "attributes": ["Attribute"], "flags": int},
    "Status": {"message": str, "code": int},
    "Attribute": {"key": str, "value": "Value"},
    "Value": {
        "stringValue": str, "boolValue": bool, "intValue": str, "doubleValue": float, "bytesValue": str, "arrayValue": object,
        "kvlistValue": object,
    },
    "Summaries": {"summaries": ["Summary"]},
    "Summary": {
        "traceId": str, "rootServiceName": str, "rootOperationName": str, "minStartTimeUnixNano": "uint64",
        "maxEndTimeUnixNano": "uint64", "spanCount": int, "errorSpanCount": int, "orphanSpanCount": int,
        "services": ["ServiceSummary"],
    },
    "ServiceSummary": {"name": str, "spanCount": int, "errorSpanCount": int},
    "Paths": {"dependencies": ["Path"]},
    "Path": {"path": ["Step"], "attributes": ["PathAttribute"]},
    "Step": {"service": str, "operation": str},
    "PathAttribute": {"key": str, "value": str},
    "Quality": {"traceQualityDocumentationLink": str, "scores": ["Score"], "metrics": ["QualityMetric"]},
    "Score": {"key": str, "label": str, "max": int, "value": int},
    "QualityMetric": {
        "name": str, "category": str, "description": str, "metricDocumentationLink": str, "metricWeight": float,
        "passCount": int, "passExamples": ["Example"], "failureCount": int, "failureExamples": ["Example"],
    },
    "Example": {"spanIDs": [str], "traceID": str},
}  # fmt: skip


def value_of(value):
    kinds = {str: "stringValue", bool: "boolValue", float: "doubleValue"}
    return {"intValue": str(value)} if type(value) is int else {kinds[type(value)]: value}


def attributes(**pairs):
    return [{"key": key.replace("__", "."), "value": value_of(value)} for key, value in pairs.items()]


def span(trace_id, span_id, parent, name, kind, start_us, duration_us, failed=False, more=None, **pairs):
    made = {
        "traceId": trace_id, "spanId": f"{span_id:016x}", "name": name, "kind": kind,
        "startTimeUnixNano": str(start_us * 1000), "endTimeUnixNano": str((start_us + duration_us) * 1000),
        "attributes": attributes(**pairs), **(more or {}),
    }  # fmt: skip
    if parent:
        made["parentSpanId"] = f"{parent:016x}"
    if failed:
        made["status"] = {"code": 2, "message": "boom"}
    return made


def group(service, *spans, **pairs):
    return {
        "resource": {"attributes": attributes(service__name=service, **pairs)},
        "scopeSpans": [{"scope": {"name": "lib", "version": "1.2"}, "spans": list(spans)}],
    }


def send(server, *groups, tenant=None):
    headers = {"X-Scope-OrgID": tenant} if tenant else {}
    answer = requests.post(f"{server.http}/v1/traces", json={"resourceSpans": list(groups)}, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text


LONG = "4bf92f3577b34da6a3ce929d0e0e4736"
SHORT = "00000000000000005b8aa5a2d2c872e8"
START = int(time.time() * 1e6) - 60_000_000


def shop(server, tenant=None):
    """A checkout over three services that fails in one, and a small trace of a 64-bit id."""
    events = {"events": [{"timeUnixNano": str(START * 1000), "name": "retry", "attributes": attributes(attempt=2)}]}
    send(
        server,
        group("web", span(LONG, 1, None, "GET /checkout", 2, START, 90_000, http__status_code=500), host__name="h1"),
        group("cart", span(LONG, 2, 1, "load", 2, START + 1000, 20_000), span(LONG, 3, 2, "query", 3, START + 2000, 5000)),
        group("pay", span(LONG, 4, 1, "charge", 2, START + 30_000, 50_000, True, events, ratio=0.5)),
        group("web", span(SHORT, 5, None, "GET /", 2, START + 1_000_000, 3000, http__status_code=200)),
        tenant=tenant,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("jaeger")).start()
    shop(server)
    yield server
    server.close()


def ask(server, path, status=200, kind=None, method="GET", tenant=None, **parameters):
    headers = {"X-Scope-OrgID": tenant} if tenant else {}
    answer = requests.request(method, f"{server.jaeger}{path}", params=parameters, headers=headers, timeout=60)
    assert answer.status_code == status, f"{path} {parameters}: {answer.status_code} {answer.text}"
    body = answer.json()
    if kind:
        check(MESSAGES, kind, body)
    return body


def search(server, **parameters):
    parameters = {"start": START - HOUR_US, "end": START + HOUR_US, **parameters}
    return [trace["traceID"] for trace in ask(server, "/api/traces", kind="Traces", **parameters)["data"]]


def test_what_grafanas_data_source_asks(server):
    assert ask(server, "/api/services", kind="Names") == {
        "data": ["cart", "pay", "web"], "total": 3, "limit": 0, "offset": 0, "errors": None,
    }  # fmt: skip
    assert ask(server, "/api/services/web/operations", kind="Names")["data"] == ["GET /", "GET /checkout"]
    assert ask(server, "/api/services/no%2Fone/operations", kind="Names")["data"] == []
    # Tags come as an object of texts; the newest trace is the first.
    assert search(server, service="web", limit=20) == [SHORT[16:], LONG]
    assert search(server, service="web", operation="GET /checkout", tags='{"http.status_code":"500"}', minDuration="10ms") == [LONG]
    ms = START // 1000
    (trace,) = ask(server, f"/api/traces/{LONG}", kind="Traces", start=ms - 1000, end=ms + 1000)["data"]
    assert {one["operationName"] for one in trace["spans"]} == {"GET /checkout", "load", "query", "charge"}
    assert {process["serviceName"] for process in trace["processes"].values()} == {"web", "cart", "pay"}
    charge = next(one for one in trace["spans"] if one["operationName"] == "charge")
    assert charge["references"] == [{"refType": "CHILD_OF", "traceID": LONG, "spanID": f"{1:016x}"}]
    tags = {tag["key"]: tag["value"] for tag in charge["tags"]}
    assert (tags["error"], tags["span.kind"], tags["ratio"], tags["otel.scope.name"]) == (True, "server", 0.5, "lib")
    assert charge["logs"][0]["fields"][0] == {"key": "event", "type": "string", "value": "retry"}
    links = ask(server, "/api/dependencies", kind="Links", endTs=ms + 60_000, lookback=3_600_000)["data"]
    assert links == [
        {"parent": "web", "child": "cart", "callCount": 1},
        {"parent": "web", "child": "pay", "callCount": 1},
    ]
    assert ask(server, "/api/dependencies", endTs=ms - 3_600_000, lookback=3_600_000)["data"] == []


def test_ids_are_read_in_every_form(server):
    encoded = base64.b64encode(bytes.fromhex(LONG)).decode()
    for form in (LONG, LONG.upper(), encoded.replace("/", "%2F"), encoded.replace("/", "_").replace("+", "-").rstrip("=")):
        assert ask(server, f"/api/traces/{form}", kind="Traces")["data"][0]["traceID"] == LONG
    for form in (SHORT, SHORT[16:], SHORT[16:].lstrip("0")):
        assert ask(server, f"/api/traces/{form}", kind="Traces")["data"][0]["traceID"] == SHORT[16:]
    error = ask(server, "/api/traces/123", status=404, kind="Traces")
    assert error["data"] is None and error["errors"] == [{"code": 404, "msg": "trace not found"}]
    assert ask(server, "/api/traces/xyz!", status=400, kind="Traces")["errors"][0]["code"] == 400
    answer = ask(server, "/api/traces", kind="Traces", traceID=[LONG, "123"])
    assert [trace["traceID"] for trace in answer["data"]] == [LONG]
    assert answer["errors"] == [{"msg": "trace not found", "traceID": f"{0x123:016x}"}]


def test_a_search_says_what_of_spans(server):
    for parameters, expected in [
        ({}, [SHORT[16:], LONG]),
        ({"limit": 1}, [SHORT[16:]]),
        ({"service": "cart"}, [LONG]),
        ({"service": "cart", "operation": "GET /"}, []),
        ({"service": "nobody"}, []),
        ({"tag": "error:true"}, [LONG]),
        ({"service": "web", "tag": "error:true"}, []),
        ({"tag": ["span.kind:client", "otel.scope.name:lib"]}, [LONG]),
        ({"tag": "ratio:0.5"}, [LONG]),
        ({"tag": "attempt:2"}, [LONG]),
        ({"tag": "resource.host.name:h1"}, [LONG]),
        ({"tag": "host.name:h2"}, []),
        ({"service": "web", "maxDuration": "10ms"}, [SHORT[16:]]),
        ({"service": "web", "minDuration": "3ms", "maxDuration": "3000us"}, [SHORT[16:]]),
        ({"end": START - HOUR_US // 2}, []),
        ({"start": "", "end": "", "lookback": "1h"}, [SHORT[16:], LONG]),
        ({"start": "", "end": "", "lookback": "1s"}, []),
    ]:
        assert search(server, **parameters) == expected, parameters
    for parameters, told in [
        ({"tags": "{"}, "malformed 'tags' parameter"),
        ({"limit": "x"}, "strconv.ParseInt"),
        ({"limit": 0}, "between 1 and"),
        ({"minDuration": "soon"}, "unable to parse param 'minDuration'"),
        ({"traceID": "x y"}, "cannot parse traceID param"),
    ]:
        error = ask(server, "/api/traces", status=400, kind="Traces", **parameters)
        assert told in error["errors"][0]["msg"], parameters


def test_what_jaegers_ui_asks(server):
    """The newest UI searches by version 3, and shows by the older API."""
    assert ask(server, "/api/v3/services", kind="V3Services")["services"] == ["cart", "pay", "web"]
    operations = ask(server, "/api/v3/operations", kind="V3Operations", service="cart")["operations"]
    assert operations == [{"name": "load", "spanKind": "server"}, {"name": "query", "spanKind": "client"}]
    assert len(ask(server, "/api/v3/operations", kind="V3Operations", service="cart", spanKind="client")["operations"]) == 1
    operations = ask(server, "/api/operations", kind="Operations", service="web", spanKind="server")["data"]
    assert operations == [{"name": "GET /", "spanKind": "server"}, {"name": "GET /checkout", "spanKind": "server"}]
    assert ask(server, "/api/operations", status=400, kind="Traces")["errors"][0]["msg"] == "parameter 'service' is required"

    period = {"query.startTimeMin": rfc3339(START - HOUR_US), "query.startTimeMax": rfc3339(START + HOUR_US)}
    query = {**period, "query.serviceName": "web", "query.searchDepth": 20}
    short, long = ask(server, "/api/v3/trace-summaries", kind="Summaries", **query)["summaries"]
    assert short["traceId"] == SHORT
    assert long == {
        "traceId": LONG, "rootServiceName": "web", "rootOperationName": "GET /checkout",
        "minStartTimeUnixNano": str(START * 1000), "maxEndTimeUnixNano": str((START + 90_000) * 1000), "spanCount": 4,
        "errorSpanCount": 1,
        "services": [{"name": "cart", "spanCount": 2}, {"name": "pay", "spanCount": 1, "errorSpanCount": 1},
                     {"name": "web", "spanCount": 1}],
    }  # fmt: skip
    assert ask(server, "/api/v3/trace-summaries", kind="Summaries", **{**query, "query.serviceName": "x"})["summaries"] == []

    pretty = requests.get(f"{server.jaeger}/api/traces/{LONG}", params={"prettyPrint": "true", "raw": "true"}, timeout=60)
    assert pretty.text.startswith('{\n    "data": [\n        {\n') and pretty.headers["Content-Type"] == "application/json"
    archived = ask(server, f"/api/archive/{LONG}", method="POST", status=500, kind="Traces")
    assert archived["errors"] == [{"code": 500, "msg": "archive span storage was not configured"}]
    paths = ask(server, "/analytics/v1/dependencies", kind="Paths", service="web", start=0, end=0)["dependencies"]
    steps = [[(step["service"], step["operation"]) for step in path["path"]] for path in paths]
    assert [("web", "GET /checkout"), ("pay", "charge")] in steps and len(steps) == 3
    assert ask(server, "/api/quality-metrics", kind="Quality", service="web", lookback=1)["scores"][0]["value"] == 100


def rfc3339(us):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(us // 1_000_000)) + f".{us % 1_000_000:06}Z"


def test_version_3_answers_otlp(server):
    (groups,) = ask(server, f"/api/v3/traces/{LONG}", kind="V3Traces").values()
    spans = [one for of in groups["resourceSpans"] for scope in of["scopeSpans"] for one in scope["spans"]]
    assert sorted(one["name"] for one in spans) == ["GET /checkout", "charge", "load", "query"]
    assert {one["kind"] for one in spans} == {2, 3}
    # Grafana does not encode its times.
    times = f"query.start_time_min={rfc3339(START - HOUR_US)}&query.start_time_max={rfc3339(START + HOUR_US)[:-1]}+00:00"
    for condition, names in [
        ("query.service_name=pay", {"GET /checkout", "charge", "load", "query"}),
        ('query.attributes={"error":"false"}&query.duration_max=4ms', {"GET /"}),
        ('query.filter={"op":"eq","args":[{"attr":{"key":"http.status_code"}},{"scalar":{"value":"200"}}]}', {"GET /"}),
    ]:
        answer = requests.get(f"{server.jaeger}/api/v3/traces?{condition}&{times}", timeout=60)
        assert answer.status_code == 200, answer.text
        check(MESSAGES, "V3Traces", answer.json())
        found = answer.json()["result"]["resourceSpans"]
        assert {one["name"] for of in found for scope in of["scopeSpans"] for one in scope["spans"]} == names
    for path, status, told in [
        (f"/api/v3/traces?query.service_name=nobody&{times}", 404, "No traces found"),
        ("/api/v3/traces", 400, "query.startTimeMin and query.startTimeMax are required"),
        ("/api/v3/traces/77", 404, "No traces found"),
        ("/api/v3/traces/x.y", 400, "malformed parameter trace_id"),
        (f"/api/v3/traces?query.filter={{}}&{times}", 400, "malformed parameter query.filter"),
    ]:
        error = ask(server, path, status=status, kind="V3Error")["error"]
        assert error["httpCode"] == status and error["message"].startswith(told)
    links = ask(server, "/api/v3/dependencies", startTime=rfc3339(START - HOUR_US), endTime=rfc3339(START + HOUR_US))
    assert {"parent": "web", "child": "pay", "callCount": "1"} in links["dependencies"]


def test_transform_makes_the_uis_json(server):
    document = {"resourceSpans": [group("own", span(LONG, 9, 8, "up", 3, START, 10, n=1))]}
    answer = requests.post(f"{server.jaeger}/api/transform", json=document, timeout=60)
    assert answer.status_code == 200, answer.text
    check(MESSAGES, "Traces", answer.json())
    (trace,) = answer.json()["data"]
    assert trace["spans"][0]["references"][0]["spanID"] == f"{8:016x}"
    fixtures = CONFORMANCE / "jaeger/cmd/jaeger/internal/extension/jaegerquery/internal/fixture"
    if fixtures.is_dir():
        answer = requests.post(f"{server.jaeger}/api/transform", data=(fixtures / "otlp2jaeger-in.json").read_bytes(), timeout=60)
        assert answer.json() == json.loads((fixtures / "otlp2jaeger-out.json").read_text())
    for body in ("{", '{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]}'):
        answer = requests.post(f"{server.jaeger}/api/transform", data=body, timeout=60)
        assert answer.status_code == 400 and answer.json()["errors"][0]["msg"].startswith("cannot unmarshal OTLP")


def test_metrics_of_the_monitor_tab(server):
    end = START // 1000 + 120_000
    common = {"service": ["web", "pay", "nobody"], "endTs": end, "lookback": 300_000, "step": 60_000, "ratePer": 600_000}

    def ask_for(name, **parameters):
        family = ask(server, f"/api/metrics/{name}", kind="Family", **{**common, **parameters})
        assert family["type"] == "GAUGE"
        last = {}
        for metric in family["metrics"]:
            labels = {label["name"]: label["value"] for label in metric["labels"]}
            last[(labels["service_name"], labels.get("operation"))] = metric["metricPoints"][-1]["gaugeValue"]["doubleValue"]
        return family["name"], last

    assert ask_for("calls") == ("service_call_rate", {("web", None): 2 / 600, ("pay", None): 1 / 600})
    assert ask_for("errors") == ("service_error_rate", {("web", None): 0, ("pay", None): 1})
    name, latencies = ask_for("latencies", quantile=0.95, groupByOperation="true")
    assert name == "service_operation_latencies" and latencies.keys() == {("web", "GET /"), ("web", "GET /checkout"), ("pay", "charge")}
    assert abs(latencies[("pay", "charge")] / 50 - 1) < 0.05, "milliseconds"
    assert ask_for("calls", spanKind="client")[1] == {}
    assert ask_for("calls", spanKind="client", service="cart")[1] == {("cart", None): 1 / 600}
    assert ask(server, "/api/metrics/minstep")["data"] == 1
    for parameters, told in [
        ({"service": []}, "please provide at least one service name"),
        ({"spanKind": "x"}, "unsupported span kind: 'x'"),
        ({"step": 1}, "more than 11000 steps"),
    ]:
        status = 422 if "step" in parameters else 400
        error = ask(server, "/api/metrics/calls", status=status, kind="Traces", **{**common, **parameters})
        assert told in error["errors"][0]["msg"]
    assert "quantile" in ask(server, "/api/metrics/latencies", status=400, **common)["errors"][0]["msg"]


# gRPC. Protobuf by hand, but for what OpenTelemetry brings.


def fields(data):
    """The fields of a message: number → values, varints as numbers and everything else as bytes."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            value = varint()
        else:
            size = varint() if key & 7 == 2 else {1: 8, 5: 4}[key & 7]
            value = data[at : at + size]
            at += size
        found.setdefault(key >> 3, []).append(value)
    return found


class Grpc:
    def __init__(self, server, service, tenant=None):
        self.target, self.service = f"127.0.0.1:{server.jaeger_grpc_port}", service
        self.metadata = (("x-scope-orgid", tenant),) if tenant else ()

    def unary(self, method, message=b""):
        with grpc.insecure_channel(self.target) as channel:
            call = channel.unary_unary(f"/{self.service}/{method}")
            return fields(call(message, timeout=30, metadata=self.metadata))

    def stream(self, method, message=b"", decode=fields):
        with grpc.insecure_channel(self.target) as channel:
            call = channel.unary_stream(f"/{self.service}/{method}")
            return [decode(answer) for answer in call(message, timeout=30, metadata=self.metadata)]

    def code(self, method, message=b""):
        with pytest.raises(grpc.RpcError) as error:
            self.stream(method, message)
        return error.value.code()


def at_us(us):
    return field(1, us // 1_000_000) + field(2, us % 1_000_000 * 1000)


PERIOD = field(4, at_us(START - HOUR_US)) + field(5, at_us(START + HOUR_US))
WINDOW = field(1, at_us(START - HOUR_US)) + field(2, at_us(START + HOUR_US))
CODE = grpc.StatusCode


def names_of(traces):
    return sorted(one.name for trace in traces for of in trace.resource_spans for scope in of.scope_spans for one in scope.spans)


@pytest.mark.parametrize("service", ["jaeger.api_v2.QueryService", "jaeger.api_v3.QueryService", "jaeger.storage.v2.TraceReader"])
def test_grpc_lists(server, service):
    api = Grpc(server, service)
    assert api.unary("GetServices")[1] == [b"cart", b"pay", b"web"]
    answer = api.unary("GetOperations", field(1, "cart") + field(2, "client"))
    if service == "jaeger.api_v2.QueryService":
        assert answer.pop(1) == [b"query"]
        answer = {1: answer[2]}
    assert [fields(operation) for operation in answer[1]] == [{1: [b"query"], 2: [b"client"]}]
    dependencies = Grpc(server, "jaeger.storage.v2.DependencyReader") if "storage" in service else api
    links = [fields(link) for link in dependencies.unary("GetDependencies", WINDOW)[1]]
    assert {1: [b"web"], 2: [b"pay"], 3: [1]} in links and len(links) == 2
    assert dependencies.code("GetDependencies") == CODE.INVALID_ARGUMENT
    assert api.code("Nothing") == CODE.UNIMPLEMENTED


def test_grpc_version_2(server):
    api = Grpc(server, "jaeger.api_v2.QueryService")
    chunks = api.stream("GetTrace", field(1, bytes.fromhex(LONG)))
    spans = [fields(one) for chunk in chunks for one in chunk[1]]
    assert {one[3][0] for one in spans} == {b"GET /checkout", b"load", b"query", b"charge"}
    assert all(fields(one[10][0])[1][0] in (b"web", b"cart", b"pay") for one in spans), "each has its process"
    entry = lambda key, value: field(3, field(1, key) + field(2, value))
    query = field(1, "pay") + entry("error", "true") + PERIOD + field(8, 5)
    assert len(api.stream("FindTraces", field(1, query))) == 1
    assert api.stream("FindTraces", field(1, field(1, "nobody") + PERIOD)) == []
    for method, message, code in [
        ("GetTrace", b"", CODE.INVALID_ARGUMENT),
        ("GetTrace", field(1, bytes(15) + b"\7"), CODE.NOT_FOUND),
        ("FindTraces", b"", CODE.INVALID_ARGUMENT),
        ("ArchiveTrace", field(1, bytes.fromhex(LONG)), CODE.INTERNAL),
    ]:
        assert api.code(method, message) == code, method


def test_grpc_version_3_and_storage(server):
    v3 = Grpc(server, "jaeger.api_v3.QueryService")
    all_names = ["GET /checkout", "charge", "load", "query"]
    assert names_of(v3.stream("GetTrace", field(1, LONG), TracesData.FromString)) == all_names
    assert names_of(v3.stream("FindTraces", field(1, field(1, "pay") + PERIOD), TracesData.FromString)) == all_names
    (chunk,) = v3.stream("FindTraceSummaries", field(1, field(1, "pay") + PERIOD))
    (summary,) = [fields(one) for one in chunk[1]]
    assert (summary[1], summary[2], summary[6], summary[7]) == ([LONG.encode()], [b"web"], [4], [1])
    assert int.from_bytes(summary[4][0], "little") == START * 1000
    assert v3.code("GetTrace", field(1, "77")) == CODE.NOT_FOUND
    assert v3.code("FindTraces", field(1, field(1, "pay"))) == CODE.INVALID_ARGUMENT

    storage = Grpc(server, "jaeger.storage.v2.TraceReader")
    ids = [bytes.fromhex(SHORT), bytes.fromhex(LONG), bytes(15) + b"\7"]
    found = storage.stream("GetTraces", b"".join(field(1, field(1, one)) for one in ids), TracesData.FromString)
    assert [names_of([trace]) for trace in found] == [["GET /"], all_names]
    text = lambda key, value: field(3, field(1, key) + field(2, field(1, value)))
    query = field(1, text("http.status_code", "500") + PERIOD)
    assert names_of(storage.stream("FindTraces", query, TracesData.FromString)) == all_names
    assert [fields(one)[1] for one in storage.unary("FindTraceIDs", query)[1]] == [[ids[1]]]
    (chunk,) = storage.stream("FindTraceSummaries", query)
    assert fields(chunk[1][0])[1] == [ids[1]]
    health = Grpc(server, "grpc.health.v1.Health")
    assert health.unary("Check") == health.unary("Check", field(1, "jaeger.api_v3.QueryService")) == {1: [1]}
    assert health.code("Check", field(1, "other")) == CODE.NOT_FOUND
    search = fields(Grpc(server, "jaeger.storage.v2.Capabilities").unary("GetCapabilities")[1][0])
    assert (search[1], search[2]) == ([1], [1]) and b"regex" in fields(search[3][0])[2]


# Other senders, tenants, settings.


def test_spans_of_jaegers_own_client(start):
    ports = Ports()
    server = start(ports.config())
    config = jaeger_client.Config(
        config={
            "sampler": {"type": "const", "param": 1},
            "local_agent": {"reporting_host": "127.0.0.1", "reporting_port": ports.compact},
            "reporter_flush_interval": 0.1,
        },
        service_name="pyshop",
        validate=True,
    )
    tracer = jaeger_client.Config.new_tracer(config)
    with tracer.start_span("request", tags={"span.kind": "server", "http.status_code": 200}) as parent:
        with tracer.start_span("query", child_of=parent, tags={"db": "books"}):
            pass
    trace_id = f"{parent.context.trace_id:016x}"
    tracer.close()
    path = f"{server.jaeger}/api/traces/{trace_id}"
    count = lambda: len((requests.get(path, timeout=10).json()["data"] or [{"spans": []}])[0]["spans"])
    wait_until(lambda: count() == 2, "both spans")
    (trace,) = ask(server, f"/api/traces/{trace_id}", kind="Traces")["data"]
    by_name = {one["operationName"]: one for one in trace["spans"]}
    assert by_name["query"]["references"][0]["spanID"] == by_name["request"]["spanID"]
    found = ask(server, "/api/traces", kind="Traces", service="pyshop", tag="db:books")["data"]
    assert [one["traceID"] for one in found] == [trace_id]
    assert ask(server, "/api/services/pyshop/operations")["data"] == ["query", "request"]


def test_tenants_see_their_own_only(start):
    server = start({"tenancy": {"enabled": True}})
    shop(server, tenant="a")
    send(server, group("other", span(SHORT, 1, None, "only", 2, START, 10)), tenant="b")
    period = {"start": START - HOUR_US, "end": START + HOUR_US}
    v3_period = {"query.startTimeMin": rfc3339(START - HOUR_US), "query.startTimeMax": rfc3339(START + HOUR_US)}
    assert ask(server, "/api/services", tenant="a")["data"] == ["cart", "pay", "web"]
    assert ask(server, "/api/services", tenant="b")["data"] == ["other"]
    assert ask(server, "/api/services/web/operations", tenant="b")["data"] == []
    assert len(ask(server, "/api/traces", tenant="a", **period)["data"]) == 2
    assert [one["traceID"] for one in ask(server, "/api/traces", tenant="b", **period)["data"]] == [SHORT[16:]]
    assert ask(server, "/api/traces", tenant="b", traceID=LONG, **period)["data"] == []
    ask(server, f"/api/traces/{LONG}", tenant="b", status=404)
    ask(server, f"/api/v3/traces/{LONG}", tenant="b", status=404)
    (trace,) = ask(server, f"/api/traces/{SHORT}", tenant="b")["data"]
    assert [one["operationName"] for one in trace["spans"]] == ["only"], "the same id, another tenant"
    assert len(ask(server, "/api/v3/trace-summaries", tenant="b", **v3_period)["summaries"]) == 1
    assert ask(server, "/api/dependencies", tenant="b")["data"] == []
    assert ask(server, "/api/metrics/calls", tenant="b", service="web")["metrics"] == []
    assert ask(server, "/analytics/v1/dependencies", tenant="b", service="web")["dependencies"] == []
    for path in ("/api/services", "/api/services/web/operations", "/api/operations?service=web", "/api/traces", f"/api/traces/{LONG}",
                 "/api/dependencies", "/api/metrics/calls?service=web", "/api/metrics/minstep",
                 "/api/quality-metrics?service=web", "/analytics/v1/dependencies?service=web"):  # fmt: skip
        assert "X-Scope-OrgID" in ask(server, path, status=401, kind="Traces")["errors"][0]["msg"], path
    for path in ("/api/v3/services", "/api/v3/operations", "/api/v3/traces", f"/api/v3/traces/{LONG}", "/api/v3/trace-summaries"):
        ask(server, path, status=401, kind="V3Error")
    for method in ("/api/transform", f"/api/archive/{LONG}"):
        ask(server, method, method="POST", status=401)
    for service in ("jaeger.api_v2.QueryService", "jaeger.api_v3.QueryService", "jaeger.storage.v2.TraceReader"):
        assert Grpc(server, service, "b").unary("GetServices")[1] == [b"other"]
        assert Grpc(server, service).code("GetServices") == CODE.UNAUTHENTICATED
    found = Grpc(server, "jaeger.storage.v2.TraceReader", "b").stream("GetTraces", field(1, field(1, bytes.fromhex(LONG))))
    assert found == []


def test_a_base_path_and_the_main_listener(start):
    server = start({"listeners": {"jaeger": {"base_path": "/tracing/"}}})
    shop(server)
    assert ask(server, "/tracing/api/services")["total"] == 3
    assert requests.get(f"{server.jaeger}/api/services", timeout=10).status_code == 404
    assert requests.get(f"{server.main}/jaeger/api/v3/services", timeout=10).json() == {"services": ["cart", "pay", "web"]}
    broken = start({"listeners": {"jaeger": {"base_path": "tracing"}}}, name="broken", wait=False)
    assert broken.process.wait(30) != 0
    assert "listeners.jaeger.base_path: must be a path such as /jaeger" in broken.log_tail()


def test_answers_are_the_same_from_files(start):
    server = start({"storage": {"buffer": {"flush_interval": "1s"}}})
    shop(server)
    before = ask(server, f"/api/traces/{LONG}"), search(server), ask(server, "/api/dependencies", endTs=START // 1000 + 60_000)
    wait_until(lambda: server.live_files()[0] > 0 and server.metrics().get("trefoil_storage_buffer_rows", 0) == 0, "a flush")
    after = ask(server, f"/api/traces/{LONG}"), search(server), ask(server, "/api/dependencies", endTs=START // 1000 + 60_000)
    assert after == before


# Jaeger's own queries.


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory):
    """A server with all traces of Jaeger's integration tests, by the names of their files."""
    if not FIXTURES.is_dir():
        assert "CI" not in os.environ, f"conformance data is missing: {FIXTURES}"
        pytest.skip(f"no conformance data at {FIXTURES} (set TREFOIL_CONFORMANCE)")
    # They are years old.
    server = Server(tmp_path_factory.mktemp("fixtures"), {"storage": {"retention": {"block_retention": "0"}}}).start()
    server.fixtures = {path.stem: json.loads(path.read_text()) for path in sorted((FIXTURES / "traces").glob("*.json"))}
    for document in server.fixtures.values():
        send(server, *document["resourceSpans"])
    yield server
    server.close()


QUERIES = json.loads((FIXTURES / "queries.json").read_text()) if FIXTURES.is_dir() else []


def spans_of(document):
    spans = [
        {key: value for key, value in one.items() if value not in ("", 0, [], {})}
        for of in document["resourceSpans"]
        for scope in of["scopeSpans"]
        for one in scope["spans"]
    ]
    # Attributes have no order.
    for part in [part for one in spans for part in (one, *one.get("events", []), *one.get("links", []))]:
        part["attributes"] = sorted(part.get("attributes", []), key=lambda pair: pair["key"])
    return sorted(spans, key=lambda one: (one["traceId"], one["spanId"], one["startTimeUnixNano"], one["name"]))


def test_there_are_25_queries(fixtures):
    assert len(QUERIES) == 25


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query["Caption"])
def test_jaegers_queries(fixtures, query):
    asked, expected = query["Query"], query["ExpectedFixtures"]
    text = lambda value: str(value).lower() if isinstance(value, bool) else str(value)
    tags = json.dumps({key: text(value) for key, value in (asked["Tags"] or {}).items()})
    us = lambda of: int(time.mktime(time.strptime(of[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone) * 1_000_000 + int(of[20:26])
    nanos = lambda name: f"{asked[name]}ns" if asked[name] else ""
    wanted = [one for name in expected for one in spans_of(fixtures.fixtures[name])]
    wanted.sort(key=lambda one: (one["traceId"], one["spanId"], one["startTimeUnixNano"], one["name"]))

    v3 = ask(
        fixtures, "/api/v3/traces", kind="V3Traces",
        **{
            "query.serviceName": asked["ServiceName"], "query.operationName": asked["OperationName"], "query.attributes": tags,
            "query.startTimeMin": asked["StartTimeMin"], "query.startTimeMax": asked["StartTimeMax"],
            "query.durationMin": nanos("DurationMin"), "query.durationMax": nanos("DurationMax"),
            "query.searchDepth": asked["NumTraces"], "query.rawTraces": "true",
        },
    )  # fmt: skip
    assert spans_of(v3["result"]) == wanted

    legacy = ask(
        fixtures, "/api/traces", kind="Traces", service=asked["ServiceName"], operation=asked["OperationName"], tags=tags,
        start=us(asked["StartTimeMin"]), end=us(asked["StartTimeMax"]), minDuration=nanos("DurationMin"),
        maxDuration=nanos("DurationMax"), limit=asked["NumTraces"], raw="true",
    )  # fmt: skip
    found = sorted(one["traceID"].zfill(32) + one["spanID"] for trace in legacy["data"] for one in trace["spans"])
    assert found == sorted(one["traceId"] + one["spanId"] for one in wanted)

    entry = lambda key, value: field(3, field(1, key) + field(2, field(1, value)))
    duration = lambda nanos: field(1, nanos // 1_000_000_000) + field(2, nanos % 1_000_000_000)
    message = field(1, asked["ServiceName"]) + field(2, asked["OperationName"])
    message += b"".join(entry(key, text(value)) for key, value in (asked["Tags"] or {}).items())
    message += field(4, at_us(us(asked["StartTimeMin"]))) + field(5, at_us(us(asked["StartTimeMax"])))
    message += field(6, duration(asked["DurationMin"])) + field(7, duration(asked["DurationMax"])) + field(8, asked["NumTraces"])
    chunks = Grpc(fixtures, "jaeger.storage.v2.TraceReader").stream("FindTraces", field(1, message), TracesData.FromString)
    found = [MessageToDict(one)["traceId"] for chunk in chunks for of in chunk.resource_spans for scope in of.scope_spans for one in scope.spans]
    assert sorted(base64.b64decode(one).hex() for one in found) == sorted(one["traceId"] for one in wanted)
