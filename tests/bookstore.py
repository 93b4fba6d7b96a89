"""Starting, using and ending `trefoil demo`, and the broker it may use."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import requests

from trefoil import binary, free_ports, wait_until

BOOK = "978-0-13-468599-1"
FORCED_500 = "__forced_500__"

# Name, service and parent of every span of a checkout, in the order of the story.
CHECKOUT = [
    ("POST /api/v2/checkout", "gateway", None),
    ("POST /checkout", "storefront", "POST /api/v2/checkout"),
    ("GET /catalog/items/{isbn}", "catalog", "POST /checkout"),
    ("SELECT bookstore.items", "catalog", "GET /catalog/items/{isbn}"),
    ("POST /orders", "orders", "POST /checkout"),
    ("INSERT bookstore.outbox", "orders", "POST /orders"),
    ("publish order.created", "outbox-publisher", "INSERT bookstore.outbox"),
    ("process order.created", "payments-gateway", "publish order.created"),
    ("POST /v1/charges", "stripe", "process order.created"),
    ("POST /webhook", "webhook-receiver", "POST /v1/charges"),
    ("PATCH /orders/{id}", "orders", "POST /webhook"),
    ("POST /score", "recommendations", "POST /webhook"),
]


class Demo:
    """One bookstore; what it says goes to `<directory>/demo.out` and `demo.err`. Without a load unless `arguments` ask for one."""

    def __init__(self, directory, *arguments, wait=True, environment=None):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.port,) = free_ports(1)
        if "--rate" not in arguments:
            arguments = ("--rate", "0", *arguments)
        with open(self.directory / "demo.out", "wb") as out, open(self.directory / "demo.err", "wb") as err:
            self.process = subprocess.Popen(
                [binary("trefoil"), "demo", "--listen", f"127.0.0.1:{self.port}", *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **(environment or {})},
            )
        if wait:
            wait_until(self.is_up, "the gateway answers", 60)

    @property
    def gateway(self):
        return f"http://127.0.0.1:{self.port}"

    def is_up(self):
        assert self.process.poll() is None, f"the demo ended:\n{self.said()}"
        try:
            return requests.get(f"{self.gateway}/healthz", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def said(self):
        return "".join((self.directory / name).read_text(errors="replace") for name in ("demo.out", "demo.err"))

    def checkout(self, *isbns, card="pm_card_visa", **headers):
        cart = {"items": [{"isbn": isbn, "qty": 1} for isbn in isbns or [BOOK]], "payment_method": card}
        return requests.post(f"{self.gateway}/api/v2/checkout", json=cart, headers=headers, timeout=30)

    def get(self, path, **headers):
        return requests.get(f"{self.gateway}{path}", headers=headers, timeout=30)

    def put_faults(self, **faults):
        return requests.put(f"{self.gateway}/demo/faults", json=faults, timeout=10)

    def stop(self, how=signal.SIGINT, seconds=60):
        """Returns the exit code."""
        self.process.send_signal(how)
        return self.process.wait(seconds)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)


def spans_of(server, trace_id, count, tenant=None):
    """The spans of a trace once there are `count` of them: dicts by name."""
    query = f"""SELECT name, service_name, kind, status_code, span_id, parent_span_id, events, links, duration_nano,
                attribute(span_attributes, 'db.query.text'), attribute(resource_attributes, 'tenant'),
                attribute(resource_attributes, 'region')
                FROM spans WHERE trace_id = '{trace_id}'"""
    found = []

    def complete():
        found[:] = server.sql(query, tenant)
        return len(found) >= count

    try:
        wait_until(complete, f"{count} spans of {trace_id}", 30, 0.1)
    except AssertionError as error:
        raise AssertionError(f"{error}: only {sorted(row[:2] for row in found)}") from None
    keys = ["name", "service", "kind", "status", "id", "parent", "events", "links", "duration", "sql", "tenant", "region"]
    return {row[0]: dict(zip(keys, row, strict=True)) for row in found}


def assert_checkout(spans):
    """Exactly the spans of a checkout, each under its parent."""
    assert sorted(spans) == sorted(name for name, _, _ in CHECKOUT)
    for name, service, parent in CHECKOUT:
        span = spans[name]
        assert span["service"] == service, span
        assert span["parent"] == (spans[parent]["id"] if parent else None), span
    assert len({span["service"] for span in spans.values()}) == 9


class Nats:
    """A NATS server that can go away and come back."""

    def __init__(self, directory):
        self.binary = shutil.which("nats-server") or "/usr/sbin/nats-server"
        assert Path(self.binary).exists(), "NATS is not installed; run `make check-deps`"
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.port,) = free_ports(1)
        self.process = None
        self.start()

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def start(self):
        with open(self.directory / "nats.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "-a", "127.0.0.1", "-p", str(self.port)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._greets, "NATS listens", 20)

    def _greets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as probe:
                return probe.recv(4) == b"INFO"
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def close(self):
        if self.process.poll() is None:
            self.kill()
