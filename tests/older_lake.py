"""A store as a release before the format 2 of the log left it when it was killed, and what is in it.

It has three bits of ten minutes: the first two were flushed when the server stopped, the third lies in the log alone. `tests/data/older-lake.tar.xz`
was made by the binary of commit fb7e29a, the last one with format 1 (no reset hints and fractional counts of native histograms in the
catalog, samples in the order of that time), from a checkout of it and from this one:

    git archive fb7e29a | tar -x -C /tmp/older && cargo build --manifest-path /tmp/older/Cargo.toml --bin trefoil --target-dir /tmp/older/target
    TREFOIL_BIN_DIR=/tmp/older/target/debug python tests/older_lake.py tests/data/older-lake.tar.xz
"""

import sys
import tarfile
import tempfile
from pathlib import Path

import otlp
import remote_write as rw
from trefoil import ROOT, Server

ARCHIVE = ROOT / "tests" / "data" / "older-lake.tar.xz"
# Data of a fixed day are kept, however old they are; nothing happens by itself.
QUIET = {
    "storage": {
        "retention": {"block_retention": "0s"},
        "buffer": {"flush_interval": "1h"},
        "compaction": {"interval": "0"},
    }
}
BITS = 3
#: 2026-03-01T00:00:00Z, milliseconds.
START = 1_772_323_200_000
STEP = 15_000
TICKS = 40
INSTANCES = 5
#: Spans and log records of a bit.
ITEMS = 20


def time(bit, tick):
    return START + (bit * TICKS + tick) * STEP


def value(bit, tick, instance):
    """Of the counter; the native histogram has so many observations in its first bucket, and twice as many in the second."""
    return (bit * TICKS + tick) * (instance + 1)


def write(server, bit):
    """Samples and histograms, by remote write."""
    body = b""
    for instance in range(INSTANCES):
        target = {"job": "older", "instance": f"i{instance}"}
        samples = [rw.sample(value(bit, tick, instance), time(bit, tick)) for tick in range(TICKS)]
        body += rw.series_v1({"__name__": "older_requests_total", **target}, samples)
        counts = lambda tick: [value(bit, tick, instance), 2 * value(bit, tick, instance)]
        histograms = [rw.histogram(counts(tick), timestamp=time(bit, tick), sum_=0.5 * tick) for tick in range(TICKS)]
        body += rw.series_v1({"__name__": "older_duration_seconds", **target}, (), histograms)
    answer = rw.post(f"{server.prometheus}/api/v1/write", body)
    assert answer.status_code in (200, 204), answer.text


def send(server, bit):
    """A whole bit. Those from the fourth on are for the release under test."""
    write(server, bit)
    at = time(bit, 0) * 1_000_000
    spans = otlp.spans(ITEMS, "older", start_time_unix_nano=at, end_time_unix_nano=at + 1000, trace_id=(bit + 1).to_bytes(16, "big"))
    otlp.send(server, "traces", spans)
    otlp.send(server, "logs", otlp.logs(ITEMS, "older", time_unix_nano=at))
    gauges = otlp.gauge([1000 * bit + number for number in range(ITEMS)], "older.gauge", "older", time_unix_nano=at)
    for number, point in enumerate(gauges.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points):
        point.attributes.append(otlp.attribute("number", number))
        point.exemplars.add(time_unix_nano=at, as_double=1.5, trace_id=(bit + 1).to_bytes(16, "big"))
    otlp.send(server, "metrics", gauges)


def make(archive):
    with tempfile.TemporaryDirectory() as directory:
        server = Server(Path(directory), QUIET)
        for bit in range(BITS):
            server.start()
            send(server, bit)
            if bit < BITS - 1:
                assert server.stop() == 0
        server.kill()
        with tarfile.open(archive, "w:xz") as tar:
            tar.add(server.data_dir, "data")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
