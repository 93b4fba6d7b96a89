"""S3 and PostgreSQL go away and come back: senders are asked to wait, nothing is lost, nothing needs a restart."""

import time

import pytest
import requests

import otlp
import verify
from services import Postgres, SeaweedFs
from trefoil import wait_until


@pytest.fixture(scope="module")
def postgres():
    postgres = Postgres()
    yield postgres
    postgres.close()


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory):
    seaweedfs = SeaweedFs(tmp_path_factory.mktemp("seaweedfs") / "s3")
    yield seaweedfs
    seaweedfs.close()


def cluster(postgres, seaweedfs, acknowledge, prefix):
    return {
        "storage": {
            "catalog": postgres.url,
            "data": f"{seaweedfs.url}/{prefix}",
            "object_store": seaweedfs.options,
            "acknowledge": acknowledge,
            "buffer": {"flush_interval": "1s", "flush_bytes": "512KiB"},
        },
        "query": {"max_rows": 10_000_000, "timeout": "2m"},
    }


@pytest.mark.parametrize("acknowledge", ["commit", "log"])
def test_dependencies_go_away_and_come_back(start, postgres, seaweedfs, acknowledge, tmp_path):
    # The catalog belongs to one data path: each mode gets a database of its own.
    postgres_for_mode = postgres if acknowledge == "commit" else Postgres()
    try:
        server = start(cluster(postgres_for_mode, seaweedfs, acknowledge, acknowledge))
        sender = verify.Sender(server, tmp_path / "fates", seconds=300)
        try:
            wait_until(lambda: sender.is_running() and server.count("spans") > 200, "first spans")

            seaweedfs.kill()
            time.sleep(3)
            if acknowledge == "commit":
                answer = otlp.post(server, "logs", otlp.logs(1, service="while-away"))
                assert answer.status_code in (429, 503), answer.status_code
                assert int(answer.headers["Retry-After"]) >= 1
            seaweedfs.start()
            acknowledged_again(sender)

            postgres_for_mode.stop()
            time.sleep(3)
            if acknowledge == "commit":
                # Whether the commit under way happened cannot be known: senders wait for the answer, or come again.
                try:
                    assert otlp.post(server, "logs", otlp.logs(1), seconds=5).status_code in (429, 503)
                except requests.Timeout:
                    pass
            postgres_for_mode.start()
            acknowledged_again(sender)
        finally:
            sender.finish()
        lines = sender.lines()
        wait_until(lambda: answers(server), "queries work again")
        acknowledged = verify.check(server, lines)
        assert server.count("logs", "service_name = 'while-away'") == 0
        server.kill()
        server.start()
        assert verify.check(server, lines) == acknowledged
        if acknowledge == "commit":
            assert not list((server.data_dir / "log").glob("*")), "a cluster keeps nothing on its own disk"
    finally:
        if postgres_for_mode is not postgres:
            postgres_for_mode.close()


def acknowledged_again(sender):
    """Waits until the sender gets something acknowledged that it sent from now on."""
    before = len(sender.lines())
    wait_until(
        lambda: {line["signal"] for line in sender.lines()[before:] if line["fate"] == "acknowledged"}
        == {"traces", "logs", "metrics"},
        "all signals are acknowledged again",
        60,
        0.3,
    )


def answers(server):
    try:
        return server.count("spans") > 0
    except Exception:
        return False
