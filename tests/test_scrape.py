"""Scraping: real exporters, discovery and reload, `--prometheus-config`, and what Prometheus' API says of targets."""

import json
import shutil
import socket
import subprocess
import threading
import time
from wsgiref.simple_server import WSGIRequestHandler, make_server

import prometheus_client as pc
import pytest
import requests
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS

from trefoil import free_ports, wait_until


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Target:
    """An application under Python's `prometheus_client`; remembers the headers of the last scrape."""

    def __init__(self, openmetrics=True):
        self.registry = pc.CollectorRegistry()
        self.headers, self.scrapes = {}, 0
        application = pc.make_wsgi_app(self.registry)

        def app(environ, respond):
            self.headers = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
            self.scrapes += 1
            if not openmetrics:
                environ = {**environ, "HTTP_ACCEPT": "text/plain"}
            return application(environ, respond)

        self.server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def target():
    targets = []

    def make(**options):
        targets.append(Target(**options))
        return targets[-1]

    yield make
    for one in targets:
        one.stop()


@pytest.fixture
def run(tmp_path):
    """`run(*command)` runs a program until the end of the test."""
    processes = []

    def start(*command):
        if shutil.which(command[0]) is None:
            pytest.fail(f"{command[0]} is missing; `make check-deps` installs it")
        with open(tmp_path / f"{command[0]}.log", "wb") as log:
            processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    yield start
    for process in processes:
        process.terminate()
        process.wait(30)


class Said:
    """A target that says `body`."""

    def __init__(self, body):
        self.body, self.scrapes = body, 0

        def app(_, respond):
            self.scrapes += 1
            respond("200 OK", [("Content-Type", "text/plain; version=0.0.4")])
            return [self.body.encode()]

        self.server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def job(name, *addresses, **options):
    return {"job_name": name, "static_configs": [{"targets": list(addresses)}], **options}


def receiver(*jobs, interval="1s"):
    """A configuration whose metrics come from a receiver `prometheus`, too."""
    config = {"global": {"scrape_interval": interval}, "scrape_configs": list(jobs)}
    return {
        "receivers": {"prometheus": {"config": config}},
        "service": {"pipelines": {"metrics": {"receivers": ["otlp", "prometheus"]}}},
    }


