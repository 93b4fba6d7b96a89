"""Measures Trefoil, Prometheus and VictoriaMetrics side by side: remote write in, bytes on disk, PromQL out.

    make bench BENCH_ARGS=--metrics                                20,000 series, an hour of samples every 15 s
    make bench BENCH_ARGS='--metrics --series 500000'              the same with many series
    make bench BENCH_ARGS='--metrics --ticks 5760'                 a whole day (for the range of one day)
    make bench BENCH_ARGS='--metrics --idle --queries none'        series that keep their values
    make bench BENCH_ARGS='--metrics --only Trefoil --queries topk'
    make bench BENCH_ARGS='--metrics --recording DIRECTORY'        what benches/recording.py recorded, instead of made data

The others are Debian's packages `prometheus` and `victoria-metrics` (one that is not installed is left out, aloud), or
`--prometheus PATH` and `--victoria-metrics PATH` (newer ones can be built from the Go module proxy, as
scripts/new-prometheus does it; VictoriaMetrics is `github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics`). It takes about a quarter of an hour; restarts of the cold questions are most of it.

Each server runs alone, with an empty data directory, while the load generator sends it the same samples; then it is asked the
same questions, cold (a fresh process without page cache) and warm. Processor time is user and system time of the server's
process, counted until it is idle: flushes, compactions and merges are in it. VictoriaMetrics' cache of results is off.

Bytes on disk: Trefoil's files in the catalog after compaction and the catalog; a snapshot of Prometheus' (blocks as it cuts
them); VictoriaMetrics' data and index. Logs that are deleted after a flush are left out, for Trefoil and for Prometheus.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import contenders  # noqa: E402
import promql_queries as promql  # noqa: E402
import replay  # noqa: E402
from trefoil import binary  # noqa: E402

MIB = 1 << 20
STEP = 15
# Restarting for each question is right, but with many samples a Prometheus reads its log for minutes.
RESTART_EACH_BELOW = 10_000_000


def main(arguments=None):
    options = parse(arguments)
    directory = Path(tempfile.mkdtemp(prefix="trefoil-bench-", dir=options.directory))
    # Whole seconds and a bit in the past, so that no server takes it for the present.
    end = int(time.time()) // 60 * 60 - 300
    results = []
    try:
        for kind in contenders.ALL:
            if options.only and kind.name not in options.only:
                continue
            for version in kind.versions if options.all_versions else kind.versions[:1]:
                results.append(measure(kind, version, directory, end, options))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    results = [result for result in results if result]
    show(results, options)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=20_000)
    parser.add_argument("--ticks", type=int, default=240, help=f"samples a series, one every {STEP} s")
    parser.add_argument("--recording", type=Path, help=f"write this recording, a scrape every {STEP} s, and ask nothing")
    parser.add_argument("--idle", action="store_true", help="series that keep their values, as in a shop that nobody visits")
    parser.add_argument("--batch", type=int, default=5000, help="samples a request")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--only", type=split, help="servers: Trefoil,Prometheus,VictoriaMetrics")
    parser.add_argument("--queries", type=split, help="names of queries (default: all); 'none' for none")
    parser.add_argument("--no-cold", action="store_true")
    parser.add_argument("--all-versions", action="store_true", help="remote write 2.0 as well, where a server takes it")
    parser.add_argument("--prometheus", help="the program, if not Debian's")
    parser.add_argument("--victoria-metrics", help="the program, if not Debian's")
    parser.add_argument("--directory", type=Path, help="where the data directories go (default: the system's temporary one)")
    parser.add_argument("--json", type=Path, help="write everything measured there as well")
    return parser.parse_args(arguments)


def split(text):
    return [part.strip() for part in text.split(",")]


def create(kind, directory, options):
    chosen = {contenders.Prometheus: options.prometheus, contenders.VictoriaMetrics: options.victoria_metrics}
    return kind(directory, chosen[kind]) if kind in chosen else kind(directory)


def measure(kind, version, directory, end, options):
    try:
        server = create(kind, directory / f"{kind.name}-{version}", options)
    except contenders.Missing as missing:
        progress(missing)
        return None
    label = kind.name if version == "1" else f"{kind.name} (2.0)"
    try:
        server.start()
        progress(f"{label}: sending")
        result = {"server": label, "version": server.version(), "ingest": ingest(server, version, end, options)}
        if version == "1" and options.queries != ["none"] and not options.recording:
            result |= ask(server, end, options, result["ingest"]["samples"])
        server.stop()
        return result
    finally:
        server.close()
        shutil.rmtree(server.directory, ignore_errors=True)


def ingest(server, version, end, options):
    load_before = os.getloadavg()[0]
    cpu = server.cpu_seconds()
    report = replay.send(options.recording, server.api, STEP, options.batch) if options.recording else load(server, version, end, options)
    under_load = server.cpu_seconds() - cpu
    server.compacted()
    settled = server.cpu_seconds() - cpu
    peak = server.peak_memory()
    return {
        "samples": report["items"],
        "refused": report["rejected"],
        "retries": report["retries"],
        "samples_per_second": report["items_per_second"],
        "samples_per_cpu_second": report["items"] / settled,
        "cpu_seconds_under_load": under_load,
        "cpu_seconds": settled,
        "latency": report["latency"],
        "peak_memory": peak,
        "on_disk": server.on_disk(),
        "load_before": load_before,
    }


def load(server, version, end, options):
    done = subprocess.run(
        [
            binary("trefoil-loadgen"), "remote-write", "--endpoint", f"{server.api}/write", "--protocol-version", version,
            "--series", str(options.series), "--ticks", str(options.ticks), "--step", f"{STEP}s",
            "--start", str(end - options.ticks * STEP), "--batch", str(options.batch),
            "--connections", str(options.connections), "--server-pid", str(server.process.pid), "--json",
            *(["--idle"] if options.idle else []),
        ],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def ask(server, end, options, samples):
    asked = list(promql.questions(end, options.queries))
    memory = server.peak_memory()
    measured = {"questions": [[question.name, question.range] for question in asked]}
    progress(f"{server.name}: asking")
    measured["warm"] = [vars(cost) for cost in promql.measure_warm(server, asked)]
    measured["peak_memory_asking"] = max(memory, server.peak_memory())
    if not options.no_cold:
        costs, answers = promql.measure_cold(server, asked, samples < RESTART_EACH_BELOW)
        measured["cold"] = [vars(cost) for cost in costs]
        measured["results"] = [None if body is None else count(body) for body in answers]
    return measured


def count(body):
    """How many results an answer has: servers that answer alike have as many."""
    data = json.loads(body)["data"]
    return len(data["result"] if isinstance(data, dict) else data)


def progress(text):
    print(f"[{time.strftime('%H:%M:%S')}, load {os.getloadavg()[0]:.1f}] {text}", file=sys.stderr, flush=True)


def show(results, options):
    what = options.recording or f"{options.series:,} {'idle ' if options.idle else ''}series × {options.ticks} ticks"
    print(f"\n{what}, every {STEP} s, {options.batch} samples a request, {options.connections} connections\n")
    show_ingest(results)
    for kind in ("warm", "cold"):
        asked = [result for result in results if kind in result]
        if asked:
            for what in ("wall", "cpu"):
                show_queries(asked, kind, what)
    asked = [f"{result['server']} {result['peak_memory_asking'] / MIB:,.0f} MiB" for result in results if "peak_memory_asking" in result]
    print(f"Peak memory, written and asked: {', '.join(asked)}\n")
    asked = [result for result in results if "results" in result]
    for place, question in enumerate(asked[0]["questions"] if asked else []):
        counts = {result["server"]: result["results"][place] for result in asked}
        if len(set(counts.values()) - {None}) > 1:
            print(f"Answers differ in size: {', '.join(question)}: {counts}")
    for failure in {cost["failure"] for result in results for cost in result.get("warm", []) if cost["failure"]}:
        print(f"Fails: {failure}")


def show_ingest(results):
    rows = {
        "samples": lambda ingest: f"{ingest['samples']:,}",
        "samples a server CPU-second, until idle": lambda ingest: f"{ingest['samples_per_cpu_second']:,.0f}",
        "samples a second": lambda ingest: f"{ingest['samples_per_second']:,.0f}",
        "CPU seconds (under load)": lambda i: f"{i['cpu_seconds']:.1f} ({i['cpu_seconds_under_load']:.1f})",
        "peak memory": lambda ingest: f"{ingest['peak_memory'] / MIB:,.0f} MiB",
        "bytes on disk a sample": lambda i: f"{sum(i['on_disk'].values()) / i['samples']:.2f} "
        + "(" + ", ".join(f"{name} {size / i['samples']:.2f}" for name, size in i["on_disk"].items()) + ")",
        "request p50, p99": lambda i: f"{i['latency']['p50']:.1f} ms, {i['latency']['p99']:.1f} ms",
        "refused, sent again": lambda ingest: f"{ingest['refused']}, {ingest['retries']}",
        "load of the machine before": lambda ingest: f"{ingest['load_before']:.1f}",
    }  # fmt: skip
    header("remote write", [result["server"] for result in results])
    print("| version | " + " | ".join(result["version"] for result in results) + " |")
    for name, text in rows.items():
        print(f"| {name} | " + " | ".join(text(result["ingest"]) for result in results) + " |")
    print()


def show_queries(results, kind, what):
    unit = {"wall": "time at the client", "cpu": "processor time of the server"}[what]
    servers = [result["server"] for result in results]
    header(f"{kind}, {unit}", servers)
    for place, (name, range_) in enumerate(results[0]["questions"]):
        cells = ("fails" if (cost := result[kind][place])["failure"] else milliseconds(cost[what]) for result in results)
        print(f"| {name}, {range_} | " + " | ".join(cells) + " |")
    # What one of them does not answer says nothing about the others.
    answered = [not any(costs[kind][place]["failure"] for costs in results) for place in range(len(results[0]["questions"]))]
    ranges = list(dict.fromkeys(range_ for _, range_ in results[0]["questions"]))
    for range_ in [*ranges, None]:
        means = [mean(result[kind], result["questions"], answered, what, range_) for result in results]
        print(f"| **geometric mean, {range_ or 'all'}** | " + " | ".join(f"**{milliseconds(m)}**" for m in means) + " |")
        if "Trefoil" in servers and len(servers) > 1:
            own = means[servers.index("Trefoil")]
            print("| Trefoil's share of it | " + " | ".join(f"{own / m:.2f}" for m in means) + " |")
    print()


def mean(costs, questions, answered, what, range_):
    """Geometric, of the answered questions of a range or of all."""
    all_ = zip(costs, questions, answered)
    values = [cost[what] for cost, (_, its_range), counts in all_ if counts and range_ in (None, its_range)]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def milliseconds(seconds):
    return f"{seconds * 1e3:,.1f} ms" if seconds < 1 else f"{seconds * 1e3:,.0f} ms"


def header(title, columns):
    print(f"| {title} | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))


if __name__ == "__main__":
    main()
