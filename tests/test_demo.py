"""The bookstore: a checkout in all three signals, faults on demand, other databases and brokers, a server of its own."""

import json
import re
import signal
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from bookstore import BOOK, CHECKOUT, FORCED_500, Demo, Nats, assert_checkout, spans_of
from services import Postgres
from trefoil import Server, binary, free_ports, wait_until

ERROR = 2


@pytest.fixture(scope="module")
def quiet(shared_server, tmp_path_factory):
    """A bookstore without customers of its own; telemetry by gRPC to the shared server."""
    demo = Demo(tmp_path_factory.mktemp("quiet"), "--endpoint", shared_server.grpc, "--tenants", "2")
    yield demo
    demo.close()


@pytest.fixture
def demo(tmp_path):
    """`demo(*arguments)` starts one; all of them end with the test."""
    demos = []

    def start(*arguments, **options):
        demos.append(Demo(tmp_path / f"demo-{len(demos)}", *arguments, **options))
        return demos[-1]

    yield start
    for one in demos:
        one.close()


def logs_of(server, service, trace_id, **how):
    """(body, severity, trace_id, attributes) of the lines of a service that name a trace, in the line or beside it."""
    query = f"""SELECT body, severity_text, trace_id, log_attributes FROM logs WHERE service_name = '{service}'
                AND (trace_id = '{trace_id}' OR strpos(body, '{trace_id}') > 0)"""
    return wait_until(lambda: server.sql(query), f"{service} logs about {trace_id}", 30, 0.2)


def exception_of(span):
    """The attributes of the exception event of a span."""
    events = span["events"] if isinstance(span["events"], list) else json.loads(span["events"])
    (event,) = [event for event in events if event["name"] == "exception"]
    attributes = event["attributes"]
    return json.loads(attributes) if isinstance(attributes, str) else attributes


def test_a_checkout_is_twelve_spans_over_nine_services(quiet, shared_server):
    answer = quiet.checkout()
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"order_id", "status", "trace_id"}
    assert answer.json()["status"] == "paid" and answer.json()["order_id"].startswith("ord-")
    spans = spans_of(shared_server, answer.json()["trace_id"], 12)
    assert_checkout(spans)
    kinds = {"publish order.created": 4, "process order.created": 5, "SELECT bookstore.items": 3, "INSERT bookstore.outbox": 3}
    assert {name: span["kind"] for name, span in spans.items()} == {name: kinds.get(name, 2) for name, _, _ in CHECKOUT}
    assert {span["status"] for span in spans.values()} == {0}
    assert {span["tenant"] for span in spans.values()} == {"acme-books"}
    assert {span["region"] for span in spans.values()} == {"us-east"}
    assert spans["POST /api/v2/checkout"]["duration"] < 2_000_000_000
    # Each statement names the span it belongs to, and the consumer links the producer.
    trace_id = answer.json()["trace_id"]
    for name, parts in {"SELECT bookstore.items": 1, "INSERT bookstore.outbox": 3}.items():
        comment = f"/* traceparent='00-{trace_id}-{spans[name]['id']}-01' */"
        assert spans[name]["sql"].count(comment) == parts, spans[name]["sql"]
    assert spans["publish order.created"]["id"] in json.dumps(spans["process order.created"]["links"])


def test_a_tenant_is_named_by_baggage(quiet, shared_server):
    answer = quiet.checkout(baggage="tenant=north-shore-books")
    spans = spans_of(shared_server, answer.json()["trace_id"], 12)
    assert {(span["tenant"], span["region"]) for span in spans.values()} == {("north-shore-books", "eu-west")}
    answer = quiet.checkout(baggage="tenant=nobody")
    assert answer.status_code == 400 and "nobody" in answer.text


def test_a_trace_goes_on_where_the_caller_began_it(quiet, shared_server):
    trace_id, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    answer = quiet.checkout(traceparent=f"00-{trace_id}-{parent}-01")
    assert answer.json()["trace_id"] == trace_id
    assert spans_of(shared_server, trace_id, 12)["POST /api/v2/checkout"]["parent"] == parent


