"""Keras 2: a shape that follows from another tensor is counted where the input's size is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.analysis.keras2_shapes import MACS

pytestmark = pytest.mark.slow  # a process counts each network three times


@pytest.fixture(scope="module")
def counted() -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.analysis.keras2_shapes"],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("size", ["own", "given", "weightless"])
@pytest.mark.parametrize("network", MACS, ids=lambda network: network.__name__)
def test_macs_equal_those_counted_by_hand(counted: Any, network: Any, size: str) -> None:
    assert counted[network.__name__][size] == {"macs": MACS[network], "uncounted": []}
