"""`remote_write` of a `prometheus.yml`: what is scraped goes to a real Prometheus, to another Trefoil, and past failures."""

import base64
import json

import prometheus_client as pc
import pytest

from remote_write_receiver import receiver
from test_prometheus_exporters import prometheus, promql  # noqa: F401
from test_scrape import api, job, serve, target, until, values  # noqa: F401
from trefoil import wait_until

V2 = "io.prometheus.write.v2.Request"


def configuration(*writes, jobs):
    return {
        "global": {"scrape_interval": "1s", "external_labels": {"region": "north"}},
        "scrape_configs": list(jobs),
        "remote_write": list(writes),
    }


def reload(server, file, config):
    file.write_text(json.dumps(config))
    server.process.send_signal(1)


def test_what_is_scraped_goes_to_a_prometheus_and_to_another_trefoil(start, target, prometheus, tmp_path):
    real = prometheus([], "--web.enable-remote-write-receiver", "--enable-feature=native-histograms,exemplar-storage")
    other = start(name="other")
    app = target()
    counter = pc.Counter("orders", "Orders.", ["shop"], registry=app.registry)
    counter.labels("a").inc(7)
    counter.labels("b").inc(1)
    latency = pc.Histogram("latency_seconds", "How long.", buckets=(0.1, 1), registry=app.registry)
    latency.observe(0.5, {"trace_id": "0af7651916cd43dd8448eb211c80319c"})
    drop = {"source_labels": ["shop"], "regex": "b", "action": "drop"}
    writes = [
        {"name": "real", "url": f"{real}/api/v1/write", "write_relabel_configs": [drop]},
        {"name": "other", "url": f"{other.prometheus}/api/v1/write", "protobuf_message": V2, "send_exemplars": True},
    ]
    file, server = serve(start, tmp_path, configuration(*writes, jobs=[job("app", app.address)]))
    until(server, "count(orders_total)", ["2"])
    who = {"job": "app", "instance": app.address, "region": "north"}
    wait_until(lambda: promql(real, "orders_total"), "samples at the Prometheus")
    assert promql(real, "orders_total") == [({"__name__": "orders_total", "shop": "a", **who}, "7")]
    assert promql(real, "up") == [({"__name__": "up", **who}, "1")]
    until(other, 'count(orders_total{region="north"})', ["2"])
    until(other, 'latency_seconds_bucket{le="1.0"}', ["1"])
    assert "region" not in str(values(server, "orders_total")), "here they are as they were scraped"
    told = lambda url: __import__("requests").get(f"{url}/api/v1/metadata", timeout=30).json()["data"]
    wait_until(lambda: told(other.prometheus).get("latency_seconds", [{}])[0].get("type") == "histogram", "metadata by 2.0")
    assert api(other, "query_exemplars", query="latency_seconds_bucket", start=0, end=2**33)
    counted = lambda exporter: server.metrics().get(
        f'otelcol_exporter_sent_metric_points_total{{exporter="prometheus_config/{exporter}"}}', 0
    )
    assert counted("real") > 0 and counted("other") > 0
    yaml = api(server, "status/config")["yaml"]
    assert "remote_write:" in yaml and "write_relabel_configs:" in yaml

    # A series that ends does so everywhere.
    counter.remove("b")
    until(server, 'orders_total{shop="b"}', [])
    until(other, 'orders_total{shop="b"}', [])

    # One is taken out and the other changes: nothing of it is lost.
    until(other, "count(up)", ["1"])
    changed = [{**writes[1], "write_relabel_configs": [{"target_label": "seen", "replacement": "yes"}]}]
    reload(server, file, configuration(*changed, jobs=[job("app", app.address)]))
    until(other, 'count(orders_total{seen="yes"})', ["1"])
    gaps = api(other, "query", query="up[1m]")["result"]
    times = sorted(float(time) for series in gaps for time, value in series["values"])
    assert max(after - before for before, after in zip(times, times[1:])) < 1.9, times
    assert 'exporter="prometheus_config/real"' not in str(server.metrics())
    assert server.stop() == 0


def test_the_client_has_prometheus_options(start, target, tmp_path):
    app = target()
    (tmp_path / "password").write_text("secret of a file\n")
    with receiver() as (url, seen):
        options = {
            "basic_auth": {"username": "u", "password_file": "password"},
            "headers": {"X-Scope-OrgID": "team"},
            "metadata_config": {"send": False},
        }
        _, server = serve(start, tmp_path, configuration({"url": url, **options}, jobs=[job("app", app.address)]))
        wait_until(lambda: seen, "a request")
        headers = seen[0].headers
        assert headers["authorization"] == "Basic " + base64.b64encode(b"u:secret of a file").decode()
        assert (headers["x-scope-orgid"], headers["x-prometheus-remote-write-version"]) == ("team", "0.1.0")
        assert (headers["content-type"], headers["content-encoding"]) == ("application/x-protobuf", "snappy")


