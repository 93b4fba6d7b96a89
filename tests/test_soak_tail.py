"""Ten seconds of tails under load (`make soak-tail` takes ten minutes)."""

from soak_tail import CONFIG, soak


def test_tails_under_load(start):
    report = soak(start(CONFIG), seconds=10, rate=3000)
    assert report["flushes"] > 3, report
