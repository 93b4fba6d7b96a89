"""Writes a recording (recording.py) to a server by remote write 1.0, as a Prometheus would that scraped the targets."""

import gzip
import re
import sys
import time
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import remote_write as wire  # noqa: E402

LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
# A scrape that came a bit early is of this interval still.
TOLERANCE = 0.1


def send(recording, api, step, batch):
    """Sends at most one scrape of each target in `step` seconds, in the order of time, with the times at which they were
    taken; returns what the load generator reports."""
    scrapes = sorted(scrape for target in targets(recording) for scrape in thinned(target, step))
    heads, latencies, items, began = {}, [], 0, time.monotonic()
    for milliseconds, path in scrapes:
        lines = gzip.open(path, "rt", encoding="utf-8").read().splitlines()
        series = [one for one in (encoded(path.parent.name, line, milliseconds, heads) for line in lines) if one]
        for start in range(0, len(series), batch):
            message = b"".join(series[start : start + batch])
            sent = time.monotonic()
            answer = wire.post(f"{api}/write", message)
            latencies.append(1e3 * (time.monotonic() - sent))
            if answer.status_code // 100 != 2:
                raise SystemExit(f"{path}: {answer.status_code} {answer.text[:500]}")
        items += len(series)
    latencies.sort()
    share = lambda part: latencies[int(part * (len(latencies) - 1))]
    return {
        "items": items, "rejected": 0, "retries": 0, "series": len(heads),
        "items_per_second": items / (time.monotonic() - began),
        "latency": {"p50": share(0.5), "p99": share(0.99)},
    }  # fmt: skip


def targets(recording):
    """Of each target the moments of its scrapes and their files."""
    directories = sorted(path for path in Path(recording).iterdir() if path.is_dir())
    assert directories, f"{recording} has no recording"
    return [sorted((int(file.name.split(".")[0]), file) for file in path.glob("*.txt.gz")) for path in directories]


def thinned(scrapes, step):
    due = 0
    for milliseconds, path in scrapes:
        if milliseconds >= due:
            due = milliseconds + 1000 * (step - TOLERANCE)
            yield milliseconds, path


def encoded(target, line, milliseconds, heads):
    """A series of a remote-write request; None for what is no sample."""
    if not line or line.startswith("#"):
        return None
    name, _, value = line.rpartition(" ")
    head = heads.get((target, name))
    if head is None:
        head = heads[target, name] = labels(target, name)
    # A sample is a message of its own in the series, whose length comes first.
    body = head + wire.field(2, wire.sample(float(value), milliseconds))
    return wire.field(1, body)


def labels(target, name):
    metric, _, rest = name.partition("{")
    found = {"__name__": metric, "job": target, "instance": f"{target}:9090"}
    for label, text in LABEL.findall(rest):
        found[label] = re.sub(r'\\[\\"n]', lambda escape: ESCAPES[escape[0]], text)
    return b"".join(wire.field(1, wire.field(1, label) + wire.field(2, text)) for label, text in sorted(found.items()) if text)
