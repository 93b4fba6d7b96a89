// The trace that `test_otel_traces.py` looks for, under the JavaScript SDK; where to send and who sends is in OTEL_* variables.
import { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter as Grpc } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as Json } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as Protobuf } from "@opentelemetry/exporter-trace-otlp-proto";
import { detectResources, envDetector } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

const Exporter = { grpc: Grpc, "http/json": Json, "http/protobuf": Protobuf }[process.env.OTEL_EXPORTER_OTLP_PROTOCOL];
const provider = new TracerProvider({
  resource: detectResources({ detectors: [envDetector] }),
  spanProcessors: [new BatchSpanProcessor({ exporter: new Exporter() })],
});
const tracer = provider.getTracer("bookshop", "1.2.3");
const w3c = new W3CTraceContextPropagator();
const start = Date.now() - 10_000;
const at = (milliseconds) => start + milliseconds;

const earlier = tracer.startSpan("earlier order", { startTime: at(-100) }, ROOT_CONTEXT);
earlier.end(at(-50));

const checkout = tracer.startSpan("checkout", { kind: SpanKind.CLIENT, startTime: at(0) }, ROOT_CONTEXT);
const headers = {};
w3c.inject(trace.setSpan(ROOT_CONTEXT, checkout), headers, defaultTextMapSetter);
headers.tracestate = "shop=till-1";

const attributes = {
  "http.route": "/orders",
  "http.response.status_code": 200,
  "cart.total": 12.5,
  "cart.gift": true,
  "cart.items": ["atlas", "novel"],
  "cart.prices": [4.25, 8.25],
};
const order = tracer.startSpan(
  "POST /orders",
  { kind: SpanKind.SERVER, startTime: at(10), attributes },
  w3c.extract(ROOT_CONTEXT, headers, defaultTextMapGetter),
);
const inside = trace.setSpan(ROOT_CONTEXT, order);
const charge = tracer.startSpan("charge card", { kind: SpanKind.CLIENT, startTime: at(20) }, inside);
charge.addEvent("retry", { attempt: 2 }, at(30));
charge.recordException(new RangeError("no money"), at(40));
charge.setStatus({ code: SpanStatusCode.ERROR, message: "card was declined" });
charge.end(at(270));
const links = [{ context: earlier.spanContext(), attributes: { reason: "again" } }];
const receipt = tracer.startSpan("send receipt", { kind: SpanKind.PRODUCER, startTime: at(280), links }, inside);
receipt.setStatus({ code: SpanStatusCode.OK });
receipt.end(at(290));
order.end(at(300));
checkout.end(at(310));
await provider.shutdown();
for (const span of [checkout, earlier]) console.log(span.spanContext().traceId);
