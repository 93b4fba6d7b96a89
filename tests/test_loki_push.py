"""What Loki's clients push, in each form and place, and what comes out of the exporter to another Trefoil."""

import gzip
import json
import time

import pytest
import requests

import otlp
from trefoil import free_ports, wait_until

JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def now():
    return time.time_ns()


def varint(number):
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(encoded) + bytes([number])


def field(number, value):
    """A message, a text or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def snappy(body):
    """A block of nothing but literals."""
    parts = [body[start : start + 65536] for start in range(0, len(body), 65536)]
    literal = lambda part: b"\xf4" + (len(part) - 1).to_bytes(2, "little") + part
    return varint(len(body)) + b"".join(map(literal, parts))


def entry(at, line, metadata=None):
    pairs = b"".join(field(3, field(1, name) + field(2, value)) for name, value in (metadata or {}).items())
    return field(1, field(1, at // 10**9) + field(2, at % 10**9)) + field(2, line) + pairs


def protobuf(*streams):
    """A `PushRequest` of (labels, entries), compressed."""
    body = b"".join(
        field(1, field(1, labels) + b"".join(field(2, one) for one in entries)) for labels, entries in streams
    )
    return snappy(body)


def streams(*pairs):
    """The JSON form of (labels, values)."""
    return json.dumps({"streams": [{"stream": labels, "values": values} for labels, values in pairs]}).encode()


def push(url, body, headers=PROTOBUF, status=204):
    answer = requests.post(url, data=body, headers=headers, timeout=60)
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    return answer


ROWS = """
    SELECT service_name, attribute(resource_attributes, 'job'), body, CAST(time_unix_nano AS BIGINT),
           attribute(log_attributes, 'user.id'), encode(trace_id, 'hex'), scope_name
    FROM logs ORDER BY body