def api(server, path, **parameters):
    answer = requests.get(f"{server.prometheus}/api/v1/{path}", params=parameters, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def values(server, query):
    """Values of an instant query by the labels that are not the target's."""
    rows = api(server, "query", query=query)["result"]
    key = lambda row: tuple(sorted((n, v) for n, v in row["metric"].items() if n not in ("job", "instance")))
    return {key(row): row["value"][1] for row in rows}


def until(server, query, expected):
    wait_until(lambda: list(values(server, query).values()) == expected, f"{query} is {expected}")


@pytest.mark.parametrize("openmetrics", [True, False])
def test_a_python_application_is_scraped(start, target, openmetrics):
    app = target(openmetrics=openmetrics)
    counter = pc.Counter("orders", "Orders.", ["shop"], registry=app.registry)
    counter.labels("a").inc(7)
    histogram = pc.Histogram("latency_seconds", "How long.", buckets=(0.1, 1), registry=app.registry)
    histogram.observe(0.5, {"trace_id": "0af7651916cd43dd8448eb211c80319c"} if openmetrics else None)
    server = start(receiver(job("app", app.address)))
    until(server, "orders_total", ["7"])
    counter.labels("a").inc()
    until(server, "orders_total", ["8"])
    until(server, "up", ["1"])
    assert values(server, "latency_seconds_bucket") == {
        (("__name__", "latency_seconds_bucket"), ("le", "0.1")): "0",
        (("__name__", "latency_seconds_bucket"), ("le", "1.0")): "1",
        (("__name__", "latency_seconds_bucket"), ("le", "+Inf")): "1",
    }
    told = api(server, "metadata", metric="orders_total" if not openmetrics else "orders")
    told = told or api(server, "metadata", metric="orders_total")
    assert [(one["type"], one["help"]) for [one] in told.values()] == [("counter", "Orders.")]
    assert app.headers["HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS"] == "1"
    assert app.headers["HTTP_ACCEPT"].startswith(OPENMETRICS.split(";")[0])
    if openmetrics:
        exemplars = api(server, "query_exemplars", query="latency_seconds_bucket", start=time.time() - 60, end=time.time())
        assert [one["exemplars"][0]["labels"]["trace_id"] for one in exemplars] == ["0af7651916cd43dd8448eb211c80319c"]


def test_series_end_with_their_target(start, target):
    app, other = target(), target()
    gauge = pc.Gauge("busy", "", ["worker"], registry=app.registry)
    gauge.labels("a").set(1)
    gauge.labels("b").set(2)
    server = start(receiver(job("app", app.address)))
    until(server, "count(busy)", ["2"])
    gauge.remove("b")
    until(server, "count(busy)", ["1"])
    app.stop()
    until(server, "up", ["0"])
    until(server, "count(busy)", [])
    [shown] = api(server, "targets")["activeTargets"]
    assert shown["health"] == "down" and "cannot connect" in shown["lastError"]


def test_node_exporter_and_a_prometheus_and_itself(start, run, tmp_path):
    node, prometheus = (f"127.0.0.1:{port}" for port in free_ports(2))
    run("prometheus-node-exporter", f"--web.listen-address={node}")
    (tmp_path / "p.yml").write_text("{}")
    run("prometheus", f"--config.file={tmp_path}/p.yml", f"--storage.tsdb.path={tmp_path}/p", f"--web.listen-address={prometheus}")
    server = start(receiver(job("node", node), job("prometheus", prometheus)), wait=False, name="s")
    server.wait_ready()
    until(server, "sum(up)", ["2"])
    until(server, "count(node_uname_info)", ["1"])
    assert int(values(server, 'count({job="node"})')[()]) > 500
    # What we took is what it says; the histograms of a Prometheus are whole.
    text = requests.get(f"http://{prometheus}/metrics", timeout=10).text
    series = {line.rsplit(" ", 1)[0] for line in text.splitlines() if line and not line.startswith("#")}
    ours = lambda: int(values(server, 'count({job="prometheus",__name__!~"up|scrape_.*"})').get((), 0))
    wait_until(lambda: abs(ours() - len(series)) < 20, f"about {len(series)} series")
    scraped = values(server, 'scrape_samples_scraped{job="prometheus"}')
    assert abs(int(next(iter(scraped.values()))) - len(series)) < 20
    # Itself.
    server.config["receivers"]["prometheus"]["config"]["scrape_configs"].append(
        job("trefoil", f"127.0.0.1:{server.internal_port}")
    )
    server.write_config()
    server.process.send_signal(1)
    until(server, 'up{job="trefoil"}', ["1"])
    until(server, 'count(trefoil_build_info{job="trefoil"})', ["1"])
    metrics = server.metrics()
    assert metrics['prometheus_target_scrape_pool_targets{scrape_job="trefoil"}'] == 1
    assert metrics['otelcol_receiver_accepted_metric_points_total{receiver="prometheus",transport="http"}'] > 500


def serve(start, tmp_path, prometheus, **options):
    """A server with a `prometheus.yml`."""
    file = tmp_path / "prometheus.yml"
    file.write_text(prometheus if isinstance(prometheus, str) else json.dumps(prometheus))
    environment = {"TREFOIL_PROMETHEUS_CONFIG": str(file), **options.pop("environment", {})}
    return file, start(environment=environment, **options)


def test_a_whole_prometheus_yml(start, target, tmp_path):
    app, kept = target(), target()
    for one in (app, kept):
        pc.Gauge("version", "", ["build"], registry=one.registry).labels("x").set(1)
    (tmp_path / "targets.json").write_text(json.dumps([{"targets": [app.address], "labels": {"env": "test"}}]))
    (tmp_path / "token").write_text("hidden\n")
    relabel = [
        {"source_labels": ["__address__"], "regex": "drop:.*", "action": "drop"},
        {"source_labels": ["__meta_filepath"], "regex": ".*/(.+).json", "target_label": "file"},
    ]
    config = {
        "global": {"scrape_interval": "1s", "external_labels": {"region": "north"}},
        "rule_files": ["rules/*.yml"],
        "scrape_configs": [
            {
                "job_name": "files",
                "file_sd_configs": [{"files": ["targets.json"]}],
                "static_configs": [{"targets": ["drop:1"]}],
                "relabel_configs": relabel,
                "authorization": {"credentials_file": "token"},
            },
            job("kept", kept.address, basic_auth={"username": "u", "password": "very secret"}),
        ],
    }
    file, server = serve(start, tmp_path, config)
    until(server, "count(version)", ["2"])
    assert list(values(server, 'version{job="files"}')) == [
        (("__name__", "version"), ("build", "x"), ("env", "test"), ("file", "targets"))
    ]
    assert app.headers["HTTP_AUTHORIZATION"] == "Bearer hidden"
    assert "there are no rules and alerts yet" in server.log_tail()

    # Targets as Prometheus tells them.
    assert api(server, "scrape_pools") == {"scrapePools": ["files", "kept"]}
    targets = api(server, "targets", scrapePool="files")
    [active], [dropped] = targets["activeTargets"], targets["droppedTargets"]
    assert targets["droppedTargetCounts"] == {"files": 1}
    assert dropped["discoveredLabels"]["__address__"] == "drop:1" and dropped["scrapePool"] == "files"
    assert active["labels"] == {"env": "test", "file": "targets", "instance": app.address, "job": "files"}
    assert active["discoveredLabels"]["__meta_filepath"].endswith("/targets.json")
    assert active["scrapeUrl"] == f"http://{app.address}/metrics"
    shown = {name: active[name] for name in ("health", "lastError", "scrapeInterval", "scrapeTimeout", "scrapePool")}
    assert shown == {"health": "up", "lastError": "", "scrapeInterval": "1s", "scrapeTimeout": "1s", "scrapePool": "files"}
    assert active["lastScrapeDuration"] > 0 and active["lastScrape"].endswith("Z")
    only = api(server, "targets", state="active")
    assert len(only["activeTargets"]) == 2 and only["droppedTargets"] == [] and only["droppedTargetCounts"] is None
    told = api(server, "targets/metadata", match_target='{job="files"}', metric="version")
    assert told == [{"target": active["labels"], "type": "gauge", "help": "", "unit": ""}]
    steps = api(server, "targets/relabel_steps", scrapePool="files", labels=json.dumps(active["discoveredLabels"]))["steps"]
    assert [step["keep"] for step in steps] == [True, True]
    assert steps[1]["output"]["file"] == "targets" and steps[0]["rule"]["action"] == "drop"
    assert "targets.json" in api(server, "scrape_pools/config", scrapePool="files")["yaml"]
    yaml = api(server, "status/config")["yaml"]
    assert "<secret>" in yaml and "very secret" not in yaml and "region: north" in yaml
    federated = requests.get(f"{server.prometheus}/federate", params={"match[]": "version"}, timeout=30).text
    assert 'region="north"' in federated

    # A file of targets changes; so does the configuration, and jobs that stay are left alone.
    (tmp_path / "targets.json").write_text(json.dumps([{"targets": [app.address], "labels": {"env": "prod"}}]))
    until(server, 'count(version{env="prod"})', ["1"])
    until(server, 'count(version{env="test"})', [])
    config["scrape_configs"][0]["metric_relabel_configs"] = [{"target_label": "added", "replacement": "$${1}"}]
    file.write_text(json.dumps(config))
    before = api(server, "targets", scrapePool="kept")["activeTargets"][0]["lastScrape"]
    server.process.send_signal(1)
    until(server, 'count(version{added="${1}"})', ["1"])
    gaps = api(server, "query", query='count_over_time(version{job="kept"}[1m])')["result"]
    assert len(gaps) == 1 and before
    # A broken one changes nothing.
    file.write_text("scrape_configs: [{job_nam: x}]")
    server.process.send_signal(1)
    wait_until(lambda: "did you mean `job_name`?" in server.log_tail(), "the mistake is told")
    scrapes = kept.scrapes
    wait_until(lambda: kept.scrapes > scrapes + 1, "scraping goes on")
    assert server.stop() == 0


def test_a_receiver_that_changes_leaves_jobs_alone_that_stay(start, target):
    app, other = target(), target()
    pc.Gauge("version", "", registry=other.registry).set(1)
    server = start(receiver(job("kept", app.address), job("changed", other.address)))
    until(server, "count(up == 1)", ["2"])
    [kept] = api(server, "targets", scrapePool="kept")["activeTargets"]
    jobs = server.config["receivers"]["prometheus"]["config"]["scrape_configs"]
    jobs[1]["metric_relabel_configs"] = [{"target_label": "added", "replacement": "x"}]
    jobs.append(job("new", other.address))
    server.write_config()
    server.process.send_signal(1)
    until(server, "count(up == 1)", ["3"])
    until(server, 'version{added="x"}', ["1"])
    # Every second a sample, on the second that it always had, and no end.
    scrapes = app.scrapes
    wait_until(lambda: app.scrapes > scrapes + 2, "more scrapes")
    rows = server.sql("SELECT time_unix_nano, value_int FROM samples WHERE metric_name = 'up' AND series_id IN ("
        "SELECT series_id FROM series WHERE metric_name = 'up' AND attribute(attributes, 'job') = 'kept') ORDER BY 1")
    assert all(value == 1 for _, value in rows), rows
    times = api(server, "query", query='up{job="kept"}[1m]')["result"][0]["values"]
    gaps = [after[0] - before[0] for before, after in zip(times, times[1:])]
    assert gaps and max(gaps) < 1.9, gaps
    assert [one["labels"] for one in api(server, "targets", scrapePool="kept")["activeTargets"]] == [kept["labels"]]
    assert "changed receivers.prometheus" in server.log_tail()


def test_samples_that_come_too_late_are_counted_and_the_target_is_up(start):
    with Said("") as said:
        now = int(time.time() * 1000)
        said.body = f"late 1 {now}\nfine 1\n"
        server = start(receiver(job("app", said.address)) | {"storage": {"limits": {"out_of_order_time_window": "0s"}}})
        counted = lambda reason: server.metrics().get(f"prometheus_target_scrapes_sample_{reason}_total", 0)
        until(server, "late", ["1"])
        wait_until(lambda: said.scrapes > 3, "the same sample again, which is nothing new")
        assert (counted("duplicate_timestamp"), counted("out_of_order")) == (0, 0)
        said.body = f"late 2 {now}\nfine 2\n"
        wait_until(lambda: counted("duplicate_timestamp") > 0, "another value at the same time")
        said.body = f"late 3 {now - 1000}\nfine 3\n"
        wait_until(lambda: counted("out_of_order") > 0, "an older sample")
        until(server, "fine", ["3"])
        until(server, "late", ["1"])
        until(server, "scrape_samples_post_metric_relabeling", ["2"])
        [target] = api(server, "targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        assert server.log_tail().count("samples of scrapes are not stored") == 1, "it is said once in a while"


@pytest.mark.parametrize(
    "config, expected",
    [
        ("scrape_configs: [{job_name: a, kubernetes_sd_configs: []}]", "job `a`: service discovery by kubernetes is not"),
        ("scrape_configs: [{job_name: a, tls_config: {ca_file: none.pem}}]", 'job "a": tls: ca: '),
        ("scrape_configs: [{job_name: a}, {job_name: a}]", 'found multiple scrape configs with job name "a"'),
    ],
)
def test_what_cannot_be_scraped_stops_the_start(start, tmp_path, config, expected):
    file, server = serve(start, tmp_path, config, wait=False)
    assert server.process.wait(60) == 1
    assert expected in server.log_tail()
    server.process = None


def test_scraped_samples_need_a_pipeline(start, tmp_path):
    pipelines = {"pipelines": {"metrics": None}}
    _, server = serve(start, tmp_path, "scrape_configs: [{job_name: a}]", config={"service": pipelines}, wait=False)
    assert server.process.wait(60) == 1
    assert "no metrics pipeline has an `otlp` receiver" in server.log_tail()
    server.process = None


def test_tenants_are_told_apart(start, target, tmp_path):
    app = target()
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job("a", app.address)]}
    environment = {"TREFOIL_PROMETHEUS_TENANT": "shop"}
    _, server = serve(start, tmp_path, config, config={"tenancy": {"enabled": True}}, environment=environment)
    wait_until(lambda: server.count("samples", "metric_name = 'up' AND value_int = 1", "shop") > 0, "samples of the tenant")
    assert server.count("samples", tenant="other") == 0


