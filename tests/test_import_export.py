"""Traces out of one tenant in the JSON of each system, and into another: `trefoil export` and `trefoil import`."""

import gzip
import http.server
import json
import subprocess
import threading
import time

import pytest
import requests
from trefoil import ROOT, Server, binary, merged

FIRST = 1_700_000_000_000_000_000
SHOP = {"X-Scope-OrgID": "shop"}
FORMATS = ["otlp", "tempo", "jaeger", "zipkin"]


def bookstore():
    """A few traces that began a minute ago, at whole microseconds."""
    document = json.loads((ROOT / "crates/query/tests/traceql/bookstore.json").read_text())
    shift = (time.time_ns() // 1000 - 60_000_000) * 1000 - FIRST
    for span in spans_in(document):
        for part in [span, *span.get("events", [])]:
            for member in ("startTimeUnixNano", "endTimeUnixNano", "timeUnixNano"):
                if member in part:
                    part[member] = str((int(part[member]) + shift) // 1000 * 1000)
    return document


def spans_in(document):
    return (span for group in document["resourceSpans"] for scope in group["scopeSpans"] for span in scope["spans"])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("exchange"), {"tenancy": {"enabled": True}})
    server.start()
    server.document = bookstore()
    answer = requests.post(f"{server.http}/v1/traces", json=server.document, headers=SHOP, timeout=60)
    assert answer.status_code == 200 and answer.json() == {}, answer.text
    server.ids = sorted({span["traceId"] for span in spans_in(server.document)})
    yield server
    server.close()


def everything(server, tenant):
    """What is stored of each span, as SQL tells it."""
    columns = """trace_id, span_id, parent_span_id, name, kind, start_time_unix_nano, duration_nano, status_code, status_message,
        service_name, trace_state"""
    return sorted(server.sql(f"SELECT {columns} FROM spans", tenant), key=str)


def whole(server, trace_id, tenant):
    """A trace as OTLP's JSON, its lists in an order of their own."""

    def sorted_deeply(value):
        if isinstance(value, dict):
            return {key: sorted_deeply(member) for key, member in value.items()}
        if isinstance(value, list):
            return sorted((sorted_deeply(member) for member in value), key=lambda member: json.dumps(member, sort_keys=True))
        return value

    answer = requests.get(f"{server.main}/api/v1/traces/{trace_id}", headers={"X-Scope-OrgID": tenant}, timeout=60)
    assert answer.status_code == 200, answer.text
    return sorted_deeply(answer.json())


def export(server, *arguments, tenant="shop", check=True):
    return server.cli("export", *arguments, "--tenant", tenant, check=check)


def import_(server, *arguments, tenant, check=True, stdin=None):
    done = subprocess.run(
        [binary("trefoil"), "import", *map(str, arguments), "--tenant", tenant, "--endpoint", server.main],
        capture_output=True, input=stdin, timeout=120,
    )  # fmt: skip
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    if check:
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


@pytest.mark.parametrize("form", FORMATS)
def test_a_round_trip_into_another_tenant(server, form, tmp_path):
    file, tenant = tmp_path / "traces.json", f"trip-{form}"
    done = export(server, "--query", "{}", "--format", form, "--output", str(file))
    assert done.stderr == f"{len(server.ids)} traces\n" and done.stdout == ""
    done = import_(server, file, tenant=tenant)
    name = {"otlp": "OTLP", "tempo": "OTLP", "jaeger": "Jaeger", "zipkin": "Zipkin"}[form]
    count = sum(1 for _ in spans_in(server.document))
    assert done.stdout == f"{file}: {name}, {count} spans taken, 0 refused\n", done.stderr
    assert done.stderr == ""
    assert everything(server, tenant) == everything(server, "shop")
    if form in ("otlp", "tempo"):
        for trace_id in server.ids:
            assert whole(server, trace_id, tenant) == whole(server, trace_id, "shop")


@pytest.mark.parametrize("form", FORMATS)
def test_one_trace_by_the_api_and_the_command_line(server, form):
    trace_id = server.ids[0]
    answer = requests.get(f"{server.main}/api/v1/traces/{trace_id}?format={form}", headers=SHOP, timeout=60)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="trace-{trace_id}.json"'
    document = answer.json()
    assert json.loads(export(server, trace_id, "--format", form).stdout) == document
    wanted = sorted(span["spanId"] for span in spans_in(server.document) if span["traceId"] == trace_id)
    found = {
        "otlp": lambda: [span["spanId"] for span in spans_in(document)],
        "tempo": lambda: None,
        "jaeger": lambda: [span["spanID"] for trace in document["data"] for span in trace["spans"]],
        "zipkin": lambda: [span["id"] for span in document],
    }[form]()
    if form == "tempo":
        tempo = requests.get(f"{server.tempo}/api/v2/traces/{trace_id}", headers=SHOP, timeout=60)
        assert document == tempo.json()
    else:
        assert sorted(found) == wanted


def test_what_is_asked_for_and_what_is_not_there(server):
    done = export(server, "0123", check=False)
    assert (done.returncode, done.stderr) == (1, "trefoil: there is no trace 0123\n")
    done = export(server, "--query", "{ name = `no such name` }")
    assert (done.stdout, done.stderr) == ("", "0 traces\n")
    done = export(server, "--query", "{}", "--limit", "1")
    assert len(done.stdout.splitlines()) == 1 and "there may be more" in done.stderr
    done = export(server, "--query", "{ status = error }")
    assert 0 < len(done.stdout.splitlines()) < len(server.ids)
    long_ago = export(server, "--query", "{}", "--start", "10", "--end", "20", "--format", "zipkin")
    assert json.loads(long_ago.stdout) == []
    done = export(server, "--query", "{", check=False)
    assert done.returncode == 1 and done.stderr.startswith("trefoil: q: ")
    done = subprocess.run([binary("trefoil"), "export"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    answer = requests.get(f"{server.main}/api/v1/traces/1?format=csv", headers=SHOP, timeout=60)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_request"
    assert requests.get(f"{server.main}/api/v1/traces", timeout=60).status_code == 401


def test_compressed_files_and_standard_input(server, tmp_path):
    text = export(server, "--query", "{}").stdout.encode()
    (tmp_path / "a.gz").write_bytes(gzip.compress(text[: len(text) // 2]) + gzip.compress(text[len(text) // 2 :]))
    done = import_(server, tmp_path / "a.gz", "-", tenant="packed", stdin=text)
    count = sum(1 for _ in spans_in(server.document))
    assert done.stdout.splitlines()[-1] == f"all: OTLP, {2 * count} spans taken, 0 refused"
    assert server.sql("SELECT count(DISTINCT (trace_id, span_id)) FROM spans", "packed") == [(count,)]


GRAFANA = {
    "batches": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}], "droppedAttributesCount": 0},
            "instrumentationLibrarySpans": [
                {
                    "instrumentationLibrary": {"name": "lib", "version": "1"},
                    "spans": [
                        {
                            "traceId": "0000000000000000000000000000abcd", "spanId": "00000000000000ef", "parentSpanId": "",
                            "traceState": "", "name": "by grafana", "kind": "SPAN_KIND_SERVER",
                            "startTimeUnixNano": 1627471657255809000, "endTimeUnixNano": 1627471657256264000,
                            "attributes": [{"key": "n", "value": {"intValue": 5}}], "droppedAttributesCount": 0,
                            "droppedEventsCount": 0, "droppedLinksCount": 0, "status": {"code": 2, "message": "x"},
                        }
                    ],
                }
            ],
        }
    ]
}  # fmt: skip


def test_what_grafana_downloads(server, tmp_path):
    (tmp_path / "trace.json").write_text(json.dumps(GRAFANA, indent=2))
    import_(server, tmp_path / "trace.json", tenant="grafana")
    rows = server.sql("SELECT trace_id, name, service_name, kind, scope_name, duration_nano, status_code FROM spans", "grafana")
    assert rows == [("0000000000000000000000000000abcd", "by grafana", "shop", 2, "lib", 455000, 2)]


def test_what_is_broken_is_told_and_the_rest_is_taken(server, tmp_path):
    line = json.dumps(server.document)
    count = sum(1 for _ in spans_in(server.document))
    bad = json.loads(line)
    next(spans_in(bad))["spanId"] = "zz"
    cut = line[: len(line) // 2]
    file = tmp_path / "lines.json"
    file.write_text("\n".join([json.dumps(bad), cut, json.dumps({"resourceLogs": [{}]}), line]))
    missing = tmp_path / "missing.json"
    done = import_(server, file, missing, tenant="broken", check=False)
    assert done.returncode == 1
    problems = done.stderr.splitlines()
    assert problems[0].startswith(f"{file}: line 1, resourceSpans[0].scopeSpans[0].spans[0]: `spanId` must be hexadecimal digits")
    assert problems[1].startswith(f"{file}: line 2, ")
    assert problems[2] == f"{file}: line 3, resourceLogs: only traces are read, and these are none"
    assert problems[3].startswith(f"{missing}: No such file")
    assert problems[4].startswith("trefoil: not everything was taken: OTLP, ")
    assert ", 1 refused, 2 broken places" in done.stdout.splitlines()[0]
    assert server.sql("SELECT count(DISTINCT (trace_id, span_id)) FROM spans", "broken") == [(count,)]


def test_a_file_that_breaks_off_is_no_success(server, tmp_path):
    packed = gzip.compress(json.dumps(server.document).encode() * 20, 0)
    (tmp_path / "a.gz").write_bytes(packed[:-20])
    done = import_(server, tmp_path / "a.gz", tenant="short", check=False)
    assert done.returncode == 1 and "it cannot be read further" in done.stderr, done.stderr
    assert server.count("spans", tenant="short") > 0


def test_where_nothing_takes_it(server, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(server.document))
    nobody = Server(tmp_path / "nobody")
    done = import_(nobody, tmp_path / "a.json", tenant="x", check=False)
    assert done.returncode == 1 and f"no server answers at {nobody.main}" in done.stderr
    done = subprocess.run(
        [binary("trefoil"), "import", str(tmp_path / "a.json"), "--endpoint", server.main], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "name the tenant with --tenant" in done.stderr
    done = import_(server, tmp_path / "a.json", "--otlp-endpoint", server.internal, tenant="x", check=False)
    assert done.returncode == 1 and "takes no traces" in done.stderr


class Grudging(http.server.BaseHTTPRequestHandler):
    """Takes nothing at first, then no long bodies."""

    answers = [503, 429, 413]
    lengths = []

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.rfile.read(length)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.lengths.append(length)
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_what_may_be_sent_again_is(server, tmp_path):
    grudging = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Grudging)
    threading.Thread(target=grudging.serve_forever, daemon=True).start()
    try:
        (tmp_path / "a.json").write_text(json.dumps(server.document))
        address = f"http://127.0.0.1:{grudging.server_port}"
        done = import_(server, tmp_path / "a.json", "--otlp-endpoint", address, tenant="x")
        assert f"{sum(1 for _ in spans_in(server.document))} spans taken, 0 refused" in done.stdout
        # What was too long comes in parts.
        assert not Grudging.answers and len(Grudging.lengths) >= 2
        Grudging.answers[:] = [503] * 1000
        done = import_(server, tmp_path / "a.json", "--otlp-endpoint", address, "--retry-for", "1s", tenant="x", check=False)
        assert done.returncode == 1 and "the server takes nothing for 1s: the server answered 503" in done.stderr
    finally:
        grudging.shutdown()


def test_a_long_file_takes_little_memory(server, tmp_path):
    """A hundred megabytes in one list, of which a fraction is held."""
    span = {"traceId": "", "id": "", "name": "x", "timestamp": time.time_ns() // 1000, "duration": 5, "tags": {"t": "y" * 1000}}
    file = tmp_path / "long.json"
    with open(file, "w") as out:
        out.write("[")
        for n in range(100_000):
            out.write("," * (n > 0) + json.dumps({**span, "traceId": f"{n // 10 + 1:032x}", "id": f"{n + 1:016x}"}))
        out.write("]")
    command = [binary("trefoil"), "import", str(file), "--tenant", "long", "--endpoint", server.main]
    # The address space of a process is no measure; what it had in memory at most is, and GNU time is not everywhere.
    script = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); " \
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"  # fmt: skip
    done = subprocess.run(["python3", "-c", script, *command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    summary, peak = done.stdout.splitlines()
    assert summary.endswith("100000 spans taken, 0 refused")
    assert server.count("spans", tenant="long") == 100_000
    assert int(peak) < 150_000, f"{int(peak) // 1024} MiB"
