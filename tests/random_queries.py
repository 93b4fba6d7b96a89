"""Asks Trefoil and a real Prometheus random queries and prints where they differ, cut down to the part that does.

    make random-queries                              an hour, from a seed of the clock
    make random-queries ARGS='--seed 7 --count 200'

$TREFOIL_PROMETHEUS names the Prometheus to compare with. The newer it is, the more of the language is asked.
"""

import argparse
import collections
import random
import sys
import tempfile
import time
from pathlib import Path

import demo_metrics
import reference
from promql_generator import Generator
from trefoil import Server


class Comparison:
    def __init__(self, trefoil, prometheus, seed):
        self.servers = trefoil, prometheus
        self.chance = random.Random(seed)
        self.generator = Generator(self.chance, prometheus.version >= (3, 0))
        self.outcomes = collections.Counter()

    def when(self):
        """A moment or a range in the second half of the data, never on a whole second."""
        start = demo_metrics.START / 1000 + 40 * 60 + self.chance.randrange(30 * 60) + 0.5
        if self.chance.random() < 0.5:
            return reference.Instant(start)
        step = self.chance.choice([5, 7, 15, 60])
        return reference.Range(start, start + self.chance.randrange(1, 25) * step, step)

    def next(self):
        """Asks one more; returns (smallest expression, when, what differs) if they differ."""
        node, when = self.generator.query(), self.when()
        told, ours = self.compare(node.text, when)
        self.outcomes[self._outcome(ours)] += 1
        return told and self._smallest(node, when, told)

    def compare(self, query, when):
        ours, theirs = reference.both(*self.servers, query, when)
        return reference.difference(ours, theirs), ours

    def _outcome(self, answer):
        if answer["status"] == "error":
            return "errors"
        return "answers" if answer["data"]["result"] else "empty answers"

    def _smallest(self, node, when, told):
        for part in node.parts:
            below, _ = self.compare(part.text, when)
            if below:
                return self._smallest(part, when, below)
        return node.text, when, told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--count", type=int, help="queries; without it, --seconds decides")
    parser.add_argument("--seconds", type=float, default=3600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trefoil-random-") as directory:
        sys.exit(run(Path(directory), options))


def run(directory, options):
    trefoil = Server(directory / "trefoil", reference.CONFIG).start()
    prometheus = reference.Prometheus(directory / "prometheus")
    try:
        reference.load(trefoil, prometheus)
        comparison = Comparison(trefoil, prometheus, options.seed)
        print(f"seed {options.seed}, Prometheus {prometheus.version}", flush=True)
        begin, asked, found = time.monotonic(), 0, 0
        while asked < options.count if options.count else time.monotonic() - begin < options.seconds:
            difference = comparison.next()
            asked += 1
            if difference:
                found += 1
                query, when, told = difference
                print(f"{query}\n    {when}\n    {told}", flush=True)
        print(f"{asked} queries, {dict(comparison.outcomes)}: {found} differences", flush=True)
        return 1 if found else 0
    finally:
        trefoil.close()
        prometheus.close()


if __name__ == "__main__":
    main()
