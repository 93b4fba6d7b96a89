"""Reading back: the SQL endpoint, tenants, traces by id."""

import csv
import io
import json
import time

import grpc
import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

import otlp
from trefoil import SqlError


def ask(server, query, accept="application/json", **headers):
    headers = {"Content-Type": "application/sql", "Accept": accept, **headers}
    return requests.post(f"{server.main}/api/v1/sql", data=query, headers=headers, timeout=60)


def test_formats(shared_server):
    otlp.send(shared_server, "logs", otlp.logs(3, service="formats"))
    query = "SELECT body, severity_number FROM logs WHERE service_name = 'formats' ORDER BY body"
    rows = [("line 0", 9), ("line 1", 9), ("line 2", 9)]
    assert [tuple(row) for row in ask(shared_server, query).json()["rows"]] == rows
    lines = list(csv.reader(io.StringIO(ask(shared_server, query, "text/csv").text)))
    assert lines == [["body", "severity_number"], *([body, str(number)] for body, number in rows)]
    stream = ask(shared_server, query, "application/vnd.apache.arrow.stream")
    assert stream.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
    assert stream.content[:4] == b"\xff\xff\xff\xff" and b"severity_number" in stream.content

    assert "line 2" in shared_server.cli("sql", query).stdout
    assert json.loads(shared_server.cli("sql", query, "--format", "json").stdout)["rows"]
    assert shared_server.cli("sql", query, "--format", "csv").stdout.startswith("body,severity_number")


@pytest.mark.parametrize(
    "query", ["DELETE FROM logs", "CREATE TABLE x (a int)", "INSERT INTO logs VALUES (1)", "DROP TABLE logs",
              "COPY logs TO '/tmp/x.csv'", "SET datafusion.execution.batch_size = 1", "SELECT * FROM '/etc/passwd'",
              "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", "SELEC 1", "SELECT nothing FROM logs"])
def test_only_reading_is_allowed(shared_server, query):
    answer = ask(shared_server, query)
    assert answer.status_code == 400, answer.text
    assert answer.text


def test_row_and_time_limits(start):
    server = start({"query": {"max_rows": 100, "timeout": "2s"}})
    otlp.send(server, "logs", otlp.logs(200))
    answer = ask(server, "SELECT * FROM logs")
    assert answer.status_code != 200 or "limit" in answer.text.lower(), answer.text[-300:]
    assert "100" in answer.text
    assert len(server.sql("SELECT * FROM logs LIMIT 100")) == 100
    begin = time.monotonic()
    many = "SELECT count(*) FROM " + ", ".join(f"logs AS l{number}" for number in range(6))
    answer = ask(server, many)
    assert time.monotonic() - begin < 10
    assert answer.status_code in (408, 422, 503, 504, 400), answer.text


def test_tenants_see_only_their_own(start):
    server = start({"tenancy": {"enabled": True}})
    body = otlp.spans(2, service="shop")
    assert otlp.post(server, "traces", body).status_code == 401
    assert ask(server, "SELECT 1").status_code == 401
    assert requests.get(f"{server.tempo}/api/traces/{1:032x}", timeout=10).status_code == 401

    otlp.send(server, "traces", body, X_Scope_OrgID="north")
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = TraceServiceStub(channel)
        with pytest.raises(grpc.RpcError) as error:
            stub.Export(body)
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
        stub.Export(otlp.spans(5, service="shop"), metadata=[("x-scope-orgid", "south")])

    assert server.count("spans", tenant="north") == 2
    assert server.count("spans", tenant="south") == 5
    assert server.count("spans", "tenant = 'north'", tenant="south") == 0
    assert server.count("spans", tenant="nobody") == 0
    for tenant, status in [("south", 200), ("north", 404)]:
        trace = requests.get(
            f"{server.tempo}/api/traces/{5:032x}", headers={"X-Scope-OrgID": tenant}, timeout=10
        )
        assert trace.status_code == status, trace.text
    for name in ("../north", "a/b", "", "x" * 200):
        answer = otlp.post(server, "traces", body, X_Scope_OrgID=name)
        assert answer.status_code in (400, 401), (name, answer.status_code)


def test_a_trace_may_grow_later(shared_server):
    trace_id = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
    hour = 3600 * 10**9
    for number, ago in enumerate([0, 3 * hour, 0]):
        when = otlp.now() - ago
        span = otlp.spans(1, trace_id=trace_id, span_id=(number + 1).to_bytes(8, "big"), name=f"part {number}",
                          start_time_unix_nano=when, end_time_unix_nano=when + 1000)
        otlp.send(shared_server, "traces", span)
        answer = requests.get(f"{shared_server.tempo}/api/traces/{trace_id.hex()}", timeout=10,
                              headers={"Accept": "application/json"})
        assert answer.status_code == 200
        assert all(f"part {earlier}" in answer.text for earlier in range(number + 1))
    assert requests.get(f"{shared_server.tempo}/api/traces/{'f' * 32}", timeout=10).status_code == 404
    assert requests.get(f"{shared_server.tempo}/api/traces/xyz", timeout=10).status_code == 400


def test_a_cancelled_query_stops(shared_server):
    """When the client leaves, the work ends."""
    many = "SELECT count(*) FROM " + ", ".join(f"generate_series(1, 2000) AS t{number}(n)" for number in range(4))
    with pytest.raises(requests.Timeout):
        requests.post(f"{shared_server.main}/api/v1/sql", data=many, headers={"Content-Type": "application/sql"}, timeout=1)
    time.sleep(1)
    before = cpu_seconds(shared_server)
    time.sleep(2)
    assert cpu_seconds(shared_server) - before < 1.0


def cpu_seconds(server):
    fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_errors_tell_what_is_wrong(shared_server):
    with pytest.raises(SqlError, match="service_nam"):
        shared_server.sql("SELECT service_nam FROM logs")
    done = shared_server.cli("sql", "SELECT 1 +", check=False)
    assert done.returncode == 1 and done.stderr.strip()
    done = shared_server.cli("trace", "f" * 32, check=False)
    assert done.returncode == 1 and "f" * 32 in done.stderr
