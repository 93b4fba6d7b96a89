"""Syslog and the journal: a real handler, a real client and sockets of our own send here; the rows are asked for by SQL."""

import json
import logging
import logging.handlers
import shutil
import socket
import ssl
import stat
import subprocess
import time
from datetime import datetime, timezone

import pytest
from trefoil import free_ports, wait_until

LOGGER = shutil.which("logger")


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def syslog(start):
    """`syslog(protocol)` starts a server with the receiver over both transports, at `tcp_port` and `udp_port`."""

    def start_syslog(protocol, tcp=None, **options):
        tcp_port, udp_port = free_ports(1)[0], free_udp_port()
        receiver = {
            "protocol": protocol,
            "tcp": {"listen_address": f"127.0.0.1:{tcp_port}", **(tcp or {})},
            "udp": {"listen_address": f"127.0.0.1:{udp_port}"},
            **options,
        }
        server = start(
            {
                "receivers": {"syslog": receiver},
                "service": {"pipelines": {"logs": {"receivers": ["otlp", "syslog"]}}},
            }
        )
        server.tcp_port, server.udp_port = tcp_port, udp_port
        return server

    return start_syslog


def attribute(key):
    return f"attribute(log_attributes, '{key}')"


def rows(server, *attributes, count, where="true"):
    """Of the records, in the order of their bodies: severity, body, and what is asked for."""
    columns = ", ".join(["severity_text", "severity_number", "body", *map(attribute, attributes)])
    wait_until(lambda: server.count("logs", where) >= count, f"{count} records\n{server.log_tail()}")
    found = server.sql(f"SELECT {columns} FROM logs WHERE {where} ORDER BY body")
    assert len(found) == count, found
    return found


def send(port, data):
    with socket.create_connection(("127.0.0.1", port)) as stream:
        stream.sendall(data)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_pythons_handler(syslog, transport):
    server = syslog("rfc3164")
    kind, port = {"udp": (socket.SOCK_DGRAM, server.udp_port), "tcp": (socket.SOCK_STREAM, server.tcp_port)}[transport]
    facility = logging.handlers.SysLogHandler.LOG_LOCAL3
    handler = logging.handlers.SysLogHandler(("127.0.0.1", port), facility, kind)
    handler.ident = "shop[77]: "
    log = logging.Logger("shop")
    log.addHandler(handler)
    log.info("1 paid %s", "ünïcode")
    log.error("2 failed\nin two lines")
    log.critical("3 gone")
    handler.close()
    # Over TCP the handler ends messages with NUL only, so a line feed inside of one is an end as well.
    count = 3 if transport == "udp" else 4
    found = rows(server, "appname", "proc_id", "facility_text", "message", count=count)
    paid, failed, gone = (next(row for row in found if start in row[2]) for start in ("1 paid", "2 failed", "3 gone"))
    assert paid == ("info", 9, "<158>shop[77]: 1 paid ünïcode", "shop", "77", "local3", "1 paid ünïcode")
    assert gone[:2] == ("crit", 18) and gone[-1] == "3 gone"
    assert failed[0] == "err" and failed[-1].startswith("2 failed")
    accepted = f'otelcol_receiver_accepted_log_records_total{{receiver="syslog",transport="{transport}"}}'
    wait_until(lambda: server.metrics()[accepted] == count, accepted)


@pytest.mark.skipif(not LOGGER, reason="util-linux' logger is not installed")
@pytest.mark.parametrize("transport", ["--udp", "--tcp", "counted"])
def test_logger(syslog, transport):
    options = {"enable_octet_counting": True} if transport == "counted" else {}
    server = syslog("rfc5424", **options)
    how = ["--tcp", "--octet-count"] if transport == "counted" else [transport]
    port = server.udp_port if transport == "--udp" else server.tcp_port
    sd = ["--sd-id", "shop@32473", "--sd-param", 'order="17"', "--sd-param", 'note="a \\"b\\""']
    before = datetime.now(timezone.utc)
    command = [LOGGER, "--server", "127.0.0.1", "--port", str(port), *how, "--rfc5424", "--tag", "till", "--id=42"]
    subprocess.run([*command, "--priority", "local0.warning", "--msgid", "PAY", *sd, "ready to pay"], check=True, timeout=60)
    [found] = rows(server, "appname", "proc_id", "msg_id", "message", "hostname", "structured_data", count=1)
    assert found[:2] == ("warning", 13)
    assert found[3:7] == ("till", "42", "PAY", "ready to pay")
    assert found[7] == socket.gethostname()
    assert '"order":"17"' in found[8] and "timeQuality" in found[8]
    [(age,)] = server.sql(f"SELECT time_unix_nano - TIMESTAMP '{before:%Y-%m-%dT%H:%M:%S.%f}' FROM logs")
    assert age is not None
    assert server.count("logs", "time_is_observed") == 0


