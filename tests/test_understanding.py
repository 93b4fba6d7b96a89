"""Understanding traces: what the API and the command line say of real traces, in memory and in files."""

import json

import requests

import otlp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from test_metrics_from_traces import numbers, wait_for
from trefoil import wait_until

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
ERROR = 2
MS = 1_000_000
MINUTE = 60_000 * MS


class Traces:
    """A request of spans, by service."""

    def __init__(self, base):
        self.request = ExportTraceServiceRequest()
        self.base = base
        self.scopes = {}

    def span(self, service, trace, id, parent, kind, name, at, took, error=False, host=None, **attributes):
        """`at`, `took`: milliseconds after the base."""
        key = (service, host)
        if key not in self.scopes:
            group = self.request.resource_spans.add()
            group.resource.attributes.append(otlp.attribute("service.name", service))
            if host:
                group.resource.attributes.append(otlp.attribute("host.name", host))
            self.scopes[key] = group.scope_spans.add()
        added = self.scopes[key].spans.add(
            trace_id=trace.to_bytes(16, "big"),
            span_id=id.to_bytes(8, "big"),
            parent_span_id=parent.to_bytes(8, "big") if parent else b"",
            name=name,
            kind=kind,
            start_time_unix_nano=self.base + at * MS,
            end_time_unix_nano=self.base + (at + took) * MS,
        )
        if error:
            added.status.code = ERROR
        for key, value in attributes.items():
            added.attributes.append(otlp.attribute(key.replace("_", "."), value))
        return added


def checkout(traces, trace, at=0, drops=False):
    """A gateway calls orders, which asks a database, publishes a message and calls payments; `drops`: without `traceparent`."""
    span = traces.span
    span("gateway", trace, 1, 0, SERVER, "POST /checkout", at, 100)
    span("gateway", trace, 2, 1, CLIENT, "POST", at + 5, 90, server_address="orders.shop.svc.cluster.local")
    span("orders", trace, 3, 2, SERVER, "POST /orders", at + 10, 80)
    span("orders", trace, 4, 3, CLIENT, "INSERT", at + 12, 8, db_name="books")
    span("orders", trace, 5, 3, PRODUCER, "publish", at + 22, 2, messaging_destination_name="orders.placed")
    span("orders", trace, 6, 3, CLIENT, "POST", at + 30, 50, error=True, http_url="http://payments:8080/charge")
    other, parent = (trace + 10_000, 0) if drops else (trace, 6)
    span("payments", other, 7, parent, SERVER, "POST /charge", at + 33, 40, error=True)
    mail = span("mail", trace + 20_000, 8, 0, CONSUMER, "process", at + 200, 9, messaging_destination_name="orders.placed")
    mail.links.add(trace_id=trace.to_bytes(16, "big"), span_id=(5).to_bytes(8, "big"))