def test_an_outage_of_the_receiver_is_no_matter_of_scraping_and_outlives_a_crash(start, target, tmp_path):
    app = target()
    with receiver([503] * 1000) as (url, seen):
        write = {"name": "far", "url": url, "queue_config": {"max_backoff": "100ms"}}
        file, server = serve(start, tmp_path, configuration(write, jobs=[job("app", app.address)]))
        wait_until(lambda: len(seen) > 3, "attempts")
        until(server, "up", ["1"])
        assert api(server, "targets")["activeTargets"][0]["lastError"] == ""
        size = 'otelcol_exporter_queue_size{exporter="prometheus_config/far"}'
        wait_until(lambda: server.metrics()[size] > 0, "a queue")
        server.kill()
    with receiver() as (url, seen):
        file.write_text(json.dumps(configuration({**write, "url": url}, jobs=[])))
        server.start()
        wait_until(lambda: seen, "what waited on disk")
        wait_until(lambda: server.metrics()[size] == 0, "all of it")


@pytest.mark.parametrize(
    "sections, expected",
    [
        ("remote_write: [{url: 'http://h', sigv4: {region: a}}]", "remote_write[0].sigv4: sigv4 is not supported yet"),
        ("remote_write: [{url: 'h:1/w'}]", "remote_write[0].url: it must begin with http:// or https://"),
        ("remote_write: [{url: 'http://h', tls_config: {ca_file: none.pem}}]", "tls: ca: "),
        ("remote_read: [{url: 'http://h'}]", "remote_read: reading from other servers is not supported"),
    ],
)
def test_what_cannot_be_done_stops_the_start(start, tmp_path, sections, expected):
    _, server = serve(start, tmp_path, f"scrape_configs: [{{job_name: a}}]\n{sections}", wait=False)
    assert server.process.wait(60) == 1
    assert expected in server.log_tail()
    server.process = None


def test_options_without_effect_are_told(start, tmp_path):
    sections = "remote_write: [{url: 'http://h', queue_config: {max_shards: 3, capacity: 5, batch_send_deadline: 1s}}]"
    _, server = serve(start, tmp_path, f"scrape_configs: [{{job_name: a}}]\n{sections}")
    assert "remote_write[0].queue_config.capacity: it has no effect" in server.log_tail()
    assert server.log_tail().count("it has no effect") == 1


def test_scrapes_are_sent_together_when_they_are_enough_or_have_waited_for_long_enough(start, target, tmp_path):
    for queue, is_so in (
        # Four jobs are scraped each second.
        ({"batch_send_deadline": "2s"}, lambda scrapes, requests: scrapes > 2 * requests),
        ({"batch_send_deadline": "1h", "max_samples_per_send": 1}, lambda scrapes, requests: requests > scrapes),
    ):
        app = target()
        jobs = [job(f"app{number}", app.address) for number in range(4)]
        with receiver() as (url, seen):
            write = {"name": "far", "url": url, "queue_config": queue, "metadata_config": {"send": False}}
            _, server = serve(start, tmp_path, configuration(write, jobs=jobs))
            wait_until(lambda: len(seen) > 3, "requests")
            requests, scrapes = len(seen), app.scrapes
            assert is_so(scrapes, requests), (queue, scrapes, requests)
            server.stop()


def test_a_reload_loses_no_sample(start, target, tmp_path):
    other = start(name="other")
    app = target()
    read = lambda server: {
        time for [time] in server.sql("SELECT CAST(time_unix_nano AS BIGINT) FROM samples WHERE metric_name = 'up'")
    }
    with receiver([503] * 1000) as (away, attempts):
        queue = {"min_backoff": "5s", "max_backoff": "5s", "batch_send_deadline": "300ms"}
        write = lambda url, **options: {"name": "far", "url": url, "queue_config": {**queue, **options}}
        file, server = serve(start, tmp_path, configuration(write(away), jobs=[job("app", app.address)]))
        wait_until(lambda: attempts and len(read(server)) > 2, "an attempt, and samples that wait")
        url = f"{other.prometheus}/api/v1/write"
        # The first of these takes the place of one that waits for its next attempt.
        for samples in (2000, 7, 1):
            before = len(read(server))
            reload(server, file, configuration(write(url, max_samples_per_send=samples), jobs=[job("app", app.address)]))
            wait_until(lambda: len(read(server)) > before + 2, "scrapes")
            wait_until(lambda: read(other) >= set(sorted(read(server))[:-3]), "what was scraped before")
    scraped = sorted(read(server))
    wait_until(lambda: read(other) >= set(scraped), "every sample")
    # None had to wait until the last attempt to the receiver of before was given up.
    gaps = [(after - before) / 10**9 for before, after in zip(scraped, scraped[1:])]
    assert max(gaps) < 4, gaps
    failed = 'otelcol_exporter_send_failed_metric_points_total{exporter="prometheus_config/far"}'
    assert server.metrics().get(failed, 0) == 0
