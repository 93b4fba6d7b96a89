"""Programs under unchanged OpenTelemetry SDKs in three languages, and under Loki's clients in two: `sdk/` holds one a language and signal."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SDK = Path(__file__).resolve().parent / "sdk"


def python(signal, _):
    return [sys.executable, SDK / f"python_{signal}.py"], SDK


def node(signal, _):
    directory = SDK / "node"
    installed = directory / "node_modules" / ".package-lock.json"
    # npm writes this file last; it is the mark of a finished installation.
    if not installed.exists() or installed.stat().st_mtime < (directory / "package-lock.json").stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=directory, check=True, timeout=240)
    return ["node", f"{signal}.js"], directory


def go(signal, tmp_path):
    return [compiled(SDK / "go", f"./{signal}", tmp_path / signal)], tmp_path


def compiled(module, package, program):
    """`program`, built from a package of a Go module; skips the test where there is no Go."""
    compiler = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if compiler is None:
        pytest.skip(f"go is not installed: what {module.name} holds is not tested")
    environment = {**os.environ, "GOFLAGS": "-buildvcs=false"}
    subprocess.run([compiler, "build", "-o", program, package], cwd=module, env=environment, check=True, timeout=560)
    return program


SDKS = [python, node, go]


def run(sdk, signal, tmp_path, **otel):
    """What the program prints; `otel` are its `OTEL_*` variables, without that prefix."""
    command, directory = sdk(signal, tmp_path)
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("OTEL_")},
        **{f"OTEL_{name}": text for name, text in otel.items()},
    }
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
