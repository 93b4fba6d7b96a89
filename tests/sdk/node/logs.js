// The records that `test_otel_logs.py` looks for, under the JavaScript SDK; where to send and who sends is in OTEL_* variables.
import { ROOT_CONTEXT, SeverityNumber, trace } from "@opentelemetry/api";
import { OTLPLogExporter as Grpc } from "@opentelemetry/exporter-logs-otlp-grpc";
import { OTLPLogExporter as Json } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as Protobuf } from "@opentelemetry/exporter-logs-otlp-proto";
import { detectResources, envDetector } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { TracerProvider } from "@opentelemetry/sdk-trace";

const Exporter = { grpc: Grpc, "http/json": Json, "http/protobuf": Protobuf }[process.env.OTEL_EXPORTER_OTLP_PROTOCOL];
const provider = new LoggerProvider({
  resource: detectResources({ detectors: [envDetector] }),
  processors: [new BatchLogRecordProcessor({ exporter: new Exporter() })],
});
const logger = provider.getLogger("bookshop", "1.2.3");
const start = Date.now() - 10_000;

const span = new TracerProvider().getTracer("bookshop").startSpan("order", {}, ROOT_CONTEXT);
logger.emit({
  timestamp: start,
  context: trace.setSpan(ROOT_CONTEXT, span),
  severityNumber: SeverityNumber.INFO,
  severityText: "INFO",
  body: "order received",
  attributes: {
    "http.route": "/orders",
    "http.response.status_code": 200,
    "cart.total": 12.5,
    "cart.gift": true,
    "cart.items": ["atlas", "novel"],
    "cart.owner": { name: "Ada", visits: 3 },
  },
});
logger.emit({
  timestamp: start + 1,
  severityNumber: SeverityNumber.WARN,
  severityText: "WARN",
  body: { what: "stock is low", left: 3, shelf: { row: "B" } },
});
logger.emit({
  timestamp: start + 2,
  severityNumber: SeverityNumber.ERROR,
  severityText: "ERROR",
  eventName: "card.declined",
  body: 'card "7" was declined\n\tat the till: naïve ☕',
  attributes: { "exception.type": "RangeError", "exception.message": "no money" },
});
await provider.shutdown();
console.log(span.spanContext().traceId, `${start}000000`);
