"""The records that `test_otel_logs.py` looks for, under the Python SDK; where to send and who sends is in OTEL_* variables."""

import logging
import os
import time

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as Grpc
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as Http
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

exporter = {"grpc": Grpc, "http/protobuf": Http}[os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"]]()
provider = LoggerProvider()
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
logger = provider.get_logger("bookshop", "1.2.3")
start = time.time_ns() - 10_000_000_000

with TracerProvider().get_tracer("bookshop").start_as_current_span("order") as span:
    logger.emit(
        timestamp=start,
        severity_number=SeverityNumber.INFO,
        severity_text="INFO",
        body="order received",
        attributes={
            "http.route": "/orders",
            "http.response.status_code": 200,
            "cart.total": 12.5,
            "cart.gift": True,
            "cart.items": ["atlas", "novel"],
            "cart.owner": {"name": "Ada", "visits": 3},
        },
    )
logger.emit(
    timestamp=start + 1_000_000,
    severity_number=SeverityNumber.WARN,
    severity_text="WARN",
    body={"what": "stock is low", "left": 3, "shelf": {"row": "B"}},
)
logger.emit(
    timestamp=start + 2_000_000,
    severity_number=SeverityNumber.ERROR,
    severity_text="ERROR",
    event_name="card.declined",
    body='card "7" was declined\n\tat the till: naïve ☕',
    attributes={"exception.type": "ValueError", "exception.message": "no money"},
)
# What most programs have: the standard library's logging.
library = logging.getLogger("till")
library.addHandler(LoggingHandler(logger_provider=provider))
try:
    raise ValueError("no money")
except ValueError:
    library.exception("order %d failed", 7, extra={"till.number": 2})
provider.shutdown()
print(format(span.get_span_context().trace_id, "032x"), start)