"""


def test_both_forms_are_stored(start):
    server = start()
    at = now()
    trace_id = "463ac35c9f6413ad48485a3953bb6124"
    metadata = {"user.id": "7", "trace_id": trace_id}
    url = f"{server.loki}/loki/api/v1/push"
    push(url, protobuf(('{job="books", service_name="shop"}', [entry(at, "a", metadata), entry(at - 5, "b")])))
    body = streams(({"job": "books", "service_name": "shop"}, [[str(at + 1), "c", metadata], [str(at), ""]]))
    push(url, gzip.compress(body), {**JSON, "Content-Encoding": "gzip"})
    scope = "loki.push"
    assert server.sql(ROWS) == [
        ("shop", "books", "", at, None, None, scope),
        ("shop", "books", "a", at, "7", trace_id, scope),
        ("shop", "books", "b", at - 5, None, None, scope),
        ("shop", "books", "c", at + 1, "7", trace_id, scope),
    ]
    accepted = 'otelcol_receiver_accepted_log_records_total{receiver="listeners/main",transport="http"}'
    assert server.metrics()[accepted] == 4


def test_every_place_and_the_old_form(start):
    server = start()
    at = now()
    old = {"labels": '{app="old"}', "entries": [{"ts": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "line": "x"}]}
    places = {
        "own": f"{server.loki}/loki/api/v1/push",
        "older": f"{server.loki}/api/prom/push",
        "main": f"{server.main}/loki/api/v1/push",
        "prefix": f"{server.main}/loki/loki/api/v1/push",
        "prefix_older": f"{server.main}/loki/api/prom/push",
    }
    for app, url in places.items():
        push(url, streams(({"app": app}, [[str(at), "x"]])), JSON)
    push(places["older"], json.dumps({"streams": [old]}), JSON)
    for url in (f"{server.loki}/otlp/v1/logs", f"{server.main}/loki/otlp/v1/logs"):
        push(url, otlp.logs(1).SerializeToString())
    assert server.sql("SELECT service_name FROM logs WHERE scope_name = 'loki.push' ORDER BY 1") == [
        (app,) for app in sorted([*places, "old"])
    ]
    assert server.count("logs") == len(places) + 3
    assert requests.get(f"{server.loki}/ready", timeout=60).text == "ready\n"
    for base in (server.loki, server.main, f"{server.main}/loki"):
        answer = requests.get(f"{base}/loki/api/v1/status/buildinfo", timeout=60)
        assert answer.json()["revision"].startswith("trefoil-"), base


def test_bad_entries_are_named_and_cost_only_themselves(start):
    limits = {"max_line_size": 10, "reject_old_samples_max_age": "1h"}
    server = start({"listeners": {"loki": {"limits": limits}}})
    at = now()
    hour = 3600 * 10**9
    urls = (f"{server.loki}/loki/api/v1/push", f"{server.main}/loki/api/v1/push")
    body = lambda at: streams(
        ({"app": "a"}, [[str(at), "x" * 10], [str(at), "y" * 11], [str(at - 2 * hour), "old"], [str(at + hour), "new"]]),
        ({}, [[str(at), "nobody's"]]),
        ({"app": "empty"}, []),
        ({"app": "b"}, [["soon", "z"], [str(at), "good"]]),
    )
    for later, url in enumerate(urls):
        # The same entries again would be stored once.
        answer = push(url, body(at + later), JSON, 400)
        assert answer.headers["Content-Type"].startswith("text/plain")
        label = '\'{app="a", service_name="a"}\''
        for part in (
            f"Max entry size '10' bytes exceeded for stream {label} while adding an entry with length '11' bytes",
            f"entry for stream {label} has timestamp too old",
            f"entry for stream {label} has timestamp too new",
            "error at least one label pair is required per stream",
            '"soon" is no time in nanoseconds',
            "(5 of 7 entries are not stored)",
        ):
            assert part in answer.text
    assert server.sql("SELECT DISTINCT body FROM logs ORDER BY 1") == [("good",), ("x" * 10,)]
    assert server.count("logs") == 4
    assert push(f"{server.loki}/loki/api/v1/push", b"x", status=400).text.startswith("the body is not valid snappy")


def test_tenants_are_told_apart(start):
    server = start({"tenancy": {"enabled": True}})
    body = streams(({"app": "a"}, [[str(now()), "x"]]))
    url = f"{server.loki}/loki/api/v1/push"
    assert "X-Scope-OrgID" in push(url, body, JSON, 401).text
    push(url, body, {**JSON, "X-Scope-OrgID": "acme"})
    assert (server.count("logs", tenant="acme"), server.count("logs", tenant="other")) == (1, 0)


def test_it_can_be_switched_off(start):
    server = start({"listeners": {"loki": {"push": False}, "main": {"otlp": False}}})
    for url in (f"{server.loki}/loki/api/v1/push", f"{server.loki}/otlp/v1/logs"):
        push(url, b"", status=404)
    # What is not served there is a screen.
    push(f"{server.main}/loki/api/v1/push", b"", status=405)


@pytest.mark.parametrize("encoding", ["proto", "json"])
def test_the_exporter_sends_to_another_trefoil(start, encoding):
    port = free_ports(1)[0]
    receiver = {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}, "use_incoming_timestamp": True}
    pipeline = {"receivers": ["loki"], "exporters": ["trefoil"]}
    destination = start(
        {"receivers": {"loki": receiver}, "service": {"pipelines": {"logs": pipeline}}}, name="destination"
    )
    exporter = {"endpoint": f"http://127.0.0.1:{port}/loki/api/v1/push", "encoding": encoding}
    source = start(
        {
            "exporters": {"loki": exporter},
            "service": {"pipelines": {"logs": {"exporters": ["trefoil", "loki"]}}},
        },
        name="source",
    )
    at = now()
    metadata = {"user.id": "7", "trace_id": "463ac35c9f6413ad48485a3953bb6124"}
    labels = {"job": "books", "service_name": "shop"}
    push(f"{source.loki}/loki/api/v1/push", streams((labels, [[str(at + 2), "b"], [str(at), "a", metadata]])), JSON)
    wait_until(lambda: destination.count("logs") == 2, "the lines arrive")
    assert destination.sql(ROWS) == source.sql(ROWS)

    # What did not come by a push gets labels by hints.
    otlp.send(source, "logs", otlp.logs(1))
    wait_until(lambda: destination.count("logs") == 3, "the record arrives")
    found = destination.sql("SELECT attribute(resource_attributes, 'exporter'), body FROM logs WHERE body LIKE '{%'")
    assert found[0][0] == "OTLP" and "body" in json.loads(found[0][1])
    assert source.metrics()['otelcol_exporter_sent_log_records_total{exporter="loki"}'] == 3
