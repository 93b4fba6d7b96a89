// The metrics that `test_otel_metrics.py` looks for, under the JavaScript SDK; where to send and who sends is in OTEL_* variables.
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { detectResources, envDetector } from "@opentelemetry/resources";
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";

const provider = new MeterProvider({
  resource: detectResources({ detectors: [envDetector] }),
  readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() })],
  views: [{ instrumentName: "shop.payload.size", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
});
const meter = provider.getMeter("bookshop", "1.2.3");
const orders = meter.createCounter("shop.orders", { unit: "{order}", description: "Orders taken." });
const stock = meter.createUpDownCounter("shop.stock", { unit: "{book}" });
const duration = meter.createHistogram("shop.order.duration", {
  unit: "ms",
  advice: { explicitBucketBoundaries: [5, 10, 25, 100] },
});
const payload = meter.createHistogram("shop.payload.size", { unit: "By" });
meter.createObservableGauge("shop.room.temperature", { unit: "Cel" }).addCallback((result) => result.observe(21.5));
for (const milliseconds of [3, 7, 20, 250]) {
  orders.add(1, { "payment.method": "card", "http.response.status_code": 200 });
  duration.record(milliseconds, { "payment.method": "card" });
  payload.record(1000 * milliseconds);
}
stock.add(10);
stock.add(-3);
await provider.shutdown();
