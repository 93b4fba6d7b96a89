"""Starting, asking and killing a Trefoil server."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
BIN_DIR = Path(os.environ.get("TREFOIL_BIN_DIR", ROOT / "target" / "debug"))
START_SECONDS = 60


def binary(name):
    path = BIN_DIR / name
    assert path.exists(), f"{path} is missing; run `make build`"
    return str(path)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_until(condition, what, seconds=30, interval=0.05):
    """Returns the first true value of `condition()`; fails with `what` when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(interval)


class SqlError(Exception):
    pass


class Server:
    """One server on free ports. `config` is merged over what moves the listeners there."""

    def __init__(self, directory, config=None, environment=None):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data_dir = self.directory / "data"
        self.log_path = self.directory / "server.log"
        self.config_path = self.directory / "trefoil.yaml"
        self.environment = {**os.environ, **(environment or {})}
        ports = free_ports(9)
        self.grpc_port, self.http_port, self.main_port, self.tempo_port, self.internal_port, self.prometheus_port = ports[:6]
        self.jaeger_port, self.jaeger_grpc_port, self.loki_port = ports[6:]
        self.config = merged(self._base(), config or {})
        self.process = None

    def _base(self):
        address = lambda port: {"endpoint": f"127.0.0.1:{port}"}
        return {
            "receivers": {"otlp": {"protocols": {"grpc": address(self.grpc_port), "http": address(self.http_port)}}},
            "exporters": {"trefoil": {}},
            "service": {
                "pipelines": {
                    signal: {"receivers": ["otlp"], "exporters": ["trefoil"]} for signal in ("traces", "metrics", "logs")
                }
            },
            "listeners": {
                "main": address(self.main_port),
                "tempo": address(self.tempo_port),
                "loki": address(self.loki_port),
                "prometheus": address(self.prometheus_port),
                "jaeger": address(self.jaeger_port),
                "jaeger_grpc": address(self.jaeger_grpc_port),
                "internal": address(self.internal_port),
            },
        }

    def write_config(self):
        # JSON is YAML.
        self.config_path.write_text(json.dumps(self.config, indent=2))

    def start(self, wait=True):
        assert self.process is None, "already running"
        self.write_config()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [binary("trefoil"), "serve", "--config", str(self.config_path), "--data-dir", str(self.data_dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        wait_until(self.is_ready, f"{self.internal}/readyz\n{self.log_tail()}", START_SECONDS, 0.02)

    def is_ready(self):
        code = self.process.poll()
        assert code is None, f"the server ended with {code}:\n{self.log_tail()}"
        try:
            return requests.get(f"{self.internal}/readyz", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def log_tail(self):
        return self.log_path.read_text(errors="replace")[-6000:] if self.log_path.exists() else ""

    def kill(self):
        """kill -9"""
        self.process.kill()
        self.process.wait(30)
        self.process = None

    def stop(self, seconds=60):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            tail = self.log_tail()
            self.kill()
            raise AssertionError(f"still running {seconds} s after SIGTERM:\n{tail}")
        self.process = None
        return code

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()

    @property
    def main(self):
        return f"http://127.0.0.1:{self.main_port}"

    @property
    def http(self):
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def grpc(self):
        return f"http://127.0.0.1:{self.grpc_port}"

    @property
    def tempo(self):
        return f"http://127.0.0.1:{self.tempo_port}"

    @property
    def loki(self):
        return f"http://127.0.0.1:{self.loki_port}"

    @property
    def prometheus(self):
        return f"http://127.0.0.1:{self.prometheus_port}"

    @property
    def jaeger(self):
        return f"http://127.0.0.1:{self.jaeger_port}"

    @property
    def internal(self):
        return f"http://127.0.0.1:{self.internal_port}"

    def sql(self, query, tenant=None):
        """The rows, each a tuple."""
        headers = {"Content-Type": "application/sql", "Accept": "application/json"}
        if tenant:
            headers["X-Scope-OrgID"] = tenant
        answer = requests.post(f"{self.main}/api/v1/sql", data=query.encode(), headers=headers, timeout=120)
        if answer.status_code != 200:
            raise SqlError(f"{answer.status_code} {answer.text}\n{query}")
        body = answer.json()
        if body.get("error"):
            raise SqlError(f"{body['error']}\n{query}")
        return [tuple(row) for row in body["rows"]]

    def count(self, table, where="true", tenant=None):
        return self.sql(f"SELECT count(*) FROM {table} WHERE {where}", tenant)[0][0]

    def metrics(self):
        """Own metrics: name with labels → value."""
        text = requests.get(f"{self.internal}/metrics", timeout=10).text
        lines = (line for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def cli(self, *arguments, check=True):
        """Runs `trefoil …` against this server."""
        done = subprocess.run(
            [binary("trefoil"), *arguments, "--endpoint", self.main], capture_output=True, text=True, timeout=60
        )
        if check:
            assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def live_files(self):
        """(number, bytes) of the files that the SQLite catalog lists now, superseded ones left out."""
        catalog = sqlite3.connect(f"file:{self.data_dir}/catalog.sqlite?mode=ro", uri=True)
        try:
            query = "SELECT count(*), coalesce(sum(file_size_bytes), 0) FROM ducklake_data_file WHERE end_snapshot IS NULL"
            return catalog.execute(query).fetchone()
        finally:
            catalog.close()


def merged(base, over):
    """`over` on top of `base`, mappings merged key by key; a None removes the key."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result
