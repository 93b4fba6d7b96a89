"""Patterns of lines, as Grafana's Logs Drilldown asks for them."""

import json
import time

import requests

from trefoil import wait_until

SECOND = 10**9


def push(server, app, values):
    body = json.dumps({"streams": [{"stream": {"app": app}, "values": values}]})
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{server.loki}/loki/api/v1/push", data=body, headers=headers, timeout=60)
    assert answer.status_code == 204, answer.text


def ask(server, method="get", **parameters):
    return requests.request(method, f"{server.loki}/loki/api/v1/patterns", params=parameters, timeout=60)


def patterns(server, query, start, end, step="10s", method="get"):
    answer = ask(server, method, query=query, start=start, end=end, step=step)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "success"
    return {(found["pattern"], found["level"]): found["samples"] for found in body["data"]}


def totals(found):
    return {pattern: sum(count for _, count in samples) for (pattern, _), samples in found.items()}


def metric(server, name):
    text = requests.get(f"{server.internal}/metrics", timeout=10).text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def lines(first_second, seconds):
    values = []
    for second in range(seconds):
        at = str((first_second + second) * SECOND)
        values.append([at, f'level=info msg="charged card" user=u{second} took={second}ms'])
        if second % 10 == 0:
            values.append([at, f"level=error msg=declined user=u{second}"])
    return values


def test_patterns_are_counted_and_survive_a_restart(start):
    server = start()
    # Behind the time from which on all lines are counted as they arrive.
    now = int(time.time()) // 10 * 10 + 20
    push(server, "pay", lines(now, 60))
    push(server, "other", [[str(now * SECOND), "nobody asks for this"]])
    charged = ('level=info msg="charged card" user=<_> took=<_>', "info")
    declined = ("level=error msg=declined user=<_>", "error")
    tens = range(now, now + 60, 10)
    expected = {charged: [[ten, 10] for ten in tens], declined: [[ten, 1] for ten in tens]}
    asked = ('{app="pay"}', now - 600, now + 600)
    wait_until(lambda: patterns(server, *asked) == expected, "all lines are counted")
    assert patterns(server, *asked, method="post") == expected
    minutes = patterns(server, *asked, step="1m")
    assert totals(minutes) == {charged[0]: 60, declined[0]: 6}
    assert all(at % 60 == 0 for samples in minutes.values() for at, _ in samples)
    assert patterns(server, '{app="none"}', now - 600, now + 600) == {}
    wait_until(lambda: metric(server, "trefoil_query_log_patterns_lines_total") == 67, "the other stream is counted")
    assert metric(server, "trefoil_query_log_patterns_streams") == 2
    assert metric(server, "trefoil_query_log_patterns_missed_lines_total") == 0

    # What is older than the start is looked for in what is stored.
    wait_until(lambda: time.time() > now + 10, "they are older than the next start", 60)
    server.kill()
    server.start()
    expected = {charged: [[now, 10]], ("level=error msg=declined user=u0", "error"): [[now, 1]]}
    assert patterns(server, '{app="pay"}', now - 600, now + 10) == expected


def test_old_lines_are_looked_for_in_what_is_stored(start):
    server = start({"patterns": {"stored_lines": 100}})
    old = int(time.time()) // 10 * 10 - 86_400
    push(server, "pay", lines(old, 60))
    found = patterns(server, '{app="pay"}', old - 60, old + 600)
    assert sum(totals(found).values()) == 66
    push(server, "pay", lines(old + 60, 60))
    found = patterns(server, '{app="pay"}', old - 60, old + 600)
    assert sum(totals(found).values()) == 100, "no more than are to be read"


def test_what_is_wrong_is_said(server):
    now = int(time.time())
    for parameters, expected in [
        ({"query": ""}, ""),
        ({"query": '{app="a"} |= "x"'}, ""),
        ({"query": 'rate({app="a"}[1m])'}, ""),
        ({"query": '{app="a"}', "start": now, "end": now - 1}, "end timestamp must not be before"),
        ({"query": '{app="a"}', "start": now - 20_000, "end": now, "step": "1s"}, "11,000"),
        ({"query": '{app="a"}', "step": "0"}, "step"),
    ]:
        answer = ask(server, **parameters)
        assert answer.status_code == 400 and expected in answer.text, (parameters, answer.text)
    limits = requests.get(f"{server.loki}/loki/api/v1/drilldown-limits", timeout=10).json()
    assert limits["pattern_ingester_enabled"] is True


def test_a_tenant_can_be_left_out(start):
    server = start({"patterns": {"tenants": {"default": {"enabled": False}}}})
    now = int(time.time()) // 10 * 10
    push(server, "pay", lines(now - 60, 60))
    assert sum(totals(patterns(server, '{app="pay"}', now - 100, now + 10)).values()) == 66, "of what is stored"
    assert metric(server, "trefoil_query_log_patterns_lines_total") == 0
