"""Hand-made OTLP requests, for what no SDK would send."""

import time

import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

PROTOBUF = "application/x-protobuf"
REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
RESPONSES = {
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
    "metrics": ExportMetricsServiceResponse,
}


def now():
    return time.time_ns()


def attribute(key, value):
    kinds = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value", bytes: "bytes_value"}
    return KeyValue(key=key, value=AnyValue(**{kinds[type(value)]: value}))


def spans(count=1, service="test", **fields):
    """A request of `count` spans whose fields are overridden by `fields`."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.append(attribute("service.name", service))
    scope = group.scope_spans.add()
    for number in range(count):
        span = scope.spans.add(
            **{
                "trace_id": (number + 1).to_bytes(16, "big"),
                "span_id": (number + 1).to_bytes(8, "big"),
                "name": f"span {number}",
                "kind": 1,
                "start_time_unix_nano": now(),
                "end_time_unix_nano": now() + 1000,
                **fields,
            }
        )
        assert span is not None
    return request


def logs(count=1, service="test", **fields):
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.append(attribute("service.name", service))
    scope = group.scope_logs.add()
    for number in range(count):
        body = AnyValue(string_value=f"line {number}")
        scope.log_records.add(**{"time_unix_nano": now(), "severity_number": 9, "body": body, **fields})
    return request


def gauge(values, name="test.gauge", service="test", **fields):
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.append(attribute("service.name", service))
    metric = group.scope_metrics.add().metrics.add(name=name)
    for number, value in enumerate(values):
        kind = {"as_double": value} if isinstance(value, float) else {"as_int": value}
        metric.gauge.data_points.add(**{"time_unix_nano": now() + number, **kind, **fields})
    return request


def post(server, signal, body, content_type=PROTOBUF, seconds=60, **headers):
    """Sends bytes or a request message; returns the HTTP response."""
    data = body if isinstance(body, (bytes, str)) else body.SerializeToString()
    headers = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return requests.post(f"{server.http}/v1/{signal}", data=data, headers=headers, timeout=seconds)


def send(server, signal, body, **headers):
    """Sends what must be taken; returns (rejected items, message)."""
    answer = post(server, signal, body, **headers)
    assert answer.status_code == 200, f"{answer.status_code} {answer.content!r}"
    return partial(signal, answer.content)


def partial(signal, content):
    response = RESPONSES[signal]()
    response.ParseFromString(content)
    success = response.partial_success
    rejected = {"traces": "rejected_spans", "logs": "rejected_log_records", "metrics": "rejected_data_points"}[signal]
    return getattr(success, rejected), success.error_message