@pytest.mark.skipif(not LOGGER, reason="util-linux' logger is not installed")
def test_logger_of_old(syslog):
    server = syslog("rfc3164")
    command = [LOGGER, "--server", "127.0.0.1", "--port", str(server.udp_port), "--udp", "--rfc3164", "--tag", "till"]
    subprocess.run([*command, "--id=42", "ready"], check=True, timeout=60)
    [found] = rows(server, "appname", "proc_id", "message", "hostname", count=1)
    assert found[:2] == ("notice", 10)
    assert found[3:] == ("till", "42", "ready", socket.gethostname().split(".")[0])


def test_what_is_malformed_is_kept(syslog):
    server = syslog("rfc5424")
    send(server.tcp_port, b"<34>1 - h app - - - fine\nno syslog at all\n<34>1 2024-13-01T00:00:00Z h - - - - x\n")
    found = rows(server, "syslog.parse_error", "message", count=3)
    assert found[0][3:] == (None, "fine")
    assert "there is no such day, at byte 6" in found[1][3]
    assert found[2][:4] == (None, 0, "no syslog at all", found[2][3]) and "expected the priority" in found[2][3]
    assert server.count("logs", "time_is_observed") == 3
    malformed = 'otelcol_syslog_receiver_malformed_messages_total{receiver="syslog",transport="tcp"}'
    assert server.metrics()[malformed] == 2


def test_over_tls(syslog, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key), "-out", str(cert)]
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    subprocess.run([*made, *subject], check=True, capture_output=True, timeout=60)
    server = syslog("rfc5424", tcp={"tls": {"cert_file": str(cert), "key_file": str(key)}})
    trusting = ssl.create_default_context(cafile=str(cert))
    with socket.create_connection(("127.0.0.1", server.tcp_port)) as plain:
        with trusting.wrap_socket(plain, server_hostname="localhost") as stream:
            stream.sendall(b"<34>1 - h app - - - secret\n")
    assert rows(server, "message", count=1)[0][3] == "secret"


def test_the_journal(start, tmp_path):
    """With a program in place of journalctl that prints two entries and waits."""
    program = tmp_path / "journalctl"
    entry = '{"__CURSOR": "c%d", "__REALTIME_TIMESTAMP": "17000000000000%02d", "PRIORITY": "4", "MESSAGE": "entry %d", "_PID": "7"}'
    lines = "".join(f"echo '{entry % (number, number, number)}'\n" for number in (1, 2))
    program.write_text(f"#!/bin/sh\n{lines}exec sleep 1000\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    server = start(
        {
            "receivers": {"journald": {"journalctl_path": str(program), "resource": {"service.name": "journal"}}},
            "service": {"pipelines": {"logs": {"receivers": ["otlp", "journald"]}}},
        }
    )
    wait_until(lambda: server.count("logs") == 2, f"two entries\n{server.log_tail()}")
    found = server.sql("SELECT severity_text, body_is_json, body FROM logs ORDER BY time_unix_nano")
    assert [row[:2] for row in found] == [("warning", True)] * 2
    assert '"MESSAGE":"entry 1"' in found[0][2] and '"_PID":"7"' in found[0][2]
    assert server.count("logs", "attribute(resource_attributes, 'service.name') = 'journal'") == 2
    assert server.stop() == 0


def test_the_journal_goes_on_behind_the_last_entry(start, tmp_path):
    """A program that prints what comes after a cursor; what an operator drops is not stored."""
    program = tmp_path / "journalctl"
    since = int(time.time() * 1e6)
    entry = lambda number: json.dumps(
        {"__CURSOR": f"c{number}", "__REALTIME_TIMESTAMP": str(since + number), "PRIORITY": "4", "MESSAGE": f"entry {number}"}
    )
    first = "".join(f"echo '{entry(number)}'\n" for number in (1, 2, 3))
    rest = f"echo '{entry(4)}'\n"
    program.write_text(f'#!/bin/sh\ncase "$*" in\n*c3*) {rest};;\n*) {first};;\nesac\nexec sleep 1000\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    operators = [{"type": "filter", "expr": 'body.MESSAGE == "entry 2"'}, {"type": "move", "from": "body.MESSAGE", "to": "body"}]
    receiver = {
        "journalctl_path": str(program),
        "start_at": "beginning",
        "storage": "file_storage",
        "operators": operators,
    }
    server = start(
        {
            "extensions": {"file_storage": {"directory": str(tmp_path / "kept"), "create_directory": True}},
            "receivers": {"journald": receiver},
            "service": {
                "extensions": ["file_storage"],
                "pipelines": {"logs": {"receivers": ["otlp", "journald"]}},
            },
        }
    )
    bodies = lambda: [body for (body,) in server.sql("SELECT body FROM logs ORDER BY time_unix_nano")]
    wait_until(lambda: bodies() == ["entry 1", "entry 3"], f"two entries\n{server.log_tail()}")
    assert server.stop() == 0
    server.start()
    wait_until(lambda: bodies() == ["entry 1", "entry 3", "entry 4"], f"one more\n{server.log_tail()}")


def test_what_cannot_run_says_so(start):
    server = start({"receivers": {"syslog": {"protocol": "rfc5424", "operators": [{"type": "nop"}]}}}, wait=False)
    assert server.process.wait(60) != 0
    assert "unknown operator `nop`; did you mean `noop`?" in server.log_tail()
