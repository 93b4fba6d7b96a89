"""A few random queries, asked of Trefoil and of a real Prometheus that has the same data (`make random-queries` asks many)."""

import random

from history import History
from random_queries import Comparison

SEED, COUNT = 20_261_126, 200


def test_answers_are_those_of_prometheus(tmp_path):
    history = History(tmp_path, random.Random(SEED))
    try:
        comparison = Comparison(history, SEED)
        differences = list(comparison.run(COUNT))
    finally:
        history.close()
    assert not differences, "\n".join(f"{query}\n    {when}, {after}\n    {told}" for query, when, after, told in differences)
    # Queries that find nothing or go wrong compare little, and so do data that all lie in one place.
    assert comparison.outcomes["answers"] > COUNT / 2, comparison.outcomes
    assert history.compactions > 0
