"""From lines to traces, entries that are sent again, and the bounds of tails: through the real server."""

import json
import time
from urllib.parse import urlencode

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from trefoil import wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
JSON = {"Content-Type": "application/json"}


def push(server, app, *values):
    body = json.dumps({"streams": [{"stream": {"app": app}, "values": list(values)}]})
    answer = requests.post(f"{server.loki}/loki/api/v1/push", data=body, headers=JSON, timeout=60)
    assert answer.status_code == 204, answer.text


def lines(server, query):
    answer = requests.get(f"{server.loki}/loki/api/v1/query_range", params={"query": query, "since": "1h"}, timeout=60)
    assert answer.status_code == 200, answer.text
    return sorted(line for stream in answer.json()["data"]["result"] for _, line in stream["values"])


def tail(server, query):
    return server.loki.replace("http://", "ws://") + "/loki/api/v1/tail?" + urlencode({"query": query})


def test_lines_lead_to_traces_and_back(start, tmp_path):
    """Lines of Serilog with pipes, of a file that was parsed, and with structured metadata."""
    log = tmp_path / "app.log"
    log.write_text(json.dumps({"msg": "from a file", "traceId": TRACE, "spanId": SPAN}) + "\n")
    filelog = {"include": [str(log)], "start_at": "beginning", "operators": [{"type": "json_parser"}]}
    config = {
        "storage": {"trace_ids": {"trace_patterns": [r"\|(\w+)\|"]}},
        "receivers": {"filelog": filelog},
        "service": {"pipelines": {"logs": {"receivers": ["otlp", "filelog"]}}},
    }
    server = start(config)
    now = time.time_ns()
    push(server, "pipes", [str(now), f"[23:22:57 INF] |{TRACE}| HTTP GET /api/Articles"], [str(now + 1), "[23:22:58 INF] || none"])
    push(server, "metadata", [str(now + 2), "with metadata", {"traceID": TRACE.upper()}])
    push(server, "zipkin", [str(now + 3), f"traceId={SPAN} of 64 bits"])
    wait_until(lambda: server.count("logs") == 5, f"five lines\n{server.log_tail()}")
    assert server.count("logs", f"trace_id = '{TRACE}'") == 3

    answer = requests.get(f"{server.main}/api/v1/traces/{TRACE}/logs", timeout=60).json()
    bodies = [log["body"] for log in answer["logs"]]
    assert len(bodies) == 3 and not answer["truncated"]
    assert any("|" in body for body in bodies) and "with metadata" in bodies
    (of_file,) = [log for log in answer["logs"] if log["span_id"] == SPAN]
    assert of_file["attributes"]["msg"] == "from a file"
    of_span = requests.get(f"{server.main}/api/v1/traces/{TRACE}/logs?span_id={SPAN}", timeout=60).json()
    assert of_span["logs"] == [of_file]
    cut = requests.get(f"{server.main}/api/v1/traces/{TRACE}/logs?limit=1", timeout=60).json()
    assert len(cut["logs"]) == 1 and cut["truncated"]
    assert requests.get(f"{server.main}/api/v1/traces/{SPAN}/logs", timeout=60).json()["logs"][0]["body"].startswith("traceId=")
    for wrong in ["xyz/logs", f"{TRACE}/logs?span_id=xyz", f"{TRACE}/logs?limit=0"]:
        assert requests.get(f"{server.main}/api/v1/traces/{wrong}", timeout=60).status_code == 400

    assert len(lines(server, f'{{app=~".+"}} | trace_id="{TRACE}"')) == 2
    printed = server.cli("trace", TRACE, "--logs").stdout
    assert "with metadata" in printed and "3 log records" in printed


def test_wrong_rules_are_told_at_the_start(start):
    server = start({"storage": {"trace_ids": {"trace_patterns": ["no group"]}}}, wait=False)
    assert server.process.wait(60) != 0
    assert "`no group` must have one group, which is the id; it has 0" in server.log_tail()


def test_entries_that_are_sent_again_are_stored_once(start):
    """Also through a kill and a restart."""
    server = start()
    now = str(time.time_ns())
    entries = [[now, "one"], [now, "two"], [now, "three", {"pod": "a"}]]
    push(server, "again", *entries)
    push(server, "again", *entries)
    assert lines(server, '{app="again"}') == ["one", "three", "two"]
    assert server.metrics()["trefoil_storage_repeated_entries_total"] == 3
    server.kill()
    server.start()
    push(server, "again", *entries, [now, "four"])
    assert server.stop() == 0
    server.start()
    push(server, "again", *entries, [now, "four"])
    assert lines(server, '{app="again"}') == ["four", "one", "three", "two"]
    rate = {"query": 'sum(count_over_time({app="again"}[1h]))'}
    answer = requests.get(f"{server.loki}/loki/api/v1/query", params=rate, timeout=60).json()
    assert answer["data"]["result"][0]["value"][1] == "4"


def test_tails_are_bounded_and_told_goodbye(start):
    server = start({"query": {"max_concurrent_tail_requests": 2}})
    push(server, "tailed", [str(time.time_ns()), "line"])
    url = tail(server, '{app="tailed"}')
    with connect(url, open_timeout=60) as first:
        assert "line" in first.recv(timeout=60)
        with connect(url, open_timeout=60) as second:
            with pytest.raises(InvalidStatus) as refused:
                connect(url, open_timeout=60)
            assert refused.value.response.status_code == 429
            says = "max concurrent tail requests limit exceeded, count > limit (3 > 2)"
            assert says in refused.value.response.body.decode()
            assert "line" in second.recv(timeout=60)

        def third():
            try:
                return connect(url, open_timeout=60)
            except InvalidStatus:
                return None

        third = wait_until(third, "there is room once the second one has gone")
        assert server.stop() == 0
        for client in [first, third]:
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    client.recv(timeout=60)
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "the server is shutting down")
