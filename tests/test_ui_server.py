"""What the UI gets from the server, on the wire: pages, assets, and Trefoil's own endpoints."""

import gzip
import http.client
import json
import re
import signal
import time

import pytest
import requests

import otlp
from trefoil import ROOT, free_ports, merged, wait_until

DIST = ROOT / "ui" / "dist"
TRACE = bytes.fromhex("5b8aa5a2d2c872e8321cf37308d69df2")


def get(server, path, method="GET", **headers):
    """(status, headers, body as it came), the path sent exactly as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.main_port, timeout=30)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def send_trace(server, count):
    body = otlp.spans(count, service="checkout", trace_id=TRACE)
    for number, span in enumerate(body.resource_spans[0].scope_spans[0].spans):
        span.attributes.append(otlp.attribute("order", f"Order-{number:04}"))
    otlp.send(server, "traces", body)


def test_the_status_follows_a_reload(start):
    server = start()
    status = requests.get(f"{server.main}/api/v1/status", timeout=10).json()
    assert status["otlp"] == {
        "grpc": f"127.0.0.1:{server.grpc_port}",
        "http": f"127.0.0.1:{server.http_port}",
        "main": True,
    }
    assert status["tenancy"] == {"enabled": False}
    assert abs(int(status["time_unix_nano"]) - time.time_ns()) < 60 * 10**9

    (port,) = free_ports(1)
    protocols = {"http": {"endpoint": f"127.0.0.1:{port}"}}
    server.config = merged(server.config, {"receivers": {"otlp": {"protocols": {"grpc": None, **protocols}}}})
    server.write_config()
    server.process.send_signal(signal.SIGHUP)
    moved = {"grpc": None, "http": f"127.0.0.1:{port}", "main": True}
    wait_until(
        lambda: requests.get(f"{server.main}/api/v1/status", timeout=10).json()["otlp"] == moved,
        "the status tells where OTLP is taken now",
    )


def test_the_status_needs_no_tenant(start):
    server = start({"tenancy": {"enabled": True}, "listeners": {"main": {"otlp": False}}})
    status = requests.get(f"{server.main}/api/v1/status", timeout=10).json()
    assert status["tenancy"] == {"enabled": True} and status["otlp"]["main"] is False


def test_one_span_and_search(shared_server):
    send_trace(shared_server, 500)
    trace = f"{shared_server.main}/api/v1/traces/{TRACE.hex()}"
    found = requests.get(f"{trace}/search", params={"q": "ORDER-0123"}, timeout=30)
    assert found.status_code == 200
    assert found.json() == {"spans": [f"{124:016x}"], "truncated": False}
    some = requests.get(f"{trace}/search", params={"q": "checkout", "limit": 20}, timeout=30).json()
    assert len(some["spans"]) == 20 and some["truncated"]

    span = requests.get(f"{trace}/spans/{124:016x}", timeout=30).json()["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [one["name"] for one in span] == ["span 123"]
    missing = requests.get(f"{trace}/spans/{'f' * 16}", timeout=30)
    assert missing.status_code == 404 and missing.json()["error"]["code"] == "not_found"


def test_answers_are_compressed_and_not_kept(shared_server):
    send_trace(shared_server, 500)
    path = f"/tempo/api/v2/traces/{TRACE.hex()}"
    status, headers, packed = get(shared_server, path, Accept_Encoding="gzip")
    assert status == 200 and headers["Content-Encoding"] == "gzip" and headers["Cache-Control"] == "no-store"
    plain = get(shared_server, path)
    assert "Content-Encoding" not in plain[1]
    assert json.loads(gzip.decompress(packed)) == json.loads(plain[2])
    assert len(packed) * 4 < len(plain[2])
    assert get(shared_server, path, Accept_Encoding="gzip, deflate, br, zstd")[1]["Content-Encoding"] == "zstd"
    assert "Content-Encoding" not in get(shared_server, "/api/v1/status", Accept_Encoding="gzip")[1], "too short"


def test_the_description_is_the_checked_in_one(shared_server):
    served = requests.get(f"{shared_server.main}/api/v1/openapi.json", timeout=10).json()
    assert served == json.loads((ROOT / "ui" / "openapi.json").read_text())


@pytest.mark.parametrize("path", ["/api", "/api/v1/nothing", "/api/v1/traces/1/spans", "/api/v2/../v1/nothing"])
def test_unknown_paths_of_the_api_are_its_errors(shared_server, path):
    status, headers, body = get(shared_server, path)
    assert status == 404 and headers["Content-Type"] == "application/json"
    assert json.loads(body)["error"]["code"] == "not_found"


def test_every_page_has_a_policy_and_a_nonce_of_its_own(shared_server):
    nonces = set()
    for path in ["/", "/traces", f"/traces/{TRACE.hex()}?span=1", "/"]:
        status, headers, body = get(shared_server, path)
        assert status == (200 if DIST.exists() else 404)
        assert headers["Content-Type"] == "text/html; charset=utf-8" and headers["Cache-Control"] == "no-cache"
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        (nonce,) = re.findall(r"'nonce-([0-9a-f]{32})'", policy)
        nonces.add(nonce)
        assert b"__CSP_NONCE__" not in body
        assert set(re.findall(rb'nonce="([^"]*)"', body)) <= {nonce.encode()}
    assert len(nonces) == 4
    status, headers, body = get(shared_server, "/", method="HEAD")
    assert body == b"" and int(headers["Content-Length"]) > 0


@pytest.mark.skipif(not DIST.exists(), reason="ui/dist is missing: `make ui` makes it")
def test_assets_come_as_they_were_compressed_and_are_kept(shared_server):
    _, _, page = get(shared_server, "/")
    assets = set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.decode()))
    assert any(asset.endswith(".js") for asset in assets)
    for asset in assets:
        file = DIST / asset.lstrip("/")
        status, headers, body = get(shared_server, asset)
        assert status == 200 and body == file.read_bytes()
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert headers["Vary"] == "Accept-Encoding"
        assert get(shared_server, asset, If_None_Match=headers["ETag"])[0] == 304
        for accepted, coding, suffix in [("gzip, br", "br", ".br"), ("gzip", "gzip", ".gz")]:
            compressed = file.with_name(file.name + suffix)
            status, headers, body = get(shared_server, asset, Accept_Encoding=accepted)
            if compressed.exists():
                assert headers["Content-Encoding"] == coding and body == compressed.read_bytes()
            else:
                assert "Content-Encoding" not in headers
        assert get(shared_server, f"{asset}.br")[0] == 404, "an encoding is not a file"


@pytest.mark.parametrize(
    "path",
    ["/assets/nothing.js", "/assets/../index.html", "/assets/../../package.json", "/../../etc/passwd.txt",
     "/assets/%2e%2e/%2e%2e/package.json", "/assets//", "/.git/config.x", "/package.json", "/assets/..%5cindex.html"])
def test_what_is_no_asset_is_not_found(shared_server, path):
    status, _, body = get(shared_server, path)
    assert (status, body) == (404, b"not found\n")


def test_pages_are_read_only_and_on_the_main_listener_only(shared_server):
    status, headers, _ = get(shared_server, "/", method="POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    for listener in (shared_server.tempo, shared_server.internal, shared_server.http):
        assert requests.get(f"{listener}/", timeout=10).status_code == 404


def test_a_client_that_leaves_during_its_rows_ends_the_query(shared_server):
    """Compressed, half-way through a long answer."""
    pairs = "SELECT a.n, b.n FROM generate_series(1, 100000) AS a(n), generate_series(1, 100000) AS b(n)"
    with requests.post(
        f"{shared_server.main}/api/v1/sql", data=pairs, headers={"Accept": "text/csv"}, stream=True, timeout=30
    ) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert next(answer.iter_content(1 << 16))
    wait_until(lambda: is_idle(shared_server), "the query has ended")


def is_idle(server):
    def seconds():
        fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    before = seconds()
    time.sleep(1)
    return seconds() - before < 0.2
