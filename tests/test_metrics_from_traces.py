"""Connectors: what `spanmetrics` and `servicegraph` make of traces, asked for as Grafana asks."""

import time

import requests

import otlp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from test_remote_write import promql
from trefoil import wait_until

CLIENT, SERVER, PRODUCER, CONSUMER = 3, 2, 4, 5
ERROR = 2
MS = 1_000_000

CONFIG = {
    "connectors": {
        "spanmetrics": {
            "names": "tempo",
            "metrics_flush_interval": "200ms",
            "exemplars": {"enabled": True},
            "dimensions": [{"name": "service.namespace"}],
        },
        "spanmetrics/collector": {"metrics_flush_interval": "200ms", "histogram": {"unit": "s"}},
        "servicegraph": {
            "metrics_flush_interval": "200ms",
            "store": {"ttl": "1s"},
            "store_expiration_loop": "200ms",
            "dimensions": ["service.namespace"],
            "exemplars": {"enabled": True},
        },
    },
    "service": {
        "pipelines": {
            "traces": {
                "receivers": ["otlp"],
                "exporters": ["trefoil", "spanmetrics", "spanmetrics/collector", "servicegraph"],
            },
            "metrics/traces": {
                "receivers": ["spanmetrics", "spanmetrics/collector", "servicegraph"],
                # What is counted last has to pass processors, too.
                "processors": ["batch"],
                "exporters": ["trefoil"],
            },
        }
    },
    "processors": {"batch": {"timeout": "10ms"}},
}


def checkouts(first, count):
    """Traces of a gateway that calls orders, which asks a database, publishes a message and calls somebody who sends no
    spans; every second one is declined."""
    request = ExportTraceServiceRequest()
    scopes = {}
    for service in ("gateway", "orders", "mail"):
        group = request.resource_spans.add()
        of_service = {"name": service, "namespace": "shop", "instance.id": f"{service}-1"}
        for key, value in of_service.items():
            group.resource.attributes.append(otlp.attribute(f"service.{key}", value))
        group.resource.attributes.append(otlp.attribute("host.name", "one"))
        scopes[service] = group.scope_spans.add()
    end = otlp.now() - 1_000 * MS
    for number in range(first, first + count):

        def span(service, id, parent, kind, name, milliseconds, number=number, **attributes):
            added = scopes[service].spans.add(
                trace_id=number.to_bytes(16, "big"),
                span_id=id.to_bytes(8, "big"),
                name=name,
                kind=kind,
                start_time_unix_nano=end - milliseconds * MS,
                end_time_unix_nano=end,
            )
            if parent:
                added.parent_span_id = parent.to_bytes(8, "big")
            for key, value in attributes.items():
                added.attributes.append(otlp.attribute(key.replace("_", "."), value))
            return added

        declined = number % 2 == 1
        span("gateway", 1, None, SERVER, "POST /checkout", 90)
        span("gateway", 2, 1, CLIENT, "POST", 80)
        order = span("orders", 3, 2, SERVER, "POST /orders", 70)
        span("orders", 4, 3, CLIENT, "INSERT", 5, db_name="books", db_system="postgresql")
        span("orders", 5, 3, PRODUCER, "publish", 2)
        charge = span("orders", 6, 3, CLIENT, "POST /charges", 40, peer_service="stripe")
        mail = span("mail", 7, None, CONSUMER, "process", 30)
        mail.trace_id = (number + 10_000).to_bytes(16, "big")
        mail.links.add(trace_id=number.to_bytes(16, "big"), span_id=(5).to_bytes(8, "big"))
        for one in (order, charge) if declined else ():
            one.status.code = ERROR
    return request


def numbers(server, query, *labels):
    """Of each series: the values of labels → its value."""
    return {
        tuple(series["metric"].get(label, "") for label in labels): float(series["value"][1])
        for series in promql(server, query)
    }


def wait_for(server, query, labels, expected):
    found = None

    def is_there():
        nonlocal found
        found = numbers(server, query, *labels)
        return found == expected

    try:
        wait_until(is_there, query, 20, 0.1)
    except AssertionError:
        assert found == expected, query


