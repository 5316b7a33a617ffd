"""Call paths on the networks of `tests.probes.tiny`, each job in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnbench.errors import Unavailable
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.settings import LatencySetting
from tests.processes import HANGS_AFTER_S

_ROOT = Path(__file__).parents[2]


def require(runtime: str) -> None:
    try:
        RUNTIMES[runtime].check(LatencySetting(runtime=runtime))
    except Unavailable as error:
        pytest.skip(str(error))


def prepare_and_run(
    setting: LatencySetting, folder: Path, network: str = "Tiny"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Threads are set before TensorFlow's first tensor, so every job needs a process."""
    given = [setting.model_dump_json(), folder, network]
    command = [sys.executable, "-m", "tests.probes.tiny", *given]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=HANGS_AFTER_S)
    assert done.returncode == 0, done.stderr[-3000:]
    made, found = (json.loads(line) for line in done.stdout.splitlines()[-2:])
    return made, found
