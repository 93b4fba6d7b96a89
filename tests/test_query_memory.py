"""`query.max_memory` bounds what all queries hold together: who finds no room is told so, the others are answered, the process stays
small, and what was held is given back."""

import re
import socket
import subprocess
import threading
import time
from collections import Counter

import requests

from trefoil import binary, wait_until

MIB = 1 << 20
MAX_MEMORY = 128 * MIB
SERIES, TICKS, STEP = 2000, 20, 15
# Rows of doubles, 46 MiB: two such queries fit, many do not.
STEPS = 3000
EVERYTHING = '{__name__=~".+"}'
LARGE = f"count({EVERYTHING} > -1)"
CLIENTS = 16


class Asked:
    def __init__(self, server, end):
        self.server, self.end = server, end

    def range(self, query, steps=STEPS, **options):
        length = TICKS * STEP - STEP
        parameters = {"query": query, "start": self.end - length, "end": self.end, "step": length / steps}
        return requests.post(f"{self.server.prometheus}/api/v1/query_range", data=parameters, timeout=120, **options)

    def held(self):
        return self.server.metrics()["trefoil_query_memory_bytes"]

    def resident(self, what="VmRSS"):
        status = open(f"/proc/{self.server.process.pid}/status").read()
        return int(re.search(rf"{what}:\s+(\d+)", status).group(1)) * 1024


def loaded(start, **query):
    server = start({"query": {"max_memory": f"{MAX_MEMORY // MIB}MiB", **query}})
    end = int(time.time()) // STEP * STEP
    subprocess.run(
        [binary("trefoil-loadgen"), "remote-write", f"--endpoint={server.prometheus}/api/v1/write", f"--series={SERIES}",
         f"--ticks={TICKS}", f"--step={STEP}s", f"--start={end - (TICKS - 1) * STEP}", "--json"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return Asked(server, end)


def no_room(answer):
    body = answer.json()
    return (answer.status_code, body.get("errorType")) == (422, "execution") and "query.max_memory" in body["error"]


def at_once(work, count):
    failures = []

    def run():
        try:
            work()
        except Exception as error:
            failures.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures, "\n".join(failures)


def test_many_large_queries_hold_no_more_than_they_may(start):
    asked = loaded(start)
    alone = asked.range(LARGE)
    assert alone.status_code == 200, alone.text
    expected = alone.json()["data"]
    # Pods are scraped one after the other: at the first steps there is nothing yet.
    assert STEPS * 0.95 < len(expected["result"][0]["values"]) <= STEPS + 1
    before = asked.resident("VmHWM")
    assert asked.held() == 0

    seen, most = Counter(), []
    done = threading.Event()

    def watch():
        while not done.is_set():
            most.append(asked.held())
            small = asked.range("count(up)", 10)
            assert small.status_code == 200, small.text

    def ask():
        for _ in range(3):
            answer = asked.range(LARGE)
            if answer.status_code == 200:
                assert answer.json()["data"] == expected
            else:
                assert no_room(answer), answer.text
            seen[answer.status_code] += 1

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        at_once(ask, CLIENTS)
    finally:
        done.set()
        watcher.join(120)
    wait_until(lambda: asked.held() == 0, "all is given back")
    refusals = asked.server.metrics()["trefoil_query_memory_refusals_total"]
    grown = asked.resident("VmHWM") - before
    print(f"{dict(seen)}, {refusals} refusals, at most {max(most) / MIB:.0f} MiB held, {grown / MIB:.0f} MiB more resident")
    assert seen[200] > 0 and seen[422] > 0 and refusals >= seen[422]
    assert 0 < max(most) <= MAX_MEMORY
    # All at once would have been six times as much.
    assert grown < 1.5 * MAX_MEMORY, f"{grown / MIB} MiB"
    assert asked.range(LARGE).json()["data"] == expected


def test_a_query_that_is_too_large_alone_is_told_so(start):
    asked = loaded(start, max_samples=100_000_000)
    for query in (LARGE, EVERYTHING, f"topk(5, {EVERYTHING})", f"count(max_over_time({EVERYTHING}[5m:1s]))"):
        answer = asked.range(query, 10_000)
        assert no_room(answer), f"{query}: {answer.status_code} {answer.text[:300]}"
    wait_until(lambda: asked.held() == 0, "all is given back")
    # What is added up as it is read holds little.
    assert asked.range("sum(rate(http_server_requests_total[1m]))", 10_000).status_code == 200


def test_an_answer_that_nobody_reads_is_held_until_its_client_goes(start):
    asked = loaded(start)
    body = f"query={requests.utils.quote(EVERYTHING)}&start={asked.end - 285}&end={asked.end}&step={285 / STEPS}"
    with socket.create_connection(("127.0.0.1", asked.server.prometheus_port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        head = "POST /api/v1/query_range HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        # The rows of an answer, and none of what it was made of.
        wait_until(lambda: 0 < asked.held() <= 64 * MIB, "the answer is all that is held")
        time.sleep(0.5)
        assert 40 * MIB <= asked.held() <= 64 * MIB
    wait_until(lambda: asked.held() == 0, "all is given back")
