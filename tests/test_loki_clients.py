"""Handlers and transports of logging libraries that push to Loki, unchanged, read as users of Loki do."""

import json
import subprocess
import time

import pytest
import requests

from sdks import node, python
from trefoil import wait_until

SECOND = 10**9
CATEGORIZE = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
STOCK = 'stock is low: "naïve" ☕'


class Pushed:
    """What programs sent since `start`."""

    def __init__(self, server, start):
        self.server, self.start = server, start

    def lines(self, app, count=3):
        """Waits for so many lines of a program: in the order of time, each with its stream and its metadata."""
        found = wait_until(lambda: [one for one in [self._ask(app)] if len(one) >= count], f"{count} lines of {app}")[0]
        assert len(found) == count, found
        return found

    def _ask(self, app):
        period = {"start": self.start, "end": time.time_ns() + 60 * SECOND, "direction": "forward"}
        parameters = {"query": f'{{app="{app}"}}', **period}
        url = f"{self.server.loki}/loki/api/v1/query_range"
        answer = requests.get(url, params=parameters, headers=CATEGORIZE, timeout=30)
        assert answer.status_code == 200, answer.text
        lines = [
            (int(at), line, stream["stream"], more.get("structuredMetadata", {}))
            for stream in answer.json()["data"]["result"] for at, line, more in stream["values"]
        ]  # fmt: skip
        return [line[1:] for line in sorted(lines, key=lambda line: line[0])]


@pytest.fixture
def send(shared_server, tmp_path):
    """`send(language)` runs that language's program to its end."""

    def send(language):
        start = time.time_ns() - SECOND
        command, directory = language("loki", tmp_path)
        command = [*command, shared_server.loki]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return Pushed(shared_server, start)

    return send


def labels(app, level, **more):
    return {"app": app, "service_name": app, "level": level, **more}


def test_pythons_handlers(send):
    pushed = send(python)
    # The one of the first of Loki's APIs sends a request for each line, too.
    for app in ("python-logging-loki", "python-logging-loki-0"):
        order, stock, declined = pushed.lines(app)
        stream = {"app": app, "service_name": app, "logger": app}
        assert order[:2] == ("order 7 received", {**stream, "severity": "info", "order_number": "7"})
        assert stock[:2] == (STOCK, {**stream, "severity": "warning"}) and stock[2]["detected_level"] == "warn"
        assert declined[1] == {**stream, "severity": "error"} and declined[2]["detected_level"] == "error"
        assert declined[0].startswith("card was declined\nTraceback") and declined[0].endswith("\nValueError: no money")

    app = "loki-logger-handler"
    order, stock, declined = pushed.lines(app)
    assert [line[1] for line in (order, stock, declined)] == [labels(app, level) for level in ("INFO", "WARNING", "ERROR")]
    assert [json.loads(line[0])["message"] for line in (order, stock)] == ["order 7 received", STOCK]
    assert order[2] == {"till": "1", "order_number": "7", "detected_level": "info"}
    assert stock[2] == {"till": "1", "detected_level": "warn"}
    assert json.loads(declined[0])["stacktrace"].endswith("ValueError: no money\n")


def test_nodes_transports(send):
    pushed = send(node)
    app = "winston-loki-json"
    order, stock, declined = pushed.lines(app)
    assert order[1] == labels(app, "info", till="1")
    assert json.loads(order[0]) == {"level": "info", "message": "order 7 received", "order.number": "7", "total": 12.5, "labels": {"till": "1"}}
    assert {name: order[2].get(name) for name in ("order_number", "total")} == {"order_number": "7", "total": "12.5"}
    assert json.loads(stock[0]) == {"level": "warn", "message": STOCK} and stock[1] == labels(app, "warn")
    assert declined[2]["exception"] == "no money" and declined[2]["detected_level"] == "error"

    # The form in protobuf has no metadata in it, and is compressed by the real snappy.
    app = "winston-loki-protobuf"
    order, stock, declined = pushed.lines(app)
    assert order[1] == labels(app, "info", till="1") and json.loads(order[0])["order.number"] == "7"
    assert json.loads(stock[0]) == {"level": "warn", "message": STOCK}
    assert declined[1] == labels(app, "error") and declined[2] == {"detected_level": "error"}

    app = "pino-loki"
    order, stock, declined = pushed.lines(app)
    order_line = json.loads(order[0])
    assert order_line["msg"] == "order 7 received" and order_line["total"] == 12.5
    assert order[1].items() >= {"app": app, "level": "info", "till": "1"}.items()
    assert order[2]["order_number"] == "7"
    assert json.loads(stock[0])["msg"] == STOCK and stock[1]["level"] == "warning"
    assert json.loads(declined[0])["err"]["message"] == "no money" and declined[2]["detected_level"] == "error"
