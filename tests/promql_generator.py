"""Random PromQL that is valid, over the metrics of `demo_metrics` and `long_metrics`.

An expression is a `Node`: its text, and the expressions in it that can stand alone, so that a query whose answers differ can be cut
down to the part that makes the difference. What a version of Prometheus does not know is left out (`Generator.newest`).
"""

from dataclasses import dataclass, field

import demo_metrics
import long_metrics

@dataclass(frozen=True)
class Vocabulary:
    """What queries are about: names of metrics by kind, and times that suit them."""

    gauges: list
    counters: list
    # Those that begin at 0, which 2.x extrapolates otherwise.
    newest_counters: list
    buckets: str
    native: list
    # Where no two series ever have the same value: which of equals topk takes is nobody's promise.
    distinct: list
    labels: list
    matchers: list
    durations: list
    offsets: list
    # Seconds since the epoch: what `@` may name.
    begin: float
    end: float


INSTANCES = ['instance="demo.promlabs.com:10000"', 'instance!="demo.promlabs.com:10001"', 'instance=~".*:1000[12]"',
             'instance!~".+2"', 'nonexistent=""', 'job="demo"']  # fmt: skip
DEMO = Vocabulary(
    gauges=["demo_memory_usage_bytes", "demo_disk_usage_bytes", "demo_api_http_requests_in_progress", "demo_num_cpus",
            "demo_batch_last_success_timestamp_seconds", "demo_intermittent_metric", "demo_odd_numbers", "demo_sparse",
            "demo_is_holiday", "up"],
    counters=["demo_cpu_usage_seconds_total", "demo_items_shipped_total", "demo_api_request_duration_seconds_count",
              "demo_api_request_duration_seconds_sum"],
    newest_counters=[],
    buckets="demo_api_request_duration_seconds_bucket",
    native=["demo_native_duration_seconds", "demo_custom_buckets"],
    distinct=["demo_memory_usage_bytes", "demo_disk_usage_bytes", "demo_cpu_usage_seconds_total"],
    labels=["instance", "job", "type", "mode", "method", "path", "status", "le", "nonexistent"],
    matchers=[*INSTANCES, 'type=~"free|used"', 'mode!="idle"', 'method="GET"', 'status=~"2.."', 'path!~"/api/b.*"'],
    durations=["7s", "15s", "1m", "2m", "5m", "10m", "30m"],
    offsets=["30s", "1m", "7m", "-2m", "1h"],
    begin=demo_metrics.START / 1000,
    end=demo_metrics.START / 1000 + 70 * 60,
)  # fmt: skip
LONG = Vocabulary(
    gauges=["long_temperature", "long_pod_memory_bytes"],
    counters=["long_requests_total", "long_latency_seconds_count", "long_latency_seconds_sum"],
    newest_counters=["long_fresh_total"],
    buckets="long_latency_seconds_bucket",
    native=["long_native_seconds"],
    distinct=["long_temperature", "long_requests_total", "long_pod_memory_bytes"],
    labels=["instance", "job", "code", "pod", "le", "nonexistent"],
    matchers=[*INSTANCES, 'code="200"', 'code!~"5.."', 'pod=~"pod-1.*"', 'pod!="pod-3"', 'pod=~"pod-(2|5|11|23)"'],
    durations=["2m", "5m", "5m", "10m", "30m", "1h", "3h", "1d"],
    offsets=["1m", "10m", "1h", "7h", "1d", "-30m"],
    begin=long_metrics.START / 1000,
    end=demo_metrics.END / 1000,
)

