"""Jaeger's clients send here: a real one over UDP, Apache's Thrift over UDP and HTTP, gRPC, and what samplers are told."""

import json
import re
import socket
import struct
import time

import grpc
import jaeger_client
import pytest
import requests
from jaeger_client.thrift_gen.agent import Agent
from jaeger_client.thrift_gen.jaeger import ttypes
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.transport.TTransport import TMemoryBuffer

from trefoil import free_ports, wait_until

ONEWAY = 4
NOW_US = int(time.time() * 1e6)


def free_udp_ports(count):
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Ports:
    def __init__(self):
        self.grpc, self.http, self.sampling_http, self.sampling_grpc = free_ports(4)
        self.compact, self.binary = free_udp_ports(2)

    def config(self, strategies=None, **options):
        """A configuration with a `jaeger` receiver, and the sampling extension where there are strategies."""
        address = lambda port: {"endpoint": f"127.0.0.1:{port}"}
        protocols = {
            "grpc": address(self.grpc),
            "thrift_http": address(self.http),
            "thrift_compact": address(self.compact),
            "thrift_binary": address(self.binary),
        }
        config = {
            "receivers": {"jaeger": {"protocols": protocols, **options}},
            "service": {"pipelines": {"traces": {"receivers": ["otlp", "jaeger"]}}},
        }
        if strategies:
            config["extensions"] = {
                "jaegerremotesampling": {
                    "http": address(self.sampling_http),
                    "grpc": address(self.sampling_grpc),
                    "source": strategies,
                }
            }
            config["service"]["extensions"] = ["jaegerremotesampling"]
        return config


@pytest.fixture
def ports():
    return Ports()


def tag(key, value):
    types = {str: (0, "vStr"), float: (1, "vDouble"), bool: (2, "vBool"), int: (3, "vLong")}
    kind, field = types[type(value)]
    return ttypes.Tag(key=key, vType=kind, **{field: value})


def batch(trace_id, service="shop", spans=2):
    """A server's span and children of it, one of which failed."""
    made = [
        ttypes.Span(
            traceIdLow=trace_id,
            traceIdHigh=0,
            spanId=100 + number,
            parentSpanId=0 if number == 0 else 100,
            operationName="checkout" if number == 0 else f"step {number}",
            references=[],
            flags=1,
            startTime=NOW_US + number,
            duration=1000,
            tags=[tag("span.kind", "server" if number == 0 else "client"), tag("n", number), tag("ratio", 0.5)]
            + ([tag("error", True)] if number else []),
            logs=[ttypes.Log(timestamp=NOW_US + number, fields=[tag("event", "begun"), tag("items", 3)])],
        )
        for number in range(spans)
    ]
    process = ttypes.Process(serviceName=service, tags=[tag("hostname", "host-1"), tag("ip", "10.0.0.1")])
    return ttypes.Batch(process=process, spans=made)


def written(protocol, struct):
    buffer = TMemoryBuffer()
    struct.write(protocol(buffer))
    return buffer.getvalue()


def packet(protocol, of):
    buffer = TMemoryBuffer()
    out = protocol(buffer)
    out.writeMessageBegin("emitBatch", ONEWAY, 0)
    Agent.emitBatch_args(of).write(out)
    out.writeMessageEnd()
    return buffer.getvalue()


def send(port, data):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(data, ("127.0.0.1", port))


def post(ports, data, content_type="application/x-thrift", **options):
    url = f"http://127.0.0.1:{ports.http}/api/traces?format=jaeger.thrift"
    headers = {"Content-Type": content_type, **options.pop("headers", {})}
    return requests.post(url, data=data, headers=headers, timeout=30, **options)


def spans_of(server, trace_id, tenant=None):
    columns = "name, kind, status_code, service_name, parent_span_id, duration_nano"
    query = f"SELECT {columns} FROM spans WHERE trace_id = '{trace_id:032x}' ORDER BY start_time_unix_nano"
    return server.sql(query, tenant)


