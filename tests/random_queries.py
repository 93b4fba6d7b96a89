"""Asks Trefoil and a real Prometheus random queries and prints where they differ, cut down to the part that does.

    make random-queries                              an hour, from a seed of the clock
    make random-queries ARGS='--seed 7 --count 200'
    make random-queries ARGS='--seed 7 --seconds 600'

Data come bit by bit, over three days and 80 minutes; between two bits Trefoil flushes, compacts, starts anew or is killed (`history`).
That done, both start from nothing with the next seed. $TREFOIL_PROMETHEUS names the Prometheus to compare with. The newer it is, the more
of the language is asked.
"""

import argparse
import collections
import random
import re
import sys
import tempfile
import time
from pathlib import Path

import demo_metrics
import long_metrics
import reference
from history import History
from promql_generator import DEMO, LONG, Generator, Node

#: Queries of a round, which goes once through the history.
ROUND = 600
MINUTE, HOUR, DAY = 60, 3600, 86_400


class Comparison:
    def __init__(self, history, seed):
        self.history = history
        self.chance = random.Random(seed)
        self.generator = Generator(self.chance, history.prometheus.version >= (3, 0))
        self.outcomes = collections.Counter()

    def run(self, count):
        """Asks so many over the whole history, and one more after each bit; yields what `ask` returns, and after what it was asked."""
        bits = sum(1 for _ in self.history.edges())
        for number, action in enumerate(self.history.bits()):
            here = count * (number + 1) // bits - count * number // bits
            for question in [self.everything(), *(self.question() for _ in range(here))]:
                difference = self.ask(*question)
                if difference:
                    query, when, told = difference
                    yield query, when, f"bit {number}, {action}", told
        self.history.count_compactions()

    def everything(self):
        """All samples of one metric, as they are."""
        words = self.chance.choice([DEMO, LONG])
        native = words.native * self.generator.newest
        name = self.chance.choice([*words.gauges, *words.counters, words.buckets, *native])
        return Node(f"{name}[4d]"), reference.Instant(self.history.now / 1000 + 0.5)

    def question(self):
        is_demo = self.history.now > demo_metrics.START and self.chance.random() < 0.7
        words = DEMO if is_demo else LONG
        return self.generator.query(words), self.when(words)

    def when(self, words):
        """A moment or a range, from a bit before there is data to a bit after."""
        now = self.history.now / 1000
        if words is DEMO:
            begin, end = demo_metrics.START / 1000 - 2 * MINUTE, now + 6 * MINUTE
        else:
            begin, end = long_metrics.START / 1000 - 20 * MINUTE, now + 10 * MINUTE
        start = begin + self.chance.randrange(int(end - begin)) + self._edge()
        kind = self.chance.choices(["moment", "short", "hour", "long", "days", "one step"], [40, 28, 12, 12, 3, 5])[0]
        if kind == "moment":
            return reference.Instant(start)
        if kind == "one step":
            return reference.Range(start, start + self.chance.choice([0, 10, 59.9]), 60)
        step, length = {
            "short": lambda step: (step, self.chance.randrange(1, 25) * step),
            "hour": lambda _: (15, HOUR),
            "long": lambda _: (self.chance.choice([61.3, 300, 433, 3600]), self.chance.choice([3, 8, 26]) * HOUR),
            "days": lambda _: (60, self.chance.choice([1, 1.5, 3]) * DAY),
        }[kind](self.chance.choice([0.7, 5, 7, 13.7, 15, 60]))
        # A long one would begin behind most of the data.
        start = max(begin + self._edge(), start - length) if length >= HOUR else start
        return reference.Range(round(start, 3), round(start + length, 3), step)

    def _edge(self):
        """0.5 has no sample on the edge of a range, which 2.x takes and 3.x leaves; the others are times of samples, too."""
        return self.chance.choice([0.5, 0.0, 0.137, 0.548]) if self.generator.newest else 0.5

    def ask(self, node, when):
        """Returns (smallest expression, when, what differs) if they differ."""
        told, ours = self.compare(node.text, when)
        self.outcomes[self._outcome(ours)] += 1
        if not told:
            return None
        smallest = self._smallest(node, when, told)
        if self._is_rounding(*smallest) or self._is_far_from_zero(*smallest[:2]):
            self.outcomes["rounding made large"] += 1
            return None
        if self._is_choice_among_equals(*smallest[:2]):
            self.outcomes["other ones of equals"] += 1
            return None
        if self._is_about_empty_buckets(*smallest[:2]):
            self.outcomes["empty buckets"] += 1
            return None
        return smallest[0].text, *smallest[1:]

    def compare(self, query, when, tolerance=reference.TOLERANCE):
        ours, theirs = reference.both(self.history.trefoil, self.history.prometheus, query, when)
        return reference.difference(ours, theirs, tolerance), ours

    def _is_rounding(self, node, when, told):
        """Whether parts differ in their last digits, of which `%` or `tan` make anything. What does not is found elsewhere.

        Prometheus adds series up in an order that changes, so that those digits are the same at times. A subquery is an answer
        at one moment only: where the difference is.
        """
        place = re.search(r" at ([0-9.]+)$", told)
        moments = [when, *([reference.Instant(float(place[1]))] if place else [])]
        return any(self.compare(part.text, moment, 0)[0] for part in [*node.below()] * 3 for moment in moments)

    def _is_far_from_zero(self, node, when):
        """Whether it is a deviation that is small beside the values, of which the last digits depend on the order of the series: around
        zero both agree on it."""
        if not re.match(r"std(dev|var)\b(?!_)", node.text):
            return False
        (values,) = node.parts
        told, ours = self.compare(node.text.replace(values.text, f"({values.text} - scalar(avg({values.text})))"), when)
        return told is None and self._outcome(ours) == "answers"

    def _is_choice_among_equals(self, node, when):
        """Whether both took the same values, if of other series: which of equals topk takes is nobody's promise."""
        if not re.match(r"(topk|bottomk)\b", node.text):
            return False
        ours, theirs = reference.both(self.history.trefoil, self.history.prometheus, node.text, when)
        return "error" not in (ours["status"], theirs["status"]) and self._values(ours) == self._values(theirs)

    def _values(self, answer):
        points = [point for series in answer["data"]["result"] for point in series.get("values", [series.get("value")])]
        return sorted((float(when), float(value)) for when, value in points)

    def _is_about_empty_buckets(self, node, when):
        """Whether both agree on a comparison of histograms once empty buckets are gone: it tells them from none at all, and
        Prometheus puts some in where it stores histograms side by side."""
        if len(node.parts) != 2 or not re.search(r"\) [=!]=", node.text):
            return False
        tidied = node.text
        for part in node.parts:
            tidied = tidied.replace(f"({part.text})", f"(({part.text}) + 0 * ({part.text}))")
        return self.compare(tidied, when)[0] is None

    def _outcome(self, answer):
        if answer["status"] == "error":
            return "errors"
        return "answers" if answer["data"]["result"] else "empty answers"

    def _smallest(self, node, when, told):
        for part in node.parts:
            below, _ = self.compare(part.text, when)
            if below:
                return self._smallest(part, when, below)
        return node, when, told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--count", type=int, help="queries; without it, --seconds decides")
    parser.add_argument("--seconds", type=float, default=3600)
    options = parser.parse_args()
    begin, seed, asked, found = time.monotonic(), options.seed, 0, 0
    outcomes = collections.Counter()
    while asked < options.count if options.count else time.monotonic() - begin < options.seconds:
        count = min(ROUND, options.count - asked) if options.count else ROUND
        found += round_of(seed, count, outcomes)
        asked += count
        print(f"{asked} queries in {time.monotonic() - begin:.0f} s, {dict(outcomes)}: {found} differences", flush=True)
        seed += 1
    sys.exit(1 if found else 0)


def round_of(seed, count, outcomes):
    """Prints what differs; returns how much."""
    found = 0
    with tempfile.TemporaryDirectory(prefix="trefoil-random-") as directory:
        history = History(Path(directory), random.Random(seed))
        try:
            print(f"seed {seed}, Prometheus {history.prometheus.version}", flush=True)
            comparison = Comparison(history, seed)
            for query, when, after, told in comparison.run(count):
                found += 1
                print(f"{query}\n    {when}, {after}\n    {told}", flush=True)
        finally:
            history.close()
    outcomes.update(comparison.outcomes)
    outcomes["compactions"] += int(history.compactions)
    return found


if __name__ == "__main__":
    main()
