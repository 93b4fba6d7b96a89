"""Measures a release build on this machine against the bars, and prints them as a table.

    make bench                              throughput of the three signals, half a minute each
    make bench BENCH_ARGS=--senders         traces of Jaeger's and Zipkin's clients, half a minute each
    make bench BENCH_ARGS=--steady          ten minutes at 80% of the maximum as well
    make bench BENCH_ARGS=--large           50 million spans and 10 GB on disk: start-up and traces by id (half an hour)
    make bench BENCH_ARGS=--metrics         beside Prometheus and VictoriaMetrics: see benches/metrics.py
    make bench BENCH_ARGS=--traces          questions about traces: see benches/traces.py
    make bench BENCH_ARGS=--logs            questions about logs: see benches/logs.py

Each measurement has a fresh server with an empty data directory and the default configuration, but for a shorter flush
interval, so that what is counted at the end lies in files, and a shorter grace for superseded files. Bytes on disk are
those of the files that the catalog lists. CPU time counts until the server is idle again: flushes,
commits and compaction are in it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from trefoil import Server, binary, free_ports, wait_until  # noqa: E402

MIB = 1 << 20
BARS = {
    "traces": {"rate": 80_000, "disk": 60, "item": "span"},
    "logs": {"rate": 150_000, "disk": 90, "item": "line"},
    "metrics": {"rate": 400_000, "disk": None, "item": "point"},
}
PEAK_MEMORY = 1024 * MIB
#: Protocols of the load generator, with the receiver that takes them, and how many spans are made at a time: Jaeger's clients
#: send those of one process in a request, of which there are 27.
SENDERS = {
    "jaeger-thrift": ("jaeger", "thrift_http", 27_000),
    "jaeger-grpc": ("jaeger", "grpc", 27_000),
    "zipkin-json": ("zipkin", None, 1000),
    "zipkin-protobuf": ("zipkin", None, 1000),
}


class Table:
    def __init__(self):
        self.rows = []
        print(f"{'what':<52} {'bar':>14} {'measured':>14}")

    def add(self, what, measured, bar=None, at_least=False, unit=""):
        met = "" if bar is None else "  ok" if (measured >= bar if at_least else measured <= bar) else "  MISSED"
        sign = "" if bar is None else ("≥ " if at_least else "≤ ") + number(bar)
        print(f"{what:<52} {sign:>14} {number(measured):>14} {unit}{met}", flush=True)
        self.rows.append({"what": what, "measured": measured, "bar": bar, "unit": unit, "met": met.strip()})


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def fresh_server(directory, name, config=None):
    storage = {"buffer": {"flush_interval": "10s"}, "garbage": {"interval": "10s", "grace": "30s"}}
    return Server(directory / name, {"storage": storage, **(config or {})})


def loadgen(*arguments):
    done = subprocess.run([binary("trefoil-loadgen"), *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"loadgen {arguments} failed")
    return json.loads(done.stdout)


def load(server, signal, *arguments):
    if "--endpoint" not in arguments:
        arguments = ["--endpoint", server.http, *arguments]
    return loadgen(signal, "--server-pid", server.process.pid, "--data-dir", server.data_dir, "--json", *arguments)


def throughput(directory, signal, seconds, table):
    server = fresh_server(directory, signal).start()
    return measured(server, signal, signal, table, "--duration", f"{seconds}s")


def from_sender(directory, protocol, seconds, table):
    """Traces in the form of another tracing system's clients."""
    receiver, part, batch = SENDERS[protocol]
    (port,) = free_ports(1)
    address = {"endpoint": f"127.0.0.1:{port}"}
    config = {
        "receivers": {receiver: {"protocols": {part: address}} if part else address},
        "service": {"pipelines": {"traces": {"receivers": [receiver]}}},
    }
    server = fresh_server(directory, protocol, config).start()
    measured(
        server, "traces", f"traces, {protocol}", table,
        "--duration", f"{seconds}s", "--protocol", protocol, "--endpoint", f"http://127.0.0.1:{port}", "--batch", batch,
    )  # fmt: skip


def measured(server, signal, name, table, *arguments):
    """Ends the server; returns the items a second."""
    try:
        report = load(server, signal, "--settle", "180s", *arguments)
        bar = BARS[signal]
        item = bar["item"]
        table.add(f"{name}: {item}s per server CPU-second", report["items_per_cpu_second"], bar["rate"], True)
        table.add(f"{name}: {item}s per second", report["items_per_second"])
        table.add(f"{name}: MB received per server CPU-second", report["bytes"] / 1e6 / report["cpu_seconds"])
        files, size = server.live_files()
        table.add(f"{name}: bytes on disk per {item}", size / report["items"], bar["disk"])
        table.add(f"{name}: peak memory", report["memory"]["peak"] / MIB, PEAK_MEMORY / MIB, unit="MiB")
        table.add(f"{name}: latency p50", report["latency"]["p50"], unit="ms")
        table.add(f"{name}: latency p99", report["latency"]["p99"], unit="ms")
        table.add(f"{name}: files", files)
        server.stop()
        return report["items_per_second"]
    finally:
        server.close()
        shutil.rmtree(server.directory)


