"""What Prometheus' listener does beside answering queries: OTLP in, lifecycle, notifications, its own metrics, promtool's other commands."""

import gzip
import json
import signal
import subprocess
import tarfile
import threading
import time

import pytest
import requests
import yaml

import otlp
import reference
from trefoil import Server, wait_until

NEW = reference.newer()


@pytest.fixture
def start(tmp_path):
    servers = []

    def start(config=None):
        servers.append(Server(tmp_path / f"server-{len(servers)}", config).start())
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def gauge(name, value=1.0, at=None, **attributes):
    request = otlp.REQUESTS["metrics"]()
    group = request.resource_metrics.add()
    resource = {"service.name": "orders", "service.instance.id": "o-1", "k8s.pod.name": "p", "cloud.region": "eu"}
    for key, text in resource.items():
        group.resource.attributes.append(otlp.attribute(key, text))
    scope = group.scope_metrics.add()
    scope.scope.name = "lib"
    metric = scope.metrics.add(name=name, unit="By")
    point = metric.gauge.data_points.add(time_unix_nano=int((at or time.time()) * 10**9), as_double=value)
    for key, text in attributes.items():
        point.attributes.append(otlp.attribute(key, text))
    return request


def vector(server, query, **parameters):
    answer = requests.get(f"{server.prometheus}/api/v1/query", params={"query": query, **parameters}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["result"]


def test_otlp_comes_in_where_prometheus_takes_it(start):
    server = start()
    paths = ("/api/v1/otlp/v1/metrics", "/otlp/v1/metrics")
    protobuf = {"Content-Type": "application/x-protobuf"}
    bases = (server.prometheus, f"{server.main}/prometheus")
    for index, url in enumerate(base + path for base in bases for path in paths):
        body = gauge(f"memory.{index}").SerializeToString()
        answer = requests.post(url, data=body, headers=protobuf, timeout=30)
        assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text}"
        zipped = requests.post(url, data=gzip.compress(body), headers={**protobuf, "Content-Encoding": "gzip"}, timeout=30)
        assert zipped.status_code == 200
        [series] = vector(server, f"memory_{index}_bytes")
        assert series["metric"]["job"] == "orders"
    told = {
        "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "told", "gauge": {"dataPoints": [
            {"timeUnixNano": str(time.time_ns()), "asDouble": 2}]}}]}]}]
    }
    assert requests.post(server.prometheus + paths[0], json=told, timeout=30).status_code == 200
    assert vector(server, "told")[0]["value"][1] == "2"
    # Metrics alone.
    for path in ("/api/v1/otlp/v1/traces", "/otlp/v1/logs"):
        assert requests.post(server.prometheus + path, data=b"", headers=protobuf, timeout=30).status_code == 404
    features = requests.get(f"{server.prometheus}/api/v1/features", timeout=30).json()["data"]
    assert features["api"]["otlp_write_receiver"] and features["api"]["remote_write_receiver"]
    closed = start({"listeners": {"prometheus": {"otlp": False, "remote_write": False}}})
    assert requests.post(closed.prometheus + paths[0], data=b"", headers=protobuf, timeout=30).status_code in (404, 405)
    features = requests.get(f"{closed.prometheus}/api/v1/features", timeout=30).json()["data"]
    assert not features["api"]["otlp_write_receiver"] and not features["api"]["remote_write_receiver"]


def test_otlp_is_seen_as_it_is_wanted(start):
    otlp_section = {
        "translation_strategy": "NoTranslation",
        "promote_all_resource_attributes": True,
        "ignore_resource_attributes": ["cloud.region"],
        "keep_identifying_resource_attributes": True,
        "promote_scope_metadata": True,
    }
    server = start({"prometheus": {"type_and_unit_labels": True, "otlp": otlp_section}})
    otlp.send(server, "metrics", gauge("memory.used", **{"pool.name": "a"}))
    [series] = vector(server, '{"memory.used"}')
    assert series["metric"] == {
        "__name__": "memory.used", "__type__": "gauge", "__unit__": "bytes", "instance": "o-1", "job": "orders",
        "k8s.pod.name": "p", "otel_scope_name": "lib", "pool.name": "a", "service.instance.id": "o-1",
        "service.name": "orders",
    }
    # They go where the name goes.
    [sum_] = vector(server, 'sum without (__name__) ({"memory.used"} * 2)')
    assert not {"__name__", "__type__", "__unit__"} & sum_["metric"].keys()
    [target] = vector(server, "target_info")
    assert target["metric"]["service.name"] == "orders" and target["metric"]["cloud.region"] == "eu"
    features = requests.get(f"{server.prometheus}/api/v1/features", timeout=30).json()["data"]
    assert features["promql"]["type_and_unit_labels"]


