"""Tails lines under load and counts them: nothing missing and nothing twice for who reads at once, and who does not is told what was dropped.

    make soak-tail                              ten minutes, 3,000 lines a second
    make soak-tail ARGS='--seconds 60 --rate 10000'

Lines of several streams are pushed while the server flushes and compacts every second. One tail reads whatever comes; another one reads
a frame now and then, so that it falls behind more than the server waits for.
"""

import argparse
import json
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from urllib.parse import urlencode, urlsplit

import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from trefoil import Server, wait_until

JSON = {"Content-Type": "application/json"}
STREAMS = 8
#: Requests a second; each has lines of all streams.
REQUESTS = 10
LINE_BYTES = 1000
#: So many lines are more than the server and the kernel keep for a tail that does not read.
BEHIND = 25_000
#: How long the slow tail rests between frames, seconds.
REST = 2
PEAK_MIB = 1024
CONFIG = {"storage": {"buffer": {"flush_interval": "1s"}, "compaction": {"interval": "1s"}}}
LINE = re.compile(r"stream (\d+) line (\d+) ")


class Tail(threading.Thread):
    """Reads frames and holds the lines of each stream against their numbers."""

    def __init__(self, server, opened, receive_buffer=None, rest=0):
        super().__init__(daemon=True)
        url = server.loki.replace("http://", "ws://") + "/loki/api/v1/tail?" + urlencode({"query": '{soak="tail"}'})
        raw = socket.socket()
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.connect(("127.0.0.1", urlsplit(url).port))
        # What the library reads ahead would hide that nobody reads; answers to its pings wait behind all that was not read.
        connection = connect(url, sock=raw, open_timeout=60, max_queue=1, max_size=None, ping_interval=None)
        self.socket = opened.enter_context(connection)
        self.rest = rest
        self.next = Counter()
        self.counts = Counter()
        self.worst_delay = 0
        self.start()

    def run(self):
        try:
            while True:
                self._take(json.loads(self.socket.recv()))
                time.sleep(self.rest)
        except ConnectionClosed:
            pass

    def _take(self, frame):
        self.counts["frames"] += 1
        self.counts["told of dropped"] += sum(entry.get("lines", 1) for entry in frame.get("dropped_entries") or [])
        now = time.time_ns()
        for stream in frame["streams"]:
            for at, line in stream["values"]:
                of, number = map(int, LINE.match(line).groups())
                self.counts["lines"] += 1
                self.counts["missing"] += max(0, number - self.next[of])
                self.counts["twice or late"] += number < self.next[of]
                self.next[of] = max(self.next[of], number + 1)
                self.worst_delay = max(self.worst_delay, (now - int(at)) / 1e9)

    def report(self):
        return {**self.counts, "worst delay in seconds": round(self.worst_delay, 3)}


class Sender:
    """Pushes lines that are numbered stream by stream."""

    def __init__(self, server):
        self.url = f"{server.loki}/loki/api/v1/push"
        self.session = requests.Session()
        self.next = [0] * STREAMS
        self.sent = 0

    def run(self, seconds, rate):
        """Bounded by time and by count; slower where the server is."""
        begin = time.monotonic()
        requests_to_send = int(seconds * REQUESTS)
        for number in range(requests_to_send):
            if time.monotonic() - begin > 2 * seconds:
                break
            self.push(rate // REQUESTS // STREAMS)
            time.sleep(max(0, begin + (number + 1) / REQUESTS - time.monotonic()))

    def push(self, lines):
        streams = [{"stream": {"soak": "tail", "stream": str(of)}, "values": self._values(of, lines)} for of in range(STREAMS)]
        answer = self.session.post(self.url, data=json.dumps({"streams": streams}), headers=JSON, timeout=60)
        assert answer.status_code == 204, answer.text
        self.sent += lines * STREAMS

    def _values(self, of, lines):
        first, self.next[of] = self.next[of], self.next[of] + lines
        return [[str(time.time_ns()), f"stream {of} line {number} ".ljust(LINE_BYTES, ".")] for number in range(first, first + lines)]


def soak(server, seconds, rate):
    """What was counted; fails where it is wrong."""
    with ExitStack() as opened:
        fast, slow = Tail(server, opened), Tail(server, opened, receive_buffer=4096, rest=REST)
        report = measure(server, seconds, rate, fast, slow)
    check(report)
    return report


def measure(server, seconds, rate, fast, slow):
    sender = Sender(server)
    sender.run(seconds, rate)
    # On a machine that is too busy for the rate.
    for _ in range(2 * BEHIND // (rate // REQUESTS)):
        if sender.sent - slow.counts["lines"] >= BEHIND:
            break
        sender.push(rate // REQUESTS // STREAMS)
    wait_until(lambda: fast.counts["lines"] >= sender.sent, f"all lines, of {sender.sent}: {fast.report()}", 60)
    slow.rest = 0


    def is_told():
        if slow.counts["told of dropped"] and slow.next == Counter(dict(enumerate(sender.next))):
            return True
        # Who falls behind is told with the next lines for which there is room.
        sender.push(1)
        return False

    wait_until(is_told, f"the slow tail to hear what was dropped and the newest lines: {slow.report()}", 120, 1)
    wait_until(lambda: fast.counts["lines"] >= sender.sent, f"all lines, of {sender.sent}: {fast.report()}", 60)
    status = open(f"/proc/{server.process.pid}/status").read()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) >> 10
    return {
        "sent": sender.sent, "stored": server.count("logs"), "flushes": flushes(server), "peak memory in MiB": peak,
        "fast": fast.report(), "slow": slow.report(),
    }  # fmt: skip


def flushes(server):
    return sum(value for name, value in server.metrics().items() if name.startswith("trefoil_storage_flushes_total"))


def check(report):
    fast, slow, sent = report["fast"], report["slow"], report["sent"]
    assert report["stored"] == sent, report
    assert fast["lines"] == sent and not fast["missing"] and not fast["twice or late"] and not fast["told of dropped"], report
    assert slow["told of dropped"] and slow["missing"] and not slow["twice or late"], report
    assert slow["lines"] + slow["missing"] == sent, report
    assert report["peak memory in MiB"] < PEAK_MIB, report


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=int, default=3000, help="lines a second, of all streams")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="trefoil-soak-") as directory:
        server = Server(directory, CONFIG).start()
        try:
            print(json.dumps(soak(server, options.seconds, options.rate), indent=2))
        finally:
            server.close()


if __name__ == "__main__":
    sys.exit(main())
