"""Loki's deletion of logs, as `logcli` and curl ask for it: lines vanish from every answer at once, come back for a while, and a kill
changes nothing about that."""

import json
import time

import pytest
import requests

from test_duckdb import attach
from trefoil import wait_until

SECOND = 10**9
ON = {"listeners": {"loki": {"deletion_mode": "filter-and-delete"}}, "storage": {"buffer": {"flush_interval": "1h"}}}


class Logs:
    def __init__(self, server, tenant=None):
        self.server = server
        self.headers = {"X-Scope-OrgID": tenant} if tenant else {}
        self.start = (time.time_ns() // SECOND - 100) * SECOND

    def push(self, app, lines):
        """`lines`: (seconds since the start, text)."""
        values = [[str(self.start + second * SECOND), line] for second, line in lines]
        body = json.dumps({"streams": [{"stream": {"app": app}, "values": values}]})
        headers = {"Content-Type": "application/json", **self.headers}
        answer = requests.post(f"{self.server.loki}/loki/api/v1/push", data=body, headers=headers, timeout=60)
        assert answer.status_code == 204, answer.text

    def request(self, method, **parameters):
        url = f"{self.server.loki}/loki/api/v1/delete"
        return requests.request(method, url, params=parameters, headers=self.headers, timeout=120)

    def delete(self, query, first=0, last=90, method="post"):
        at = {"start": self.start // SECOND + first, "end": self.start // SECOND + last}
        answer = self.request(method, query=query, **at)
        assert (answer.status_code, answer.text) == (204, ""), answer.text

    def requests(self):
        answer = self.request("get")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def lines(self, query='{app=~".+"}'):
        period = {"start": self.start, "end": self.start + 200 * SECOND, "limit": 5000, "direction": "forward"}
        url = f"{self.server.loki}/loki/api/v1/query_range"
        answer = requests.get(url, params={"query": query, **period}, headers=self.headers, timeout=60)
        assert answer.status_code == 200, answer.text
        rows = [(int(at), line) for stream in answer.json()["data"]["result"] for at, line in stream["values"]]
        return [line for _, line in sorted(rows)]

    def count(self):
        url = f"{self.server.loki}/loki/api/v1/query"
        query = 'sum(count_over_time({app=~".+"}[10m]))'
        parameters = {"query": query, "time": self.start + 200 * SECOND}
        answer = requests.get(url, params=parameters, headers=self.headers, timeout=60)
        result = answer.json()["data"]["result"]
        return int(result[0]["value"][1]) if result else 0

    def sql(self):
        url = f"{self.server.main}/api/v1/sql"
        headers = {"Content-Type": "application/sql", **self.headers}
        answer = requests.post(url, data="SELECT body FROM logs ORDER BY time_unix_nano", headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.text


def test_it_is_switched_off_until_somebody_wants_it(server):
    logs = Logs(server)
    for method in ("get", "post", "put", "delete"):
        answer = logs.request(method, query='{app="a"}', start=1, request_id="x")
        assert (answer.status_code, answer.headers["Content-Type"]) == (403, "text/plain; charset=utf-8")
        assert "deletion_mode" in answer.text


def test_what_is_wrong_is_said(start):
    logs = Logs(start(ON))
    future = int(time.time()) + 1000
    for parameters, expected in [
        ({"start": 1}, "query not set"),
        ({"query": "{", "start": 1}, "parse error"),
        ({"query": 'rate({app="a"}[5m])', "start": 1}, "unsupported query expression"),
        ({"query": '{app="a"}'}, "start time not set"),
        ({"query": '{app="a"}', "start": "soon"}, "invalid start"),
        ({"query": '{app="a"}', "start": 1, "end": future}, "deletes in the future are not allowed"),
        ({"query": '{app="a"}', "start": 5, "end": 4}, "start time can't be greater than end time"),
        ({"query": '{app="a"}', "start": 1, "max_interval": "x"}, "max_interval"),
        ({"query": '{app="a"}', "start": 1, "max_interval": "-1h"}, "max_interval"),
    ]:
        answer = logs.request("post", **parameters)
        assert answer.status_code == 400 and expected in answer.text, (parameters, answer.text)
    assert logs.requests() == []
    answer = logs.request("delete", request_id="none")
    assert (answer.status_code, answer.text) == (404, "could not find delete request with given id")
    assert logs.request("delete").status_code == 400


def test_lines_vanish_from_every_answer_and_come_back(start):
    server = start(ON)
    logs = Logs(server)
    logs.push("a", [(1, "one secret"), (2, "two"), (95, "late secret")])
    logs.push("b", [(3, "three secret")])
    logs.delete('{app="a"} |= "secret"')
    left = ["two", "three secret", "late secret"]
    assert (logs.lines(), logs.count()) == (left, 3)
    assert "one secret" not in logs.sql() and "three secret" in logs.sql()
    with attach(server) as database:
        bodies = database.sql("SELECT body FROM lake.logs").fetchall()
    assert sorted(body for (body,) in bodies) == sorted(left)
    logs.push("a", [(1, "one secret")])
    assert logs.lines() == ["one secret", *left], "what arrives later stays"
    [request] = logs.requests()
    created_at = request.pop("created_at")
    assert abs(created_at - time.time()) < 100
    request_id = request.pop("request_id")
    seconds = logs.start // SECOND
    assert request == {
        "start_time": seconds,
        "end_time": seconds + 90,
        "query": '{app="a"} |= "secret"',
        "status": "received",
    }
    answer = logs.request("delete", request_id=request_id)
    assert (answer.status_code, answer.text) == (204, "")
    assert logs.lines() == ["one secret", "one secret", *left]
    assert logs.requests() == []


def test_tenants_delete_their_own(start):
    server = start({**ON, "tenancy": {"enabled": True}})
    ours, theirs = Logs(server, "ours"), Logs(server, "theirs")
    theirs.start = ours.start
    ours.push("a", [(1, "our line")])
    theirs.push("a", [(1, "their line")])
    ours.delete('{app="a"}', method="put")
    assert (ours.lines(), theirs.lines()) == ([], ["their line"])
    [request] = ours.requests()
    assert theirs.requests() == []
    assert theirs.request("delete", request_id=request["request_id"], force="true").status_code == 404
    assert Logs(server).request("get").status_code == 401


def test_a_kill_brings_nothing_back(start):
    server = start(ON)
    logs = Logs(server)
    logs.push("a", [(number % 90, f"line {number}") for number in range(500)])
    logs.push("b", [(1, "other")])
    logs.delete('{app="a"} |~ "line [0-9]*[02468]$"')
    logs.push("a", [(1, "line 1000")])
    server.kill()
    server.start()
    expected = sorted([f"line {number}" for number in range(1, 500, 2)] + ["other", "line 1000"])
    assert sorted(logs.lines()) == expected
    [request] = logs.requests()
    assert logs.request("delete", request_id=request["request_id"]).status_code == 204
    assert len(logs.lines()) == 502


def test_after_the_cancel_period_lines_are_gone_for_good(start):
    loki = {"deletion_mode": "filter-and-delete", "delete_request_cancel_period": "1ms"}
    server = start({**ON, "listeners": {"loki": loki}})
    logs = Logs(server)
    logs.push("a", [(1, "one"), (2, "two")])
    logs.delete('{app="a"} |= "one"')
    # It is looked for such requests every thirty seconds, and at the start.
    server.stop()
    server.start()
    wait_until(lambda: [request["status"] for request in logs.requests()] == ["processed"], "it is processed")
    [request] = logs.requests()
    answer = logs.request("delete", request_id=request["request_id"])
    assert answer.status_code == 400 and "already processed" in answer.text
    assert logs.request("delete", request_id=request["request_id"], force="true").status_code == 204
    assert (logs.requests(), logs.lines()) == ([], ["two"])


@pytest.mark.parametrize("base", ["loki", "main"])
def test_it_is_there_on_both_listeners(start, base):
    server = start(ON)
    url = server.loki if base == "loki" else f"{server.main}/loki"
    assert requests.get(f"{url}/loki/api/v1/delete", timeout=10).json() == []