def test_histograms_are_native_ones_where_that_is_wanted(start):
    server = start({"prometheus": {"otlp": {"convert_histograms_to_nhcb": True}}})
    now = int(time.time())
    request = otlp.REQUESTS["metrics"]()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="duration", unit="s")
    metric.histogram.aggregation_temporality = 2
    for at in (now - 60, now - 30, now):
        count = 4 * (at - now + 90)
        metric.histogram.data_points.add(
            start_time_unix_nano=(now - 90) * 10**9, time_unix_nano=at * 10**9, count=count, sum=float(count),
            explicit_bounds=[0.5, 1.0], bucket_counts=[count // 2, count // 4, count // 4],
        )
    otlp.send(server, "metrics", request)
    assert vector(server, "duration_seconds_bucket", time=now) == []
    [histogram] = vector(server, "duration_seconds", time=now)
    assert [bucket[1:3] for bucket in histogram["histogram"][1]["buckets"]] == [["-Inf", "0.5"], ["0.5", "1"], ["1", "+Inf"]]
    [quantile] = vector(server, "histogram_quantile(0.75, rate(duration_seconds[2m]))", time=now)
    assert float(quantile["value"][1]) == pytest.approx(1.0)


def test_it_reloads_and_quits_on_request(start):
    server = start({"prometheus": {"enable_lifecycle": True}})
    heard = []

    def listen():
        with requests.get(f"{server.prometheus}/api/v1/notifications/live", stream=True, timeout=60) as live:
            assert live.headers["Content-Type"] == "text/event-stream"
            for line in live.iter_lines():
                if line.startswith(b"data: "):
                    heard.append(json.loads(line.removeprefix(b"data: ")))

    listener = threading.Thread(target=listen)
    listener.start()
    assert requests.post(f"{server.prometheus}/-/reload", timeout=30).status_code == 200
    good = server.config_path.read_text()
    server.config_path.write_text("receivers: [\n")
    refused = requests.post(f"{server.prometheus}/-/reload", timeout=30)
    assert refused.status_code == 500 and refused.text.startswith("failed to reload config: "), refused.text
    wait_until(lambda: heard, "the listener hears of it")
    assert heard[0]["text"] == "Configuration reload has failed." and heard[0]["active"]
    assert requests.get(f"{server.prometheus}/api/v1/notifications", timeout=30).json()["data"] == heard[:1]
    server.config_path.write_text(good)
    assert requests.put(f"{server.prometheus}/-/reload", timeout=30).status_code == 200
    wait_until(lambda: len(heard) > 1, "the listener hears that it is over")
    assert not heard[1]["active"]
    assert requests.post(f"{server.main}/prometheus/-/quit", timeout=30).status_code == 403
    assert requests.post(f"{server.prometheus}/-/quit", timeout=30).text == "Requesting termination... Goodbye!"
    # A listener does not hold it up.
    assert server.process.wait(15) == 0
    listener.join(10)
    assert not listener.is_alive() and heard[-1]["text"].startswith("Prometheus is shutting down")
    server.process = None


def test_it_tells_of_itself_on_its_own_listener(start):
    server = start()
    text = requests.get(f"{server.prometheus}/metrics", timeout=30).text
    assert "trefoil_build_info" in text
    families = requests.get(
        f"{server.prometheus}/api/v1/status/self_metrics", params={"metric_name_pattern": "process_.*"}, timeout=30
    ).json()["data"]
    names = {family["name"]: family["type"] for family in families}
    assert names["process_cpu_seconds_total"] == "COUNTER" and all(name.startswith("process_") for name in names)
    assert requests.get(f"{server.main}/prometheus/metrics", timeout=30).status_code == 404
    assert requests.get(f"{server.main}/prometheus/api/v1/status/self_metrics", timeout=30).status_code == 503
    profile = requests.get(f"{server.prometheus}/debug/pprof/profile", params={"seconds": 1}, timeout=30)
    assert profile.status_code == 200 and profile.content
    described = requests.get(f"{server.prometheus}/api/v1/openapi.yaml", timeout=30)
    described = yaml.safe_load(described.text)
    assert described["openapi"] == "3.1.0" and "/query" in described["paths"]


def test_scripts_are_allowed_as_by_prometheus(start):
    server = start({"prometheus": {"cors_origin": "https://grafana.*"}})
    ask = lambda origin: requests.get(f"{server.prometheus}/api/v1/labels", headers={"Origin": origin}, timeout=30).headers
    assert ask("https://grafana.example")["Access-Control-Allow-Origin"] == "https://grafana.example"
    assert ask("https://grafana.example")["Access-Control-Expose-Headers"] == "Date"
    assert "Access-Control-Allow-Origin" not in ask("https://other.example")


def promtool(*arguments, binary="promtool", **options):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=90, **options)
    assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_promtools_other_commands(start, tmp_path):
    server = start()
    now = int(time.time())
    for at in range(now - 600, now + 1, 30):
        otlp.send(server, "metrics", gauge("memory", at=at))
    rules = {"groups": [{"name": "g", "interval": "60s", "rules": [{"record": "twice", "expr": "memory_bytes * 2"}]}]}
    (tmp_path / "rules.yml").write_text(json.dumps(rules))
    created = promtool(
        "tsdb", "create-blocks-from", "rules", f"--start={now - 600}", f"--end={now}", f"--url={server.prometheus}",
        f"--output-dir={tmp_path}/blocks", str(tmp_path / "rules.yml"),
    )
    assert "successfully" in created.lower() or list((tmp_path / "blocks").iterdir()), created
    # Where blocks are there is a log, promtool believes.
    (tmp_path / "blocks" / "wal").mkdir()
    dumped = promtool("tsdb", "dump", str(tmp_path / "blocks"))
    assert dumped.count('__name__="twice"') >= 9, dumped
    lint = subprocess.run(
        ["promtool", "check", "metrics"], input=requests.get(f"{server.prometheus}/metrics", timeout=30).text,
        capture_output=True, text=True, timeout=60,
    )
    # 3: it would have other names; 1: it cannot be read.
    assert lint.returncode in (0, 3), lint.stderr
    # It takes half a minute for a profile of the processor.
    promtool("debug", "all", server.prometheus, cwd=tmp_path)
    with tarfile.open(tmp_path / "debug.tar.gz") as archive:
        assert {"cpu.pb", "heap.pb", "mutex.pb"} <= set(archive.getnames())
        [name] = [name for name in archive.getnames() if "metrics" in name]
        assert b"trefoil_build_info" in archive.extractfile(name).read()


