"""The trace that `test_otel_traces.py` looks for, under the Python SDK; where to send and who sends is in OTEL_* variables."""

import os
import time

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

exporter = {"grpc": Grpc, "http/protobuf": Http}[os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"]]()
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("bookshop", "1.2.3")
w3c = TraceContextTextMapPropagator()

MILLISECOND = 1_000_000
start = time.time_ns() - 10_000 * MILLISECOND


def at(milliseconds):
    return start + milliseconds * MILLISECOND


earlier = tracer.start_span("earlier order", start_time=at(-100))
earlier.end(at(-50))

checkout = tracer.start_span("checkout", kind=SpanKind.CLIENT, start_time=at(0))
headers = {}
w3c.inject(headers, set_span_in_context(checkout))
headers["tracestate"] = "shop=till-1"

order = tracer.start_span(
    "POST /orders",
    context=w3c.extract(headers),
    kind=SpanKind.SERVER,
    start_time=at(10),
    attributes={
        "http.route": "/orders",
        "http.response.status_code": 200,
        "cart.total": 12.5,
        "cart.gift": True,
        "cart.items": ["atlas", "novel"],
        "cart.prices": [4.25, 8.25],
    },
)
inside = set_span_in_context(order)
charge = tracer.start_span("charge card", context=inside, kind=SpanKind.CLIENT, start_time=at(20))
charge.add_event("retry", {"attempt": 2}, timestamp=at(30))
charge.record_exception(ValueError("no money"), timestamp=at(40))
charge.set_status(Status(StatusCode.ERROR, "card was declined"))
charge.end(at(270))
again = Link(earlier.get_span_context(), {"reason": "again"})
receipt = tracer.start_span(
    "send receipt", context=inside, kind=SpanKind.PRODUCER, start_time=at(280), links=[again]
)
receipt.set_status(Status(StatusCode.OK))
receipt.end(at(290))
order.end(at(300))
checkout.end(at(310))
provider.shutdown()
for span in (checkout, earlier):
    print(format(span.get_span_context().trace_id, "032x"))