def test_logs_have_their_three_forms(quiet, shared_server):
    trace_id = quiet.checkout().json()["trace_id"]
    for service in ("gateway", "orders", "payments-gateway", "webhook-receiver", "outbox-publisher"):
        for body, severity, id, _ in logs_of(shared_server, service, trace_id):
            assert id == trace_id and trace_id not in body and severity == "INFO", body
    for service in ("catalog", "storefront"):
        for body, _, id, _ in logs_of(shared_server, service, trace_id):
            line = json.loads(body)
            # Found in the line, which no pattern has to be configured for.
            assert id == line["traceId"] == trace_id and line["level"] == "info" and line["msg"], body
    for service in ("recommendations", "stripe"):
        for body, _, id, _ in logs_of(shared_server, service, trace_id):
            assert id is None and re.match(rf"\[\d\d:\d\d:\d\d INF\] \|{trace_id}\| \S", body), body


def test_exemplars_lead_to_spans(quiet, shared_server):
    trace_id = quiet.checkout().json()["trace_id"]
    spans_of(shared_server, trace_id, 12)
    joined = f"""SELECT e.metric_name, s.name FROM exemplars e JOIN spans s ON s.trace_id = e.trace_id AND s.span_id = e.span_id
                 WHERE e.trace_id = '{trace_id}'"""
    expected = {
        ("http.server.request.duration", "POST /api/v2/checkout"),
        ("db.client.operation.duration", "INSERT bookstore.outbox"),
        ("messaging.process.duration", "process order.created"),
    }
    wait_until(lambda: expected <= set(shared_server.sql(joined)), "exemplars of the checkout", 30, 0.3)


def test_metrics_count_orders_and_describe_pods(quiet, shared_server):
    quiet.checkout()
    revenue = "SELECT max(coalesce(value_int, value_double)) FROM samples WHERE metric_name = 'bookstore.revenue'"
    wait_until(lambda: (shared_server.sql(revenue)[0][0] or 0) > 5, "revenue", 30, 0.3)
    names = {row[0] for row in shared_server.sql("SELECT DISTINCT metric_name FROM series")}
    assert {"bookstore.orders", "http.client.request.duration", "messaging.client.sent.messages",
            "process.memory.usage", "process.cpu.utilization", "http.server.active_requests"} <= names
    pods = shared_server.sql("""SELECT count(DISTINCT series_id) FROM series WHERE metric_name = 'process.memory.usage'
                                AND attribute(resource_attributes, 'k8s.pod.name') IS NOT NULL""")
    assert pods[0][0] == 18, "nine services of two tenants"


def test_a_forced_500_breaks_a_page(quiet, shared_server):
    answer = quiet.get(f"/api/v2/catalog/items/{FORCED_500}", traceparent=f"00-{1:032x}-{2:016x}-01")
    assert answer.status_code == 500, answer.text
    spans = spans_of(shared_server, f"{1:032x}", 4)
    assert {name for name, span in spans.items() if span["status"] == ERROR} == {
        "GET /api/v2/catalog/items/{isbn}", "GET /items/{isbn}", "GET /catalog/items/{isbn}"}
    exception = exception_of(spans["GET /catalog/items/{isbn}"])
    assert exception["exception.type"] == "catalog::PriceError"
    assert exception["exception.stacktrace"].count("\n") > 8
    lines = logs_of(shared_server, "catalog", f"{1:032x}")
    assert "ERROR" in {severity for _, severity, _, _ in lines}
    clients = """SELECT DISTINCT service_name FROM series WHERE metric_name = 'http.client.request.duration'
                 AND attribute(attributes, 'error.type') = '500'"""
    wait_until(lambda: set(shared_server.sql(clients)) == {("gateway",), ("storefront",)}, "the clients' errors", 30, 0.3)


def test_a_checkout_survives_a_forced_500(quiet, shared_server):
    answer = quiet.checkout(BOOK, FORCED_500)
    assert answer.status_code == 200 and answer.json()["status"] == "paid", answer.text
    spans = spans_of(shared_server, answer.json()["trace_id"], 12)
    assert_checkout(spans)
    assert [name for name, span in spans.items() if span["status"] == ERROR] == ["GET /catalog/items/{isbn}"]


