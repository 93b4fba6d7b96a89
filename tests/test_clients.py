"""Unchanged OpenTelemetry SDKs send all three signals; SQL and `trefoil trace` find them, tied together by trace id."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from trefoil import ROOT, binary, free_ports, wait_until

PYTHON_EXAMPLE = ROOT / "examples" / "python"
VENV_BIN = Path(sys.executable).parent


def otlp_environment(server, protocol, service):
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_PROTOCOL": {"grpc": "grpc", "http": "http/protobuf"}[protocol],
        "OTEL_EXPORTER_OTLP_ENDPOINT": getattr(server, protocol),
        # Sooner than the defaults (5 s and 60 s), so that the test need not wait.
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_BLRP_SCHEDULE_DELAY": "200",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    }


@pytest.fixture(params=["grpc", "http"])
def notes(request, shared_server, tmp_path):
    """The Django application under `opentelemetry-instrument`; yields (server, service name, its URL)."""
    service = f"django-notes-{request.param}"
    (port,) = free_ports(1)
    environment = {
        **otlp_environment(shared_server, request.param, service),
        "DJANGO_SETTINGS_MODULE": "notes.settings",
        "NOTES_DATABASE": str(tmp_path / "notes.sqlite3"),
        "OTEL_PYTHON_LOG_CORRELATION": "true",
        "PATH": f"{VENV_BIN}:{os.environ['PATH']}",
    }
    subprocess.run(["python", "manage.py", "migrate", "-v0"], cwd=PYTHON_EXAMPLE, env=environment, check=True)
    with open(tmp_path / "server.log", "wb") as log:
        application = subprocess.Popen(
            ["opentelemetry-instrument", "python", "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
            cwd=PYTHON_EXAMPLE, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(url) or application.poll() is not None, "the notes application answers", 60)
        assert application.poll() is None, (tmp_path / "server.log").read_text()
        yield shared_server, service, url
    finally:
        application.terminate()
        application.wait(30)


def answers(url):
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_django_notes(notes):
    server, service, url = notes
    assert requests.post(f"{url}/create", data={"text": "buy milk"}, timeout=10).status_code == 200
    assert requests.post(f"{url}/create", data={"text": ""}, timeout=10).status_code == 400
    assert "buy milk" in requests.get(url, timeout=10).text
    assert requests.post(f"{url}/delete/1", timeout=10).status_code == 200
    assert "buy milk" not in requests.get(url, timeout=10).text

    here = f"service_name = '{service}'"
    wait_until(lambda: server.count("spans", f"{here} AND name = 'note_delete'") == 1, "the span note_delete")

    # Spans: ours lie inside those of the request.
    rows = server.sql(
        f"""SELECT child.trace_id, child.name, parent.name, parent.kind FROM spans child
            JOIN spans parent ON parent.trace_id = child.trace_id AND parent.span_id = child.parent_span_id
            WHERE child.{here} AND child.name = 'note_create' ORDER BY child.start_time_unix_nano"""
    )
    assert [row[1:] for row in rows] == [("note_create", "POST create", 2)] * 2
    trace_id = rows[0][0]
    status = server.sql(f"SELECT status_code, status_message FROM spans WHERE {here} AND name = 'note_create' ORDER BY 1")
    assert status == [(0, None), (2, "a note has 1 to 500 characters")]

    # Logs: found by the trace's id.
    wait_until(lambda: server.count("logs", f"{here} AND body = 'deleted note 1'") == 1, "the log of the deletion")
    logs = server.sql(f"SELECT body, severity_text, trace_id FROM logs WHERE {here} AND trace_id = '{trace_id}'")
    assert ("created note 1", "INFO", trace_id) in logs

    # Metrics: the counter counts what we did, and its exemplars name traces that are there.
    wait_until(
        lambda: server.sql(
            f"""SELECT max(value_int) FROM samples JOIN series USING (series_id)
                WHERE samples.metric_name = 'request_count' AND {here} AND attributes LIKE '%delete%'"""
        )[0][0] == 1,
        "the counter of deletions",
    )
    created = server.sql(
        f"""SELECT max(value_int) FROM samples JOIN series USING (series_id)
            WHERE samples.metric_name = 'request_count' AND {here} AND attributes LIKE '%create%'"""
    )
    assert created == [(2,)]
    wait_until(
        lambda: server.sql(f"SELECT count(*) FROM exemplars WHERE trace_id = '{trace_id}'")[0][0] > 0,
        "an exemplar of the creation",
    )

    assert_waterfall(server, trace_id, "note_create", "POST create", service)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_rust_sdk(shared_server, protocol):
    server, service = shared_server, f"bookshop-{protocol}"
    done = subprocess.run(
        [binary("trefoil-example-rust"), "--protocol", protocol, "--orders", "6"],
        env=otlp_environment(server, protocol, service), capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    trace_ids = done.stdout.split()
    assert len(trace_ids) == 6

    here = f"service_name = '{service}'"
    spans = server.sql(f"SELECT trace_id, name, status_code FROM spans WHERE {here}")
    assert sorted(row[0] for row in spans) == sorted(trace_ids * 2)
    declined = trace_ids[4]
    assert {row[1:] for row in spans if row[0] == declined} == {("place order", 2), ("charge card", 2)}

    logs = server.sql(f"SELECT body, severity_text FROM logs WHERE {here} AND trace_id = '{declined}' ORDER BY 1")
    assert logs == [("card was declined", "WARN"), ("order received", "INFO")]

    metrics = server.sql(
        f"""SELECT samples.metric_name, sum(value_int), sum(count) FROM samples JOIN series USING (series_id)
            WHERE {here} GROUP BY 1 ORDER BY 1"""
    )
    assert metrics == [("shop.order.duration", None, 6), ("shop.orders", 6, None)]

    assert_waterfall(server, declined, "place order", "charge card", service)


def assert_waterfall(server, trace_id, *parts):
    """`trefoil trace` and the Tempo API show the trace."""
    text = server.cli("trace", trace_id).stdout
    for part in parts:
        assert part in text, text
    answer = requests.get(f"{server.tempo}/api/traces/{trace_id}", headers={"Accept": "application/json"}, timeout=10)
    assert answer.status_code == 200, answer.text
    for part in parts:
        assert part in answer.text
    for version in ("", "/v2"):
        binary_answer = requests.get(
            f"{server.tempo}/api{version}/traces/{trace_id}", headers={"Accept": "application/protobuf"}, timeout=10
        )
        assert binary_answer.status_code == 200
        assert parts[0].encode() in binary_answer.content
