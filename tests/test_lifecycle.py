"""Starting, stopping, reloading."""

import http.client
import os
import signal
import socket
import subprocess

import pytest
import requests

import otlp
import verify
from trefoil import Server, binary, merged, wait_until


def test_defaults_need_no_file(tmp_path):
    """`trefoil serve` alone works; its ports may be taken here, then it says so and which setting moves them."""
    process = subprocess.Popen(
        [binary("trefoil"), "serve"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_until(lambda: process.poll() is not None or listening(8888), "it runs or ends")
        if process.poll() is None:
            wait_until(lambda: listening(4317) and listening(4318) and listening(3000), "the default ports")
            defaults = (16686, 16685, 14250, 14268, 9411, 3100)
            wait_until(lambda: all(map(listening, defaults)), "Jaeger's, Zipkin's and Loki's")
            assert (tmp_path / "trefoil-data").is_dir()
        else:
            output = process.stdout.read()
            assert "cannot bind" in output or "cannot listen on" in output
    finally:
        process.terminate()
        process.wait(30)


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_graceful_shutdown_keeps_everything(start):
    server = start()
    otlp.send(server, "traces", otlp.spans(50))
    otlp.send(server, "logs", otlp.logs(50))
    otlp.send(server, "metrics", otlp.gauge(range(50)))
    assert server.stop() == 0
    server.start()
    assert [server.count(table) for table in ("spans", "logs", "samples")] == [50, 50, 50]


def test_shutdown_under_load_answers_what_it_took(start, tmp_path):
    server = start()
    sender = verify.Sender(server, tmp_path / "fates", seconds=60, pause="1ms")
    wait_until(lambda: sender.is_running() and server.count("spans") > 100, "load")
    assert server.stop() == 0
    sender.finish()
    server.start()
    acknowledged = verify.check(server, sender.lines())
    assert acknowledged["traces"] > 100


def test_a_second_server_on_the_same_directory_is_refused(start):
    server = start()
    other = Server(server.directory / "other")
    other.data_dir = server.data_dir
    other.start(wait=False)
    assert other.process.wait(30) != 0
    said = other.log_tail()
    assert said.count(str(server.data_dir)) == 1, said
    otlp.send(server, "logs", otlp.logs(1))


def a_directory_for_the_lock(data_dir):
    (data_dir / "lock").mkdir()
    return [str(data_dir / "lock"), "Is a directory"]


def text_for_the_catalog(data_dir):
    (data_dir / "catalog.sqlite").write_text("this is a text file, not a database, and long enough to have a header\n" * 20)
    return [str(data_dir / "catalog.sqlite"), "not a database"]


def a_file_for_the_log(data_dir):
    (data_dir / "log").write_text("")
    return [str(data_dir / "log"), "(os error"]


@pytest.mark.parametrize("spoil", [a_directory_for_the_lock, text_for_the_catalog, a_file_for_the_log])
def test_a_store_that_cannot_be_opened_is_said_once(tmp_path, spoil):
    server = Server(tmp_path / "server")
    server.data_dir.mkdir(parents=True)
    said = spoil(server.data_dir)
    try:
        server.start(wait=False)
        assert server.process.wait(30) == 1
    finally:
        server.close()
    (message,) = [line for line in server.log_tail().splitlines() if line.startswith("trefoil: ")]
    assert message.startswith("trefoil: the store cannot be opened: ")
    assert [message.count(part) for part in said] == [1, 1], message


def test_a_taken_port_is_a_clear_error(start):
    server = start()
    other = Server(server.directory / "other")
    other.config["listeners"]["main"]["endpoint"] = f"127.0.0.1:{server.main_port}"
    other.start(wait=False)
    assert other.process.wait(30) != 0
    assert f"127.0.0.1:{server.main_port}" in other.log_tail() and "main" in other.log_tail()


def insert(value):
    """A configuration whose logs carry the resource attribute `stage`."""
    return {
        "processors": {"resource/stage": {"attributes": [{"key": "stage", "value": value, "action": "upsert"}]}},
        "service": {"pipelines": {"logs": {"processors": ["resource/stage"]}}},
    }



def test_reload_keeps_connections(start):
    server = start(insert("before"))
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)

    def send():
        body = otlp.logs(1).SerializeToString()
        connection.request("POST", "/v1/logs", body, {"Content-Type": otlp.PROTOBUF})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200

    send()
    socket_before = connection.sock
    assert "before" in attribute_values(server)

    server.config = merged(server.config, insert("after"))
    server.write_config()
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: send() or "after" in attribute_values(server), "the new configuration is in force")
    assert connection.sock is socket_before, "the connection was closed"

    # A broken file changes nothing and says why.
    good = server.config
    server.config = merged(good, {"exporters": {"nonsense": {}}})
    server.write_config()
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "nonsense" in server.log_tail(), "the mistake is logged")
    send()
    assert connection.sock is socket_before


