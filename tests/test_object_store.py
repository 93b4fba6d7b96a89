"""S3 and PostgreSQL go away and come back: senders are asked to wait, nothing is lost, nothing needs a restart."""

import os
import threading
import time

import pytest

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


# The Collector's exporters give up after 5 seconds, the SDKs' after 10. Senders hear within 4; the rest is for slow machines.
ANSWERED_WITHIN = 6


class Probes:
    """Log lines of a service of their own, each sent once, as long as the `with` block runs."""

    def __init__(self, server, service):
        self.server, self.service = server, service
        self.stop = threading.Event()
        self.answers = []
        self.failure = None
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(3)]

    def _run(self, thread):
        try:
            number = 0
            while not self.stop.wait(0.2):
                name = f"{self.service}-{thread}-{number}"
                begin = time.monotonic()
                answer = otlp.post(self.server, "logs", otlp.logs(1, service=name), seconds=30)
                self.answers.append((name, answer, time.monotonic() - begin))
                number += 1
        except Exception as failure:
            self.failure = failure

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert self.failure is None, self.failure
        slow = [(name, answer.status_code, seconds) for name, answer, seconds in self.answers if seconds > ANSWERED_WITHIN]
        assert not slow, slow

    def names(self, *statuses):
        return {name for name, answer, _ in self.answers if answer.status_code in statuses}

    def check_refusals(self):
        refused = [answer for _, answer, _ in self.answers if answer.status_code != 200]
        assert refused, "nothing was refused"
        for answer in refused:
            assert answer.status_code in (429, 503), answer.status_code
            assert int(answer.headers["Retry-After"]) >= 1

    def check_stored(self):
        """What was accepted is there once, what was refused is not."""
        rows = self.server.sql(
            f"SELECT service_name, count(*) FROM logs WHERE service_name LIKE '{self.service}-%' GROUP BY service_name"
        )
        assert dict(rows) == dict.fromkeys(self.names(200), 1)


@pytest.mark.parametrize("acknowledge", ["commit", "log"])
def test_dependencies_go_away_and_come_back(start, postgres, seaweedfs, acknowledge, tmp_path):
    # The catalog belongs to one data path: each mode gets a database of its own.
    postgres_for_mode = postgres if acknowledge == "commit" else Postgres()
    try:
        server = start(cluster(postgres_for_mode, seaweedfs, acknowledge, acknowledge))
        sender = verify.Sender(server, tmp_path / "fates", seconds=300)
        probes = []
        try:
            wait_until(lambda: sender.is_running() and server.count("spans") > 200, "first spans")
            for service, go_away, come_back in [
                ("no-s3", seaweedfs.kill, seaweedfs.start),
                ("no-postgres", postgres_for_mode.stop, postgres_for_mode.start),
            ]:
                with Probes(server, service) as sent:
                    probes.append(sent)
                    time.sleep(1)
                    go_away()
                    # Longer than anybody waits.
                    time.sleep(2 * ANSWERED_WITHIN)
                    come_back()
                    acknowledged_again(sender)
                if acknowledge == "commit":
                    sent.check_refusals()
        finally:
            sender.finish()
        lines = sender.lines()
        # The log takes everything meanwhile; without it nobody is left without an answer either.
        expected = {"acknowledged", "refused"} if acknowledge == "commit" else {"acknowledged"}
        assert {line["fate"] for line in lines} == expected
        wait_until(lambda: answers(server), "queries work again")
        acknowledged = verify.check(server, lines)
        for sent in probes:
            sent.check_stored()
        server.kill()
        server.start()
        assert verify.check(server, lines) == acknowledged
        for sent in probes:
            sent.check_stored()
        if acknowledge == "commit":
            assert not list((server.data_dir / "log").glob("*")), "a cluster keeps nothing on its own disk"
    finally:
        if postgres_for_mode is not postgres:
            postgres_for_mode.close()


def test_objects_are_merged_and_collected(start, seaweedfs):
    """Files in S3 too become few and large (in parts), and what nobody lists goes."""
    data = f"{seaweedfs.url}/collected"
    server = start(
        {
            "storage": {
                "data": data,
                "object_store": seaweedfs.options,
                "buffer": {"flush_interval": "1s"},
                "compaction": {"interval": "500ms", "min_files": 2},
                "garbage": {"interval": "1s", "grace": "1s"},
            }
        }
    )
    requests, lines = 6, 10_000
    for number in range(requests):
        otlp.send(server, "logs", noise(lines))
        wait_until(lambda: server.metrics()["trefoil_storage_flushes_total"] > number, "it is flushed")

    # A file waits until there are others of its size.
    wait_until(lambda: server.live_files()[0] <= 2, "the files are merged", 60)

    def stored():
        return seaweedfs.objects(data.removeprefix(f"s3://{seaweedfs.BUCKET}/")).values()

    wait_until(lambda: (len(stored()), sum(stored())) == server.live_files(), "the others are deleted")
    assert max(stored()) > 8 << 20, "too small to be uploaded in parts"
    query = "SELECT count(*), count(DISTINCT body) FROM logs"
    assert server.sql(query) == [(requests * lines, requests * lines)]
    assert server.stop() == 0
    server.start()
    assert server.sql(query) == [(requests * lines, requests * lines)]


def noise(lines):
    """Log lines of 200 bytes that nothing makes shorter."""
    request = otlp.logs(lines)
    for record in request.resource_logs[0].scope_logs[0].log_records:
        record.body.string_value = os.urandom(200).hex()
    return request


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