def expect(server, trace_id, tenant=None):
    """The batch of `batch(trace_id)` is there, by SQL and by Tempo's API."""
    rows = wait_until(lambda: spans_of(server, trace_id, tenant), f"trace {trace_id}")
    parent = f"{100:016x}"
    assert [(name, service, duration) for name, _, _, service, _, duration in rows] == [
        ("checkout", "shop", 1_000_000),
        ("step 1", "shop", 1_000_000),
    ]
    assert [row[4] for row in rows] == [None, parent]
    headers = {"Accept": "application/json", **({"X-Scope-OrgID": tenant} if tenant else {})}
    answer = requests.get(f"{server.tempo}/api/traces/{trace_id:032x}", headers=headers, timeout=10)
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["batches"]
    attributes = {one["key"]: one["value"] for one in found["resource"]["attributes"]}
    assert attributes["host.name"] == {"stringValue": "host-1"} and attributes["ip"] == {"stringValue": "10.0.0.1"}
    spans = [span for scope in found["scopeSpans"] for span in scope["spans"]]
    assert sorted(span["kind"] for span in spans) == ["SPAN_KIND_CLIENT", "SPAN_KIND_SERVER"]
    (failed,) = [span for span in spans if span["name"] == "step 1"]
    assert failed["status"]["code"] == "STATUS_CODE_ERROR"
    assert failed["events"][0]["name"] == "begun"
    names = {one["key"]: one["value"] for one in failed["attributes"]}
    assert names["n"] == {"intValue": "1"} and names["ratio"] == {"doubleValue": 0.5}


@pytest.mark.parametrize("sampler", ["remote", "const"])
def test_jaegers_own_client(start, ports, sampler):
    strategies = {"default_strategy": {"type": "probabilistic", "param": 1}}
    server = start(ports.config({"contents": json.dumps(strategies)}))
    config = jaeger_client.Config(
        config={
            # Without a sampler of its own, the client asks for one.
            **({"sampler": {"type": "const", "param": 1}} if sampler == "const" else {}),
            "sampling_refresh_interval": 1,
            "local_agent": {
                "reporting_host": "127.0.0.1",
                "reporting_port": ports.compact,
                "sampling_host": "127.0.0.1",
                "sampling_port": ports.sampling_http,
            },
            "reporter_flush_interval": 0.1,
            "generate_128bit_trace_id": True,
        },
        service_name="pyshop",
        validate=True,
    )
    tracer = config.new_tracer()

    def traced():
        with tracer.start_span("request", tags={"span.kind": "server", "http.status_code": 503}) as parent:
            parent.log_kv({"event": "cache miss", "key": "x"})
            with tracer.start_span("query", child_of=parent):
                pass
        return parent.context if parent.is_sampled() else None

    # The first strategy takes a moment to arrive.
    context = wait_until(traced, "the client samples everything")
    trace_id = context.trace_id
    rows = wait_until(
        lambda: len(rows := spans_of(server, trace_id)) == 2 and rows, f"the spans of {trace_id:032x}\n{server.log_tail()}"
    )
    assert {row[0]: row[4] for row in rows} == {"request": None, "query": f"{context.span_id:016x}"}
    assert {row[3] for row in rows} == {"pyshop"}
    answer = requests.get(f"{server.tempo}/api/traces/{trace_id:032x}", headers={"Accept": "application/json"}, timeout=10)
    (found,) = answer.json()["batches"]
    attributes = {one["key"]: one["value"]["stringValue"] for one in found["resource"]["attributes"]}
    assert re.match(r"Jaeger-Python-4\.8", attributes["opencensus.exporterversion"]), attributes
    spans = {span["name"]: span for scope in found["scopeSpans"] for span in scope["spans"]}
    assert spans["request"]["events"][0]["name"] == "cache miss"
    assert spans["request"]["status"]["code"] == "STATUS_CODE_ERROR"
    tracer.close()


def test_thrift_over_udp_and_http(start, ports):
    server = start(ports.config())
    send(ports.compact, packet(TCompactProtocol, batch(1)))
    send(ports.binary, packet(TBinaryProtocol, batch(2)))
    assert post(ports, written(TBinaryProtocol, batch(3))).status_code == 202
    for trace_id in (1, 2, 3):
        expect(server, trace_id)

    send(ports.compact, b"nonsense")
    dropped = (
        'otelcol_jaeger_receiver_thrift_pkt_dropped_total{receiver="jaeger",transport="udp_thrift_compact",reason="malformed"}'
    )
    wait_until(lambda: server.metrics()[dropped] == 1, dropped)
    answer = post(ports, b"nonsense")
    assert answer.status_code == 400 and "malformed Thrift at byte" in answer.text
    assert post(ports, b"{}", "application/json").status_code == 400
    accepted = 'otelcol_receiver_accepted_spans_total{receiver="jaeger",transport="udp_thrift_binary"}'
    assert server.metrics()[accepted] == 2


def test_what_is_acknowledged_is_there_after_a_crash(start, ports):
    server = start(ports.config())
    assert post(ports, written(TBinaryProtocol, batch(7))).status_code == 202
    server.kill()
    server.start()
    expect(server, 7)


# Protobuf by hand: what is needed of `jaeger.api_v2`.


