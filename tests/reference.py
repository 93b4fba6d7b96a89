"""Asks Trefoil and a real Prometheus the same, and tells where their answers differ.

The Prometheus is the one in $TREFOIL_PROMETHEUS, else that of `make new-prometheus`, else the one on the path (Debian's).
"""

import json
import math
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests

import demo_metrics
import remote_write as rw
from trefoil import free_ports, wait_until

TOLERANCE = 1e-9


def newer():
    """The directory of `make new-prometheus`, with `prometheus` and `promtool` of 3.x, which Debian does not have; None if it is not there."""
    directory = Path(os.environ.get("TREFOIL_NEW_PROMETHEUS", "nowhere"))
    return directory if (directory / "prometheus").exists() else None


class Prometheus:
    """One that takes remote write, samples of a day ago included, with everything switched on that its version has."""

    def __init__(self, directory):
        program = os.environ.get("TREFOIL_PROMETHEUS") or (newer() and newer() / "prometheus") or shutil.which("prometheus")
        assert program, "prometheus is missing; `make check-deps` installs it"
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"version (\d+)\.(\d+)", told.stdout + told.stderr)
        # A build from the module proxy does not know its own version: it is a newer one.
        self.version = tuple(map(int, found.groups())) if found else (3, 99)
        features = ["native-histograms", "promql-at-modifier", "promql-negative-offset", "exemplar-storage"]
        if self.version >= (3, 0):
            features = ["promql-experimental-functions", "promql-duration-expr", "promql-extended-range-selectors",
                        "promql-binop-fill-modifiers", "exemplar-storage"]  # fmt: skip
        directory.mkdir(parents=True)
        (directory / "prometheus.yml").write_text("storage: {tsdb: {out_of_order_time_window: 1d}}")
        [port] = free_ports(1)
        self.prometheus = f"http://127.0.0.1:{port}"
        self.log_path = directory / "prometheus.log"
        command = [
            program, f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
            "--storage.tsdb.retention.time=100y",
            # Everything stays in its head: emptying that into blocks while late samples come, 3.16 loses some or panics.
            "--storage.tsdb.min-block-duration=30d", f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver", f"--enable-feature={','.join(features)}",
        ]  # fmt: skip
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._is_ready, f"Prometheus is ready; see {self.log_path}", 60)

    def _is_ready(self):
        assert self.process.poll() is None, self.log_path.read_text()[-3000:]
        try:
            return requests.get(f"{self.prometheus}/-/ready", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def close(self):
        self.process.kill()
        self.process.wait(30)


# For Trefoil: data of a fixed day are kept, however old they are.
CONFIG = {"storage": {"retention": {"block_retention": "0s"}}}


def load(*servers):
    """Brings the demo metrics to all of them."""
    for body in demo_metrics.requests():
        for server in servers:
            answer = rw.post(f"{server.prometheus}/api/v1/write", body)
            assert answer.status_code in (200, 204), f"{server.prometheus}: {answer.status_code} {answer.text[:2000]}"


@dataclass(frozen=True)
class Instant:
    time: float

    def __call__(self, query):
        return "/api/v1/query", {"query": query, "time": f"{self.time:.3f}"}


@dataclass(frozen=True)
class Range:
    start: float
    end: float
    step: float

    def __call__(self, query):
        return "/api/v1/query_range", {"query": query, "start": self.start, "end": self.end, "step": self.step}


def ask(server, query, when):
    """The answer's body, errors included."""
    path, parameters = when(query)
    answer = requests.post(server.prometheus + path, data=parameters, timeout=120)
    try:
        return answer.json()
    except json.JSONDecodeError:
        return {"status": "error", "errorType": f"no JSON, {answer.status_code}", "error": answer.text[:300]}


def both(one, other, query, when):
    with ThreadPoolExecutor(2) as pool:
        return pool.map(lambda server: ask(server, query, when), (one, other))


def difference(ours, theirs, tolerance=TOLERANCE):
    """What first differs between two answers, in words; None if they are the same."""
    if "error" in (ours["status"], theirs["status"]):
        kinds = [answer.get("errorType", "an answer") for answer in (ours, theirs)]
        texts = [answer.get("error", json.dumps(answer.get("data"))[:200]) for answer in (ours, theirs)]
        return None if kinds[0] == kinds[1] else f"{kinds[0]} ({texts[0]}) instead of {kinds[1]} ({texts[1]})"
    ours, theirs = ours["data"], theirs["data"]
    if ours["resultType"] != theirs["resultType"]:
        return f"a {ours['resultType']} instead of a {theirs['resultType']}"
    if ours["resultType"] in ("scalar", "string"):
        return _points_difference([ours["result"]], [theirs["result"]], tolerance)
    ours, theirs = _by_labels(ours["result"]), _by_labels(theirs["result"])
    if ours.keys() != theirs.keys():
        extra, missing = ours.keys() - theirs.keys(), theirs.keys() - ours.keys()
        name = lambda keys: f"{len(keys)} ({', '.join(sorted(keys)[:2])})"
        return f"{len(theirs)} series, of which are missing {name(missing)}; too many {name(extra)}"
    for labels, series in ours.items():
        for key in ("values", "histograms"):
            told = _points_difference(_points(series, key), _points(theirs[labels], key), tolerance)
            if told:
                return f"{labels}: {told}"
    return None


def _by_labels(result):
    keyed = {json.dumps(series["metric"], sort_keys=True): series for series in result}
    assert len(keyed) == len(result), "labels come twice"
    return keyed


def _points(series, key):
    single = key.removesuffix("s")
    return [series[single]] if single in series else series.get(key, [])


def _points_difference(ours, theirs, tolerance):
    if ours == theirs:
        return None
    times, expected = [point[0] for point in ours], [point[0] for point in theirs]
    if times != expected:
        other = sorted(set(times) ^ set(expected))
        return f"{len(times)} points instead of {len(expected)}, first at {other[0] if other else 'the same times'}"
    for (time, ours), (_, theirs) in zip(ours, theirs):
        if not _alike(ours, theirs, tolerance):
            return f"{json.dumps(ours)} instead of {json.dumps(theirs)} at {time}"
    return None


def _alike(ours, theirs, tolerance):
    """Of values as the API writes them: numbers and texts; histograms with counts, sums and buckets."""
    alike = lambda ours, theirs: _alike(ours, theirs, tolerance)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(alike(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(alike, ours, theirs))
    try:
        ours_, theirs_ = float(ours), float(theirs)
    except ValueError:
        return ours == theirs
    if math.isnan(ours_) or math.isnan(theirs_):
        return math.isnan(ours_) and math.isnan(theirs_)
    return math.isclose(ours_, theirs_, rel_tol=tolerance, abs_tol=0)
