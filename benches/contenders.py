"""The servers that are measured side by side, each started on free ports with a directory of its own."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from trefoil import Server, binary, free_ports, wait_until  # noqa: E402

START_SECONDS = 600
# clock_getcpuclockid(3): the clock of a process is made from its number.
CPUCLOCK_SCHED = 2


class Missing(Exception):
    """The program is not installed."""


class Contender:
    """What all have in common: they start and stop, take remote write, and answer Prometheus' API at `api`."""

    name = ""
    versions = ("1",)

    def __init__(self, directory):
        self.directory = directory
        self.process = None

    def cpu_seconds(self):
        """User and system time of the process so far. (Its clock is that of /proc/PID/stat, but counts nanoseconds.)"""
        return time.clock_gettime(~self.process.pid << 3 | CPUCLOCK_SCHED)

    def peak_memory(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    def settle(self, seconds=300, quiet=10):
        """Waits until it has used next to no processor time for `quiet` seconds."""
        end = time.monotonic() + seconds
        since, last = time.monotonic(), self.cpu_seconds()
        while time.monotonic() - since < quiet and time.monotonic() < end:
            time.sleep(1)
            now = self.cpu_seconds()
            if now - last > 0.05:
                since = time.monotonic()
            last = now

    def restart_cold(self):
        """Starts anew with nothing in the page cache, as far as this user may."""
        self.stop()
        drop_page_cache()
        self.start()
        self.settle(60, 2)

    def compacted(self):
        """Brings what it stored into the form in which it will stay."""
        self.settle()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)


class Trefoil(Contender):
    name = "Trefoil"
    versions = ("1", "2")

    def __init__(self, directory, configuration=None):
        super().__init__(directory)
        # As benches/bench.py has it: what is counted at the end lies in files, compacted, and superseded ones are gone soon.
        storage = {
            "buffer": {"flush_interval": "10s"},
            "compaction": {"settled_after": "12s"},
            "garbage": {"interval": "10s", "grace": "30s"},
        }
        self.server = Server(directory, {"storage": storage} | (configuration or {}))
        self.api = f"{self.server.prometheus}/api/v1"
        self.data = self.server.data_dir

    @property
    def process(self):
        return self.server.process

    @process.setter
    def process(self, _):
        """The server has it."""

    def version(self):
        return subprocess.run([binary("trefoil"), "--version"], capture_output=True, text=True).stdout.split()[-1]

    def start(self):
        self.server.start(wait=False)
        wait_until(self.server.is_ready, f"Trefoil is ready\n{self.server.log_tail()}", START_SECONDS, 0.02)

    def stop(self):
        self.server.stop(300)

    def on_disk(self):
        """What its catalog lists, and the catalog; the log is left out, since it is deleted after a flush."""
        _, live = self.server.live_files()
        # With what SQLite has not moved into its file yet; -shm is memory.
        catalog = sum(file.stat().st_size for file in self.data.glob("catalog.sqlite*") if file.suffix != ".sqlite-shm")
        return {"files": live, "catalog": catalog}

    def compacted(self):
        # One idle moment can lie between two flushes.
        self.settle(300, 25)


class Program(Contender):
    """A program of one process with its options in `command`."""

    program = ""
    ready = ""

    def __init__(self, directory, program=None):
        super().__init__(directory)
        self.program = program or self.program
        if shutil.which(self.program) is None:
            raise Missing(f"{self.name} is not measured: {self.program} is not installed")
        directory.mkdir(parents=True)
        self.data = directory / "data"
        [self.port] = free_ports(1)
        self.base = f"http://127.0.0.1:{self.port}"
        self.api = f"{self.base}/api/v1"

    def start(self):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.is_ready, f"{self.name} is ready; see {self.directory}/log", START_SECONDS, 0.05)

    def is_ready(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended:\n{(self.directory / 'log').read_text()[-3000:]}")
        try:
            return requests.get(self.base + self.ready, timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(300)

    def version(self):
        done = subprocess.run([self.program, self.version_option], capture_output=True, text=True)
        line = (done.stdout + done.stderr).splitlines()[0]
        # A build from the module proxy does not know its version: then its path says which it is.
        found = re.search(r"v?\d+\.\d+(\.\d+)?[\w.+-]*", line.removeprefix(self.program))
        return found[0] if found else self.program


class Prometheus(Program):
    name = "Prometheus"
    program = "prometheus"
    ready = "/-/ready"
    version_option = "--version"

    def command(self):
        configuration = self.directory / "prometheus.yml"
        # It scrapes nothing, itself neither.
        configuration.write_text("{global: {scrape_interval: 15s}, storage: {tsdb: {out_of_order_time_window: 0s}}}\n")
        return [
            self.program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self.data}",
            "--storage.tsdb.retention.time=30d",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
            "--web.enable-admin-api",
            "--query.max-samples=1000000000",
            "--query.timeout=10m",
            "--log.level=warn",
        ]

    def on_disk(self):
        """A snapshot: blocks as it would cut them, the head in one. Without its log."""
        answer = requests.post(f"{self.api}/admin/tsdb/snapshot", timeout=600).json()
        snapshot = self.data / "snapshots" / answer["data"]["name"]
        size = disk_usage(snapshot)
        shutil.rmtree(snapshot)
        return {"blocks": size}


class VictoriaMetrics(Program):
    name = "VictoriaMetrics"
    program = "victoria-metrics"
    ready = "/health"
    version_option = "-version"

    def command(self):
        return [
            self.program,
            f"-storageDataPath={self.data}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            "-search.disableCache",
            "-search.latencyOffset=1ms",
            "-search.maxUniqueTimeseries=5000000",
            "-search.maxSeries=5000000",
            "-search.maxQueryDuration=10m",
            "-loggerLevel=WARN",
        ]

    def on_disk(self):
        # Newer ones have the index below the data.
        places = {"data": self.data / "data", "index": self.data / "indexdb"}
        return {name: disk_usage(place) for name, place in places.items() if place.exists()}


ALL = (Trefoil, Prometheus, VictoriaMetrics)


def disk_usage(directory):
    return 1024 * int(subprocess.run(["du", "-sk", directory], capture_output=True, text=True, check=True).stdout.split()[0])


def drop_page_cache():
    """As far as this user may: without it, cold means a fresh process only."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError as error:
        print(f"(the page cache stays: {error})", file=sys.stderr)