def attribute_values(server):
    """Every value of the resource attribute `stage`, promoted or not."""
    columns = {row[0] for row in server.sql("SELECT column_name FROM information_schema.columns WHERE table_name = 'logs'")}
    values = server.sql("SELECT DISTINCT resource_attributes FROM logs")
    if "resource.stage" in columns:
        values += server.sql('SELECT DISTINCT "resource.stage" FROM logs')
    return " ".join(str(row[0]) for row in values)


def test_health_and_metrics(start):
    server = start()
    assert requests.get(f"{server.internal}/healthz", timeout=5).status_code == 200
    otlp.send(server, "traces", otlp.spans(7))
    text = requests.get(f"{server.internal}/metrics", timeout=5)
    assert text.headers["Content-Type"].startswith("text/plain")
    assert "# TYPE" in text.text
    openmetrics = requests.get(
        f"{server.internal}/metrics", headers={"Accept": "application/openmetrics-text"}, timeout=5
    )
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert openmetrics.text.rstrip().endswith("# EOF")
    assert any(value == 7 for value in server.metrics().values()), text.text


def test_disk_full_is_backpressure(tmp_path):
    """On a full disk senders are asked to wait; once there is room again it goes on by itself."""
    mount = tmp_path / "small"
    mount.mkdir()
    if os.geteuid() != 0 or subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(mount)], capture_output=True
    ).returncode:
        assert "CI" not in os.environ, "CI can mount a small file system"
        pytest.skip("needs the right to mount a small file system")
    server = Server(tmp_path / "server")
    try:
        server.data_dir = mount / "data"
        server.start()
        otlp.send(server, "logs", otlp.logs(10))
        ballast = mount / "ballast"
        with open(ballast, "wb") as file:
            with pytest.raises(OSError):
                while True:
                    file.write(b"x" * 65536)
                    file.flush()
        statuses = {otlp.post(server, "logs", otlp.logs(500, service="full")).status_code for _ in range(20)}
        assert statuses & {503, 429}, statuses
        assert statuses <= {200, 503, 429}, statuses
        ballast.unlink()
        wait_until(lambda: otlp.post(server, "logs", otlp.logs(1)).status_code == 200, "it takes data again", 60, 0.5)
        assert server.count("logs", "service_name = 'test'") >= 11
        kept = server.count("logs")
        server.kill()
        server.start()
        assert server.count("logs") == kept
    finally:
        server.close()
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_own_traces_pass_the_pipelines_and_make_none_of_their_own(start):
    server = start({
        "telemetry": {"traces": {"enabled": True}},
        "processors": {"resource/mark": {"attributes": [{"key": "mark", "value": "seen", "action": "upsert"}]}},
        "service": {"pipelines": {"traces": {"processors": ["resource/mark"]}}},
    })
    asked = []
    own = "SELECT count(*) FROM spans WHERE service_name = 'trefoil' AND attribute(resource_attributes, 'mark') = 'seen'"
    wait_until(lambda: asked.append(own) or server.sql(own)[0][0] > 0, "a query leaves a span", 30, 0.5)
    server.stop()
    del server.config["telemetry"]
    server.start()
    traces = server.sql("SELECT count(DISTINCT trace_id) FROM spans")[0][0]
    assert traces == len(asked), "one for each query; taking in and storing them makes none"
