"""Three days of metrics before those of `demo_metrics` and beside them, the same every time: a scrape a minute that is never quite on
time, counters that are set back and others that begin at 0, series that begin and end, with a stale marker and without, a gap, and native histograms.
"""

import random

import demo_metrics
from demo_metrics import STALE, histogram_bytes

STEP = 60 * demo_metrics.SECOND
BEFORE = 3 * 24 * 60
TICKS = BEFORE + demo_metrics.TICKS * demo_metrics.STEP // STEP
START = demo_metrics.START - BEFORE * STEP
BOUNDS = ["0.1", "0.5", "2.5", "+Inf"]
# Minutes that a pod lives, and after which the next one comes.
LIFE, NEXT = 200, 180


class Series(demo_metrics.Series):
    START, STEP = START, STEP

    def time(self, tick):
        # Never on a tenth of a second, where ranges of the queries end.
        return super().time(tick) + tick * 7919 % 5


def series():
    for instance in range(3):
        chance = random.Random(100 + instance)
        lives = range(1500, 3600) if instance == 2 else range(TICKS)
        yield from _requests(instance, chance, lives)
        yield _fresh(instance, chance)
        yield _temperature(instance, chance)
        yield from _latencies(instance, chance, lives)
        yield _native(instance, chance, lives)
    yield from _pods(random.Random(200))


def _value(tick, lives, value):
    """Of a series that lives for so long and is marked as ended then."""
    return value if tick in lives else STALE if tick == lives.stop else None


def _requests(instance, chance, lives):
    for code, most in (("200", 90), ("500", 3)):
        one, value = Series("long_requests_total", instance, code=code), chance.uniform(500, 1000)
        for tick in range(TICKS):
            value = 0.0 if instance and tick % 1013 == 1012 else value + chance.uniform(0, most)
            one.values.append(_value(tick, lives, value))
        yield one


def _fresh(instance, chance):
    """A counter that begins at nothing, and begins again every few hours."""
    one, value = Series("long_fresh_total", instance), None
    for tick in range(TICKS):
        age = (tick + 50 * instance) % 400
        value = 0.0 if age == 100 else value if value is None else value + chance.randrange(3)
        one.values.append(value if age >= 100 else STALE if age == 0 else None)
    return one


def _temperature(instance, chance):
    one, value = Series("long_temperature", instance), 20.0
    for tick in range(TICKS):
        value += chance.gauss(0, 0.2)
        gap = instance == 1 and 1200 <= tick < 1500
        flaps = instance == 2 and tick % 97 < 9
        one.values.append(None if gap else STALE if flaps else value)
    return one


def _latencies(instance, chance, lives):
    name = "long_latency_seconds"
    buckets = [Series(f"{name}_bucket", instance, le=bound) for bound in BOUNDS]
    total, count = Series(f"{name}_sum", instance), Series(f"{name}_count", instance)
    counts, seconds = [500] * len(BOUNDS), 500.0
    for tick in range(TICKS):
        if instance and tick % 1013 == 1012:
            counts, seconds = [0] * len(BOUNDS), 0.0
        for _ in range(chance.randrange(5)):
            took = chance.lognormvariate(-1, 1.2)
            seconds += took
            counts = [known + (took <= float(bound)) for known, bound in zip(counts, BOUNDS)]
        for one, value in zip([*buckets, total, count], [*counts, seconds, counts[-1]]):
            one.values.append(_value(tick, lives, float(value)))
    yield from [*buckets, total, count]


def _native(instance, chance, lives):
    one, counts, sum_ = Series("long_native_seconds", instance), [0] * 8, 0.0
    for tick in range(TICKS):
        if instance and tick % 1013 == 1012:
            counts, sum_ = [0] * 8, 0.0
        bucket = min(int(abs(chance.gauss(4, 2))), 7)
        counts[bucket] += 1
        sum_ += 2.0 ** (bucket - 4) * 0.7
        schema = 2 if instance == 1 and tick > 3000 else 0
        one.values.append(_value(tick, lives, histogram_bytes(list(counts), sum_, schema, -3)))
    return one


def _pods(chance):
    """A new one before the last one ends; every other one ends without saying so."""
    for number in range(TICKS // NEXT):
        begin = number * NEXT
        one = Series("long_pod_memory_bytes", number % 3, pod=f"pod-{number}")
        for tick in range(min(TICKS, begin + LIFE + 1)):
            lives = begin <= tick < begin + LIFE
            ended = STALE if tick == begin + LIFE and number % 2 else None
            one.values.append(chance.uniform(1e8, 2e8) if lives else ended)
        yield one
