"""Metrics of unchanged OpenTelemetry SDKs in three languages, read as a Prometheus user reads them."""

import pytest
import requests

from sdks import SDKS, node, run


def value(server, query):
    """The value of the one series that a query finds."""
    [row] = instant(server, query)
    return float(row["value"][1])


def instant(server, query):
    answer = requests.get(f"{server.prometheus}/api/v1/query", params={"query": query}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["result"]


@pytest.mark.parametrize("sdk", SDKS)
def test_sdk(shared_server, sdk, tmp_path):
    server = shared_server
    language = sdk.__name__
    trace = run(
        sdk, "metrics", tmp_path,
        EXPORTER_OTLP_ENDPOINT=server.http,
        SERVICE_NAME=f"bookshop-{language}",
        RESOURCE_ATTRIBUTES="service.namespace=books,service.instance.id=till-1,deployment.environment.name=test",
    )

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
    assert bool(trace) == (sdk is not node)
    if trace:
        assert {exemplar["labels"]["trace_id"] for exemplar in exemplars(server, target)} == {trace}


def exemplars(server, target):
    parameters = {"query": f"shop_order_duration_milliseconds_bucket{{{target}}}", "start": 0, "end": 1e11}
    answer = requests.get(f"{server.prometheus}/api/v1/query_exemplars", params=parameters, timeout=30)
    assert answer.status_code == 200, answer.text
    return [exemplar for series in answer.json()["data"] for exemplar in series["exemplars"]]