EDGES = {
    ("gateway", "orders", ""): 4,
    ("orders", "books", "database"): 4,
    ("orders", "mail", "messaging_system"): 4,
    ("orders", "stripe", "virtual_node"): 4,
    ("user", "gateway", "virtual_node"): 4,
}


def test_grafana_finds_its_service_graph_and_tables(start):
    server = start(CONFIG)
    otlp.send(server, "traces", checkouts(1, 4))
    edges = ("client", "server", "connection_type")
    wait_for(server, "sum by (client, server, connection_type) (traces_service_graph_request_total)", edges, EDGES)
    assert server.count("spans") == 28, "the store has them all, too"
    failed = numbers(server, "sum by (client, server) (traces_service_graph_request_failed_total)", "client", "server")
    assert failed == {("gateway", "orders"): 2, ("orders", "stripe"): 2}

    # What was counted before the first points has a rate, too.
    rates = numbers(server, "sum by (client, server) (rate(traces_service_graph_request_total[1m]))", "client", "server")
    assert len(rates) == 5 and min(rates.values()) > 0, rates
    otlp.send(server, "traces", checkouts(101, 4))
    doubled = {edge: 2 * times for edge, times in EDGES.items()}
    wait_for(server, "sum by (client, server, connection_type) (traces_service_graph_request_total)", edges, doubled)
    window = "[1m]"

    # The service graph: `makePromServiceMapRequest`.
    by = "client, server, client_service_namespace, server_service_namespace"
    for metric in (
        "traces_service_graph_request_server_seconds_sum",
        "traces_service_graph_request_total",
        "traces_service_graph_request_failed_total",
        "traces_service_graph_request_server_seconds_bucket",
    ):
        rates = numbers(server, f"sum by (client, server) (rate({metric}{window}))", "client", "server")
        only_failed = "failed" in metric
        assert set(rates) == ({(c, s) for c, s in failed} if only_failed else {(c, s) for c, s, _ in EDGES}), metric
        assert rates["gateway", "orders"] > 0, metric
        groups = numbers(server, f"group by (client, connection_type, server) ({metric})", *edges)
        assert set(groups.values()) == {1} and (only_failed or set(groups) == set(EDGES)), metric
        spaces = numbers(server, f"sum by ({by}) (rate({metric}{window}))", *by.split(", "))
        assert spaces["gateway", "orders", "shop", "shop"] > 0, metric
    # The links of a node: `makeHistogramLink`.
    selector = '{client="gateway",server="orders",server_service_namespace="shop"}'
    sums = f"rate(traces_service_graph_request_server_seconds_bucket{selector}{window})"
    quantile = numbers(server, f"histogram_quantile(0.9, sum({sums}) by (le, client, server))", "client", "server")
    # 70 ms, between the bounds 0.05 and 0.1.
    assert abs(quantile["gateway", "orders"] - 0.095) < 1e-9
    natives = requests.get(
        f"{server.prometheus}/api/v1/series",
        params={"match[]": "traces_service_graph_request_server_seconds", "limit": 1},
        timeout=30,
    )
    assert natives.json()["data"] == [], "these are classic histograms"

    # The tables below it: `rateMetric`, `errorRateMetric`, `durationMetric`.
    calls, kind = "traces_spanmetrics_calls_total", 'span_kind="SPAN_KIND_SERVER"'
    both = {("POST /checkout",): 8, ("POST /orders",): 8}
    wait_for(server, f"sum({calls}{{{kind}}}) by (span_name)", ["span_name"], both)
    rates = numbers(server, f"topk(5, sum(rate({calls}{{{kind}}}{window})) by (span_name))", "span_name")
    assert set(rates) == {("POST /checkout",), ("POST /orders",)} and min(rates.values()) > 0
    errors = f'topk(5, sum(rate({calls}{{status_code="STATUS_CODE_ERROR",{kind}}}{window})) by (span_name))'
    assert set(numbers(server, errors, "span_name")) == {("POST /orders",)}
    latency = "traces_spanmetrics_latency_bucket"
    name = 'span_name="POST /orders"'
    slow = numbers(server, f"histogram_quantile(.9, sum(rate({latency}{{{name},{kind}}}{window})) by (le))")
    # 70 ms, between the bounds 0.064 and 0.128.
    assert abs(slow[()] - (0.064 + 0.9 * 0.064)) < 1e-9
    of_shop = f'{calls}{{service="gateway",service_namespace="shop",{kind}}}'
    assert numbers(server, of_shop, "span_name") == {("POST /checkout",): 8}
    sizes = numbers(server, f'traces_spanmetrics_size_total{{service="gateway",{kind}}}', "span_name")
    assert sizes["POST /checkout",] / 8 > 50
    labels = promql(server, f'{calls}{{service="gateway",{kind}}}')[0]["metric"]
    assert set(labels) == {"__name__", "service", "span_name", "span_kind", "status_code", "service_namespace"}

    # The Collector's names, with resources.
    theirs = numbers(server, 'traces_span_metrics_calls_total{span_name="POST"}', "job", "instance", "service_name")
    assert theirs == {("shop/gateway", "gateway-1", "gateway"): 8}
    seconds = numbers(server, 'traces_span_metrics_duration_seconds_sum{span_name="POST /orders"}', "status_code")
    assert {key: round(value, 9) for key, value in seconds.items()} == {
        ("STATUS_CODE_ERROR",): 0.28, ("STATUS_CODE_UNSET",): 0.28,
    }
    assert len(promql(server, 'target_info{job="shop/gateway",host_name="one"}')) == 1

    # Exemplars lead to traces that are there.
    for query in (f"{latency}{{{name}}}", "traces_service_graph_request_server_seconds_bucket"):
        parameters = {"query": query, "start": time.time() - 60, "end": time.time()}
        answer = requests.get(f"{server.prometheus}/api/v1/query_exemplars", params=parameters, timeout=30).json()
        found = [exemplar for series in answer["data"] for exemplar in series["exemplars"]]
        assert found, query
        for exemplar in found:
            trace, span = exemplar["labels"]["trace_id"], exemplar["labels"]["span_id"]
            assert server.count("spans", f"trace_id = '{trace}' AND span_id = '{span}'") == 1, exemplar

    metrics = server.metrics()
    assert metrics['otelcol_connector_spanmetrics_spans_total{connector="spanmetrics",outcome="counted"}'] == 56
    assert metrics['otelcol_connector_servicegraph_total_edges_total{connector="servicegraph"}'] == 48
    assert metrics['otelcol_connector_servicegraph_dropped_spans_total{connector="servicegraph"}'] == 0
    assert metrics['otelcol_connector_points_total{connector="servicegraph",outcome="lost"}'] == 0
    assert metrics['otelcol_connector_series{connector="servicegraph"}'] == 7