def test_a_declined_card_fails_the_order(quiet, shared_server):
    answer = quiet.checkout(card="pm_card_chargeDeclined")
    assert answer.status_code == 402 and answer.json()["status"] == "failed", answer.text
    spans = spans_of(shared_server, answer.json()["trace_id"], 12)
    assert_checkout(spans)
    assert exception_of(spans["process order.created"])["exception.type"] == "payments::CardDeclined"
    order = quiet.get(f"/api/v2/orders/{answer.json()['order_id']}").json()
    assert order["status"] == "failed" and order["titles"] == ["A Field Guide to Slow Rivers"]


@pytest.mark.parametrize("cart", [b"", b"{}", b'{"items": [], "payment_method": "pm_card_visa"}',
                                  b'{"items": [{"isbn": "x", "qty": 0}], "payment_method": "pm_card_visa"}',
                                  b'{"items": [{"isbn": "x", "qty": 1}], "payment_method": "cash"}', b"x" * 70_000])
def test_bad_carts_are_refused(quiet, cart):
    answer = requests.post(f"{quiet.gateway}/api/v2/checkout", data=cart, timeout=10)
    assert answer.status_code in (400, 413), answer.text
    assert answer.json()["error"]["message"]


def test_unknown_books_and_pages_are_404(quiet):
    assert quiet.checkout("978-0-00-000000-0").status_code == 404
    assert quiet.get("/api/v2/catalog/items/978-0-00-000000-0").status_code == 404
    assert quiet.get("/api/v2/orders/ord-000000000000").status_code == 404
    assert quiet.get("/nowhere").status_code == 404
    assert len(quiet.get("/api/v2/catalog/items?genre=computing").json()) == 4
    assert len(quiet.get("/api/v2/catalog/items?page=1&genre=comput%69ng&x=y").json()) == 4


def test_faults_by_http(quiet, shared_server):
    try:
        assert quiet.put_faults(slow_service={"service": "stripe", "delay_ms": 700}).status_code == 200
        trace_id = quiet.checkout().json()["trace_id"]
        assert spans_of(shared_server, trace_id, 12)["POST /v1/charges"]["duration"] > 700_000_000

        assert quiet.put_faults(drop_traceparent=["storefront"]).json()["slow_service"] is None
        trace_id = quiet.checkout().json()["trace_id"]
        known = {span["service"] for span in spans_of(shared_server, trace_id, 2).values()}
        assert known == {"gateway", "storefront"}, "the trace ends where the header was dropped"
        orphan = f"""SELECT count(*) FROM spans WHERE service_name = 'orders' AND name = 'POST /orders'
                     AND parent_span_id IS NULL AND trace_id <> '{trace_id}'"""
        wait_until(lambda: shared_server.sql(orphan)[0][0] == 1, "the rest is a trace of its own", 30, 0.2)

        for wrong in ({"pause": True}, {"errors": 3}, {"burst": {"factor": 1, "seconds": 0}}):
            answer = quiet.put_faults(**wrong)
            assert answer.status_code == 400 and answer.json()["error"]["message"], answer.text
        assert quiet.get("/demo/faults").json()["drop_traceparent"] == ["storefront"], "a wrong one changes nothing"
    finally:
        quiet.put_faults()
    assert quiet.get("/demo/faults").json()["drop_traceparent"] == []


def requests_told(demo):
    """What the last progress line says."""
    lines = re.findall(r"(\d+) requests", demo.said())
    return int(lines[-1]) if lines else 0


