"""OTLP over HTTP on the main listener, below /otlp: for who has one ingress."""

import http.client
import signal

import requests

import otlp
from trefoil import merged, wait_until


def post(server, kind, body, content_type=otlp.PROTOBUF):
    data = body if isinstance(body, (bytes, str)) else body.SerializeToString()
    return requests.post(
        f"{server.main}/otlp/v1/{kind}", data=data, headers={"Content-Type": content_type}, timeout=60
    )


def test_all_signals_can_be_read_back(start):
    server = start()
    for kind, body in (("traces", otlp.spans(4)), ("logs", otlp.logs(5)), ("metrics", otlp.gauge(range(6)))):
        answer = post(server, kind, body)
        assert answer.status_code == 200, answer.content
        assert otlp.partial(kind, answer.content) == (0, "")
    assert [server.count(table) for table in ("spans", "logs", "samples")] == [4, 5, 6]
    accepted = 'otelcol_receiver_accepted_spans_total{receiver="listeners/main",transport="http"}'
    assert server.metrics()[accepted] == 4
    assert requests.get(f"{server.main}/otlp/v1/traces", timeout=10).status_code == 405


def test_a_reload_changes_what_is_behind_and_keeps_the_connection(start):
    def insert(value):
        return {
            "processors": {"resource/stage": {"attributes": [{"key": "stage", "value": value, "action": "upsert"}]}},
            "service": {"pipelines": {"traces": {"processors": ["resource/stage"]}}},
        }

    server = start(insert("before"))
    connection = http.client.HTTPConnection("127.0.0.1", server.main_port, timeout=30)

    def send():
        body = otlp.spans(1).SerializeToString()
        connection.request("POST", "/otlp/v1/traces", body, {"Content-Type": otlp.PROTOBUF})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content

    def stages():
        return {row[0] for row in server.sql("SELECT DISTINCT attribute(resource_attributes, 'stage') FROM spans")}

    send()
    socket_before = connection.sock
    assert stages() == {"before"}
    server.config = merged(server.config, insert("after"))
    server.write_config()
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: send() or "after" in stages(), "the new pipelines are behind it")
    assert connection.sock is socket_before, "the connection was closed"


def test_a_signal_that_no_otlp_receiver_takes_is_not_found(start):
    server = start({"service": {"pipelines": {"logs": None}}})
    assert post(server, "traces", otlp.spans()).status_code == 200
    answer = post(server, "logs", "{}", "application/json")
    assert answer.status_code == 404
    assert answer.json() == {"code": 12, "message": "no pipeline takes logs from an `otlp` receiver"}


def test_it_can_be_switched_off(start):
    server = start({"listeners": {"main": {"otlp": False}}})
    assert post(server, "traces", otlp.spans()).status_code == 404
    assert otlp.post(server, "traces", otlp.spans()).status_code == 200
