"""kill -9 at random moments and at the worst ones: nothing that was acknowledged is lost, nothing is there twice."""

import os
import random
import re
import time
from collections import Counter

import pytest

import otlp
import verify
from trefoil import merged, wait_until

KILLS = int(os.environ.get("TREFOIL_CRASH_KILLS", "50"))

# Everything that writes or deletes happens all the time: flushes, commits, new segments, compactions, garbage.
BUSY = {
    "storage": {
        "log": {"segment_bytes": "64KiB", "max_batch_bytes": "16KiB"},
        "buffer": {"flush_bytes": "256KiB", "flush_interval": "1s", "max_bytes": "64MiB"},
        "compaction": {"interval": "100ms", "min_files": 2},
        "garbage": {"interval": "500ms", "grace": "2s"},
    },
    "query": {"max_rows": 10_000_000, "timeout": "2m"},
}

# The first word that the server's log says when each begins and when it is done.
PHASES = {
    "flush": ("flushing", ["flushed"]),
    "commit": ("committing", ["committed", "failed"]),
    "compaction": ("compacting", ["compacted"]),
}


class Phases:
    """Follows the log of one run of a server: what is under way, by what it has said so far."""

    def __init__(self, server):
        self.file = open(server.log_path, errors="replace")
        self.file.seek(0, os.SEEK_END)
        self.rest = ""
        self.begun = Counter()
        self.running = set()

    def follow(self):
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        for line in lines:
            message = re.match(r"\S+ +(?:DEBUG|INFO) (\w+)", line)
            for phase, (begin, ends) in PHASES.items():
                if message and message[1] == begin:
                    self.begun[phase] += 1
                    self.running.add(phase)
                elif message and message[1] in ends:
                    self.running.discard(phase)
        return self


def wait_for(phase, phases):
    """Until one begins from now on."""
    before = phases.follow().begun[phase]
    wait_until(lambda: phases.follow().begun[phase] > before, f"a {phase} begins", 30, 0.0005)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("acknowledge", ["log", "commit"])
def test_kill_9_loses_nothing(start, tmp_path, acknowledge):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    config = merged(BUSY, {"storage": {"acknowledge": acknowledge}})
    server = start(config, wait=False, environment={"TREFOIL_LOG": "info,trefoil_storage=debug"})
    phases = Phases(server)
    server.wait_ready()
    sender = verify.Sender(server, tmp_path / "fates", seconds=1200)
    fell_into, kills = Counter(), 0
    least = KILLS // 10
    try:
        # Half of them at any moment. The others shortly after something began: by the time the signal arrives it may be
        # done, so what a kill hit is read from the log afterwards.
        while kills < KILLS or min(fell_into[phase] for phase in PHASES) < least:
            assert kills < 4 * KILLS, f"{fell_into} of {kills} kills"
            if kills % 2:
                time.sleep(chance.uniform(0.05, 1.5))
            else:
                rarest = min(PHASES, key=lambda phase: fell_into[phase])
                wait_for(rarest, phases)
                time.sleep(chance.choice([0, 0, 0.002, 0.01, 0.05]))
            assert sender.is_running()
            server.kill()
            fell_into.update(phases.follow().running)
            kills += 1
            server.start(wait=False)
            phases = Phases(server)
            server.wait_ready()
        time.sleep(1)
    finally:
        sender.finish()
    lines = sender.lines()
    acknowledged = verify.check(server, lines)
    print(f"{dict(acknowledged)} acknowledged over {kills} kills, of which during {dict(fell_into)}")
    assert min(acknowledged[signal] for signal in ("traces", "logs", "metrics")) > 20 * KILLS, acknowledged
    assert server.live_files()[0] > 0

    # The same after a clean stop, from files alone, and after one more start.
    assert server.stop() == 0
    server.start()
    assert verify.check(server, lines) == acknowledged


def test_a_torn_log_tail_is_repaired_and_said(start):
    """Bytes that a crash left half-written at the end of the log are cut off, and the server says so."""
    server = start()
    otlp.send(server, "logs", otlp.logs(10))
    server.kill()
    segments = sorted((server.data_dir / "log").glob("*.log"))
    with open(segments[-1], "ab") as segment:
        segment.write(b"\x7f" * 37)
    server.start()
    assert server.count("logs") == 10
    said = server.log_tail().lower()
    assert any(word in said for word in ("torn", "truncat", "cut")), said
    otlp.send(server, "logs", otlp.logs(5))
    server.kill()
    server.start()
    wait_until(lambda: server.count("logs") == 15, "old and new lines")