def test_the_load_bursts_pauses_and_ends(server, demo):
    one = demo("--rate", "10", "--errors", "20%", "--slow", "20%", "--endpoint", server.http, "--protocol", "http/protobuf")
    gateway = "service_name = 'gateway' AND parent_span_id IS NULL"
    rate = lambda: server.count("spans", gateway)
    wait_until(lambda: rate() > 20, "requests of the load", 30, 0.2)
    assert one.put_faults(burst={"factor": 8, "seconds": 3}).json()["burst"]["factor"] == 8
    before = rate()
    wait_until(lambda: one.get("/demo/faults").json()["burst"] is None, "the burst is over", 20, 0.1)
    wait_until(lambda: rate() - before > 100, "a burst", 20, 0.1)
    one.put_faults(paused=True)
    settled = []
    wait_until(lambda: settled.append(rate()) or settled[-4:].count(settled[-1]) == 4, "nothing comes", 60, 1.0)
    one.put_faults()
    wait_until(lambda: rate() > settled[-1], "it goes on", 20, 0.2)
    assert one.stop(signal.SIGTERM) == 0
    told = requests_told(one)
    assert rate() == told, "everything that was done has been sent"
    statuses = Counter(row[0] for row in server.sql("SELECT status_code FROM spans WHERE kind = 2"))
    assert statuses[ERROR] > 0 and statuses[0] > statuses[ERROR]


def test_the_end_waits_for_what_others_asked(server, demo):
    one = demo("--endpoint", server.grpc, "--slow-service", "orders:1500ms:100%")
    trace_id = f"{3:032x}"
    with ThreadPoolExecutor() as customers:
        answer = customers.submit(one.checkout, traceparent=f"00-{trace_id}-{4:016x}-01")
        spans_of(server, trace_id, 2)
        assert not answer.done()
        assert one.stop() == 0
        assert answer.result().json()["status"] == "paid", answer.result().text
    assert server.count("spans", f"trace_id = '{trace_id}'") == 12


def test_a_duration_ends_it(server, demo):
    one = demo("--rate", "20", "--duration", "2s", "--endpoint", server.grpc)
    assert one.process.wait(60) == 0
    assert server.count("spans", "service_name = 'gateway'") == requests_told(one) > 10


def test_an_endpoint_that_is_away_is_said_and_found_again(tmp_path, demo):
    server = Server(tmp_path / "server")
    one = demo("--endpoint", server.grpc, "--tenants", "1")
    try:
        trace_id = one.checkout().json()["trace_id"]
        server.start()
        assert_checkout(spans_of(server, trace_id, 12))
        server.stop()
        one.checkout()
        assert one.stop() == 0, "it does not wait for ever"
        assert f"{server.grpc} does not take telemetry: " in one.said() and "lost" in one.said(), one.said()
    finally:
        server.close()


def test_tenants_of_a_multi_tenant_server(start, demo):
    server = start({"tenancy": {"enabled": True}})
    one = demo("--endpoint", server.grpc, "--tenants", "2", "--tenant-header")
    for tenant in ("acme-books", "north-shore-books"):
        trace_id = one.checkout(baggage=f"tenant={tenant}").json()["trace_id"]
        assert_checkout(spans_of(server, trace_id, 12, tenant))
        for table in ("logs", "samples"):
            of_tenant = f"SELECT count(*) FROM {table}"
            wait_until(lambda: server.sql(of_tenant, tenant)[0][0] > 0, f"{table} of {tenant}", 30, 0.2)
    names = server.sql("SELECT DISTINCT attribute(resource_attributes, 'tenant') FROM spans", "north-shore-books")
    assert names == [("north-shore-books",)]


def test_postgres_gets_the_comment(server, demo):
    postgres = Postgres()
    try:
        one = demo("--endpoint", server.grpc, "--database", postgres.url)
        answer = one.checkout()
        spans = spans_of(server, answer.json()["trace_id"], 12)
        assert_checkout(spans)
        assert "ord-" in one.get(f"/api/v2/orders/{answer.json()['order_id']}").text
        systems = server.sql("SELECT DISTINCT attribute(span_attributes, 'db.system.name') FROM spans WHERE kind = 3")
        assert systems == [("postgresql",)]
        assert one.stop() == 0
    finally:
        postgres.close()


