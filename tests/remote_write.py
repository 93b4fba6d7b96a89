"""Hand-made remote-write requests of both versions. The messages are small enough to be written byte by byte."""

import struct
import time

import requests

V1 = "application/x-protobuf"
V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"


def now_ms():
    return int(time.time() * 1000)


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value):
    return value << 1 if value >= 0 else (-value << 1) - 1


def field(number, value):
    """A field by the type of its value: int, float, str, or bytes of a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def snappy(data):
    """Snappy's block format without compression: its length and literals."""
    out = bytearray(varint(len(data)))
    for start in range(0, len(data), 60):
        chunk = data[start : start + 60]
        out.append(len(chunk) - 1 << 2)
        out += chunk
    return bytes(out)


def sample(value, timestamp=None, start=None):
    """Of both versions; a start only the second has."""
    told = field(1, float(value)) + field(2, timestamp or now_ms())
    return told + (field(3, start) if start else b"")


def histogram(counts, schema=0, offset=0, custom_values=(), timestamp=None, hint=0, sum_=None):
    """An integer histogram of one span of positive buckets; as encoded for both versions."""
    deltas = [after - before for before, after in zip([0, *counts], counts)]
    fields = [
        field(1, sum(counts)),
        field(3, float(sum(counts) if sum_ is None else sum_)),
        field(4, zigzag(schema)),
        field(5, 0.001),
        field(6, 0),
        field(11, field(1, zigzag(offset)) + field(2, len(counts))),
        field(12, b"".join(varint(zigzag(delta)) for delta in deltas)),
        field(14, hint),
        field(15, timestamp or now_ms()),
    ]
    if custom_values:
        fields.append(field(16, struct.pack(f"<{len(custom_values)}d", *custom_values)))
    return b"".join(fields)


def series_v1(labels, samples=(), histograms=(), exemplars=()):
    """Labels as a dict; exemplars as (labels, value)."""
    label = lambda pair: field(1, field(1, pair[0]) + field(2, pair[1]))
    many = lambda labels: b"".join(map(label, sorted(labels.items())))
    body = many(labels)
    body += b"".join(field(2, one) for one in samples)
    body += b"".join(field(3, many(labels) + field(2, float(value))) for labels, value in exemplars)
    body += b"".join(field(4, one) for one in histograms)
    return field(1, body)


class RequestV2:
    """Collects symbols while series are added."""

    def __init__(self):
        self.symbols = [""]
        self.series = []

    def ref(self, text):
        if text not in self.symbols:
            self.symbols.append(text)
        return self.symbols.index(text)

    def refs(self, labels):
        return b"".join(varint(self.ref(text)) for pair in sorted(labels.items()) for text in pair)

    def add(self, labels, samples=(), histograms=(), exemplars=(), kind=0, help="", unit="", refs=None):
        body = field(1, refs if refs is not None else self.refs(labels))
        body += b"".join(field(2, one) for one in samples)
        body += b"".join(field(3, one) for one in histograms)
        body += b"".join(field(4, field(1, self.refs(labels)) + field(2, float(value))) for labels, value in exemplars)
        body += field(5, field(1, kind) + field(3, self.ref(help)) + field(4, self.ref(unit)))
        self.series.append(field(5, body))
        return self

    def encode(self):
        return b"".join(field(4, symbol) for symbol in self.symbols) + b"".join(self.series)


def post(url, message, content_type=V1, **headers):
    """Sends a message to a URL that ends in /api/v1/write."""
    body = message.encode() if isinstance(message, RequestV2) else message
    headers = {"Content-Type": content_type, "Content-Encoding": "snappy", **headers}
    return requests.post(url, data=snappy(body), headers=headers, timeout=60)


def written(answer):
    """Samples, histograms and exemplars that an answer says were written."""
    names = ("Samples", "Histograms", "Exemplars")
    return tuple(int(answer.headers[f"X-Prometheus-Remote-Write-{name}-Written"]) for name in names)
