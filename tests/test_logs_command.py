"""`trefoil logs`: lines taken away in each form, however many, and lines as they come, also across restarts of the server."""

import csv
import io
import json
import os
import pty
import re
import subprocess
import threading
import time

import pytest
import requests
from trefoil import Server, binary, wait_until

SECOND = 10**9
JSON = {"Content-Type": "application/json"}


def push(server, values, labels=None, tenant=None):
    body = json.dumps({"streams": [{"stream": labels or {"app": "cart"}, "values": values}]})
    headers = {**JSON, **({"X-Scope-OrgID": tenant} if tenant else {})}
    answer = requests.post(f"{server.loki}/loki/api/v1/push", data=body, headers=headers, timeout=60)
    assert answer.status_code == 204, answer.text


def logs(server, query, *arguments):
    return server.cli("logs", query, *arguments)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """30,000 lines, several pages, of which a hundred each are of the same time; the last third is not in files."""
    server = Server(tmp_path_factory.mktemp("logs"), {"storage": {"buffer": {"flush_interval": "1h"}}}).start()
    server.begin = time.time_ns() // SECOND * SECOND - 600 * SECOND
    line = lambda number: [str(server.begin + number // 100 * SECOND), f"level=info n={number}", {"trace": f"t{number}"}]
    for start in range(0, 30_000, 5_000):
        push(server, [line(number) for number in range(start, start + 5_000)])
    push(server, [[str(server.begin + 1), 'said "no",\nand left']], {"app": "odd", "path": 'a"b'})
    yield server
    server.close()


def test_an_export_has_every_line_once(server):
    for arguments, expected in [((), range(29_999, -1, -1)), (("--forward",), range(30_000))]:
        done = logs(server, '{app="cart"}', "-o", "jsonl", *arguments)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [line["line"] for line in lines] == [f"level=info n={number}" for number in expected]
        assert done.stderr == "30000 lines\n"
    line = lines[7]
    assert line["labels"] == {"app": "cart", "service_name": "cart"}
    assert line["structuredMetadata"] == {"trace": "t7", "detected_level": "info"} and "parsed" not in line


def test_what_is_asked_for(server):
    tenth = server.begin + 10 * SECOND
    period = ("--from", str(tenth), "--to", str(tenth + SECOND))
    assert len(logs(server, '{app="cart"}', "-o", "raw", *period).stdout.splitlines()) == 100
    done = logs(server, '{app="cart"} |= "n=7777"', "-o", "raw")
    assert (done.stdout, done.stderr) == ("level=info n=7777\n", "1 line\n")
    done = logs(server, '{app="cart"}', "-o", "raw", "--limit", "3")
    assert done.stdout.splitlines() == [f"level=info n={number}" for number in (29_999, 29_998, 29_997)]
    assert done.stderr == "3 lines; there may be more, --limit says how many are shown\n"
    assert logs(server, '{app="none"}').stdout == ""
    parsed = logs(server, '{app="cart"} | logfmt', "-o", "jsonl", "--limit", "1").stdout
    assert json.loads(parsed)["parsed"] == {"level": "info", "n": "29999"}


def test_forms(server):
    at = "%s.000000001Z" % time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(server.begin // SECOND))
    text = 'said "no",\nand left'
    assert logs(server, '{app="odd"}').stdout == f'{at} {{app="odd", path="a\\"b", service_name="odd"}} {text}\n'
    assert logs(server, '{app="odd"}', "--no-labels").stdout == f"{at} {text}\n"
    assert logs(server, '{app="odd"}', "--labels", "detected_level,app").stdout.startswith(
        f'{at} {{detected_level="unknown", app="odd"}} said'
    )
    [row] = csv.DictReader(io.StringIO(logs(server, '{app="odd"}', "-o", "csv").stdout))
    assert row["timestamp"] == at and row["line"] == text
    assert json.loads(row["labels"]) == {"app": "odd", "path": 'a"b', "service_name": "odd"}
    # The server writes the same by itself.
    for form in ("jsonl", "csv", "text", "raw"):
        parameters = {"query": '{app="odd"}', "format": form}
        answer = requests.get(f"{server.main}/api/v1/logs", params=parameters, timeout=60)
        assert answer.status_code == 200 and answer.text == logs(server, '{app="odd"}', "-o", form).stdout


def test_what_is_wrong_is_told(server):
    for arguments, says in [
        (("{",), "query: parse error"),
        (('rate({app="cart"}[1m])',), "--language logql"),
        (('{app="cart"}', "--from", "soon"), "--from:"),
        (('{app="cart"}', "-o", "csv", "--no-labels"), "--output text"),
        (('{app="cart"}', "--limit", "0"), "0 is not in 1.."),
        (("{", "--follow"), "parse error"),
    ]:
        done = server.cli("logs", *arguments, check=False)
        assert done.returncode != 0 and says in done.stderr, done.stderr
    refused = requests.get(f"{server.main}/api/v1/logs", params={"query": "{"}, timeout=60)
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "bad_request"
    gone = subprocess.run(
        [binary("trefoil"), "logs", '{a="b"}', "--endpoint", "http://127.0.0.1:1"], capture_output=True, text=True, timeout=60
    )
    assert gone.returncode == 1 and "no server answers" in gone.stderr


def test_a_reader_that_leaves_ends_it(server):
    command = f"{binary('trefoil')} logs '{{app=\"cart\"}}' -o raw --endpoint {server.main} | head -n 2"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=60)
    assert len(done.stdout.splitlines()) == 2 and "error" not in done.stderr.lower()
    # Nothing goes on in the server.
    with requests.get(f"{server.main}/api/v1/logs", params={"query": '{app="cart"}'}, stream=True, timeout=60) as answer:
        next(answer.iter_lines())
    assert len(logs(server, '{app="cart"}', "-o", "raw", "--limit", "5").stdout.splitlines()) == 5


def test_on_a_terminal(server):
    """A hundred lines, in colors, and nothing that moves the cursor."""
    push(server, [[str(time.time_ns()), "level=error \x1b[2Jgone"]], {"app": "harmful"})
    shown = on_terminal("logs", '{app="harmful"}', "--no-labels", "--endpoint", server.main)
    assert "\x1b[31mlevel=error \ufffd[2Jgone\x1b[0m" in shown and "1 line" in shown
    shown = on_terminal("logs", '{app="cart"}', "--endpoint", server.main)
    assert len(re.findall(r"n=\d+", shown)) == 100 and "100 lines; there may be more" in shown


def test_a_bar_says_how_far_it_is(server):
    shown = on_terminal("logs", '{app="cart"}', "-o", "raw", "--endpoint", server.main, stdout=subprocess.DEVNULL)
    assert re.search(r"\d+% \d+ lines, [\d.]+ \w+", shown) and "30000 lines" in shown


def on_terminal(*arguments, stdout=None):
    """What the command writes to a terminal."""
    master, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    process = subprocess.Popen(
        [binary("trefoil"), *arguments],
        stdin=subprocess.DEVNULL, stdout=stdout or terminal, stderr=terminal, env=environment,
    )  # fmt: skip
    os.close(terminal)
    written = b""
    while True:
        try:
            some = os.read(master, 65536)
        except OSError:
            break
        if not some:
            break
        written += some
    os.close(master)
    assert process.wait(60) == 0
    return written.decode(errors="replace")


class Follower:
    def __init__(self, server, *arguments):
        self.process = subprocess.Popen(
            [binary("trefoil"), "logs", *arguments, "--follow", "-o", "raw", "--endpoint", server.main],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines, self.notes = [], []
        for pipe, kept in ((self.process.stdout, self.lines), (self.process.stderr, self.notes)):
            threading.Thread(target=lambda pipe=pipe, kept=kept: kept.extend(line.rstrip("\n") for line in pipe), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(30)


def test_lines_are_followed_across_restarts(start):
    server = start()
    count = 0

    def send(lines):
        nonlocal count
        for _ in range(lines):
            push(server, [[str(time.time_ns()), f"line {count}"]])
            count += 1

    send(10)
    with Follower(server, '{app="cart"} |= "line"', "--limit", "4") as follower:
        everything = lambda: len(follower.lines) >= count - 6
        wait_until(everything, "the newest lines")
        send(20)
        wait_until(everything, f"lines as they come: {follower.lines}")
        for kill in (server.kill, server.stop):
            kill()
            wait_until(lambda: any("trying again" in note for note in follower.notes), "a word about the server")
            server.start()
            # Some before it listens again, some afterwards.
            send(30)
            wait_until(everything, f"lines of the time without a connection: {follower.notes}")
            send(5)
            wait_until(everything, "lines behind it")
            follower.notes.clear()
        assert follower.process.poll() is None
        assert follower.lines == [f"line {number}" for number in range(6, count)]


def test_tenants(start):
    server = start({"tenancy": {"enabled": True}})
    for tenant in ("one", "two"):
        push(server, [[str(time.time_ns()), f"of {tenant}"]], tenant=tenant)
    assert logs(server, '{app="cart"}', "-o", "raw", "--tenant", "one").stdout == "of one\n"
    both = logs(server, '{app="cart"}', "--labels", "__tenant_id__", "--tenant", "one|two", "--forward").stdout
    assert re.findall(r'\{__tenant_id__="(\w+)"\} of (\w+)', both) == [("one", "one"), ("two", "two")]
    done = server.cli("logs", '{app="cart"}', check=False)
    assert done.returncode == 1 and "--tenant" in done.stderr


def test_metrics_of_lines(server):
    query = 'sum by (app) (count_over_time({app=~"cart|odd"}[1h]))'
    table = server.cli("query", "--language", "logql", query).stdout
    assert re.search(r"\| cart +\| 30000 +\|", table) and "2 rows" in table
    told = json.loads(server.cli("query", "-l", "logql", query, "--output", "json").stdout)
    assert told["data"]["resultType"] == "vector"
    done = server.cli("query", "-l", "logql", query, "--limit", "1")
    assert "1 row\n" in done.stdout and "1 of 2 series" in done.stderr
    chart = server.cli("query", "-l", "logql", 'sum(rate({app="cart"}[1m]))', "--since", "10m").stdout
    assert chart.strip()
    wrong = server.cli("query", "-l", "logql", "rate({", check=False)
    assert wrong.returncode == 1 and "parse error" in wrong.stderr
    explained = server.cli("query", "-l", "logql", query, "--explain", check=False)
    assert explained.returncode == 1 and "--explain" in explained.stderr
