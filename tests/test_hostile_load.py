"""Clients who ask for everything at once, ask for too much, or leave in the middle, while samples come in: every sample is kept, every error
is Prometheus', and memory stays bounded.

10,000 series; TREFOIL_HOSTILE_SERIES=500000 with `pytest --timeout 1800` asks for more, which a release build is for.
"""

import json
import os
import random
import re
import subprocess
import threading
import time
from collections import Counter

import requests

from test_reading import cpu_seconds
from trefoil import binary, wait_until

SERIES = int(os.environ.get("TREFOIL_HOSTILE_SERIES", "10000"))
CLIENTS = 4
# Of all queries together, more than the 50 million samples of one; the rest is for series, buffer and caches.
QUERIES_MIB = 1024
PEAK_MIB = 1024 + SERIES // 400 + QUERIES_MIB
# An hour; values are found for five minutes.
TICKS, STEP = 20, 180
# Of all series, so many steps are 70 million samples.
FINE = TICKS * STEP * SERIES / 70e6
EVERYTHING = '{__name__=~".+"}'
PATIENCE = 120


def ask(server, path, seconds=PATIENCE, **parameters):
    """The answer; None if the client left before."""
    parameters = {"match[]" if name == "match" else name: value for name, value in parameters.items()}
    try:
        answer = requests.post(f"{server.prometheus}/api/v1/{path}", data=parameters, timeout=seconds)
    except (requests.Timeout, requests.ConnectionError):
        assert seconds != PATIENCE, f"no answer to {path} {parameters}"
        return None
    return answer


TOO_MANY_SAMPLES = (422, "execution", "query processing would load too many samples into memory in query execution")
TOO_MANY_POINTS = (400, "bad_data", "exceeded maximum resolution of 11,000 points per timeseries")
NO_ROOM = (422, "execution", "query.max_memory")
TIMED_OUT = (503, "timeout", "query timed out in")
NONSENSE = (400, "bad_data", "parse error")


def expect(answer, *allowed):
    body = answer.json()
    told = (answer.status_code, body.get("errorType"), body.get("error", ""))
    assert any(told[:2] == one[:2] and one[2] in told[2] for one in allowed), answer.text[:500]


class Hostile:
    """What one client does, again and again, and what it must be told."""

    WAYS = ["too_many_samples", "too_many_points", "too_slow", "leave", "leave_listing", "aggregate", "nonsense"]

    def __init__(self, server, start, end, seed):
        self.server, self.start, self.end = server, start, end
        self.chance = random.Random(seed)
        self.seen = Counter()

    def run(self, until):
        while not until.is_set():
            way = self.chance.choice(self.WAYS)
            getattr(self, way)()
            self.seen[way] += 1

    def range(self, query, step, seconds=PATIENCE, **more):
        return ask(self.server, "query_range", seconds, query=query, start=self.start, end=self.end, step=step, **more)

    def too_many_samples(self):
        """More than 50 million. Among many, time may be up before that is known, or others leave no room."""
        expect(self.range(EVERYTHING, FINE), TOO_MANY_SAMPLES, NO_ROOM, TIMED_OUT)

    def too_many_points(self):
        expect(self.range("up", 0.1), TOO_MANY_POINTS)

    def too_slow(self):
        answer = self.range(f"quantile_over_time(0.9, {EVERYTHING}[5m])", 15, timeout="50ms")
        expect(answer, TIMED_OUT, NO_ROOM)

    def leave(self):
        seconds = self.chance.uniform(0.02, 0.5)
        self.range(f"sum by (pod) (rate({EVERYTHING}[10m]))", 1, seconds)

    def leave_listing(self):
        path = self.chance.choice(["series", "labels", "label/__name__/values"])
        ask(self.server, path, self.chance.uniform(0.02, 0.5), match=EVERYTHING, start=self.start, end=self.end)

    def aggregate(self):
        answer = ask(self.server, "query", query=f"count({EVERYTHING})", time=self.end)
        if answer.status_code != 200:
            expect(answer, TIMED_OUT, NO_ROOM)

    def nonsense(self):
        query = "(" * self.chance.choice([10, 10_000]) + "up"
        expect(ask(self.server, "query", query=query), NONSENSE)


def load(server, start, seed):
    """The bookstore's samples of the hour from `start` on."""
    return subprocess.Popen(
        [binary("trefoil-loadgen"), "remote-write", f"--endpoint={server.prometheus}/api/v1/write", f"--series={SERIES}",
         f"--ticks={TICKS}", f"--step={STEP}s", f"--start={start}", f"--seed={seed}", "--connections=2", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def report(process):
    told, errors = process.communicate(timeout=1200)
    assert process.returncode == 0, errors
    report = json.loads(told)
    assert report["rejected"] == 0, report
    assert report["items"] == SERIES // 200 * 200 * TICKS
    return report


def test_hostile_clients_cost_nobody_else(start):
    server = start({"query": {"timeout": "40s", "max_memory": f"{QUERIES_MIB}MiB"}, "storage": {"buffer": {"flush_bytes": "32MiB"}, "compaction": {"interval": "1s"}}})
    now = int(time.time())
    hour = TICKS * STEP
    alone = report(load(server, now - 2 * hour, 1))
    done, failures = threading.Event(), []
    clients = [Hostile(server, now - 2 * hour, now - hour - STEP, seed) for seed in range(CLIENTS)]

    def run(client):
        try:
            client.run(done)
        except Exception as error:
            failures.append(f"{type(error).__name__}: {error}")
            done.set()

    seen = lambda: sum((client.seen for client in clients), Counter())
    threads = [threading.Thread(target=run, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    among_many = report(load(server, now - hour, 1))
    wait_until(lambda: failures or len(seen()) == len(Hostile.WAYS), "everything was tried", 240)
    done.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures, "\n".join(failures)

    # What was acknowledged is there, nobody's work goes on, and who asks for too much when it is quiet is told so.
    # (A row without a value keeps what a metric's type is.)
    stored = server.count("samples", "value_int IS NOT NULL OR value_double IS NOT NULL")
    assert stored == alone["items"] + among_many["items"]
    wait_until(lambda: idle(server), "the work of clients who left has ended", 60)
    expect(clients[0].range(EVERYTHING, FINE), TOO_MANY_SAMPLES)
    status = open(f"/proc/{server.process.pid}/status").read()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) >> 10
    took = [one["seconds"] for one in (alone, among_many)]
    print(f"{SERIES} series, twice {alone['items']} samples in {took} s, {dict(seen())}, peak {peak} MiB")
    assert peak < PEAK_MIB, f"{peak} MiB"


def idle(server):
    before = cpu_seconds(server)
    time.sleep(1)
    return cpu_seconds(server) - before < 0.3
