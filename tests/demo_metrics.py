"""Metrics in the shape of the demo service that Prometheus' compliance queries ask for, the same every time.

Three instances are scraped every five seconds for 80 minutes, none of them on a whole second: no sample lies on the edge of a
range, where versions of Prometheus differ. Beyond the demo service there are native histograms and special values.
"""

import math
import random

import remote_write as rw

SECOND = 1000
STEP = 5 * SECOND
TICKS = 960
# The scrape that begins the data, milliseconds since the epoch: 2025-11-26T12:00:00Z.
START = 1_764_158_400_000
END = START + TICKS * STEP
JOB = "demo"
STALE = b"\x09\x02\x00\x00\x00\x00\x00\xf0\x7f"
BOUNDS = [0.0001 * 1.5**power for power in range(0, 25, 2)]
APIS = [("GET", "/api/foo", "200"), ("GET", "/api/bar", "200"), ("POST", "/api/foo", "500")]


class Series:
    """A series and what it has at each tick: a number, None for nothing, STALE, or a native histogram's bytes."""

    START, STEP = START, STEP

    def __init__(self, name, instance, **labels):
        self.labels = {"__name__": name, "job": JOB, "instance": f"demo.promlabs.com:{10_000 + instance}", **labels}
        self.offset = 137 + 1_411 * instance
        self.values = []

    def time(self, tick):
        return self.START + tick * self.STEP + self.offset

    def between(self, begin, end):
        """As `encoded`: the ticks of [begin, end), milliseconds; their offsets are not looked at."""
        first, last = (max(0, -((self.START - time) // self.STEP)) for time in (begin, end))
        return self.encoded(range(first, min(last, len(self.values))))

    def is_native(self):
        return any(map(callable, self.values))

    def encoded(self, ticks):
        """The part of a remote-write request that brings these ticks; nothing if there is nothing."""
        samples, histograms = [], []
        for tick in ticks:
            value, time = self.values[tick], self.time(tick)
            if value is STALE:
                samples.append(STALE + rw.field(2, time))
            elif callable(value):
                histograms.append(value(time))
            elif value is not None:
                samples.append(rw.sample(value, time))
        return rw.series_v1(self.labels, samples, histograms) if samples or histograms else b""


def requests():
    """The bodies of remote-write requests, a few minutes each, in the order of time."""
    every = series()
    for begin in range(0, TICKS, 120):
        ticks = range(begin, min(begin + 120, TICKS))
        for first in range(0, len(every), 64):
            yield b"".join(one.encoded(ticks) for one in every[first : first + 64])


def series():
    return [one for instance in range(3) for one in _instance(instance)]


def _instance(instance):
    chance = random.Random(instance)
    # A restart sets counters back.
    restart = {0: None, 1: 300, 2: 771}[instance]
    yield from _machine(instance, chance, restart)
    for number, (method, path, status) in enumerate(APIS):
        yield from _histogram(instance, chance, restart, 3 + 11 * number, method=method, path=path, status=status)
    yield from _special(instance, chance)
    yield from _native(instance, chance, restart)


def _counter(one, chance, restart, increments):
    value = chance.uniform(500, 1000)
    for tick in range(TICKS):
        value = 0 if tick == restart else value + increments(tick)
        one.values.append(value)
    return one


def _gauge(one, level):
    one.values = [level(tick) for tick in range(TICKS)]
    return one


def _machine(instance, chance, restart):
    yield _gauge(Series("demo_num_cpus", instance), lambda tick: 4)
    version = "v2" if instance else "v1"
    yield _gauge(Series("target_info", instance, version=version), lambda tick: 1 if tick < 700 else None)
    yield _gauge(Series("up", instance), lambda tick: 0 if tick == restart else 1)
    for mode, share in (("idle", 3.1), ("system", 0.3), ("user", 0.6)):
        one = Series("demo_cpu_usage_seconds_total", instance, mode=mode)
        yield _counter(one, chance, restart, lambda tick, share=share: 5 * share * chance.uniform(0.8, 1.2))
    for type_, size in (("buffers", 2e8), ("cached", 1.5e9), ("free", 3e9), ("used", 3.5e9)):
        one = Series("demo_memory_usage_bytes", instance, type=type_)
        wave = lambda tick, size=size: size * (1 + 0.2 * math.sin(tick / 70 + instance)) + chance.gauss(0, size / 50)
        yield _gauge(one, lambda tick, wave=wave: float(int(wave(tick))))
    yield _gauge(Series("demo_disk_total_bytes", instance), lambda tick: 2.5e11)
    disk = lambda tick: 1.1e11 + 2.7e6 * tick + chance.uniform(0, 4e6)
    yield _gauge(Series("demo_disk_usage_bytes", instance), disk)
    yield _gauge(Series("demo_api_http_requests_in_progress", instance), lambda tick: chance.randrange(9))
    yield _gauge(Series("demo_is_holiday", instance), lambda tick: tick // 500)
    every = 36 + instance
    run = lambda tick: (START + (tick - tick % every) * STEP) / SECOND + 2.25
    yield _gauge(Series("demo_batch_last_run_timestamp_seconds", instance), run)
    # One run in three fails.
    good = lambda tick: run(tick - tick % (3 * every))
    yield _gauge(Series("demo_batch_last_success_timestamp_seconds", instance), good)
    yield _counter(Series("demo_items_shipped_total", instance), chance, restart, lambda tick: chance.randrange(30))


def _histogram(instance, chance, restart, busy, **labels):
    name = "demo_api_request_duration_seconds"
    buckets = [Series(f"{name}_bucket", instance, **labels, le=f"{bound:.10g}") for bound in [*BOUNDS, math.inf]]
    buckets[-1].labels["le"] = "+Inf"
    total, count = Series(f"{name}_sum", instance, **labels), Series(f"{name}_count", instance, **labels)
    # Not 0, up to which 3.x extrapolates otherwise than 2.x where a series begins.
    counts, seconds = [300] * len(buckets), 0.01
    for tick in range(TICKS):
        if tick == restart:
            counts, seconds = [0] * len(buckets), 0.0
        for _ in range(chance.randrange(busy)):
            took = chance.lognormvariate(-5.5, 1.2)
            seconds += took
            counts = [known + (took <= bound) for known, bound in zip(counts, [*BOUNDS, math.inf])]
        for one, value in zip([*buckets, total, count], [*counts, seconds, counts[-1]]):
            one.values.append(float(value))
    yield from [*buckets, total, count]


def _special(instance, chance):
    """What comes and goes, ends, and is no ordinary number."""
    intermittent = Series("demo_intermittent_metric", instance)
    for tick in range(TICKS):
        here = (tick // 24) % 2 == 0
        gone = tick % 24 == 0 and not here
        intermittent.values.append(1.0 if here else STALE if gone else None)
    yield intermittent
    odd = Series("demo_odd_numbers", instance)
    numbers = [math.nan, math.inf, -math.inf, -0.0, 1e300, 1e-300, -1.5, 0.0, 2.0**53, -7.25, 0.1]
    yield _gauge(odd, lambda tick: numbers[(tick // 6 + 3 * instance) % len(numbers)])
    sparse = Series("demo_sparse", instance)
    yield _gauge(sparse, lambda tick: chance.gauss(10, 40) if chance.random() < 0.05 else None)


def _native(instance, chance, restart):
    """Native histograms: counters of exponential buckets, whose resolution changes on one instance."""
    for method in ("GET", "POST"):
        one = Series("demo_native_duration_seconds", instance, method=method)
        counts, sum_ = [0] * 12, 0.0
        for tick in range(TICKS):
            if tick == restart:
                counts, sum_ = [0] * 12, 0.0
            for _ in range(chance.randrange(6)):
                bucket = min(int(abs(chance.gauss(5, 2))), 11)
                counts[bucket] += 1
                sum_ += 2.0 ** (bucket - 6) * 0.7
            schema = 1 if instance == 2 and tick > 640 else 0
            one.values.append(histogram_bytes(list(counts), sum_, schema, -5))
        yield one
    yield from _custom(instance, chance, restart)


def _custom(instance, chance, restart):
    """Native histograms with custom buckets, whose bounds change on one instance."""
    one = Series("demo_custom_buckets", instance)
    counts, sum_ = [0] * 5, 0.0
    for tick in range(TICKS):
        if tick == restart:
            counts, sum_ = [0] * 5, 0.0
        for _ in range(chance.randrange(4)):
            bucket = chance.randrange(5)
            counts[bucket] += 1
            sum_ += bucket * 0.3
        bounds = [0.1, 0.5, 1.0, 2.0] if instance != 1 or tick < 600 else [0.1, 0.5, 1.5, 2.0]
        one.values.append(histogram_bytes(list(counts), sum_, -53, 0, bounds))
    yield one


def histogram_bytes(counts, sum_, schema, offset, bounds=()):
    return lambda time: rw.histogram(counts, schema, offset, bounds, timestamp=time, sum_=sum_)