MATH = ["abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn", "sin", "cos", "tan", "asin", "acos", "atan",
        "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "deg", "rad", "round", "timestamp", "sort", "sort_desc"]  # fmt: skip
DATES = ["day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"]
RATES = ["rate", "increase", "irate", "resets", "changes"]
CHANGES = ["delta", "idelta", "deriv"]
OVER_TIME = ["avg", "min", "max", "sum", "count", "last", "present", "stddev", "stdvar", "absent"]
AGGREGATIONS = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
ARITHMETIC = ["+", "-", "*", "/", "%", "^", "atan2"]
COMPARISONS = ["==", "!=", ">", "<", ">=", "<="]
SETS = ["and", "or", "unless"]

OVER_TIME_NEWEST = ["mad", "first", "ts_of_min", "ts_of_max", "ts_of_last", "ts_of_first"]
HISTOGRAM_VALUES = ["histogram_count", "histogram_sum"]
HISTOGRAM_VALUES_NEWEST = ["histogram_avg", "histogram_stddev", "histogram_stdvar"]


@dataclass
class Node:
    text: str
    parts: list = field(default_factory=list)

    def __str__(self):
        return self.text

    def below(self):
        """Its parts and theirs."""
        for part in self.parts:
            yield part
            yield from part.below()


class Generator:
    def __init__(self, chance, newest):
        self.chance = chance
        self.newest = newest
        self.words = DEMO

    def query(self, words):
        self.words = words
        depth = self.chance.choice([1, 2, 2, 3, 3, 4])
        return self.scalar(depth) if self.chance.random() < 0.05 else self.vector(depth)

    def pick(self, *ways):
        """One of the (weight, function) pairs, called."""
        weights = [weight for weight, _ in ways]
        return self.chance.choices([way for _, way in ways], weights)[0]()

    # Scalars.

    def number(self):
        return Node(self.chance.choice(["0", "1", "2", "-1", "0.5", "3.7", "1e3", "100", "0x1f", "NaN", "Inf", "-Inf", "1e-3"]))

    def scalar(self, depth):
        if depth <= 0:
            return self.number()
        return self.pick(
            (5, self.number),
            (1, lambda: Node("time()")),
            (1, lambda: Node("pi()")),
            (1, lambda: self.call("scalar", self.vector(depth - 1))),
            (2, lambda: self.infix(self.scalar(depth - 1), self.chance.choice(ARITHMETIC), self.scalar(depth - 1))),
            (1, lambda: self.infix(self.scalar(depth - 1), self.chance.choice(COMPARISONS) + " bool", self.scalar(depth - 1))),
            (1, lambda: self.wrap("-", self.scalar(depth - 1))),
            *[(1, lambda: self.experimental_scalar(depth))] * self.newest,
        )  # fmt: skip

    def experimental_scalar(self, depth):
        if self.chance.random() < 0.5:
            return Node(self.chance.choice(["start()", "end()", "step()", "range()"]))
        return self.call(self.chance.choice(["min_of", "max_of"]), self.scalar(depth - 1), self.scalar(depth - 1))

    # Vectors.

    def vector(self, depth):
        if depth <= 0:
            return self.selected()
        return self.pick(
            (2, self.selected),
            (7, lambda: self.over_range(depth)),
            (4, lambda: self.function(depth)),
            (6, lambda: self.aggregation(depth)),
            (3, lambda: self.with_scalar(depth)),
            (4, lambda: self.joined(depth)),
            (2, lambda: self.quantile(depth)),
            *[(4, lambda: self.native(depth)), (3, lambda: self.experimental(depth))] * self.newest,
        )

    def selector(self, name):
        # Labels that only some metrics have are asked of all, but not so often that most answers are empty.
        known = self.chance.choice([INSTANCES, self.words.matchers])
        # Prometheus' store sorts matchers so, in the query itself and depending on its blocks; the labels of `absent` depend on their order.
        matchers = sorted(self.chance.sample(known, self.chance.choice([0, 0, 1, 1, 2])), key=lambda one: "!" in one)
        return name + ("{" + ", ".join(matchers) + "}" if matchers else "")

    def counters(self):
        return self.words.counters + self.words.newest_counters * self.newest

    def name(self):
        return self.chance.choice(self.chance.choice([self.words.gauges, self.counters(), [self.words.buckets]]))

    def moved(self):
        """A modifier of time, or none."""
        at = self.words.begin + self.chance.randrange(int(self.words.end - self.words.begin)) + 0.5
        at = self.chance.choice(["start()", "end()", f"{at:.3f}"])
        offset = self.chance.choice(self.words.offsets)
        return self.chance.choices(["", f" offset {offset}", f" @ {at}", f" @ {at} offset {offset}"], [8, 2, 1, 1])[0]

    def selected(self):
        return Node(self.selector(self.name()) + self.moved())

    def duration(self):
        return self.chance.choice(self.words.durations)

    def matrix(self, depth, names=None):
        """A range of samples, and the parts of it that can stand alone."""
        if depth <= 1 or names or self.chance.random() < 0.75:
            name = self.chance.choice(names) if names else self.name()
            return Node(f"{self.selector(name)}[{self.duration()}]{self.moved()}")
        # The oldest dialect takes what lies on the edge of a range; steps in steps meet there.
        inner = self.vector(depth - 1) if self.newest else self.aggregation(0)
        text = f"({inner})" if inner.text[-1] != ")" else inner.text
        step = self.chance.choice(["", "10s", "17s", "1m"])
        return Node(f"({text})[{self.chance.choice(['1m', '3m', '10m'])}:{step}]{self.moved()}", [inner])

    def over_range(self, depth):
        over_time = OVER_TIME + (OVER_TIME_NEWEST if self.newest else [])
        # Its old name is not known any more.
        smoothing = [(1, lambda: self.call("double_exponential_smoothing", self.matrix(depth, self.words.gauges), Node("0.3"), Node("0.6")))]
        return self.pick(
            (6, lambda: self.call(self.chance.choice(RATES), self.matrix(depth, [*self.counters(), self.words.buckets]))),
            (3, lambda: self.call(self.chance.choice(RATES + CHANGES), self.matrix(depth))),
            (3, lambda: self.call(self.chance.choice(CHANGES), self.matrix(depth, self.words.gauges))),
            (6, lambda: self.call(self.chance.choice(over_time) + "_over_time", self.matrix(depth))),
            (1, lambda: self.call("quantile_over_time", self.share(), self.matrix(depth))),
            (1, lambda: self.call("predict_linear", self.matrix(depth, self.words.gauges), self.number())),
            *smoothing * self.newest,
        )

    def share(self):
        return Node(self.chance.choice(["0.5", "0.9", "0.99", "0", "1", "-0.1", "1.1", "NaN"]))

    def function(self, depth):
        inner = self.vector(depth - 1)
        return self.pick(
            (6, lambda: self.call(self.math(inner), inner)),
            (1, lambda: self.call("round", inner, Node(self.chance.choice(["0.1", "5", "1000"])))),
            (1, lambda: self.call(self.chance.choice(DATES), inner)),
            (1, lambda: self.call("clamp", inner, self.scalar(0), self.scalar(0))),
            (1, lambda: self.call(self.chance.choice(["clamp_min", "clamp_max"]), inner, self.scalar(depth - 1))),
            (1, lambda: self.call("absent", inner)),
            (1, lambda: self.call("vector", self.scalar(depth - 1))),
            (1, lambda: self.wrap("-", inner)),
            (1, lambda: self.call("label_replace", inner, *self.texts("new", "x-$1", "instance", ".*:(.*)"))),
            (1, lambda: self.call("label_replace", inner, *self.texts("method", "$1", "type", "(.).*"))),
            (1, lambda: self.call("label_join", inner, *self.texts("joined", "/", "job", "method", "nonexistent"))),
        )

    def math(self, inner):
        """Of a selector with both `@` and `offset`, Prometheus' `timestamp` forgets the offset and finds what happens to be in its chunks."""
        is_moved = not inner.parts and "@" in inner.text and " offset " in inner.text
        return self.chance.choice([name for name in MATH if name != "timestamp" or not is_moved])

    def texts(self, *texts):
        return [Node(f'"{text}"') for text in texts]

    def grouping(self):
        labels = self.chance.sample(self.words.labels, self.chance.choice([0, 1, 1, 2, 3]))
        return self.chance.choice(["", f" by ({', '.join(labels)})", f" without ({', '.join(labels)})"])

    def aggregation(self, depth):
        ranked = self.chance.choice(self.words.distinct)
        return self.pick(
            (8, lambda: self.call(self.chance.choice(AGGREGATIONS) + self.grouping() + " ", self.vector(depth - 1))),
            (1, lambda: self.call("quantile" + self.grouping() + " ", self.share(), self.vector(depth - 1))),
            (1, lambda: self.call(f"count_values{self.grouping()} ", Node('"value"'), self.vector(depth - 1))),
            (1, lambda: self.call(self.chance.choice(["topk", "bottomk"]) + self.grouping() + " ",
                                  Node(self.chance.choice(["1", "2", "5", "0"])), Node(self.selector(ranked)))),
        )  # fmt: skip

    # Operators.

    def with_scalar(self, depth):
        sides = [self.vector(depth - 1), self.scalar(depth - 1)]
        self.chance.shuffle(sides)
        operator = self.pick(
            # 2.x keeps the name of the metric where a number is on a side of atan2.
            (3, lambda: self.chance.choice(ARITHMETIC if self.newest else ARITHMETIC[:-1])),
            (1, lambda: self.chance.choice(COMPARISONS)),
            (1, lambda: self.chance.choice(COMPARISONS) + " bool"),
        )
        return self.infix(sides[0], operator, sides[1])

    def joined(self, depth):
        labels = ", ".join(self.chance.sample(self.words.labels, self.chance.choice([0, 1, 1, 2, 3])))
        matching = self.chance.choice(["", "", f" on ({labels})", f" ignoring ({labels})", " on (instance)"])
        if self.chance.random() < 0.3:
            return self.infix(self.vector(depth - 1), self.chance.choice(SETS) + matching, self.vector(depth - 1))
        operator = self.chance.choice(ARITHMETIC + COMPARISONS)
        if operator in COMPARISONS and self.chance.random() < 0.5:
            operator += " bool"
        left, right = self.vector(depth - 1), self.vector(depth - 1)
        if matching and self.chance.random() < 0.5:
            # The one side has one series for each instance, so that many of these joins succeed.
            extra = self.chance.choice(["()", "()", "(type)", "(nonexistent)"])
            side = self.chance.choice(["left", "right"])
            matching = f" on (instance) group_{side} {extra}"
            one = self.call(self.chance.choice(["sum", "max", "count"]) + " by (instance) ", self.vector(depth - 1))
            left, right = (left, one) if side == "left" else (one, right)
        return self.infix(left, operator + matching, right)

    # Histograms.

    def quantile(self, depth):
        rated = self.call(self.chance.choice(["rate", "increase"]), self.matrix(1, [self.words.buckets]))
        by = self.chance.choice([" by (le) ", " by (le, instance) ", " without (path) "])
        summed = self.chance.choice([rated, self.call("sum" + by, rated), Node(self.selector(self.words.buckets))])
        return self.call("histogram_quantile", self.scalar(0) if self.chance.random() < 0.2 else self.share(), summed)

    def native(self, depth):
        name = self.chance.choice(self.words.native)
        selector = lambda: Node(self.selector(name) + self.moved())
        ranged = Node(f"{self.selector(name)}[{self.duration()}]{self.moved()}")
        functions = ["rate", "increase", "delta", "irate", "idelta", "avg_over_time", "sum_over_time", "last_over_time",
                     "resets", "changes", "count_over_time"]  # fmt: skip
        source = self.pick(
            (1, selector),
            (3, lambda: self.call(self.chance.choice(functions), ranged)),
        )
        if self.chance.random() < 0.5:
            source = self.call(self.chance.choice(["sum", "avg", "count"]) + self.grouping() + " ", source)
        return self.pick(
            (2, lambda: source),
            (2, lambda: self.call(self.chance.choice(HISTOGRAM_VALUES + HISTOGRAM_VALUES_NEWEST), source)),
            (2, lambda: self.call("histogram_quantile", self.share(), source)),
            (1, lambda: self.call("histogram_quantiles", source, Node('"q"'), Node("0.5"), Node("0.9"))),
            (1, lambda: self.infix(source, self.chance.choice(["</", ">/"]), self.number())),
            (1, lambda: self.call("histogram_fraction", self.number(), self.number(), source)),
            # Times NaN, buckets of nothing are NaN, and which of those a histogram keeps is its own affair.
            (1, lambda: self.infix(source, self.chance.choice(["*", "/"]), Node(self.chance.choice(["2", "0.5", "-1"])))),
            (1, lambda: self.infix(source, self.chance.choice(["+", "-", "==", "!=", "and", "or", "unless"]), selector())),
        )

    # What must be switched on.

    def experimental(self, depth):
        counters = [*self.counters(), self.words.buckets]
        anchored = lambda: Node(f"{self.selector(self.chance.choice(counters))}[{self.duration()}] anchored{self.moved()}")
        smoothed = lambda: Node(f"{self.selector(self.chance.choice(counters))}[{self.duration()}] smoothed{self.moved()}")
        computed = lambda: Node(f"{self.selector(self.chance.choice(counters))}[{self.computed_duration()}]{self.moved()}")
        return self.pick(
            (2, lambda: self.call(self.chance.choice(["rate", "increase", "delta", "changes", "resets"]), anchored())),
            (2, lambda: self.call(self.chance.choice(["rate", "increase", "delta"]), smoothed())),
            (1, lambda: Node(f"{self.selector(self.chance.choice(self.counters()))} smoothed{self.moved()}")),
            (2, lambda: self.call(self.chance.choice(RATES), computed())),
            (1, lambda: self.call("info", self.vector(depth - 1))),
            (1, lambda: self.call("info", self.vector(depth - 1), Node('{version=~"v.*"}'))),
            (1, lambda: self.call("limit_ratio", Node(self.chance.choice(["0.5", "-0.3", "0.1"])), self.vector(depth - 1))),
            (2, lambda: self.filled(depth)),
        )  # fmt: skip

    def computed_duration(self):
        return self.chance.choice(["1m * 2", "5m - 30s", "step() * 3 + 1m", "min_of(5m, 90s)", "2m ^ 1", "range() + 1m", "-30s + 5m"])

    def filled(self, depth):
        fill = self.chance.choice(["fill(0)", "fill_left(1)", "fill_right(-1)", "fill_left(2) fill_right(3)"])
        matching = self.chance.choice([" on (instance)", " ignoring (method)", " on (instance, method)"])
        by = " by (instance, method) "
        left, right = (self.call("sum" + by, self.vector(depth - 1)) for _ in range(2))
        return self.infix(left, self.chance.choice([*ARITHMETIC, *COMPARISONS]) + matching + " " + fill, right)

    # Text.

    def call(self, function, *arguments):
        return Node(f"{function}({', '.join(map(str, arguments))})", [one for one in arguments if one.text[0] != '"'])

    def infix(self, left, operator, right):
        return Node(f"({left}) {operator} ({right})", [left, right])

    def wrap(self, operator, inner):
        return Node(f"{operator}({inner})", [inner])
