"""Lines and questions as no one should send them: each meets a limit that is named, in Loki's form, while others are answered and memory
stays bounded.
"""

import json
import os
import re
import socket
import threading
import time
import zlib
from contextlib import ExitStack, contextmanager
from urllib.parse import urlencode

import pytest
import requests
from websockets.sync.client import connect

import otlp
from test_loki_push import JSON, PROTOBUF, entry, protobuf, streams, varint
from trefoil import Server, SqlError, free_ports, wait_until

SECOND = 10**9
MIB = 1 << 20
PEAK_MIB = 1024
TIMEOUT = 3
#: Others are answered within it; much less on a machine that has nothing else to do.
PATIENCE = 15
LINES = 3000
X, DOCUMENTS = '{app="x"}', '{app="documents"}'
#: A template that takes long with every line.
SLOW = ("{{range $a := (fromJson `[1,2,3,4,5,6,7,8,9,10]`)}}" * 4).replace("$a", "$_") + "x" + "{{end}}" * 4
#: What a pattern of few characters would be compiled to.
BOMB = "((x{1,100}){1,100}){1,100}"


class Hostile:
    def __init__(self, server, begin):
        self.server, self.begin = server, begin

    def push(self, body, headers=JSON, **options):
        return requests.post(f"{self.server.loki}/loki/api/v1/push", data=body, headers=headers, timeout=120, **options)

    def ask(self, query, path="query_range", **parameters):
        period = {"start": self.begin - 60 * SECOND, "end": self.begin + 60 * SECOND, "time": self.begin + 60 * SECOND}
        url = f"{self.server.loki}/loki/api/v1/{path}"
        return requests.post(url, data={"query": query, **period, **parameters}, timeout=60)

    def refused(self, query, status, says, **parameters):
        is_plain(self.ask(query, **parameters), status, says)

    def lines(self, query, **parameters):
        answer = self.ask(query, **parameters)
        assert answer.status_code == 200, answer.text[:500]
        return [(stream["stream"], line) for stream in answer.json()["data"]["result"] for _, line in stream["values"]]

    def wait_for(self, where):
        def is_there():
            try:
                return self.server.count("logs", where)
            except SqlError as error:
                # A busy machine may need longer than a question here has.
                assert "longer than its limit" in str(error), error
                return False

        wait_until(is_there, f"a record with {where}", 120)

    def tail(self, query):
        return connect(self.server.loki.replace("http://", "ws://") + "/loki/api/v1/tail?" + urlencode({"query": query}), open_timeout=60)

    @contextmanager
    def others_are_answered(self):
        done, took = threading.Event(), []

        def look():
            while not done.is_set():
                begin = time.monotonic()
                answer = requests.get(f"{self.server.loki}/loki/api/v1/status/buildinfo", timeout=60)
                took.append(time.monotonic() - begin)
                assert answer.status_code == 200
                done.wait(0.1)

        other = threading.Thread(target=look)
        other.start()
        try:
            yield took
        finally:
            done.set()
            other.join(120)
        assert took and max(took) < PATIENCE, f"others waited {max(took):.1f} s"
        status = open(f"/proc/{self.server.process.pid}/status").read()
        peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) >> 10
        assert peak < PEAK_MIB, f"{peak} MiB"


def is_plain(answer, status, says):
    assert (answer.status_code, says in answer.text) == (status, True), f"{answer.status_code} {answer.text[:500]}"
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hostile")
    (directory / "server").mkdir()
    (syslog_port,) = free_ports(1)
    config = {
        "query": {"timeout": f"{TIMEOUT}s"},
        "receivers": {
            "filelog": {"include": [str(directory / "*.log")], "start_at": "beginning", "resource": {"service.name": "file"}},
            "syslog": {"protocol": "rfc5424", "tcp": {"listen_address": f"127.0.0.1:{syslog_port}"}},
        },
        "service": {"pipelines": {"logs": {"receivers": ["otlp", "filelog", "syslog"]}}},
    }
    server = Server(directory / "server", config).start()
    hostile = Hostile(server, time.time_ns())
    hostile.directory, hostile.syslog_port = directory, syslog_port
    values = [[str(hostile.begin + number), "a" * 200 + f" n={number}"] for number in range(LINES)]
    deep, wide = '{"a":' * 5000 + "1" + "}" * 5000, {f"k{number}": number for number in range(5000)}
    documents = [deep, json.dumps(wide), "[" * 20_000, json.dumps({"a": "é" * 20_000}), '{"v": 1e999, "w": "NaN", "x": "-Inf", "y": 1e308, "z": 1}']
    documents = [[str(hostile.begin + number), document] for number, document in enumerate(documents)]
    assert hostile.push(streams(({"app": "x"}, values), ({"app": "documents"}, documents))).status_code == 204
    yield hostile
    server.close()


