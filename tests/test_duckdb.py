"""DuckDB attaches to the catalog while Trefoil runs and reads the same tables."""

import subprocess

import duckdb
import duckdb_extensions
import pytest

from trefoil import binary, wait_until

TABLES = ["spans", "logs", "samples", "series", "exemplars"]


@pytest.fixture
def loaded(start):
    """A server with a few thousand items of each signal, everything in files."""
    server = start({"storage": {"buffer": {"flush_interval": "1s"}}})
    for signal in ("traces", "logs", "metrics"):
        subprocess.run(
            [binary("trefoil-loadgen"), signal, "--endpoint", server.http, "--batch", "400", "--count", "4000",
             "--series", "2000"],
            check=True, capture_output=True, timeout=120,
        )
    return server


def attach(server):
    connection = duckdb.connect()
    for extension in ("sqlite_scanner", "ducklake"):
        duckdb_extensions.import_extension(extension, con=connection)
        connection.execute(f"LOAD {extension}")
    connection.execute(f"ATTACH 'ducklake:sqlite:{server.data_dir}/catalog.sqlite' AS lake (READ_ONLY)")
    return connection


def test_duckdb_sees_what_trefoil_sees(loaded):
    server = loaded
    counts = {table: server.count(table) for table in TABLES}
    assert counts["logs"] == 4000 and counts["samples"] == 4000 and counts["spans"] >= 3996, counts

    def in_duckdb():
        lake = attach(server)
        return {table: lake.execute(f"SELECT count(*) FROM lake.{table}").fetchone()[0] for table in TABLES}

    # What is acknowledged reaches the files within the flush interval.
    wait_until(lambda: in_duckdb() == counts, f"DuckDB counts {counts}", 60, 0.5)

    lake = attach(server)
    for query in [
        "SELECT service_name, count(*), min(duration_nano), max(duration_nano), sum(duration_nano) FROM spans GROUP BY 1 ORDER BY 1",
        "SELECT severity_number, count(*), count(DISTINCT body) FROM logs GROUP BY 1 ORDER BY 1",
        "SELECT metric_name, count(*), count(DISTINCT series_id), sum(value_int) FROM samples GROUP BY 1 ORDER BY 1",
        'SELECT "span.http.response.status_code", count(*) FROM spans GROUP BY 1 ORDER BY 1',
        'SELECT "resource.k8s.pod.name", count(*) FROM spans GROUP BY 1 ORDER BY 1, 2',
    ]:
        ours = server.sql(query)
        theirs = lake.execute(f"USE lake; {query}").fetchall()
        assert [tuple(map(comparable, row)) for row in ours] == [tuple(map(comparable, row)) for row in theirs], query


def comparable(value):
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_duckdb_keeps_reading_while_trefoil_writes(loaded):
    server = loaded
    before = server.count("logs")
    lake = attach(server)
    load = subprocess.Popen(
        [binary("trefoil-loadgen"), "logs", "--endpoint", server.http, "--rate", "2000", "--duration", "5s", "--batch",
         "100", "--json"],
        stdout=subprocess.PIPE, text=True,
    )
    seen = []
    while load.poll() is None:
        seen.append(lake.execute("SELECT count(*) FROM lake.logs").fetchone()[0])
    assert seen == sorted(seen), "a count went down"
    load.communicate()
    assert load.returncode == 0
    total = server.count("logs")
    assert total > before
    wait_until(lambda: lake.execute("SELECT count(*) FROM lake.logs").fetchone()[0] == total, "all lines in files")
