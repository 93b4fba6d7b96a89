"""A few random queries, asked of Trefoil and of a real Prometheus that has the same data (`make random-queries` asks many)."""

import pytest

import reference
from random_queries import Comparison
from trefoil import Server

SEED, COUNT = 20_261_126, 200


def test_answers_are_those_of_prometheus(tmp_path):
    trefoil = Server(tmp_path / "trefoil", reference.CONFIG).start()
    prometheus = reference.Prometheus(tmp_path / "prometheus")
    try:
        reference.load(trefoil, prometheus)
        comparison = Comparison(trefoil, prometheus, SEED)
        differences = list(filter(None, (comparison.next() for _ in range(COUNT))))
    finally:
        trefoil.close()
        prometheus.close()
    assert not differences, "\n".join(f"{query}\n    {when}\n    {told}" for query, when, told in differences)
    # Queries that find nothing or go wrong compare little.
    assert comparison.outcomes["answers"] > COUNT / 2, comparison.outcomes
