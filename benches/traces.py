"""Measures questions about traces: TraceQL's searches and series, names and values of attributes, beside Jaeger.

    make bench BENCH_ARGS=--traces                          764,928 spans of half an hour
    make bench BENCH_ARGS='--traces --spans 50000000 --spread 24h'
    make bench BENCH_ARGS='--traces --jaeger PATH'          the same searches by Jaeger's API, of Trefoil and of that Jaeger

A Jaeger can be built from the Go module proxy as scripts/new-prometheus does it with Prometheus: its module is
`github.com/jaegertracing/jaeger/cmd/all-in-one`. It keeps its traces in memory.

Each server runs alone with an empty data directory; the load generator sends it the same traces. Every question is asked
several times (twice at least, and no longer than half a minute); the first answer (which may find nothing decoded) and the fastest of the others are told, at the client. Where a bar is known
for a question it stands beside it; with other numbers of spans it is the same bar times ten.
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

import requests  # noqa: E402
from contenders import Contender, Missing, Program, Trefoil, drop_page_cache  # noqa: E402
from trefoil import binary, free_ports  # noqa: E402

SPANS = 764_928
ASKED = 9
ASKED_SECONDS = 30
WINDOW = 30 * 60

#: Name, bar in milliseconds (None: none), path and parameters.
SEARCHES = [
    ("everything", None, "{ }"),
    ("service and error", 5, '{ resource.service.name = "payments-gateway" && status = error }'),
    ("trace:duration with a tenant", 15, '{ span.bookstore.tenant = "libraries" && trace:duration > 265ms }'),
    (">> from an error to its database span", 15, '{ status = error } >> { span.db.system.name = "postgresql" }'),
    ("a value that is not there", 5, '{ span.http.route = "/nowhere" }'),
    ("an attribute that is not there", None, '{ .nowhere = "x" }'),
    ("spanset &&", 8, '{ resource.service.name = "catalog" } && { status = error }'),
    ("a pattern and a duration", None, '{ name =~ "POST.*" && duration > 500ms }'),
    ("many spans in one trace, of none", None, "{ } | count() > 20"),
]
SERIES = [
    ("rate", None, "{ } | rate()"),
    ("rate by service", 20, "{ } | rate() by (resource.service.name)"),
    ("errors by service", None, "{ status = error } | rate() by (resource.service.name)"),
    ("duration quantiles by service", 40, "{ } | quantile_over_time(duration, 0.5, 0.9, 0.99) by (resource.service.name)"),
    ("rate of roots", None, "{ nestedSetParent < 0 } | rate() by (resource.service.name)"),
    ("rate of what is below errors", None, "{ status = error } >> { kind = client } | rate()"),
    ("compare roots with errors", None, "{ nestedSetParent < 0 } | compare({ status = error })"),
]
TAGS = [
    ("names of attributes", 3, "/api/v2/search/tags"),
    ("values of a resource's attribute", 3, "/api/v2/search/tag/resource.service.name/values"),
    ("values of a span's attribute", 3, "/api/v2/search/tag/span.http.route/values"),
]


class Jaeger(Program):
    name = "Jaeger"
    program = "jaeger-all-in-one"
    ready = "/"
    version_option = "version"

    def __init__(self, directory, program=None):
        super().__init__(directory, program)
        self.base_port = self.port
        self.http, self.grpc, self.admin, *self.others = free_ports(12)
        self.api = f"http://127.0.0.1:{self.port}"
        self.base = f"http://127.0.0.1:{self.admin}"
        self.otlp = f"http://127.0.0.1:{self.http}"

    def command(self):
        ports = iter(self.others)
        at = lambda: f"127.0.0.1:{next(ports)}"  # noqa: E731
        return [
            self.program,
            f"--query.http-server.host-port=127.0.0.1:{self.port}",
            f"--query.grpc-server.host-port={at()}",
            f"--admin.http.host-port=127.0.0.1:{self.admin}",
            f"--collector.otlp.http.host-port=127.0.0.1:{self.http}",
            f"--collector.otlp.grpc.host-port=127.0.0.1:{self.grpc}",
            f"--collector.http-server.host-port={at()}",
            f"--collector.grpc-server.host-port={at()}",
            "--collector.queue-size=1000000",
            "--log-level=error",
        ]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=SPANS)
    parser.add_argument("--spread", default="30m", help="the time that the spans fill")
    parser.add_argument("--jaeger", help="the program; without it there is no Jaeger beside")
    parser.add_argument("--directory", type=Path, help="where the data directories go (default: the system's temporary one)")
    parser.add_argument("--json", type=Path, help="write everything measured there as well")
    options = parser.parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="trefoil-bench-", dir=options.directory))
    try:
        measured = trefoil(directory, options)
        if options.jaeger:
            measured["jaeger"] = jaeger(directory, options)
            compare(measured)
    except Missing as missing:
        print(missing, file=sys.stderr)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(measured, indent=2))


def load(server: Contender, endpoint, options):
    cpu = server.cpu_seconds()
    done = subprocess.run(
        [
            binary("trefoil-loadgen"), "traces", "--endpoint", endpoint, "--count", str(options.spans), "--duration", "120m",
            "--spread", options.spread, "--json",
        ],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    server.compacted()
    report = json.loads(done.stdout)
    return {"spans": report["items"], "spans_per_cpu_second": report["items"] / (server.cpu_seconds() - cpu)}


def trefoil(directory, options):
    server = Trefoil(directory / "trefoil")
    try:
        server.start()
        measured = load(server, server.server.http, options) | {"version": server.version()}
        measured["bytes_per_span"] = sum(server.on_disk().values()) / measured["spans"]
        # Cold: a fresh process without page cache.
        server.stop()
        drop_page_cache()
        server.start()
        server.settle(60, 2)
        print(f"\n{measured['spans']:,} spans of {options.spread}; {measured['spans_per_cpu_second']:,.0f} a CPU-second, "
              f"{measured['bytes_per_span']:.1f} bytes each on disk\n")  # fmt: skip
        print("| question | bar | fastest | median | first | results |\n|---|---|---|---|---|---|")
        factor = 1 if options.spans == SPANS else 10
        newest = int(time.time())
        rows = []
        for name, bar, query in SEARCHES:
            rows.append(ask(server, name, bar, factor, "/api/search", {"q": query, "limit": 20}, "traces"))
        for name, bar, query in SERIES:
            window = {"start": newest - WINDOW, "end": newest, "step": "15s"}
            rows.append(ask(server, name, bar, factor, "/api/metrics/query_range", {"q": query, **window}, "series"))
        for name, bar, path in TAGS:
            rows.append(ask(server, name, bar, factor, path, {}, None))
        measured["questions"] = rows
        measured["peak_memory"] = server.peak_memory()
        print(f"\npeak memory {measured['peak_memory'] / (1 << 20):,.0f} MiB")
        if options.jaeger:
            measured["by_jaegers_api"] = [asked(server.server.jaeger, *question) for question in jaegers_questions(options)]
        server.stop()
        return measured
    finally:
        server.close()


def ask(server, name, bar, factor, path, parameters, counted):
    try:
        times, answer = timed(f"{server.server.tempo}{path}", parameters)
    except Refused as refused:
        print(f"| {name} | | | | | {refused} |", flush=True)
        return {"name": name, "refused": str(refused)}
    first, *others = times
    others.sort()
    bar = bar and bar * factor
    results = len(answer.get(counted) or []) if counted else len(answer.get("tagValues") or answer.get("scopes") or [])
    met = "" if bar is None else f"≤ {bar} ms" + ("" if others[0] <= bar else " **missed**")
    fastest, median = others[0], others[len(others) // 2]
    print(f"| {name} | {met} | {fastest:.1f} ms | {median:.1f} ms | {first:.1f} ms | {results} |", flush=True)
    return {"name": name, "bar": bar, "fastest": fastest, "median": median, "first": first, "results": results}


class Refused(Exception):
    """The server says why it does not answer."""


def timed(url, parameters, headers=None):
    times, answer = timed_answers(url, parameters, headers)
    return times, answer.json()


def timed_answers(url, parameters, headers=None):
    times = []
    session = requests.Session()
    session.headers.update(headers or {})
    while len(times) < 2 or (len(times) < ASKED and sum(times) < ASKED_SECONDS * 1e3):
        begin = time.perf_counter()
        answer = session.get(url, params=parameters, timeout=600)
        times.append((time.perf_counter() - begin) * 1e3)
        if answer.status_code != 200:
            raise Refused(f"{answer.status_code}: {answer.text.strip()}")
    return times, answer


def jaegers_questions(options):
    """Name, path and parameters, as the UI of Jaeger asks them."""
    now = int(time.time() * 1e6)
    search = {"start": now - 24 * 3600 * 10**6, "end": now, "limit": 20}
    return [
        ("services", "/api/services", {}),
        ("operations", "/api/services/catalog/operations", {}),
        ("traces of a service", "/api/traces", search | {"service": "catalog"}),
        ("failed ones", "/api/traces", search | {"service": "payments-gateway", "tags": json.dumps({"error": "true"})}),
        ("a tag that none has", "/api/traces", search | {"service": "catalog", "tags": json.dumps({"http.route": "/nowhere"})}),
        ("slow ones, of which there are none", "/api/traces", search | {"service": "catalog", "minDuration": "10s"}),
    ]


def asked(base, name, path, parameters):
    times, answer = timed(f"{base}{path}", parameters)
    return {"name": name, "fastest": min(times[1:]), "first": times[0], "results": len(answer["data"] or [])}


def jaeger(directory, options):
    server = Jaeger(directory / "jaeger", options.jaeger)
    try:
        server.start()
        measured = load(server, server.otlp, options) | {"version": server.version(), "peak_memory": server.peak_memory()}
        measured["by_jaegers_api"] = [asked(server.api, *question) for question in jaegers_questions(options)]
        server.stop()
        return measured
    finally:
        server.close()


def compare(measured):
    print("\n| Jaeger's API | Trefoil | Jaeger |\n|---|---|---|")
    cell = lambda row: f"{row['fastest']:.1f} ms ({row['results']})"  # noqa: E731
    for own, other in zip(measured["by_jaegers_api"], measured["jaeger"]["by_jaegers_api"]):
        print(f"| {own['name']} | {cell(own)} | {cell(other)} |")
    print(f"| spans a CPU-second | {measured['spans_per_cpu_second']:,.0f} | {measured['jaeger']['spans_per_cpu_second']:,.0f} |")
    mib = 1 << 20
    print(f"| peak memory | {measured['peak_memory'] / mib:,.0f} MiB | {measured['jaeger']['peak_memory'] / mib:,.0f} MiB |")


if __name__ == "__main__":
    main()