def varint(value):
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def post_spans(trace_id):
    """As `batch`, in protobuf."""

    def key_value(key, value):
        if isinstance(value, str):
            return field(1, key) + field(3, value)
        if isinstance(value, bool):
            return field(1, key) + field(2, 1) + field(4, int(value))
        if isinstance(value, int):
            return field(1, key) + field(2, 2) + field(5, value)
        return field(1, key) + field(2, 3) + varint(6 << 3 | 1) + struct.pack("<d", value)

    spans = b""
    for one in batch(trace_id).spans:
        value = lambda of: next(v for v in (of.vStr, of.vDouble, of.vBool, of.vLong) if v is not None)
        ids = (trace_id.to_bytes(16, "big"), one.spanId.to_bytes(8, "big"))
        time_of = lambda us: field(1, us // 1_000_000) + field(2, us % 1_000_000 * 1000)
        span = field(1, ids[0]) + field(2, ids[1]) + field(3, one.operationName)
        if one.parentSpanId:
            span += field(4, field(1, ids[0]) + field(2, one.parentSpanId.to_bytes(8, "big")))
        span += field(5, 1) + field(6, time_of(one.startTime)) + field(7, time_of(one.duration))
        for each in one.tags:
            span += field(8, key_value(each.key, value(each)))
        for log in one.logs:
            fields = b"".join(field(2, key_value(each.key, value(each))) for each in log.fields)
            span += field(9, field(1, time_of(log.timestamp)) + fields)
        spans += field(1, span)
    process = field(1, "shop") + field(2, key_value("hostname", "host-1")) + field(2, key_value("ip", "10.0.0.1"))
    return field(1, spans + field(2, process))


def call(port, method, message, metadata=()):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        return channel.unary_unary(method)(message, timeout=30, metadata=metadata)


POST_SPANS = "/jaeger.api_v2.CollectorService/PostSpans"


def test_grpc(start, ports):
    server = start(ports.config())
    assert call(ports.grpc, POST_SPANS, post_spans(11)) == b""
    expect(server, 11)
    with pytest.raises(grpc.RpcError) as error:
        call(ports.grpc, POST_SPANS, b"\xff")
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_tenants(start, ports):
    server = start({"tenancy": {"enabled": True}, **ports.config(tenant="packets")})
    assert post(ports, written(TBinaryProtocol, batch(21))).status_code == 401
    assert post(ports, written(TBinaryProtocol, batch(21)), headers={"X-Scope-OrgID": "a"}).status_code == 202
    with pytest.raises(grpc.RpcError) as error:
        call(ports.grpc, POST_SPANS, post_spans(22))
    assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
    call(ports.grpc, POST_SPANS, post_spans(22), (("x-scope-orgid", "b"),))
    send(ports.compact, packet(TCompactProtocol, batch(23)))
    for trace_id, tenant in ((21, "a"), (22, "b"), (23, "packets")):
        expect(server, trace_id, tenant)
        others = {"a", "b", "packets"} - {tenant}
        assert all(not spans_of(server, trace_id, other) for other in others)


def test_packets_without_a_tenant_are_refused_at_the_start(start, ports):
    server = start({"tenancy": {"enabled": True}, **ports.config()}, wait=False)
    assert server.process.wait(30) != 0
    assert "UDP packets name none, so say whose they are" in server.log_tail()


def test_samplers_are_told_and_hear_of_changes(start, ports, tmp_path):
    file = tmp_path / "strategies.json"

    def write(rate):
        strategies = {
            "service_strategies": [{"service": "slow", "type": "ratelimiting", "param": 2}],
            "default_strategy": {"type": "probabilistic", "param": rate},
        }
        (tmp_path / "new").write_text(json.dumps(strategies))
        (tmp_path / "new").rename(file)

    def ask(service, path="/sampling"):
        answer = requests.get(f"http://127.0.0.1:{ports.sampling_http}{path}", params={"service": service}, timeout=10)
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
        return answer.json()

    def ask_grpc(service):
        return call(ports.sampling_grpc, "/jaeger.api_v2.SamplingManager/GetSamplingStrategy", field(1, service))

    write(0.25)
    start(ports.config({"file": str(file), "reload_interval": "20ms"}))
    assert ask("shop") == {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": 0.25}}
    assert ask("slow", "/") == {"strategyType": "RATE_LIMITING", "rateLimitingSampling": {"maxTracesPerSecond": 2}}
    assert ask_grpc("slow") == field(1, 1) + field(3, field(1, 2))
    assert ask_grpc("shop").endswith(bytes([0, 0, 0, 0, 0, 0, 0xD0, 0x3F]))
    assert requests.get(f"http://127.0.0.1:{ports.sampling_http}/sampling", timeout=10).status_code == 400
    write(0.5)
    wait_until(lambda: ask("shop")["probabilisticSampling"]["samplingRate"] == 0.5, "the new strategies")