@pytest.mark.skipif(NEW is None, reason="`make new-prometheus` has built no promtool 3.x, which has these")
def test_promtools_newer_commands(start):
    server = start()
    binary = str(NEW / "promtool")
    promtool("check", "healthy", f"--url={server.prometheus}", binary=binary)
    promtool("check", "ready", f"--url={server.prometheus}", binary=binary)
    now = int(time.time())
    request = otlp.REQUESTS["metrics"]()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="duration", unit="s")
    metric.histogram.aggregation_temporality = 2
    for at in range(now - 600, now + 1, 60):
        count = at - now + 600
        metric.histogram.data_points.add(
            start_time_unix_nano=(now - 600) * 10**9, time_unix_nano=at * 10**9, count=count, sum=float(count),
            explicit_bounds=[0.5, 1.0], bucket_counts=[count, 0, 0],
        )
    otlp.send(server, "metrics", request)
    analyze = ["query", "analyze", f"--server={server.prometheus}", "--type=histogram", "--match=duration_seconds_bucket"]
    assert "duration_seconds" in promtool(*analyze, binary=binary)


@pytest.mark.skipif(NEW is None, reason="`make new-prometheus` has built no promtool 3.x, which pushes")
def test_promtool_pushes_metrics(start, tmp_path):
    """By remote write 1.0. (promtool 3.16 writes the same message below the header of 2.0, where it says nothing.)"""
    server = start()
    (tmp_path / "pushed.txt").write_text("# TYPE pushed gauge\n# HELP pushed What came.\npushed{a=\"b\"} 7\n")
    binary = str(NEW / "promtool")
    command = ["push", "metrics", "--protobuf_message=prometheus.WriteRequest", server.prometheus]
    promtool(*command, str(tmp_path / "pushed.txt"), binary=binary)
    [series] = vector(server, "pushed")
    assert series["metric"] == {"__name__": "pushed", "a": "b", "job": "promtool"} and series["value"][1] == "7"
    assert "pushed" in promtool("query", "labels", server.prometheus, "__name__", binary=binary)
    analyzed = promtool("query", "instant", server.prometheus, "pushed", binary=binary)
    assert "=> 7" in analyzed


def test_an_explanation_is_printed(start):
    server = start()
    otlp.send(server, "metrics", gauge("memory"))
    from trefoil import binary

    done = subprocess.run(
        [binary("trefoil"), "query", "--explain", "sum(memory_bytes)", "--endpoint", server.main], capture_output=True,
        text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "sum(memory_bytes)" in done.stdout and '{__name__="memory_bytes"}' in done.stdout, done.stdout
    assert "1 series, 1 samples" in done.stdout


def test_limits_of_queries_are_reloaded(start):
    server = start({"query": {"max_samples": 1000, "timeout": "90s"}})
    flags = lambda: requests.get(f"{server.prometheus}/api/v1/status/flags", timeout=10).json()["data"]
    assert (flags()["query.max-samples"], flags()["query.timeout"]) == ("1000", "1m30s")

    def reload(query):
        server.config["query"] = query
        server.write_config()
        server.process.send_signal(signal.SIGHUP)

    reload({"max_samples": 2000, "max_concurrency": 4, "lookback_delta": "1m"})
    wait_until(lambda: flags()["query.max-samples"] == "2000", "the new limit")
    now = (flags()["query.max-concurrency"], flags()["query.lookback-delta"], flags()["query.timeout"])
    assert now == ("4", "1m", "1m"), "what is no longer said is the default again"
    # What cannot be changes nothing.
    reload({"max_samples": 0})
    wait_until(lambda: "query.max_samples: must be more than 0" in server.log_path.read_text(), "the reason")
    assert flags()["query.max-samples"] == "2000"