def test_messages_over_nats(tmp_path, server, demo):
    nats = Nats(tmp_path / "nats")
    try:
        one = demo("--endpoint", server.grpc, "--broker", nats.url)
        assert_checkout(spans_of(server, one.checkout().json()["trace_id"], 12))
        # While the broker is away orders stay in the outbox; they are paid for when it is back.
        nats.kill()
        pending = one.checkout()
        assert pending.status_code == 202 and pending.json()["status"] == "pending", pending.text
        assert "the connection to NATS broke" in one.said()
        failed = "SELECT DISTINCT attribute(span_attributes, 'error.type') FROM spans WHERE kind = 4 AND status_code = 2"
        wait_until(lambda: server.sql(failed) == [("BrokerError",)], "the publisher gives up for now", 60, 0.3)
        nats.start()
        path = f"/api/v2/orders/{pending.json()['order_id']}"
        wait_until(lambda: one.get(path).json()["status"] == "paid", "the order is paid", 60, 0.3)
        brokers = server.sql("""SELECT DISTINCT attribute(span_attributes, 'messaging.system'),
                                attribute(span_attributes, 'server.address'), attribute(span_attributes, 'server.port')
                                FROM spans WHERE kind IN (4, 5)""")
        assert brokers == [("nats", "127.0.0.1", str(nats.port))]
        assert one.stop() == 0
    finally:
        nats.close()


@pytest.mark.parametrize("arguments, said", [
    (["--broker", "kafka://localhost"], "kafka"),
    (["--broker", "nats://127.0.0.1:1"], "127.0.0.1:1"),
    (["--database", "mysql://localhost"], "mysql"),
    (["--database", "sqlite:/nowhere/at/all.db"], "/nowhere/at/all.db"),
    (["--rate", "5000"], "0 to 1000"),
    (["--tenants", "0"], "1 to 50"),
    (["--errors", "lots"], "1% or 0.01"),
    (["--burst", "50x30s", "--rate", "100"], "more than 1000"),
    (["--config", "trefoil.yaml"], "--serve"),
])
def test_bad_options_are_clear_errors(arguments, said):
    (port,) = free_ports(1)
    done = subprocess.run([binary("trefoil"), "demo", "--listen", f"127.0.0.1:{port}", *arguments],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and said in done.stderr, done.stderr


def test_a_taken_port_is_a_clear_error(quiet):
    done = subprocess.run([binary("trefoil"), "demo", "--listen", f"127.0.0.1:{quiet.port}"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and f"127.0.0.1:{quiet.port}" in done.stderr and "--listen" in done.stderr


def test_with_a_server_of_its_own(tmp_path, demo):
    """One command; Ctrl-C ends it in order, and a second start goes on with the data."""
    server = Server(tmp_path / "server")
    server.write_config()
    arguments = ["--serve", "--config", str(server.config_path), "--data-dir", str(server.data_dir), "--tenants", "2"]
    # Its own server is not behind a proxy.
    proxy = {name: "http://127.0.0.1:1" for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY")} | {"NO_PROXY": "", "no_proxy": ""}
    first = demo("--rate", "15", *arguments, environment=proxy)
    printed = lambda: (first.directory / "demo.out").read_text()
    wait_until(printed, "the address")
    assert printed() == f"Trefoil is at {server.main}\n"
    assert str(server.data_dir / "trefoil.log") in first.said()
    trace_id = first.checkout().json()["trace_id"]
    assert_checkout(spans_of(server, trace_id, 12))
    wait_until(lambda: server.count("spans", "service_name = 'gateway'") > 20, "the load", 30, 0.2)
    assert first.stop(signal.SIGINT) == 0, first.said()
    assert "stopped" in (server.data_dir / "trefoil.log").read_text()
    told = requests_told(first)

    second = demo(*arguments)
    assert_checkout(spans_of(server, trace_id, 12))
    assert server.count("spans", "service_name = 'gateway' AND parent_span_id IS NULL") == told + 1
    assert second.stop(signal.SIGTERM) == 0


def test_a_server_that_cannot_start_is_the_error(tmp_path, quiet):
    server = Server(tmp_path / "server")
    server.config["listeners"]["main"]["endpoint"] = f"127.0.0.1:{quiet.port}"
    server.write_config()
    done = subprocess.run([binary("trefoil"), "demo", "--serve", "--config", str(server.config_path), "--data-dir",
                           str(server.data_dir)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and str(quiet.port) in done.stderr and "main" in done.stderr, done.stderr