def get(server, path, status=200, tenant=None, **parameters):
    headers = {"X-Scope-OrgID": tenant} if tenant else {}
    answer = requests.get(f"{server.main}/api/v1/{path}", params=parameters, headers=headers, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()


def in_files(server):
    """Everything in memory goes to files."""
    assert server.stop() == 0
    server.start()
    assert server.live_files()[0] > 0


def test_a_critical_path_and_self_times(start):
    server = start()
    traces = Traces(otlp.now())
    checkout(traces, 1)
    otlp.send(server, "traces", traces.request)
    for _ in range(2):
        answer = get(server, "traces/1/critical_path")
        [path] = answer["paths"]
        shown = [(s["span"]["service"], s["span"]["name"], s["duration_nano"] // MS) for s in path["sections"]]
        assert shown == [
            ("gateway", "POST /checkout", 5),
            ("gateway", "POST", 5),
            ("orders", "POST /orders", 2),
            ("orders", "INSERT", 8),
            # The message makes nobody wait.
            ("orders", "POST /orders", 10),
            ("orders", "POST", 3),
            ("payments", "POST /charge", 40),
            ("orders", "POST", 7),
            ("orders", "POST /orders", 10),
            ("gateway", "POST", 5),
            ("gateway", "POST /checkout", 5),
        ]
        assert sum(section["duration_nano"] for section in path["sections"]) == path["top"]["duration_nano"] == 100 * MS
        assert (answer["span_count"], answer["corrected_spans"], answer["truncated"]) == (7, 0, False)
        own = {share["service"]: share["self_time_nano"] // MS for share in answer["services"]}
        assert own == {"gateway": 20, "orders": 20 + 8 + 2 + 10, "payments": 40}
        operations = {(s["service"], s["name"]): s["self_time_nano"] // MS for s in answer["operations"]}
        assert operations["orders", "POST /orders"] == 80 - 8 - 2 - 50
        assert answer["spans"][0]["span_id"] == f"{7:016x}"
        limited = get(server, "traces/1/critical_path", limit=3)
        assert len(limited["paths"][0]["sections"]) == 3 and limited["truncated"]
        in_files(server)
    shown = server.cli("trace", "1", "--critical-path").stdout
    assert "payments POST /charge" in shown and "40.0 ms" in shown, shown
    assert json.loads(server.cli("trace", "1", "--critical-path", "-o", "json").stdout) == answer


def test_clocks_that_disagree(start):
    server = start()
    traces = Traces(otlp.now())
    traces.span("a", 1, 1, 0, CLIENT, "call", 10, 100, host="one")
    traces.span("b", 1, 2, 1, SERVER, "serve", -500, 50, host="two")
    traces.span("b", 1, 3, 2, INTERNAL, "work", -490, 20, host="two")
    traces.span("c", 1, 4, 9, SERVER, "lost", 20, 20, host="three")
    otlp.send(server, "traces", traces.request)
    answer = get(server, "traces/1/clock_skew")
    assert answer["corrected_spans"] == 0 and "switched off" in answer["spans"][0]["warning"]
    answer = get(server, "traces/1/clock_skew", max_clock_skew="1s")
    told = {int(span["span_id"], 16): span for span in answer["spans"]}
    assert set(told) == {2, 3, 4} and answer["corrected_spans"] == 2
    # In the middle of its parent: 10 + (100 - 50) / 2.
    assert told[2]["corrected_by_nano"] == told[3]["corrected_by_nano"] == 535 * MS
    assert int(told[2]["start_time_unix_nano"]) == traces.base + 35 * MS
    assert "moved by 535ms" in told[2]["warning"] and "is not in the trace" in told[4]["warning"]
    answer = get(server, "traces/1/clock_skew", max_clock_skew="100ms")
    assert answer["corrected_spans"] == 0 and "more than the 100ms" in answer["spans"][0]["warning"]
    path = get(server, "traces/1/critical_path", max_clock_skew=1)
    assert path["corrected_spans"] == 2
    sections = [(int(s["span"]["span_id"], 16), s["duration_nano"] // MS) for s in path["paths"][0]["sections"]]
    assert sections == [(1, 25), (2, 10), (3, 20), (2, 20), (1, 25)]
    assert path["paths"][0]["sections"][2]["span"]["corrected_by_nano"] == 535 * MS
    # Without correction nobody waited for what was over before.
    path = get(server, "traces/1/critical_path")
    assert path["corrected_spans"] == 0 and len(path["paths"][0]["sections"]) == 1
    most = ["--max-clock-skew", "1s"]
    assert "(moved)" in server.cli("trace", "1", "--critical-path", *most).stdout
    assert "were moved by 535ms" in server.cli("trace", "1", "--clock-skew", *most).stdout


def edges(graph):
    return {
        (edge["client"], edge["server"], edge["server_type"], edge["connection_type"]): edge["calls"]
        for edge in graph["edges"]
    }


def test_service_graphs(start):
    server = start()
    now = otlp.now()
    traces = Traces(now - 10 * MINUTE)
    for trace in range(1, 21):
        checkout(traces, trace, at=trace * 1000)
    otlp.send(server, "traces", traces.request)
    expected = {
        ("user", "gateway", "service", "virtual_node"): 20,
        ("gateway", "orders", "service", ""): 20,
        ("orders", "payments", "service", ""): 20,
        ("orders", "books", "database", "database"): 20,
        ("orders", "orders.placed", "queue", "messaging_system"): 20,
        ("orders.placed", "mail", "service", "messaging_system"): 20,
    }
    for _ in range(2):
        graph = get(server, "service_graph")
        assert edges(graph) == expected
        [paid] = [edge for edge in graph["edges"] if edge["server"] == "payments"]
        assert (paid["errors"], paid["p50_nano"], paid["p99_nano"]) == (20, 40 * MS, 40 * MS)
        nodes = {node["name"]: (node["type"], node["spans"], node["errors"]) for node in graph["nodes"]}
        assert nodes["orders"] == ("service", 80, 20) and nodes["books"] == ("database", 20, 0)
        of_one = get(server, "traces/5/service_graph")
        # The consumer is in a trace of its own.
        assert edges(of_one) == {edge: 1 for edge in expected if edge[1] != "mail"}
        in_files(server)
    half = get(server, "service_graph", end=(now - 10 * MINUTE + 10_500 * MS) / 1e9)
    assert edges(half)["gateway", "orders", "service", ""] == 10
    assert get(server, "service_graph", limit=2)["truncated"]
    assert edges(get(server, "service_graph", start=1, end=2)) == {}
    shown = server.cli("service-graph", "--since", "1h").stdout
    assert "books (database)" in shown and "4 services, 6 edges" in shown, shown
    assert "payments" in server.cli("trace", "5", "--service-graph").stdout


def test_a_service_that_drops_traceparent_is_found(start):
    server = start()
    now = otlp.now()
    traces = Traces(now - 10 * MINUTE)
    for trace in range(1, 21):
        checkout(traces, trace, at=trace * 1000, drops=trace > 15)
    # Somebody calls payments without an order.
    traces.span("payments", 500, 1, 0, SERVER, "POST /charge", 90_000, 10)
    # A proxy that sends no spans.
    traces.span("gateway", 501, 1, 0, CLIENT, "POST", 100_000, 90, peer_service="prices")
    traces.span("prices", 501, 2, 77, SERVER, "GET /prices", 100_010, 50)
    otlp.send(server, "traces", traces.request)
    # Too young to be judged.
    young = Traces(otlp.now() - 5_000 * MS)
    checkout(young, 100, drops=True)
    otlp.send(server, "traces", young.request)
    for _ in range(2):
        answer = get(server, "propagation")
        pairs = {(pair["client"], pair["server"]): pair for pair in answer["pairs"]}
        lossy = {key for key, pair in pairs.items() if pair["lost"]}
        assert lossy == {("orders", "payments"), ("gateway", "prices")}, answer
        lost = pairs["orders", "payments"]
        assert (lost["kept"], lost["lost"]) == (15, 5)
        [hole] = lost["holes"]
        assert (hole["reason"], hole["count"]) == ("new_trace", 5)
        assert int(hole["first_time_unix_nano"]) == traces.base + (16_000 + 33) * MS
        assert int(hole["last_time_unix_nano"]) == traces.base + (20_000 + 33) * MS
        example = hole["examples"][0]
        assert int(example["trace_id"], 16) == int(example["caller_trace_id"], 16) + 10_000
        [hole] = pairs["gateway", "prices"]["holes"]
        assert hole["reason"] == "missing_parent"
        assert pairs["gateway", "orders"]["kept"] == 20
        in_files(server)
    # A parent that comes late is a hole no more.
    late = Traces(now - 10 * MINUTE)
    late.span("gateway", 501, 77, 1, CLIENT, "proxied", 100_005, 70)
    otlp.send(server, "traces", late.request)
    assert ("gateway", "prices") not in {
        (pair["client"], pair["server"]) for pair in get(server, "propagation")["pairs"] if pair["lost"]
    }
    # With less patience the young ones are looked at, too.
    impatient = get(server, "propagation", wait="2s")
    assert [pair["lost"] for pair in impatient["pairs"] if pair["server"] == "payments"] == [6]
    shown = server.cli("propagation").stdout
    assert "new_trace" in shown and "25.0 %" in shown, shown


def throw(span, exception_type, message, stacktrace):
    event = span.events.add(name="exception", time_unix_nano=span.start_time_unix_nano + MS)
    for key, value in {"type": exception_type, "message": message, "stacktrace": stacktrace}.items():
        if value:
            event.attributes.append(otlp.attribute(f"exception.{key}", value))


def test_exceptions_that_are_the_same_are_together(start):
    server = start()
    base = otlp.now() - 10 * MINUTE
    traces = Traces(base)
    stack = 'Traceback (most recent call last):\n  File "/app/orders.py", line {}, in close\nshop.Closed: order {}'
    for trace in range(1, 11):
        span = traces.span("orders", trace, 1, 0, SERVER, "POST /orders", trace * 1000, 10, error=True)
        span.events.add(name="other", time_unix_nano=base)
        throw(span, "shop.Closed", f"order {trace} is closed", stack.format(trace, trace))
        if trace > 8:
            throw(span, "KeyError", f"'{trace}'", None)
    span = traces.span("mail", 1, 2, 1, INTERNAL, "send", 1005, 1)
    throw(span, "shop.Closed", "order 1 is closed", stack.format(1, 1))
    otlp.send(server, "traces", traces.request)
    for _ in range(2):
        answer = get(server, "exceptions")
        shown = [(g["service"], g["type"], g["message"], g["count"]) for g in answer["groups"]]
        assert shown[:2] == [("orders", "shop.Closed", "order <n> is closed", 10), ("orders", "KeyError", "<s>", 2)]
        assert shown[2][:2] == ("mail", "shop.Closed") and answer["count"] == 13
        closed = answer["groups"][0]
        assert int(closed["first_time_unix_nano"]) == base + 1001 * MS
        assert int(closed["last_time_unix_nano"]) == base + 10_001 * MS
        assert len({example["trace_id"] for example in closed["examples"]}) == 5
        of_one = get(server, "traces/9/exceptions")
        assert {group["fingerprint"]: group["count"] for group in of_one["groups"]} == {
            group["fingerprint"]: 1 for group in answer["groups"][:2]
        }
        in_files(server)
    assert get(server, "exceptions", service="mail")["count"] == 1
    assert get(server, "exceptions", type="KeyError")["count"] == 2
    half = get(server, "exceptions", end=(base + 5500 * MS) / 1e9)
    assert half["groups"][0]["count"] == 5
    assert get(server, "exceptions", limit=1)["truncated"]
    shown = server.cli("exceptions", "--since", "1h", "--service", "orders").stdout
    assert "order <n> is closed" in shown and "12 exceptions of 2 kinds" in shown, shown
    assert "KeyError" in server.cli("trace", "9", "--exceptions").stdout


def test_traces_are_compared(start):
    server = start()
    traces = Traces(otlp.now())
    checkout(traces, 1)
    checkout(traces, 2, at=5000, drops=True)
    otlp.send(server, "traces", traces.request)
    same = get(server, "traces/1/diff", **{"with": "1"})
    assert (same["unchanged"], same["differences"]) == (7, [])
    answer = get(server, "traces/1/diff", **{"with": "2"})
    assert (answer["removed"], answer["added"], answer["changed"], answer["unchanged"]) == (1, 0, 0, 6)
    [removed] = answer["differences"]
    assert removed["before"]["service"] == "payments" and "after" not in removed
    slower = Traces(traces.base)
    checkout(slower, 3)
    for scope in slower.scopes.values():
        for span in scope.spans:
            if span.name == "INSERT":
                span.end_time_unix_nano += 3 * MS
                span.status.code = ERROR
                span.attributes.append(otlp.attribute("retried", True))
    otlp.send(server, "traces", slower.request)
    [changed] = get(server, "traces/1/diff", **{"with": "3"})["differences"]
    assert changed["fields"] == [
        {"key": "duration_nano", "before": str(8 * MS), "after": str(11 * MS)},
        {"key": "status", "before": "unset", "after": "error"},
    ]
    assert changed["attributes"] == [{"key": "retried", "before": None, "after": "true"}]
    assert "INSERT" in server.cli("trace", "1", "--diff", "3").stdout
    spans = get(server, "traces/1/spans/1/diff", **{"with": "2"})
    assert [field["key"] for field in spans["fields"]] == ["duration_nano", "name", "kind"]
    across = get(server, "traces/1/spans/4/diff", **{"with": "4", "with_trace": "3"})
    assert across["attributes"] == changed["attributes"]
    assert "no trace" in get(server, "traces/1/diff", 404, **{"with": "77"})["error"]["message"]
    assert "no span 99" in get(server, "traces/1/spans/1/diff", 404, **{"with": "99"})["error"]["message"]
    assert "with" in get(server, "traces/1/diff", 400)["error"]["message"]


def test_lost_context_is_a_metric(start):
    server = start(
        {
            "connectors": {"propagation": {"wait": "1s", "metrics_flush_interval": "200ms"}},
            "service": {
                "pipelines": {
                    "traces": {"receivers": ["otlp"], "exporters": ["trefoil", "propagation"]},
                    "metrics/traces": {"receivers": ["propagation"], "exporters": ["trefoil"]},
                }
            },
        }
    )
    first = Traces(otlp.now())
    checkout(first, 1)
    otlp.send(server, "traces", first.request)
    kept = "sum by (client, server) (traces_propagation_kept_total)"
    wait_for(server, kept, ["client", "server"], {("gateway", "orders"): 1, ("orders", "payments"): 1})
    lost = 'sum by (client, server, reason) (traces_propagation_holes_total{client="orders"})'
    trace = 1

    def is_found():
        # What comes within the first two seconds is not judged.
        nonlocal trace
        trace += 1
        more = Traces(otlp.now())
        checkout(more, trace, drops=True)
        otlp.send(server, "traces", more.request)
        return numbers(server, lost, "client", "server", "reason")

    found = wait_until(is_found, lost, 60, 1)
    assert set(found) == {("orders", "payments", "new_trace")}
    # As an alert would ask.
    alert = 'sum by (client, server) (rate(traces_propagation_holes_total{client!="unknown"}[1m])) > 0'
    assert set(numbers(server, alert, "client", "server")) == {("orders", "payments")}
    remembered = 'otelcol_connector_propagation_spans_total{connector="propagation",outcome="remembered"}'
    assert server.metrics()[remembered] == 8 * trace


def test_what_is_wrong_is_said(start):
    server = start({"tenancy": {"enabled": True}})
    traces = Traces(otlp.now() - 2 * MINUTE)
    checkout(traces, 1)
    otlp.send(server, "traces", traces.request, X_Scope_OrgID="one")
    views = ["critical_path", "clock_skew", "service_graph", "exceptions"]
    for view in views:
        assert get(server, f"traces/1/{view}", tenant="one")
        assert "no trace 1" in get(server, f"traces/1/{view}", 404, tenant="two")["error"]["message"]
        assert get(server, f"traces/1/{view}", 401)["error"]["code"] == "no_tenant"
        assert "hexadecimal" in get(server, f"traces/x/{view}", 400, tenant="one")["error"]["message"]
        assert "limit" in get(server, f"traces/1/{view}", 400, tenant="one", limit=0)["error"]["message"]
        assert "unknown field" in get(server, f"traces/1/{view}", 400, tenant="one", x=0)["error"]["message"]
    for path in ("service_graph", "propagation", "exceptions"):
        assert get(server, path, tenant="one")["inspected_spans"] > 0
        answer = get(server, path, tenant="two")
        assert answer["inspected_spans"] == 0
        assert "after the end" in get(server, path, 400, tenant="one", start=5, end=1)["error"]["message"]
        assert "start" in get(server, path, 400, tenant="one", start="x")["error"]["message"]
    assert "a week" in get(server, "propagation", 400, tenant="one", lookback="10d")["error"]["message"]
    missing = server.cli("trace", "1", "--critical-path", "--tenant", "two", check=False)
    assert (missing.returncode, missing.stderr) == (1, "trefoil: there is no trace 1\n")


def test_traces_that_are_none(start):
    """More than one root, none, circles, the same span twice, parents that come later."""
    server = start()
    traces = Traces(otlp.now())
    for id in range(1, 1001):
        traces.span("a", 1, id, 0, SERVER, "root", id, 5)
    traces.span("a", 2, 1, 2, INTERNAL, "circle", 0, 5)
    traces.span("a", 2, 2, 1, INTERNAL, "circle", 1, 5)
    traces.span("a", 2, 3, 3, INTERNAL, "its own parent", 2, 5)
    for _ in range(2):
        traces.span("a", 3, 1, 0, SERVER, "twice", 0, 50)
        traces.span("b", 3, 2, 1, SERVER, "twice", 10, 20)
    for id in range(1, 20_001):
        traces.span("a", 4, id, id - 1, INTERNAL, "deep", id // 10, 10_000 - id // 5)
    traces.span("b", 5, 2, 1, SERVER, "early", 10, 20)
    otlp.send(server, "traces", traces.request)
    assert len(get(server, "traces/1/critical_path", limit=100)["paths"]) == 100
    assert len(get(server, "traces/1/critical_path", limit=2000)["paths"]) == 1000
    assert len(get(server, "traces/2/critical_path")["paths"]) == 2
    twice = get(server, "traces/3/critical_path")
    assert twice["span_count"] == 2
    assert {s["service"]: s["self_time_nano"] // MS for s in twice["services"]} == {"a": 30, "b": 20}
    deep = get(server, "traces/4/critical_path", limit=50_000)
    assert sum(s["duration_nano"] for s in deep["paths"][0]["sections"]) == deep["paths"][0]["top"]["duration_nano"]
    assert get(server, "traces/5/critical_path")["paths"][0]["top"]["name"] == "early"
    parent = Traces(traces.base)
    parent.span("a", 5, 1, 0, SERVER, "late", 0, 50)
    otlp.send(server, "traces", parent.request)
    assert [path["top"]["name"] for path in get(server, "traces/5/critical_path")["paths"]] == ["late"]


def test_what_takes_too_much_memory_is_refused_by_name(start):
    server = start({"query": {"max_memory": "4MiB"}})
    traces = Traces(otlp.now() - 10 * MINUTE)
    for number in range(40_000):
        traces.span("a", 1 + number % 100, number + 1, 0, SERVER, "x", number * 10, 1)
    otlp.send(server, "traces", traces.request)
    for path in ("service_graph", "propagation"):
        error = get(server, path, 422)["error"]
        assert error["code"] == "limit_exceeded" and "query.max_memory" in error["message"], error
    # A part of it fits, and so does one trace.
    end = (traces.base + 2_000 * MS) / 1e9
    assert get(server, "service_graph", start=end - 1, end=end)["edges"]
    assert get(server, "traces/1/critical_path")["span_count"] == 400
    assert get(server, "exceptions")["inspected_spans"] == 40_000