def test_native_histograms_are_found_as_such(start):
    connectors = {
        "spanmetrics": {**CONFIG["connectors"]["spanmetrics"], "histogram": {"exponential": {}}},
        "servicegraph": {**CONFIG["connectors"]["servicegraph"], "exponential_histogram_max_size": 160},
    }
    server = start({**CONFIG, "connectors": {**CONFIG["connectors"], **connectors}})
    otlp.send(server, "traces", checkouts(1, 4))
    server_seconds = "traces_service_graph_request_server_seconds"
    wait_for(server, f'histogram_count({server_seconds}{{client="gateway",failed="true"}})', [], {(): 2})
    otlp.send(server, "traces", checkouts(101, 4))
    wait_for(server, f'histogram_count({server_seconds}{{client="gateway",failed="true"}})', [], {(): 4})
    found = requests.get(
        f"{server.prometheus}/api/v1/series", params={"match[]": server_seconds, "limit": 1}, timeout=30
    ).json()
    assert len(found["data"]) == 1
    quantile = f'histogram_quantile(.9, sum(rate({server_seconds}{{client="gateway"}}[1m])) by (client, server))'
    assert abs(numbers(server, quantile, "server")["orders",] - 0.07) < 0.002
    latency = 'histogram_quantile(.9, sum(rate(traces_spanmetrics_latency{span_name="POST /orders"}[1m])) by (le))'
    wait_until(lambda: promql(server, latency), latency)
    assert abs(numbers(server, latency)[()] - 0.07) < 0.002


