"""The other half of `trefoil-loadgen verify`: every acknowledged item is there exactly once, none twice."""

import collections
import json
import subprocess

from trefoil import binary

QUERIES = {
    "traces": "SELECT name, count(*) FROM spans WHERE name LIKE 'verify-{connection}-%' GROUP BY name",
    "logs": "SELECT body, count(*) FROM logs WHERE body LIKE 'verify-{connection}-%' GROUP BY body",
    "metrics": """SELECT concat('verify-{connection}-', cast(value_int AS varchar)), count(*) FROM samples
                  WHERE metric_name = 'verify.{connection}' GROUP BY value_int""",
}


class Sender:
    """`trefoil-loadgen verify` in the background."""

    def __init__(self, server, output, seconds, connections=2, batch=20, pause="10ms"):
        self.output = output
        self.process = subprocess.Popen(
            [binary("trefoil-loadgen"), "verify", "--endpoint", server.http, "--output", str(output), "--connections",
             str(connections), "--batch", str(batch), "--pause", pause, "--duration", f"{seconds}s"],
            stderr=subprocess.PIPE, text=True,
        )

    def is_running(self):
        """Fails when it went wrong by itself."""
        code = self.process.poll()
        assert code in (None, 0), self.process.stderr.read()
        return code is None

    def finish(self):
        """Ends it now, after the request under way."""
        if self.is_running():
            self.process.terminate()
            self.process.communicate(timeout=30)

    def lines(self):
        return [json.loads(line) for line in self.output.read_text().splitlines()]


def check(server, lines):
    """Returns how many items were acknowledged, by signal."""
    fates = collections.defaultdict(dict)
    for line in lines:
        numbers = fates[line["signal"], line["connection"]]
        numbers.update(dict.fromkeys(range(line["first"], line["end"]), line["fate"]))
    acknowledged = collections.Counter()
    for (signal, connection), numbers in fates.items():
        found = dict(server.sql(QUERIES[signal].format(connection=connection)))
        counts = {number: found.pop(f"verify-{connection}-{number}", 0) for number in numbers}
        twice = [number for number, count in counts.items() if count > 1]
        lost = [number for number, fate in numbers.items() if fate == "acknowledged" and counts[number] == 0]
        refused = [number for number, fate in numbers.items() if fate == "refused" and counts[number] > 0]
        where = f"{signal}, connection {connection}, {len(numbers)} items"
        assert not lost, f"{where}: {len(lost)} acknowledged items are lost: {ranges(lost)}"
        assert not twice, f"{where}: {len(twice)} items are there twice: {ranges(twice)}"
        assert not refused, f"{where}: {len(refused)} refused items are there: {ranges(refused)}"
        # The last request may have been under way when the client ended: it is in no line of the file.
        assert all(int(name.rsplit("-", 1)[1]) >= len(numbers) for name in found), f"{where}: unknown items"
        acknowledged[signal] += sum(fate == "acknowledged" for fate in numbers.values())
    return acknowledged


def ranges(numbers):
    """[1, 2, 3, 7] → '1-3, 7', at most ten of them."""
    parts = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{first}-{last}" if first < last else str(first) for first, last in parts[:10])