@pytest.fixture
def hostile(shared):
    with shared.others_are_answered():
        yield shared


def test_questions_that_ask_for_too_much_are_refused(hostile):
    selectors = ",".join(f'l{number}="v"' for number in range(10_000))
    forever = {"start": "1", "end": str((1 << 63) - 1)}
    for query, parameters, says in [
        (f'{X} |~ "{BOMB}"', {}, "exceeds size limit"),
        (f'{X} | regexp "(?P<y>{BOMB})"', {}, "exceeds size limit"),
        (f'{X} | app=~"{BOMB}"', {}, "exceeds size limit"),
        (f'{{app=~"{BOMB}"}}', {}, "exceeds size limit"),
        (f'label_replace(rate({X}[1m]), "y", "$1", "app", "{BOMB}")', {}, "exceeds size limit"),
        (f"{{{selectors}}}", {}, "list has more than 1000 members"),
        ("(" * 5000 + f"rate({X}[1m])" + ")" * 5000, {}, "nested more than 100 levels deep"),
        (f"{X} | json | " + "(" * 5000 + 'a="b"' + ")" * 5000, {}, "nested more than 100 levels deep"),
        (f'{X} |= "{"a" * MIB}"', {}, "input size too long"),
        (X, {"limit": 10_000_000}, "max entries limit per query exceeded"),
        (f"rate({X}[1m])", {"step": "0.000000001"}, "exceeded maximum resolution"),
        (f"rate({X}[1m])", {"step": "1ns"}, "exceeded maximum resolution"),
        (f"rate({X}[1m])", {"step": "1", **forever}, "exceeded maximum resolution"),
        # Every line is a megabyte long then.
        (f'{X} | line_format "{{{{repeat 1000000 `x`}}}}"', {"limit": 5000}, "more than the 64MiB that an answer may hold"),
        (f'{X} | label_format y="{{{{repeat 1000000 `x`}}}}"', {"limit": 5000}, "more than the 64MiB that an answer may hold"),
    ]:
        hostile.refused(query, 400, says, **parameters)


def test_questions_over_all_time_find_what_there_is(hostile):
    everything = {"start": str(-(1 << 63)), "end": str((1 << 63) - 1), "limit": 5000}
    assert len(hostile.lines(X, **everything)) == LINES
    answer = hostile.ask(f"sum(count_over_time({X}[292y]))", path="query")
    assert answer.json()["data"]["result"][0]["value"][1] == str(LINES)


def test_patterns_that_take_others_for_ever_take_no_time(hostile):
    for stage in ['|~ "(a*)*b"', '|~ "(a|aa)+$z"', '|> "' + "<_>a" * 100 + 'b"', '| app=~"(x*)*y"']:
        assert hostile.lines(f"{X} {stage}") == [], stage
    assert len(hostile.lines(f'{X} | regexp "(?P<y>(a*)*)b"', limit=10)) == 10


