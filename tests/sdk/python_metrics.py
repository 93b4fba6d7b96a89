"""The metrics that `test_otel_metrics.py` looks for, under the Python SDK; where to send and who sends is in OTEL_* variables."""

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.trace import TracerProvider

exponential = View(instrument_name="shop.payload.size", aggregation=ExponentialBucketHistogramAggregation())
provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], views=[exponential])
meter = provider.get_meter("bookshop", "1.2.3")
orders = meter.create_counter("shop.orders", unit="{order}", description="Orders taken.")
stock = meter.create_up_down_counter("shop.stock", unit="{book}")
duration = meter.create_histogram(
    "shop.order.duration", unit="ms", explicit_bucket_boundaries_advisory=[5.0, 10.0, 25.0, 100.0]
)
payload = meter.create_histogram("shop.payload.size", unit="By")
meter.create_observable_gauge("shop.room.temperature", lambda options: [Observation(21.5)], unit="Cel")
with TracerProvider().get_tracer("bookshop").start_as_current_span("order") as span:
    for milliseconds in (3, 7, 20, 250):
        orders.add(1, {"payment.method": "card", "http.response.status_code": 200})
        duration.record(milliseconds, {"payment.method": "card"})
        payload.record(1000 * milliseconds)
    stock.add(10)
    stock.add(-3)
    print(format(span.get_span_context().trace_id, "032x"))
provider.shutdown()