def test_each_tenant_has_its_own_and_nothing_is_lost_at_the_end(start):
    connectors = {
        "spanmetrics": {"metrics_flush_interval": "1h", "names": "tempo", "max_series": 2},
        "servicegraph": {"metrics_flush_interval": "1h", "store": {"ttl": "1h"}},
    }
    pipelines = {
        "traces": {"receivers": ["otlp"], "exporters": ["trefoil", "spanmetrics", "servicegraph"]},
        "metrics/traces": {
            "receivers": ["spanmetrics", "servicegraph"], "processors": ["batch"], "exporters": ["trefoil"],
        },
    }
    config = {
        "tenancy": {"enabled": True},
        "connectors": connectors,
        "processors": {"batch": {}},
        "service": {"pipelines": pipelines},
    }
    server = start(config)
    otlp.send(server, "traces", checkouts(1, 2), X_Scope_OrgID="one")
    otlp.send(server, "traces", otlp.spans(3, name="x"), X_Scope_OrgID="two")
    overflow = 'otelcol_connector_spanmetrics_spans_total{connector="spanmetrics",outcome="overflow"}'
    assert server.metrics()[overflow] == 5 * 2
    assert server.stop() == 0
    server.start()

    def calls(tenant):
        query = "sum by (service, otel_metric_overflow) (traces_spanmetrics_calls_total)"
        answer = requests.get(
            f"{server.prometheus}/api/v1/query", params={"query": query}, headers={"X-Scope-OrgID": tenant}, timeout=30
        )
        return {
            (series["metric"].get("service"), series["metric"].get("otel_metric_overflow")): float(series["value"][1])
            for series in answer.json()["data"]["result"]
        }

    assert calls("one") == {("gateway", None): 4, (None, "true"): 10}
    assert calls("two") == {("test", None): 3}
    # Those that waited for the other span are told of, too.
    edges = "FROM series WHERE metric_name = 'traces_service_graph_request_total'"
    rows = server.sql(f"SELECT DISTINCT attribute(attributes, 'server') {edges} ORDER BY 1", "one")
    assert rows == [("books",), ("gateway",), ("mail",), ("orders",), ("stripe",)]


def test_a_refused_request_is_counted_again_when_it_is_sent_again(start):
    """As in the Collector: the connector has counted what another exporter then refuses."""
    server = start(
        {
            "connectors": {"spanmetrics": {"metrics_flush_interval": "100ms", "names": "tempo"}},
            "exporters": {
                "otlphttp/away": {
                    "endpoint": "http://127.0.0.1:1",
                    "retry_on_failure": {"enabled": False},
                    "sending_queue": {"enabled": False},
                }
            },
            "service": {
                "pipelines": {
                    "traces": {"receivers": ["otlp"], "exporters": ["trefoil", "otlphttp/away", "spanmetrics"]},
                    "metrics/traces": {"receivers": ["spanmetrics"], "exporters": ["trefoil"]},
                }
            },
        }
    )
    body = otlp.spans(2, name="x")
    for _ in range(2):
        assert otlp.post(server, "traces", body).status_code == 503
    wait_for(server, "traces_spanmetrics_calls_total", ["span_name"], {("x",): 4})
    # What is malformed is counted by nobody.
    assert otlp.post(server, "traces", body.SerializeToString()[:-1]).status_code in (400, 503)
    counted = 'otelcol_connector_spanmetrics_spans_total{connector="spanmetrics",outcome="counted"}'
    assert server.metrics()[counted] == 4