def test_templates_that_loop_or_grow_are_errors_of_their_lines(hostile):
    ten_times = "{{__line__}}" * 10
    for stages in [
        '| line_format "{{repeat 1000000000 `x`}}"',
        '| line_format "{{printf `%9999999d` 1}}"',
        '| line_format "{{nindent 100000000 `x`}}{{alignLeft 100000000 `x`}}"',
        '| line_format "{{define `a`}}{{template `a` .}}{{end}}{{template `a` .}}"',
        '| line_format "{{define `a`}}{{template `a` .}}{{template `a` .}}{{end}}{{template `a` .}}"',
        '| line_format "0123456789"' + f' | line_format "{ten_times}"' * 8,
        '| label_format y="0123456789"' + ' | label_format y="{{.y}}{{.y}}{{.y}}{{.y}}{{.y}}{{.y}}{{.y}}{{.y}}{{.y}}{{.y}}"' * 8,
    ]:
        found = hostile.lines(f"{X} {stages}", limit=5)
        assert len(found) == 5 and all(stream["__error__"] == "TemplateFormatErr" for stream, _ in found), stages


@pytest.mark.parametrize("query", [f'{X} | line_format "{SLOW}" |= "nowhere"', f'sum(count_over_time({X} | line_format "{SLOW}" [1h]))'])
def test_templates_that_take_long_end_with_the_time_of_the_question(hostile, query):
    begin = time.monotonic()
    is_plain(hostile.ask(query), 504, f"{TIMEOUT}s")
    assert time.monotonic() - begin < TIMEOUT + PATIENCE


def test_tails_that_take_long_cost_nobody_else(shared):
    """As many as there are threads that serve."""
    query = f'{{app="tailed"}} | line_format "{SLOW}{{{{.app}}}}"'
    with ExitStack() as opened, shared.others_are_answered() as took:
        tails = [opened.enter_context(shared.tail(query)) for _ in range(os.cpu_count())]
        values = [[str(time.time_ns()), f"line {number}"] for number in range(300)]
        begin = time.monotonic()
        assert shared.push(streams(({"app": "tailed"}, values))).status_code == 204
        for tail in tails:
            count = 0
            while count < len(values):
                count += sum(len(stream["values"]) for stream in json.loads(tail.recv(timeout=120))["streams"])
        assert max(took) < max(1, (time.monotonic() - begin) / 2)


def test_documents_of_json_are_bounded(hostile):
    found = dict(zip(["deep", "wide", "lists", "long", "odd"], hostile.lines(f"{DOCUMENTS} | json", direction="forward")))
    errors = {name: stream.get("__error__") for name, (stream, _) in found.items()}
    assert errors["lists"] == errors["deep"] == "JSONParserErr" and errors["long"] is None, errors
    assert len(found["wide"][0]) <= 2_010


@pytest.mark.parametrize(("label", "sum"), [("w", "NaN"), ("x", "-Inf"), ("y", "1" + "0" * 308)])
def test_numbers_that_are_none_or_too_large(hostile, label, sum):
    query = f'sum(sum_over_time({DOCUMENTS} |= "999" | json {label}="{label}" | unwrap {label} | __error__="" [2h]))'
    answer = hostile.ask(query, path="query")
    assert answer.status_code == 200, answer.text
    [series] = answer.json()["data"]["result"]
    assert series["value"][1] == sum


def test_numbers_beyond_all_are_errors(hostile):
    hostile.refused(f'sum_over_time({DOCUMENTS} |= "999" | json | unwrap v [2h])', 400, "SampleExtractionErr", path="query")


def gigabyte(before=b""):
    yield before
    for _ in range(1024):
        yield b"x" * MIB


def test_bodies_without_an_end_are_refused(hostile):
    for path, headers in [("loki/api/v1/push", JSON), ("loki/api/v1/push", PROTOBUF), ("otlp/v1/logs", PROTOBUF)]:
        url, body = f"{hostile.server.loki}/{path}", gigabyte(b'{"streams":[{"stream":{"a":"b"},"values":[["1","')
        try:
            answer = requests.post(url, data=body, headers=headers, timeout=120)
        except requests.ConnectionError:
            # The server has answered and hung up while the body was still on its way.
            continue
        assert answer.status_code == 413, answer.text