def steady(directory, rate, minutes, table):
    """Flat memory and a bounded number of files at 80% of the maximum."""
    server = fresh_server(directory, "steady").start()
    try:
        report = load(server, "traces", "--duration", f"{minutes}m", "--rate", rate * 0.8, "--settle", "60s")
        half = report["timeline"][len(report["timeline"]) // 2]
        table.add("steady: spans per second", report["items_per_second"], rate * 0.8 * 0.98, True)
        table.add("steady: memory half-way", half["resident"] / MIB, unit="MiB")
        table.add("steady: memory at the end", report["timeline"][-1]["resident"] / MIB, unit="MiB")
        table.add("steady: peak memory", report["memory"]["peak"] / MIB, PEAK_MEMORY / MIB, unit="MiB")
        table.add("steady: most files at once", max(moment["parquet_files"] for moment in report["timeline"]))
        table.add("steady: files at the end", server.live_files()[0])
        table.add("steady: latency p99", report["latency"]["p99"], unit="ms")
        server.stop()
    finally:
        server.close()
        shutil.rmtree(server.directory)


def large(directory, spans, lines, table):
    """Start-up and traces by id with a lot of data."""
    server = fresh_server(directory, "large").start()
    try:
        report = load(server, "traces", "--count", spans, "--duration", "120m", "--spread", "24h", "--settle", "300s")
        logs = load(server, "logs", "--count", lines, "--duration", "120m", "--spread", "24h", "--settle", "300s")
        table.add("large: spans", report["items"])
        table.add("large: lines", logs["items"])
        table.add("large: gigabytes of OTLP", (report["bytes"] + logs["bytes"]) / 1e9)
        files, size = server.live_files()
        table.add("large: gigabytes on disk", size / 1e9)
        table.add("large: files", files)
        table.add("large: peak memory", logs["memory"]["peak"] / MIB, PEAK_MEMORY / MIB, unit="MiB")
        server.stop(300)
        drop_page_cache()
        begin = time.monotonic()
        server.start(wait=False)
        wait_until(server.is_ready, "ready", 60, 0.005)
        table.add("large: start", time.monotonic() - begin, 2.0, unit="s")
        lookup = ["lookup", "--endpoint", server.tempo, "--spans", report["items"], "--json"]
        cold = loadgen(*lookup, "--lookups", 40)
        table.add("large: trace by id, cold, first", cold["first"], unit="ms")
        table.add("large: trace by id, cold, p50", cold["latency"]["p50"], 100, unit="ms")
        loadgen(*lookup, "--lookups", 200)
        warm = loadgen(*lookup, "--lookups", 200)
        table.add("large: trace by id, warm, p50", warm["latency"]["p50"], 20, unit="ms")
        table.add("large: trace by id, warm, p99", warm["latency"]["p99"], unit="ms")
        server.stop()
    finally:
        server.close()
        shutil.rmtree(server.directory)


def drop_page_cache():
    """As far as this user may: without it, cold means a fresh process only."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError as error:
        print(f"(the page cache stays: {error})")


def main():
    if "--metrics" in sys.argv:
        import metrics

        return metrics.main([argument for argument in sys.argv[1:] if argument != "--metrics"])
    if "--traces" in sys.argv:
        import traces

        return traces.main([argument for argument in sys.argv[1:] if argument != "--traces"])
    if "--logs" in sys.argv:
        import logs

        return logs.main([argument for argument in sys.argv[1:] if argument != "--logs"])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", default="traces,logs,metrics")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--senders", action="store_true")
    parser.add_argument("--steady", action="store_true")
    parser.add_argument("--steady-minutes", type=int, default=10)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--large-spans", type=int, default=50_000_000)
    parser.add_argument("--large-lines", type=int, default=110_000_000)
    parser.add_argument("--directory", type=Path, help="where the data directories go (default: the system's temporary one)")
    parser.add_argument("--json", type=Path, help="write the table there as well")
    arguments = parser.parse_args()

    directory = Path(tempfile.mkdtemp(prefix="trefoil-bench-", dir=arguments.directory))
    table = Table()
    try:
        rates = {
            signal: throughput(directory, signal, arguments.seconds, table)
            for signal in filter(None, arguments.signals.split(","))
        }
        if arguments.senders:
            for protocol in SENDERS:
                from_sender(directory, protocol, arguments.seconds, table)
        if arguments.steady:
            steady(directory, rates.get("traces") or throughput(directory, "traces", 30, table),
                   arguments.steady_minutes, table)
        if arguments.large:
            large(directory, arguments.large_spans, arguments.large_lines, table)
    finally:
        shutil.rmtree(directory)
    if arguments.json:
        arguments.json.write_text(json.dumps(table.rows, indent=2))


if __name__ == "__main__":
    main()
