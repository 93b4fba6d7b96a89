"""What `test_loki_clients.py` looks for, by Python's logging handlers for Loki; the argument is Loki's address."""

import logging
import sys

from logging_loki import LokiHandler
from loki_logger_handler.loki_logger_handler import LokiLoggerHandler

[loki] = sys.argv[1:]


def log(app, handler, **extra):
    logger = logging.getLogger(app)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(handler)
    logger.info("order %d received", 7, extra=extra)
    logger.warning('stock is low: "naïve" ☕')
    try:
        raise ValueError("no money")
    except ValueError:
        logger.exception("card was declined")


log(
    "python-logging-loki",
    LokiHandler(f"{loki}/loki/api/v1/push", tags={"app": "python-logging-loki"}, version="1"),
    tags={"order.number": "7"},
)
log(
    "python-logging-loki-0",
    LokiHandler(f"{loki}/api/prom/push", tags={"app": "python-logging-loki-0"}, version="0"),
    tags={"order.number": "7"},
)
handler = LokiLoggerHandler(
    url=f"{loki}/loki/api/v1/push",
    labels={"app": "loki-logger-handler"},
    label_keys=["level"],
    enable_structured_loki_metadata=True,
    loki_metadata={"till": "1"},
    enable_self_errors=True,
)
# It sends what is left when the program ends.
log("loki-logger-handler", handler, loki_metadata={"order.number": 7})
