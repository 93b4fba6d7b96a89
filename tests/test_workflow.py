"""Processes out of reach, traced by the CloudEvents that they send: seen while they run, whole in the end, whatever the order."""

import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
import requests
from trefoil import free_ports, merged, wait_until

STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}

# The workflow of the example: an external API that does what it is asked in steps, some of which fail.
STATES = ["Submitted", "Validated", "Processing", "Completed"]


@pytest.fixture
def workflows(start):
    """`workflows()` starts a server with the receiver, of which `events` is the address."""

    def start_workflows(options=None, more=None, name="server"):
        port = free_ports(1)[0]
        receiver = merged({"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}, options or {})
        config = {
            "receivers": {"workflow": receiver},
            "service": {"pipelines": {"traces": {"receivers": ["otlp", "workflow"]}}},
        }
        server = start(merged(config, more or {}), name=name)
        server.events = f"http://127.0.0.1:{port}/"
        return server

    return start_workflows


BEGIN = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=3)


def event(number, subject, state, seconds, **more):
    return {
        "specversion": "1.0",
        "id": f"{subject}-{number}",
        "source": "/external-api",
        "type": f"workflow.{state}",
        "subject": subject,
        "time": (BEGIN + timedelta(seconds=seconds)).isoformat(),
        **more,
    }


def history(subject, states=STATES, step=60, **more):
    return [event(number, subject, state, number * step, **more) for number, state in enumerate(states)]


def post(server, body, headers=STRUCTURED, status=200):
    answer = requests.post(server.events, data=json.dumps(body), headers=headers, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()


def trace_id(answer):
    [trace] = answer["traces"]
    return trace["trace_id"]


def by_id(server, trace, tenant=None):
    """By Tempo's API: name, seconds after `BEGIN` from and to, whether it runs, in the order of their start, the root first."""
    headers = {"Accept": "application/json", **({"X-Scope-OrgID": tenant} if tenant else {})}
    answer = requests.get(f"{server.tempo}/api/traces/{trace}", headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    spans = [
        span for batch in answer.json()["batches"] for scope in batch["scopeSpans"] for span in scope["spans"]
    ]
    at = lambda nanos: int(nanos) / 1e9 - BEGIN.timestamp()
    def told(span):
        running = attributes(span).get("workflow.running", False)
        end = round(at(span["endTimeUnixNano"]), 3)
        if running:
            # Until it was last looked at, which was when its last event came.
            assert 0 <= time.time() - BEGIN.timestamp() - end < 60
        return span["name"], round(at(span["startTimeUnixNano"]), 3), "now" if running else end, running

    assert all("traceState" not in span for span in spans)
    return [told(span) for span in sorted(spans, key=lambda span: (span.get("parentSpanId", ""), told(span)[1]))], spans


def attributes(span):
    return {pair["key"]: next(iter(pair["value"].values())) for pair in span.get("attributes", [])}


def search(server, query, limit=1000):
    parameters = {"q": query, "limit": limit, "spss": 100, "start": int(time.time()) - 7 * 3600, "end": int(time.time()) + 60}
    answer = requests.get(f"{server.tempo}/api/search", params=parameters, timeout=60)
    assert answer.status_code == 200, answer.text
    return {trace["traceID"].rjust(32, "0"): trace for trace in answer.json().get("traces", [])}


def ours(server, path, **parameters):
    answer = requests.get(f"{server.main}/api/v1/{path}", params=parameters, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def whole(step=60):
    """What `history` looks like in the end."""
    last = len(STATES) - 1
    states = [(state, n * step, min(n + 1, last) * step, False) for n, state in enumerate(STATES)]
    return [("workflow", 0, last * step, False), *states]


def test_a_workflow_is_seen_while_it_runs_and_when_it_has_ended(workflows):
    server = workflows({"mapping": {"namespace": "data.client"}})
    caller = "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01"
    submitted, validated, processing, completed = history("order-17", data={"client": "acme", "items": 3}, traceparent=caller)
    trace = trace_id(post(server, submitted))
    found, spans = by_id(server, trace)
    assert found == [("workflow", 0, "now", True), ("Submitted", 0, "now", True)]
    assert attributes(spans[0])["workflow.instance"] == "order-17"

    assert trace_id(post(server, validated)) == trace
    found, _ = by_id(server, trace)
    assert found == [("workflow", 0, "now", True), ("Submitted", 0, 60, False), ("Validated", 60, "now", True)]
    assert set(search(server, '{ span.workflow.running = true && resource.service.namespace = "acme" }')) == {trace}
    assert set(search(server, '{ name = "Validated" && span.workflow.running = true }')) == {trace}
    assert search(server, '{ name = "Submitted" && span.workflow.running = true }') == {}
    # It hangs.
    assert set(search(server, "{ span.workflow.running = true && duration > 2h }")) == {trace}

    post(server, processing)
    post(server, completed)
    found, spans = by_id(server, trace)
    assert found == whole()
    [root] = [span for span in spans if not span.get("parentSpanId")]
    assert attributes(root) == {
        "workflow.instance": "order-17",
        "workflow.name": "workflow",
        "workflow.state": "Completed",
        "workflow.states": "4",
        "cloudevents.event_source": "/external-api",
    }
    assert {span["parentSpanId"] for span in spans if span is not root} == {root["spanId"]}
    assert all(len(span["links"]) == 1 for span in spans)
    [state] = [span for span in spans if span["name"] == "Processing"]
    assert attributes(state)["items"] == "3"
    assert search(server, "{ span.workflow.running = true }") == {}
    [summary] = search(server, '{ name = "Processing" && duration = 60s }').values()
    assert (summary["rootTraceName"], summary["rootServiceName"], summary["durationMs"]) == ("workflow", "/external-api", 180_000)
    assert set(search(server, "{ span.workflow.states = 4 } > { span.items = 3 }")) == {trace}
    # Every version of a span is a row; whoever reads rows can tell.
    assert server.count("spans", f"trace_id = '{trace}' AND attribute(span_attributes, 'workflow.running') IS NULL") == 5
    assert server.count("spans", "trace_state LIKE 'trefoil=v:%'") > 5

    # Whatever counts spans counts each once.
    day = {"start": int(time.time()) - 86_400, "end": int(time.time()) + 60}
    answer = ours(server, f"traces/{trace}/critical_path")
    [path] = answer["paths"]
    assert [section["span"]["name"] for section in path["sections"]] == ["Submitted", "Validated", "Processing"]
    assert answer["span_count"] == 5
    assert ours(server, "service_graph", **day)["inspected_spans"] == 5
    assert ours(server, "exceptions", **day)["inspected_spans"] == 5
    day_ms = 86_400_000
    calls = {"service": "/external-api", "spanKind": "internal", "lookback": day_ms, "step": day_ms, "ratePer": day_ms}
    answer = requests.get(f"{server.jaeger}/api/metrics/calls", params=calls, timeout=60)
    [rates] = answer.json()["metrics"]
    assert rates["metricPoints"][-1]["gaugeValue"]["doubleValue"] * 86_400 == pytest.approx(5)


def test_a_failed_workflow_is_an_error(workflows):
    server = workflows()
    trace = trace_id(post(server, history("order-1", ["Submitted", "Failed"]), BATCH))
    [found] = search(server, "{ status = error && nestedSetParent < 0 }").values()
    assert found["traceID"].rjust(32, "0") == trace
    assert set(search(server, '{ name = "workflow" && status = error } > { name = "Failed" && status = error }')) == {trace}


def test_binary_mode(workflows):
    server = workflows()
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/external-api",
        "ce-type": "workflow.Submitted",
        "ce-subject": "Stra%C3%9Fe%201",
        "ce-time": BEGIN.isoformat(),
        "Content-Type": "application/json",
    }
    answer = requests.post(server.events, data='{"total": 12.5}', headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    _, spans = by_id(server, trace_id(answer.json()))
    told = [attributes(span) for span in spans]
    assert {one["workflow.instance"] for one in told} == {"Straße 1"}
    assert [one["total"] for one in told if "total" in one] == [12.5]


def test_bad_events_are_named_and_the_others_kept(workflows):
    server = workflows()
    events = history("order-2")
    events[1]["specversion"] = "0.3"
    del events[2]["subject"]
    answer = post(server, events, BATCH)
    assert (answer["accepted"], answer["duplicates"]) == (2, 0)
    assert [(one["index"], one["id"], one["reason"].split(":")[0]) for one in answer["rejected"]] == [
        (1, "order-2-1", "specversion"),
        (2, "order-2-2", "subject"),
    ]
    found, _ = by_id(server, trace_id(answer))
    assert found == [("workflow", 0, 180, False), ("Submitted", 0, 180, False), ("Completed", 180, 180, False)]
    # Set right, they are taken; what was there comes again without harm.
    answer = post(server, history("order-2"), BATCH)
    assert (answer["accepted"], answer["duplicates"]) == (2, 2)
    assert by_id(server, trace_id(answer))[0] == whole()
    assert "rejected" in post(server, events[1], status=400)
    assert "error" in requests.post(server.events, data="{}", headers={"Content-Type": "application/json"}, timeout=60).json()


def test_the_handshake_of_webhooks(workflows):
    server = workflows({"webhook": {"allowed_origins": ["events.example.com"]}})
    asks = {"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "100"}
    answer = requests.options(server.events, headers=asks, timeout=60)
    assert answer.headers["WebHook-Allowed-Origin"] == "events.example.com"
    assert answer.headers["WebHook-Allowed-Rate"] == "*"
    post(server, history("order-3")[0], status=403)
    post(server, history("order-3")[0], {**STRUCTURED, "WebHook-Request-Origin": "events.example.com"})


@pytest.mark.timeout(900)
def test_kill_9_between_events_loses_nothing_acknowledged(workflows):
    server = workflows()
    chance = random.Random(20240722)
    count = 12
    todo = [event for number in range(count) for event in history(f"order-{number}")]
    chance.shuffle(todo)
    acknowledged, traces = set(), {}
    kills = 6
    for part in range(kills):
        events = todo[part * len(todo) // kills : (part + 1) * len(todo) // kills]
        stop = threading.Event()

        def send(events):
            for one in events:
                try:
                    answer = requests.post(server.events, data=json.dumps(one), headers=STRUCTURED, timeout=10)
                except requests.RequestException:
                    return
                if answer.status_code == 200:
                    acknowledged.add(one["id"])
                    traces[one["subject"]] = trace_id(answer.json())
                if stop.is_set():
                    return

        with ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(send, events[first::4]) for first in range(4)]
            before = len(acknowledged)
            wait_until(lambda: len(acknowledged) > before + chance.randrange(len(events)) or all(s.done() for s in sent), "some")
            server.kill()
            stop.set()
        server.start()
        # What was acknowledged is there, and seen.
        seen = {span["cloudevents.event_id"] for trace in set(traces.values()) for span in map(attributes, by_id(server, trace)[1]) if "cloudevents.event_id" in span}
        assert acknowledged <= seen, acknowledged - seen
    # Who was not answered sends again, all of it.
    answers = [post(server, todo[first : first + 10], BATCH) for first in range(0, len(todo), 10)]
    assert sum(answer["accepted"] + answer["duplicates"] for answer in answers) == len(todo)
    assert sum(answer["duplicates"] for answer in answers) >= len(acknowledged)
    for answer in answers:
        traces.update({one["instance"]: one["trace_id"] for one in answer["traces"]})
    assert len(set(traces.values())) == count
    for trace in traces.values():
        assert by_id(server, trace)[0] == whole()


@pytest.mark.timeout(900)
def test_300_workflows_at_once(workflows):
    server = workflows({"mapping": {"state": "data.state"}})
    chance = random.Random(300)
    count = 300
    all_events = []
    for number in range(count):
        for one in history(f"order-{number}", step=10):
            one.update(data={"state": one.pop("type").split(".")[1], "number": number}, type="com.example.progress")
            all_events.append(one)
    first = [one for one in all_events if one["data"]["state"] == "Submitted"]
    rest = [one for one in all_events if one["data"]["state"] != "Submitted"]
    chance.shuffle(rest)

    traces = {}

    def send(one):
        traces[one["subject"]] = trace_id(post(server, one))

    begin = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, first))
        assert len(set(traces.values())) == count
        running = search(server, "{ span.workflow.running = true && span.workflow.states = 1 }")
        assert set(running) == set(traces.values())
        middle = len(rest) // 2
        list(pool.map(send, rest[:middle]))
    is_done = lambda subject, sent: any(one["subject"] == subject and one["data"]["state"] == "Completed" for one in sent)
    ended = {trace for subject, trace in traces.items() if is_done(subject, rest[:middle])}
    assert 50 < len(ended) < 250
    assert set(search(server, "{ span.workflow.running = true }")) == set(traces.values()) - ended
    with ThreadPoolExecutor(16) as pool:
        # Some are sent twice.
        list(pool.map(send, rest[middle:] + chance.sample(all_events, 200)))
    print(f"{len(all_events) + 200} events in {time.monotonic() - begin:.1f} s")
    assert search(server, "{ span.workflow.running = true }") == {}
    found = search(server, '{ name = "/external-api" && duration = 30s } | count() = 1')
    assert set(found) == set(traces.values())
    for number in chance.sample(range(count), 30):
        expected = [(name.replace("workflow", "/external-api"), *rest) for name, *rest in whole(10)]
        assert by_id(server, traces[f"order-{number}"])[0] == expected
    told = server.metrics()
    assert told['otelcol_receiver_workflow_events_total{receiver="workflow",outcome="accepted"}'] == 4 * count
    assert told['otelcol_receiver_workflow_events_total{receiver="workflow",outcome="duplicate"}'] == 200
    finished = 'otelcol_receiver_workflow_instances{receiver="workflow",state="finished"}'
    wait_until(lambda: server.metrics()[finished] == count, "all of them have ended")


def test_tenants_and_reload(workflows):
    server = workflows(more={"tenancy": {"enabled": True}})
    events = history("order-5")
    post(server, events[0], status=401)
    of = lambda tenant: {**STRUCTURED, "X-Scope-OrgID": tenant}
    acme, globex = (trace_id(post(server, events[0], of(tenant))) for tenant in ("acme", "globex"))
    assert acme != globex
    assert by_id(server, acme, "acme")[0][0] == ("workflow", 0, "now", True)
    # Another configuration goes on with the same instances.
    server.config["receivers"]["workflow"]["mapping"] = {"final_states": ["Validated"]}
    server.write_config()
    server.process.send_signal(1)
    post_again = lambda: requests.post(server.events, data=json.dumps(events[1]), headers=of("acme"), timeout=60)
    wait_until(lambda: "receivers.workflow" in server.log_tail().split("reload")[-1], "the reload is told")
    assert post_again().status_code == 200
    assert by_id(server, acme, "acme")[0] == [
        ("workflow", 0, 60, False),
        ("Submitted", 0, 60, False),
        ("Validated", 60, 60, False),
    ]
