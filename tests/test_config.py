"""`trefoil check`: every mistake with its file, its line, and the nearest valid name."""

import subprocess

import pytest

from trefoil import ROOT, binary

VALID = """\
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:4317
processors:
  batch:
    timeout: 200ms
  memory_limiter:
    check_interval: 1s
    limit_mib: 512
exporters:
  trefoil:
  otlphttp/tempo:
    endpoint: http://tempo:4318
    headers:
      X-Scope-OrgID: ${env:SHOP_TENANT:-shop}
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [trefoil, otlphttp/tempo]
storage:
  buffer:
    flush_interval: 30s
"""


def check(tmp_path, text):
    path = tmp_path / "trefoil.yaml"
    path.write_text(text)
    return path, subprocess.run([binary("trefoil"), "check", str(path)], capture_output=True, text=True, timeout=30)


def test_a_valid_file_passes(tmp_path):
    _, done = check(tmp_path, VALID)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize(
    "right, wrong, said",
    [
        ("  batch:\n", "  bach:\n", ["bach", "batch"]),
        ("    timeout: 200ms", "    timout: 200ms", ["timout", "timeout"]),
        ("    timeout: 200ms", "    timeout: soon", ["soon"]),
        ("    limit_mib: 512", "    limit_mib: plenty", ["limit_mib"]),
        ("  otlphttp/tempo:\n", "  otlpttp/tempo:\n", ["otlpttp", "otlphttp"]),
        ("receivers: [otlp]", "receivers: [otpl]", ["otpl", "otlp"]),
        ("    traces:\n", "    tracs:\n", ["tracs", "traces"]),
        ("    flush_interval: 30s", "    flush_intervall: 30s", ["flush_intervall", "flush_interval"]),
        ("storage:\n", "storrage:\n", ["storrage", "storage"]),
        ("service:\n", "service: [\n", []),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, right, wrong, said):
    assert right in VALID
    text = VALID.replace(right, wrong, 1)
    line = text[: text.index(wrong.split("\n")[0])].count("\n") + 1
    path, done = check(tmp_path, text)
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert str(path) in output or path.name in output, output
    for word in said:
        assert word in output, output
    if said:
        assert f":{line}" in output or f"line {line}" in output, f"line {line} is not named:\n{output}"


def test_all_mistakes_at_once(tmp_path):
    text = VALID.replace("timeout: 200ms", "timout: 200ms").replace("limit_mib: 512", "limit_mb: 512")
    _, done = check(tmp_path, text)
    output = done.stdout + done.stderr
    assert "timout" in output and "limit_mb" in output, output


def test_a_missing_file(tmp_path):
    done = subprocess.run([binary("trefoil"), "check", str(tmp_path / "no.yaml")], capture_output=True, text=True)
    assert done.returncode == 1 and "no.yaml" in done.stderr + done.stdout


def test_help_and_completions():
    text = subprocess.run([binary("trefoil"), "--help"], capture_output=True, text=True, check=True).stdout
    for command in ("serve", "check", "sql", "trace", "completions"):
        assert command in text
    for shell in ("bash", "zsh", "fish"):
        script = subprocess.run([binary("trefoil"), "completions", shell], capture_output=True, text=True, check=True)
        assert "trefoil" in script.stdout


def test_shipped_configurations_are_valid():
    """Every example configuration of the repository."""
    for path in [*ROOT.glob("examples/**/*.yaml"), *ROOT.glob("docs/**/*.yaml")]:
        done = subprocess.run([binary("trefoil"), "check", str(path)], capture_output=True, text=True)
        assert done.returncode == 0, f"{path}: {done.stderr}"
