"""Traces as no one should send them: right answers, or a limit that is named, and bounded memory."""

import time

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp import PROTOBUF, attribute
from trefoil import Server

SECOND = 1_000_000_000
MILLION = 1_000_000
BATCH = 50_000


class Sender:
    def __init__(self, server):
        self.server = server
        self.begin = time.time_ns() - 6 * 3600 * SECOND

    def send(self, trace, spans, service="hostile"):
        """Spans as (id, parent or 0, name, start and end in seconds since the begin)."""
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.append(attribute("service.name", service))
        scope = group.scope_spans.add()
        trace_id = trace.to_bytes(16, "big")
        for id, parent, name, start, end in spans:
            span = scope.spans.add(
                trace_id=trace_id,
                span_id=id.to_bytes(8, "big"),
                name=name,
                kind=1,
                start_time_unix_nano=self.begin + int(start * SECOND),
                end_time_unix_nano=self.begin + int(end * SECOND),
            )
            if parent:
                span.parent_span_id = parent.to_bytes(8, "big")
        headers = {"Content-Type": PROTOBUF}
        answer = requests.post(f"{self.server.http}/v1/traces", data=request.SerializeToString(), headers=headers, timeout=120)
        assert answer.status_code == 200, answer.text

    def search(self, query, **parameters):
        answer = requests.get(f"{self.server.tempo}/api/search", params={"q": query, "spss": 0} | parameters, timeout=120)
        return answer

    def matched(self, query):
        """How many spans of which traces match."""
        answer = self.search(query)
        assert answer.status_code == 200, answer.text
        return {
            int(trace["traceID"], 16): sum(spans["matched"] for spans in trace["spanSets"])
            for trace in answer.json().get("traces", [])
        }

    def counted(self, query):
        answer = requests.get(f"{self.server.tempo}/api/metrics/query", params={"q": query, "since": "12h"}, timeout=120)
        assert answer.status_code == 200, answer.text
        return [series["value"] for series in answer.json()["series"]]


@pytest.fixture(scope="module")
def sender(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("hostile"))
    server.start()
    yield Sender(server)
    server.close()


def test_roots_by_the_thousand(sender):
    roots = 1000
    sender.send(2, [(id, 0, "root", id, id + 1) for id in range(1, roots + 1)])
    sender.send(2, [(roots + id, id, "child", id, id + 0.5) for id in range(1, roots + 1)])
    assert sender.matched('{ nestedSetParent < 0 && name = "root" && trace:id = "2" }') == {2: roots}
    assert sender.matched('{ name = "root" } > { name = "child" }') == {2: roots}
    assert sender.matched('{ name = "root" } ~ { name = "root" }') == {2: roots}
    assert sender.counted('{ name = "child" } | count_over_time()') == [roots]


def test_circles_and_spans_that_are_their_own_parents(sender):
    circle = 5000
    sender.send(3, [(id, id % circle + 1, "circle", 0, 1) for id in range(1, circle + 1)])
    sender.send(3, [(circle + 1, circle + 1, "self", 0, 1), (circle + 2, 7, "hanger", 0, 1)])
    assert sender.matched('{ name = "circle" } >> { name = "hanger" }') == {3: 1}
    assert sender.matched('{ name = "circle" || name = "self" } && { name = "hanger" }') == {3: circle + 2}
    # It is cut somewhere: one span is below nothing.
    assert sender.matched('{ name = "circle" } > { name = "circle" }') == {3: circle - 1}
    assert sender.matched('{ name = "self" } > { name = "self" }') == {}
    answer = requests.get(f"{sender.server.tempo}/api/v2/traces/3", timeout=60)
    assert answer.status_code == 200 and answer.text.count('"circle"') == circle


def test_a_chain_without_end(sender):
    depth = 100_000
    for first in range(1, depth + 1, BATCH):
        sender.send(4, [(id, id - 1, "deep", 0, 1) for id in range(first, first + BATCH)])
    assert sender.matched("{ span:parentID = \"\" } >> { name = \"deep\" } | count() > 10") == {4: depth - 1}
    assert sender.matched('{ name = "deep" && nestedSetRight - nestedSetLeft = 1 }') == {4: 1}


def test_what_is_sent_again_is_there_once(sender):
    spans = [(1, 0, "again", 0, 1), (2, 1, "again", 0, 1)]
    sender.send(5, spans)
    sender.server.sql("SELECT 1")
    sender.send(5, spans)
    assert sender.matched('{ name = "again" }') == {5: 2}


def test_children_hours_before_their_parents(sender):
    sender.send(6, [(3, 2, "late", 0, 1)])
    assert sender.matched('{ name = "late" && rootName = "" }') == {6: 1}
    sender.server.stop()
    sender.server.start()
    sender.send(6, [(2, 1, "middle", 7200, 7201)])
    assert sender.matched('{ name = "middle" } > { name = "late" }') == {6: 1}
    sender.send(6, [(1, 0, "early", 14400, 14401)])
    assert sender.matched('{ name = "early" } >> { name = "late" }') == {6: 1}
    assert sender.matched('{ trace:duration > 4h && name = "late" }') == {6: 1}
    assert sender.matched('{ rootName = "early" && name = "late" }') == {6: 1}


def million(id):
    """A root with a thousand children, each the top of a chain of 999."""
    place = id - 2
    if id == 1:
        return (1, 0, "root", 0, 3600)
    parent = 1 if place % 999 == 0 else id - 1
    return (id, parent, "chain", place / 1000, place / 1000 + 0.5)


def test_a_trace_with_a_million_spans(sender):
    count = MILLION - 1
    for first in range(1, count + 1, BATCH):
        sender.send(1, (million(id) for id in range(first, min(first + BATCH, count + 1))))
    assert sender.matched('{ name = "root" } >> { name = "chain" } | count() > 999000') == {1: count - 1}
    assert sender.search('{ name = "root" } > { name = "chain" }', spss=3).json()["traces"][0]["spanSets"][0]["matched"] == 1001
    assert sender.counted('{ name = "root" } >> { name = "chain" } | count_over_time()') == [count - 1]
    assert sender.counted('{ name = "chain" } | count_over_time()') == [count - 1]
    assert sender.server.metrics()["process_resident_memory_bytes"] < 4 << 30


def test_a_trace_beyond_the_limit_is_named_and_harms_no_other(tmp_path):
    server = Server(tmp_path, {"query": {"max_rows": 20_000}})
    server.start()
    sender = Sender(server)
    sender.send(1, [(id, 1 if id > 1 else 0, "huge", 0, 1) for id in range(1, 20_002)])
    # Together more than one may have, which is no reason not to look at them one by one.
    for trace in range(2, 12):
        sender.send(trace, [(id, 1 if id > 1 else 0, "large", 0, 1) for id in range(1, 3_001)])
    assert sender.matched('{ name = "large" } > { name = "large" }') == {trace: 2999 for trace in range(2, 12)}
    answer = sender.search('{ name = "huge" } > { name = "huge" }')
    assert answer.status_code == 422 and f"trace {1:032x} has more than 20000 spans" in answer.text, answer.text
    # Where spans tell by themselves there is nothing to be put together.
    assert sender.counted('{ name = "huge" } | count_over_time()') == [20_001]
    server.close()
