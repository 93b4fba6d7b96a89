"""kill -9 at random moments: nothing that was acknowledged is lost, nothing is there twice."""

import os
import random
import time

import otlp
import verify
from trefoil import wait_until

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


def test_kill_9_loses_nothing(start, tmp_path, pytestconfig):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = start(BUSY)
    sender = verify.Sender(server, tmp_path / "fates", seconds=900)
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 1.5))
            assert sender.is_running()
            server.kill()
            server.start()
        time.sleep(1)
    finally:
        sender.finish()
    lines = sender.lines()
    acknowledged = verify.check(server, lines)
    print(f"{dict(acknowledged)} acknowledged over {KILLS} kills")
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
