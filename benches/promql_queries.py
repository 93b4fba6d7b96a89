"""The questions that dashboards ask, put to a server over HTTP and timed with its processor time."""

import time
from dataclasses import dataclass

import requests

# What each is: name → query. They know the metrics of `trefoil-loadgen remote-write`.
QUERIES = {
    "rate by job": "sum by (job) (rate(http_server_requests_total[5m]))",
    "p95 by job": "histogram_quantile(0.95, sum by (job, le) (rate(http_server_request_duration_seconds_bucket[5m])))",
    "error ratio over 1 h": 'sum by (job) (rate(http_server_requests_total{code=~"5.."}[1h])) '
    "/ sum by (job) (rate(http_server_requests_total[1h]))",
    "topk": "topk(10, rate(db_client_operation_duration_seconds_count[5m]))",
    "one customer, raw": 'bookstore_api_calls_total{customer="customer-0001"}',
    "max_over_time": "max by (job) (max_over_time(worker_queue_length[10m]))",
    "many-to-one join": "sum by (job, version) (rate(http_server_requests_total[5m]) "
    "* on (job, instance) group_left (version) build_info)",
    "count by name": 'count by (__name__) ({__name__!=""})',
}
SERIES = {"series": ("/series", {"match[]": '{job="orders"}'}), "label values": ("/label/customer/values", {})}
# Name → (seconds back from the end of the data, step); an instant has none. For /series an instant is five minutes.
RANGES = {"instant": (0, 0), "1 h at 15 s": (3600, 15), "1 day at 60 s": (86_400, 60)}

TIMEOUT = 600
# A query is repeated until so much time went by, at least and at most so often.
ENOUGH_SECONDS, LEAST_TIMES, MOST_TIMES = 0.5, 3, 20


@dataclass
class Question:
    name: str
    range: str
    path: str
    parameters: dict


@dataclass
class Cost:
    """Of one answer: seconds at the client, seconds of the server's processors, and the answer's bytes; or why there is none."""

    wall: float = 0
    cpu: float = 0
    size: int = 0
    failure: str | None = None


class Failed(Exception):
    """A server does not answer a question."""


def questions(end, names=None):
    """All of them in all ranges, for data that end at `end` (seconds since the epoch)."""
    for range_, (seconds, step) in RANGES.items():
        for name, query in QUERIES.items():
            if step:
                parameters = {"query": query, "start": end - seconds, "end": end, "step": step}
            else:
                parameters = {"query": query, "time": end}
            if not names or name in names:
                yield Question(name, range_, "/query_range" if step else "/query", parameters)
        for name, (path, parameters) in SERIES.items():
            if not names or name in names:
                yield Question(name, range_, path, {**parameters, "start": end - (seconds or 300), "end": end})


def ask(session, server, question):
    """The answer's bytes. They come as they are: compression would be measured along otherwise."""
    headers = {"Accept-Encoding": "identity"}
    url = server.api + question.path
    answer = session.get(url, params=question.parameters, headers=headers, timeout=TIMEOUT)
    if answer.status_code != 200:
        raise Failed(f"{server.name}: {question.name}, {question.range}: {answer.status_code} {answer.text[:300]}")
    return answer.content


def once(session, server, question):
    cpu, begin = server.cpu_seconds(), time.perf_counter()
    try:
        body = ask(session, server, question)
    except Failed as failure:
        return Cost(failure=str(failure)), None
    wall = time.perf_counter() - begin
    return Cost(wall, server.cpu_seconds() - cpu, len(body)), body


def warm(session, server, question):
    """The median over repetitions; for processor time the mean."""
    try:
        ask(session, server, question)
    except Failed as failure:
        return Cost(failure=str(failure))
    walls, size = [], 0
    cpu, begin = server.cpu_seconds(), time.perf_counter()
    while len(walls) < LEAST_TIMES or (len(walls) < MOST_TIMES and time.perf_counter() - begin < ENOUGH_SECONDS):
        start = time.perf_counter()
        size = len(ask(session, server, question))
        walls.append(time.perf_counter() - start)
    cpu = (server.cpu_seconds() - cpu) / len(walls)
    return Cost(sorted(walls)[len(walls) // 2], cpu, size)


def measure_cold(server, asked, restart_each):
    """Each question's first answer, by a fresh process without page cache; after one restart only when there is much data."""
    costs, answers = [], []
    for number, question in enumerate(asked):
        if restart_each or number == 0:
            server.restart_cold()
        # A new connection, as the first question of a client has.
        with requests.Session() as session:
            cost, body = once(session, server, question)
        costs.append(cost)
        answers.append(body)
    return costs, answers


def measure_warm(server, asked):
    with requests.Session() as session:
        return [warm(session, server, question) for question in asked]
