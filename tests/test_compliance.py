"""The queries of Prometheus' compliance project, asked of Trefoil and of a real Prometheus that has the same data."""

import itertools
import os
import re
from pathlib import Path

import pytest
import yaml

import demo_metrics
import reference
from trefoil import ROOT, Server

DATA = Path(os.environ.get("TREFOIL_CONFORMANCE", ROOT / ".." / "shared" / "conformance"))
FILE = DATA / "compliance" / "promql" / "promql-test-queries.yml"

# What the templates of the file stand for; the file names the kinds only.
VARIANTS = {
    "range": ["1s", "15s", "1m", "5m", "15m", "1h"],
    "offset": ["1m", "5m", "10m"],
    "simpleAggrOp": ["sum", "avg", "max", "min", "count", "stddev", "stdvar"],
    "simpleTimeAggrOp": ["sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last"],
    "topBottomOp": ["topk", "bottomk"],
    "quantile": ["-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"],
    "arithBinOp": ["+", "-", "*", "/", "%", "^"],
    "compBinOp": ["==", "!=", "<", ">", "<=", ">="],
    "binOp": ["+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="],
    "simpleMathFunc": ["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round"],
    "extrapolatedRateFunc": ["delta", "rate", "increase"],
    "clampFunc": ["clamp_min", "clamp_max"],
    "instantRateFunc": ["idelta", "irate"],
    "dateFunc": ["day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"],
}

# Ten minutes in steps of ten seconds, with an hour of data before and the farthest offset behind.
START = demo_metrics.START / 1000 + 61 * 60 + 0.5
WHEN = reference.Range(START, START + 8 * 60, 10)

# Query → (the newest Prometheus for which it holds, why the answers differ).
UTF8 = "2.x refuses label names that are not classic ones; since 3.0 every UTF-8 text is a label name"
KNOWN = {
    'label_replace(demo_num_cpus, "~invalid", "", "src", "(.*)")': ((2, 99), UTF8),
    'label_join(demo_num_cpus, "~invalid", "-", "instance")': ((2, 99), UTF8),
}


def cases():
    """Every query of every template. Which of them should fail, the real Prometheus says."""
    for case in yaml.safe_load(FILE.read_text())["test_cases"]:
        arguments = case.get("variant_args", [])
        for values in itertools.product(*(VARIANTS[argument] for argument in arguments)):
            chosen = dict(zip(arguments, values))
            yield re.sub(r"\{\{\.(\w+)\}\}", lambda found: chosen[found[1]], str(case["query"]))


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Trefoil and Prometheus with the demo service's metrics."""
    if not FILE.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{FILE} is missing")
    directory = tmp_path_factory.mktemp("compliance")
    trefoil = Server(directory / "trefoil", reference.CONFIG).start()
    prometheus = reference.Prometheus(directory / "prometheus")
    try:
        reference.load(trefoil, prometheus)
        yield trefoil, prometheus
    finally:
        trefoil.close()
        prometheus.close()


def test_answers_are_those_of_prometheus(servers):
    trefoil, prometheus = servers
    queries = list(cases())
    assert len(queries) == 539
    unexpected, agreeing = [], []
    for query in queries:
        ours, theirs = reference.both(trefoil, prometheus, query, WHEN)
        told = reference.difference(ours, theirs)
        known = query in KNOWN and prometheus.version <= KNOWN[query][0]
        if told and not known:
            unexpected.append(f"{query}\n    {told}")
        if known and not told:
            agreeing.append(query)
    assert not unexpected, f"{len(unexpected)} differences:\n" + "\n".join(unexpected)
    assert not agreeing, f"no longer different: {agreeing}"
