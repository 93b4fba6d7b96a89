"""What an older release left, killed, is read, added to, compacted and kept by this one."""

import sqlite3
import tarfile

import pytest
import requests

import older_lake as older
from trefoil import Server, merged, wait_until

COMPACTING = merged(older.QUIET, {"storage": {"compaction": {"interval": "50ms", "min_files": 2}}})


@pytest.fixture
def server(tmp_path):
    with tarfile.open(older.ARCHIVE) as tar:
        tar.extractall(tmp_path, filter="data")
    server = Server(tmp_path, older.QUIET)
    # As the server advises when files were moved.
    catalog = sqlite3.connect(server.data_dir / "catalog.sqlite")
    with catalog:
        catalog.execute("UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'", [f"{server.data_dir}/data/"])
    catalog.close()
    yield server.start()
    server.close()


def promql(server, query, at):
    answer = requests.get(f"{server.prometheus}/api/v1/query", params={"query": query, "time": at / 1000}, timeout=60)
    assert answer.status_code == 200, answer.text
    return {row["metric"].get("instance"): float(row["value"][1]) for row in answer.json()["data"]["result"]}


def check(server, bits):
    """All that was sent in so many bits is there once."""
    everything = f"[{bits * older.TICKS * older.STEP // 1000 + 60}s]"
    last = older.time(bits - 1, older.TICKS - 1)
    ticks = bits * older.TICKS
    sums = {f"i{instance}": (instance + 1) * ticks * (ticks - 1) / 2 for instance in range(older.INSTANCES)}
    for query, expected in {
        f"count_over_time(older_requests_total{everything})": dict.fromkeys(sums, ticks),
        f"sum_over_time(older_requests_total{everything})": sums,
        f"count_over_time(older_duration_seconds{everything})": dict.fromkeys(sums, ticks),
        f"histogram_count(sum_over_time(older_duration_seconds{everything}))": {name: 3 * sum_ for name, sum_ in sums.items()},
    }.items():
        assert promql(server, query, last) == expected, query
    [gauge] = promql(server, f"sum(sum_over_time(older_gauge{everything}))", last).values()
    assert gauge == sum(1000 * bit + number for bit in range(bits) for number in range(older.ITEMS))
    for bit in range(bits):
        [[count]] = server.sql(f"SELECT count(*) FROM spans WHERE trace_id = X'{bit + 1:032x}'")
        assert count == older.ITEMS
    assert server.count("logs", "service_name = 'older'") == bits * older.ITEMS
    assert server.count("exemplars") == bits * older.ITEMS
    series = requests.get(f"{server.prometheus}/api/v1/series", params={"match[]": '{job="older"}', "start": 0}, timeout=60).json()
    assert len(series["data"]) == 2 * older.INSTANCES + older.ITEMS


def test_an_older_store_goes_on(server):
    check(server, older.BITS)
    # Its sender, who never heard that the last bit was taken, sends it again.
    older.write(server, older.BITS - 1)
    check(server, older.BITS)
    older.send(server, older.BITS)
    check(server, older.BITS + 1)
    server.kill()
    server.start()
    check(server, older.BITS + 1)
    assert server.stop() == 0
    server.config = merged(server.config, COMPACTING)
    server.start()
    # Of each table two files were of the older release and one is of this.
    wait_until(lambda: server.live_files()[0] == 5, "all is compacted")
    check(server, older.BITS + 1)
    older.send(server, older.BITS + 1)
    check(server, older.BITS + 2)
    server.kill()
    server.start()
    check(server, older.BITS + 2)

