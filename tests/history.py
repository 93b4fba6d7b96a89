"""Brings metrics to Trefoil and Prometheus bit by bit, and lets Trefoil keep them in every way there is.

Between two bits it flushes, starts anew with compaction or without, or is killed: at any moment some samples lie in the buffer, some in files
as they were flushed, some in compacted ones, and some series come a bit late. The seed decides when.
"""

import requests

import demo_metrics
import long_metrics
import reference
import remote_write as rw
from trefoil import Server

HOUR = 3_600_000
# The long metrics alone, then the demo service's beside them.
LONG_BIT, DEMO_BIT = 9 * HOUR, 8 * 60_000
LATE = 0.1
ACTIONS = ["nothing", "nothing", "flush", "flush", "flush", "restart", "compact", "kill"]


class History:
    def __init__(self, directory, chance):
        self.chance = chance
        self.trefoil = Server(directory / "trefoil", _config(compacts=False)).start()
        self.prometheus = reference.Prometheus(directory / "prometheus")
        self.series = [*long_metrics.series(), *demo_metrics.series()]
        # Histograms keep their order, since what is between two of them depends on it, and go first in one request: 2.x takes none
        # that is older than what it has of other series.
        self.series.sort(key=lambda one: not one.is_native())
        self.natives = sum(one.is_native() for one in self.series)
        self.compactions = 0
        #: Up to when there is data, milliseconds.
        self.now = long_metrics.START

    def close(self):
        self.trefoil.close()
        self.prometheus.close()

    def bits(self):
        """Brings one bit after another; yields what then was done to Trefoil."""
        late, actions = {}, []
        for begin, end in self.edges():
            self._send(begin, end, late)
            self.now = end
            if not actions:
                actions = self.chance.sample(ACTIONS, len(ACTIONS))
            action = actions.pop()
            getattr(self, f"_{action}")()
            yield action

    @staticmethod
    def edges():
        """Where bits begin and end, in order."""
        days = range(long_metrics.START, demo_metrics.START, LONG_BIT)
        edges = [*days, *range(demo_metrics.START, demo_metrics.END, DEMO_BIT), demo_metrics.END]
        return zip(edges, edges[1:])

    def _send(self, begin, end, late):
        """`late` has numbers of series and when what they have not brought begins. They bring it after what is newer."""
        parts, earlier = [], []
        for number, series in enumerate(self.series):
            if number in late:
                earlier.append(series.between(late.pop(number), begin))
            if number >= self.natives and end != demo_metrics.END and self.chance.random() < LATE:
                late[number] = begin
            else:
                parts.append(series.between(begin, end))
        self.chance.shuffle(earlier)
        self._post(parts[: self.natives])
        rest = list(filter(None, parts[self.natives :] + earlier))
        for first in range(0, len(rest), 32):
            self._post(rest[first : first + 32])

    def _post(self, parts):
        body = b"".join(parts)
        for server in (self.trefoil, self.prometheus):
            answer = rw.post(f"{server.prometheus}/api/v1/write", body)
            assert answer.status_code in (200, 204), f"{server.prometheus}: {answer.status_code} {answer.text[:2000]}"

    def _nothing(self):
        pass

    def _flush(self):
        answer = requests.post(f"{self.trefoil.prometheus}/api/v1/admin/tsdb/snapshot", timeout=120)
        assert answer.status_code == 200, answer.text

    def _restart(self, compacts=False):
        self.count_compactions()
        assert self.trefoil.stop() == 0
        self._start(compacts)

    def _compact(self):
        """Compaction goes on while the next queries are asked, until something else starts Trefoil anew."""
        self._restart(compacts=True)

    def _kill(self):
        self.count_compactions()
        self.trefoil.kill()
        self._start(compacts=False)

    def _start(self, compacts):
        self.trefoil.config["storage"] = _config(compacts)["storage"]
        self.trefoil.start()

    def count_compactions(self):
        self.compactions += self.trefoil.metrics().get("trefoil_storage_compaction_jobs_total", 0)


def _config(compacts):
    storage = {
        **reference.CONFIG["storage"],
        "buffer": {"flush_interval": "1h"},
        "compaction": {"interval": "50ms" if compacts else "0", "min_files": 2},
    }
    return {"storage": storage, "listeners": {"prometheus": {"admin_api": True}}}
