"""Measures questions about logs: LogQL over lines of JSON, by Loki's API.

    make bench BENCH_ARGS=--logs                            2.2 million lines of half an hour
    make bench BENCH_ARGS='--logs --lines 50000000 --spread 24h'
    make bench BENCH_ARGS='--logs --protocol loki'          the same, pushed to Loki's API
    make bench BENCH_ARGS='--logs --tenants 50'              the same, spread over tenants; questions are asked of one and of all
    make bench BENCH_ARGS='--logs --victorialogs PATH'      the same questions of that VictoriaLogs, in its own language

A VictoriaLogs can be built from the Go module proxy as scripts/new-prometheus does it with Prometheus: its module is
`github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs`.

A server runs alone with an empty data directory; the load generator sends it the lines. Every question is asked several times (twice
at least, and no longer than half a minute) over all the time that the lines fill; the first answer (which may find nothing decoded) and
the fastest of the others are told, at the client. With other numbers of lines a bar is the same times ten.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from contenders import Program, Trefoil, disk_usage, drop_page_cache  # noqa: E402
from traces import Refused, timed, timed_answers  # noqa: E402
from trefoil import binary  # noqa: E402

LINES = 2_200_000
SECONDS = {"s": 1, "m": 60, "h": 3600}

ONE = '{service_name="payments-gateway"}'
ALL = '{service_name=~".+"}'
#: Name, bar in milliseconds (None: none), query, lines of an answer.
QUESTIONS = [
    ("a needle that is not there", 40, f'{ALL} |= "needle in no haystack"', 100),
    ("a rare phrase, 1,000 results", 60, f'{ALL} |= "took 17" |= "insufficient funds"', 1000),
    ("an id that is not there", None, f'{ALL} |= "4bf92f3577b34da6a3ce929d0e0e4736"', 100),
    ("a pattern that is not there", None, f'{ALL} |~ "time(out|limit) .* exceeded"', 100),
    ('json | level="error" on one service', 40, f'{ONE} | json | level="error"', 100),
    ("newest 1,000 lines", 30, ALL, 1000),
    ("count by service per minute", 60, f"sum by (service_name) (count_over_time({ALL}[1m]))", None),
    ("errors by service per minute", None, f'sum by (service_name) (count_over_time({ALL} |= "error" [1m]))', None),
    ("levels per minute", None, f"sum by (detected_level) (count_over_time({ALL}[1m]))", None),
    (
        "quantile of an unwrapped JSON field",
        250,
        f'quantile_over_time(0.99, {ALL} | json | __error__="" | unwrap duration_ms [1m]) by (service_name)',
        None,
    ),
]
#: The same in LogsQL. Its phrases are of whole words, so that a prefix is what comes closest to a part of a line.
LOGSQL = {
    "a needle that is not there": '"needle in no haystack"',
    "a rare phrase, 1,000 results": '"took 17"* "insufficient funds"',
    "an id that is not there": '"4bf92f3577b34da6a3ce929d0e0e4736"',
    "a pattern that is not there": '~"time(out|limit) .* exceeded"',
    'json | level="error" on one service': '{"service.name"="payments-gateway"} | unpack_json | filter level:="error"',
    "newest 1,000 lines": "*",
    "count by service per minute": "* | stats by (_time:1m, service.name) count() lines",
    "errors by service per minute": '~"error" | stats by (_time:1m, service.name) count() lines',
    "levels per minute": "* | stats by (_time:1m, severity_text) count() lines",
    "quantile of an unwrapped JSON field": (
        "* | unpack_json fields (duration_ms) | stats by (_time:1m, service.name) quantile(0.99, duration_ms) p99"
    ),
}
LISTS = [
    ("labels", None, "labels", {}),
    ("values of a label", None, "label/k8s_pod_name/values", {}),
    ("series of one service", None, "series", {"match[]": ONE}),
    ("volume by service", None, "index/volume", {"query": ALL, "targetLabels": "service_name"}),
]


class VictoriaLogs(Program):
    name = "VictoriaLogs"
    program = "victoria-logs"
    ready = "/health"
    version_option = "-version"

    @property
    def otlp(self):
        return f"{self.base}/insert/opentelemetry"

    def command(self):
        return [
            self.program,
            f"-storageDataPath={self.data}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            "-search.maxQueryDuration=10m",
            "-loggerLevel=WARN",
        ]

    def on_disk(self):
        return {"data": disk_usage(self.data)}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--spread", default="30m", help="the time that the lines fill")
    parser.add_argument("--protocol", choices=["http", "loki"], default="http", help="OTLP/HTTP, or Loki's push")
    parser.add_argument("--tenants", type=int, help="that the lines are spread over (default: no tenancy)")
    parser.add_argument("--victorialogs", help="the program; without it there is none beside")
    parser.add_argument("--directory", type=Path, help="where the data directory goes (default: the system's temporary one)")
    parser.add_argument("--json", type=Path, help="write everything measured there as well")
    options = parser.parse_args(arguments)
    if options.tenants and options.victorialogs:
        parser.error("--victorialogs: its tenants are not ours; without --tenants")
    directory = Path(tempfile.mkdtemp(prefix="trefoil-bench-", dir=options.directory))
    try:
        measured = measure(directory, options)
        if options.victorialogs:
            measured["victorialogs"] = victorialogs(directory, options)
            compare(measured)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(measured, indent=2))


def measure(directory, options):
    server = Trefoil(directory / "trefoil", {"tenancy": {"enabled": options.tenants is not None}})
    try:
        server.start()
        measured = load(server, endpoint(server, options), options) | {"version": server.version()}
        # Cold: a fresh process without page cache.
        server.stop()
        drop_page_cache()
        server.start()
        server.settle(60, 2)
        print(f"\n{measured['lines']:,} lines of {options.spread}; {measured['lines_per_cpu_second']:,.0f} a CPU-second, "
              f"{measured['bytes_per_line']:.1f} bytes each on disk\n")  # fmt: skip
        print("| question | bar | fastest | median | first | results |\n|---|---|---|---|---|---|")
        measured["questions"] = [row for tenant in tenants(options) for row in questions(server, options, tenant)]
        measured["peak_memory"] = server.peak_memory()
        print(f"\npeak memory {measured['peak_memory'] / (1 << 20):,.0f} MiB")
        server.stop()
        return measured
    finally:
        server.close()


def tenants(options):
    """Who asks: nobody in particular, or the first tenant, and then somebody who asks for all at once."""
    if options.tenants is None:
        return [None]
    return ["tenant-1", "|".join(f"tenant-{number}" for number in range(1, options.tenants + 1))]


def questions(server, options, tenant):
    if tenant is not None:
        print(f"| of {tenant if len(tenant) < 20 else 'all tenants'} | | | | | |")
    factor = 1 if options.lines == LINES else 10
    headers = {} if tenant is None else {"X-Scope-OrgID": tenant}
    window = window_of(options) | {"step": "60s"}
    asked = []
    for name, bar, query, limit in QUESTIONS:
        parameters = {"query": query, **window} | ({"limit": limit} if limit else {})
        asked.append((name, bar and bar * factor, "query_range", parameters))
    asked += [(name, bar, path, window | parameters) for name, bar, path, parameters in LISTS]
    return [ask(server, headers, *question) | {"tenant": tenant} for question in asked]


def window_of(options):
    return {"start": options.begin - int(options.spread[:-1]) * SECONDS[options.spread[-1]], "end": int(time.time())}


def endpoint(server, options):
    return server.server.loki if options.protocol == "loki" else server.server.http


def load(server, endpoint, options):
    options.begin = int(time.time())
    cpu = server.cpu_seconds()
    command = [binary("trefoil-loadgen"), "logs", "--endpoint", endpoint, "--count", str(options.lines)]
    command += ["--protocol", options.protocol, "--duration", "120m", "--spread", options.spread, "--json"]
    command += [f"--tenants={options.tenants}"] if options.tenants else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    server.compacted()
    report = json.loads(done.stdout)
    return {
        "lines": report["items"],
        "lines_per_cpu_second": report["items"] / (server.cpu_seconds() - cpu),
        "bytes_per_line": sum(server.on_disk().values()) / report["items"],
        "peak_memory_loading": server.peak_memory(),
    }


def ask(server, headers, name, bar, path, parameters):
    try:
        times, answer = timed(f"{server.server.loki}/loki/api/v1/{path}", parameters, headers)
    except Refused as refused:
        print(f"| {name} | | | | | {refused} |", flush=True)
        return {"name": name, "refused": str(refused)}
    first, *others = times
    others.sort()
    results = count(answer.get("data"))
    met = "" if bar is None else f"≤ {bar} ms" + ("" if others[0] <= bar else " **missed**")
    fastest, median = others[0], others[len(others) // 2]
    print(f"| {name} | {met} | {fastest:.1f} ms | {median:.1f} ms | {first:.1f} ms | {results} |", flush=True)
    return {"name": name, "bar": bar, "fastest": fastest, "median": median, "first": first, "results": results}


def victorialogs(directory, options):
    server = VictoriaLogs(directory / "victorialogs", options.victorialogs)
    try:
        server.start()
        measured = load(server, server.otlp, options) | {"version": server.version()}
        server.stop()
        drop_page_cache()
        server.start()
        window = window_of(options)
        rows = []
        for name, _, _, limit in QUESTIONS:
            parameters = {"query": LOGSQL[name], **window} | ({"limit": limit} if limit else {})
            times, answer = timed_answers(f"{server.base}/select/logsql/query", parameters)
            rows.append({"name": name, "fastest": min(times[1:]), "first": times[0], "results": answer.text.count("\n")})
        measured["questions"] = rows
        measured["peak_memory"] = server.peak_memory()
        server.stop()
        return measured
    finally:
        server.close()


def compare(measured):
    other = measured["victorialogs"]
    print(f"\n| | Trefoil | VictoriaLogs {other['version']} |\n|---|---|---|")
    cell = lambda row: "-" if "refused" in row else f"{row['fastest']:.1f} ms, first {row['first']:.1f} ms"  # noqa: E731
    for own, its in zip(measured["questions"], other["questions"]):
        print(f"| {own['name']} | {cell(own)} | {cell(its)} |")
    for name, text in [
        ("lines a CPU-second", lambda m: f"{m['lines_per_cpu_second']:,.0f}"),
        ("bytes a line", lambda m: f"{m['bytes_per_line']:.1f}"),
        ("peak memory", lambda m: f"{max(m['peak_memory_loading'], m['peak_memory']) / (1 << 20):,.0f} MiB"),
    ]:
        print(f"| {name} | {text(measured)} | {text(other)} |")


def count(data):
    """Lines, or series."""
    if not isinstance(data, dict):
        return len(data or [])
    if data["resultType"] == "streams":
        return sum(len(stream["values"]) for stream in data["result"])
    return len(data["result"])


if __name__ == "__main__":
    main()
