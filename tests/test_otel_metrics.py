"""Metrics of unchanged OpenTelemetry SDKs in three languages, read as a Prometheus user reads them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

SDK = Path(__file__).resolve().parent / "sdk"


def python(_):
    return [sys.executable, SDK / "python_metrics.py"], SDK


def node(_):
    directory = SDK / "node"
    # npm writes this file last; it is the mark of a finished installation.
    if not (directory / "node_modules" / ".package-lock.json").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=directory, check=True, timeout=240)
    return ["node", "metrics.js"], directory


def go(tmp_path):
    compiler = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if compiler is None:
        pytest.skip("go is not installed: its SDK is not tested")
    built = tmp_path / "metrics"
    environment = {**os.environ, "GOFLAGS": "-buildvcs=false"}
    subprocess.run([compiler, "build", "-o", built, "."], cwd=SDK / "go", env=environment, check=True, timeout=280)
    return [built], tmp_path


def value(server, query):
    """The value of the one series that a query finds."""
    [row] = instant(server, query)
    return float(row["value"][1])


def instant(server, query):
    answer = requests.get(f"{server.prometheus}/api/v1/query", params={"query": query}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["result"]


@pytest.mark.parametrize("sdk", [python, node, go])
def test_sdk(shared_server, sdk, tmp_path):
    server = shared_server
    language = sdk.__name__
    command, directory = sdk(tmp_path)
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("OTEL_")},
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.http,
        "OTEL_SERVICE_NAME": f"bookshop-{language}",
        "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=books,service.instance.id=till-1,deployment.environment.name=test",
    }
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr

    target = f'job="books/bookshop-{language}", instance="till-1"'
    # Names: units and _total; labels without dots; braces are no unit.
    [orders] = instant(server, f"shop_orders_total{{{target}}}")
    labels = {"payment_method": "card", "http_response_status_code": "200"}
    assert {name: orders["metric"][name] for name in labels} == labels
    assert orders["value"][1] == "4"
    assert set(orders["metric"]) - {*labels, "__name__", "job", "instance"} == set()
    assert value(server, f"shop_stock{{{target}}}") == 7
    assert value(server, f"shop_room_temperature_celsius{{{target}}}") == 21.5

    # A histogram with the boundaries that the program advises.
    buckets = instant(server, f"shop_order_duration_milliseconds_bucket{{{target}}}")
    told = {row["metric"]["le"]: row["value"][1] for row in buckets}
    assert told == {"5": "1", "10": "2", "25": "3", "100": "3", "+Inf": "4"}
    assert value(server, f"shop_order_duration_milliseconds_sum{{{target}}}") == 280
    assert value(server, f"shop_order_duration_milliseconds_count{{{target}}}") == 4
    median = f"histogram_quantile(0.5, sum by (le) (shop_order_duration_milliseconds_bucket{{{target}}}))"
    assert value(server, median) == 10

    # An exponential one is a native histogram.
    [payload] = instant(server, f"shop_payload_size_bytes{{{target}}}")
    assert (payload["histogram"][1]["count"], payload["histogram"][1]["sum"]) == ("4", "280000")
    highest = value(server, f"histogram_quantile(1, shop_payload_size_bytes{{{target}}})")
    assert highest == pytest.approx(250_000, rel=0.01)

    # What the resource says is a join away.
    joined = f"shop_stock{{{target}}} * on (job, instance) group_left (deployment_environment_name) target_info"
    assert instant(server, joined)[0]["metric"]["deployment_environment_name"] == "test"
    types = requests.get(f"{server.prometheus}/api/v1/metadata", params={"metric": "shop_orders_total"}, timeout=30)
    [metadata] = types.json()["data"]["shop_orders_total"]
    assert (metadata["type"], metadata["help"]) == ("counter", "Orders taken.")

    # The JavaScript SDK sends no exemplars; the others print the trace in which they recorded.
    trace = done.stdout.strip()
    assert bool(trace) == (sdk is not node)
    if trace:
        assert {exemplar["labels"]["trace_id"] for exemplar in exemplars(server, target)} == {trace}


def exemplars(server, target):
    parameters = {"query": f"shop_order_duration_milliseconds_bucket{{{target}}}", "start": 0, "end": 1e11}
    answer = requests.get(f"{server.prometheus}/api/v1/query_exemplars", params=parameters, timeout=30)
    assert answer.status_code == 200, answer.text
    return [exemplar for series in answer.json()["data"] for exemplar in series["exemplars"]]