def test_bombs_are_refused(hostile):
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    bomb = b"".join([*map(packer.compress, gigabyte(b'{"streams":[{"stream":{"a":"')), packer.flush()])
    for path, headers in [("loki/api/v1/push", JSON), ("otlp/v1/logs", JSON), ("otlp/v1/logs", PROTOBUF)]:
        answer = requests.post(f"{hostile.server.loki}/{path}", data=bomb, headers={**headers, "Content-Encoding": "gzip"}, timeout=120)
        assert answer.status_code in (400, 413), (path, answer.status_code, answer.text)
        assert "x" * 1000 not in answer.text
    # Snappy's header tells the length; then come copies of 64 bytes, in three bytes each.
    copies = b"\x00x" + b"\xfe\x01\x00" * MIB
    for length in (1 << 40, 1 << 32, 1 << 30, 64 * MIB + 1, 5):
        answer = hostile.push(varint(length) + copies, PROTOBUF)
        assert answer.status_code in (400, 413), (length, answer.status_code, answer.text)
        assert answer.headers["Content-Type"].startswith("text/plain")


def test_lines_and_labels_beyond_the_limits_are_named(hostile):
    at = str(time.time_ns())
    for body, says in [
        (streams(({"app": "long"}, [[at, "x" * (16 * MIB)]])), "Max entry size"),
        (streams(({f"l{number}": "v" for number in range(500)}, [[at, "x"]])), "label names; limit 15"),
        (streams(({"l" * 100_000: "v"}, [[at, "x"]])), "label name too long"),
        (streams(({"app": "v" * 100_000}, [[at, "x"]])), "label value too long"),
        (streams(({"app": "much"}, [[at, "x", {f"m{number}": "v" for number in range(10_000)}]])), "structured metadata"),
        (streams(({"app": "much"}, [[at, "x", {"m": "v" * MIB}]])), "structured metadata"),
        (b'{"streams": ' + b"[" * 100_000, ""),
    ]:
        answer = hostile.push(body)
        is_plain(answer, 400, says)
        assert len(answer.text) < 10_000


def test_what_is_no_utf8_is_taken_or_named(hostile):
    at = time.time_ns()
    hostile.push(protobuf(('{app="utf8"}', [entry(at, b"one \xff\xfe two")])), PROTOBUF)
    hostile.push(b'{"streams": [{"stream": {"app": "utf8"}, "values": [["%d", "one \xff\xfe two"]]}]}' % (at + 1))
    found = hostile.lines('{app="utf8"}', start=at - SECOND, end=at + SECOND)
    assert all(line == "one \ufffd\ufffd two" for _, line in found), found
    assert hostile.push(protobuf(('{app="\xff"'.encode("latin-1"), [entry(at, b"x")])), PROTOBUF).status_code == 400


def test_a_line_of_a_file_without_an_end_is_cut(hostile):
    path = hostile.directory / "endless.log"
    with open(path, "wb") as file:
        for _ in range(32):
            file.write(b"x" * MIB)
        file.write(b"\nafterwards\n")
    hostile.wait_for("body = 'afterwards'")
    longest = hostile.server.sql("SELECT max(octet_length(body)) FROM logs WHERE service_name = 'file'")[0][0]
    assert longest <= MIB


def test_a_line_of_syslog_without_an_end_is_cut(hostile):
    with socket.create_connection(("127.0.0.1", hostile.syslog_port), timeout=120) as client:
        client.sendall(b"<34>1 - h app - - - endless ")
        for _ in range(128):
            client.sendall(b"x" * MIB)
        client.sendall(b"\n<34>1 - h app - - - after it\n")
    hostile.wait_for("attribute(log_attributes, 'message') = 'after it'")
    assert hostile.server.sql("SELECT max(octet_length(body)) FROM logs WHERE body LIKE '<34>%'")[0][0] <= MIB


def test_records_of_otlp_may_be_long(hostile):
    """Loki's limits are of its push; what is too long for a request is not."""
    line = "x" * (4 * MIB)
    rejected, message = otlp.send(hostile.server, "logs", otlp.logs(1, service="long", body={"string_value": line}))
    assert rejected == 0, message
    assert hostile.lines('{service_name="long"}', start=time.time_ns() - 60 * SECOND, end=time.time_ns() + SECOND)[0][1] == line
    answer = otlp.post(hostile.server, "logs", b"\x0a" + varint(1 << 40) + b"x" * 1000)
    assert answer.status_code == 400