class Hostile:
    """Answers every connection with bytes, again and again if it is told so."""

    def __init__(self, answer, endless=False):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.answer, self.endless = answer, endless
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=[connection], daemon=True).start()

    def talk(self, connection):
        try:
            connection.recv(65536)
            connection.sendall(self.answer)
            while self.endless:
                connection.sendall(b"# endless\n" * 6000)
            if self.answer:
                connection.close()
            else:
                time.sleep(60)
        except OSError:
            pass


def test_hostile_targets_harm_nobody(start, target):
    app = target()
    pc.Gauge("fine", "", registry=app.registry).set(1)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
    hostile = {
        "hangs": Hostile(b""),
        "lies": Hostile(head + b"content-length: 1000\r\n\r\na 1\n"),
        "floods": Hostile(head + b"\r\n", endless=True),
        "noise": Hostile(b"\xff\xfe\x00" * 1000),
        "binary": Hostile(head + b"connection: close\r\n\r\na{b=\"\xff\"} 1\n"),
    }
    jobs = [job(name, one.address) for name, one in hostile.items()]
    server = start(receiver(job("app", app.address), *jobs))
    until(server, 'up{job="app"}', ["1"])
    down = lambda: {one["scrapePool"] for one in api(server, "targets")["activeTargets"] if one["health"] == "down"}
    wait_until(lambda: down() == set(hostile), "all hostile ones are down")
    until(server, "sum(up) == 1", ["1"])
    scrapes = app.scrapes
    start_of = time.monotonic()
    wait_until(lambda: app.scrapes >= scrapes + 5, "the other target is scraped on time")
    assert time.monotonic() - start_of < 15
    # One connection's worth of a flood, not all of it.
    assert server.metrics()["process_resident_memory_bytes"] < 1 << 30
    assert server.stop() == 0
