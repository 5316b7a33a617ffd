"""Weights go from Keras 3 to the toolkit's Keras 2 and the network answers the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cnnbench.models import catalog

_TOLERANCE = 1e-5  # of probabilities
_LARGE = 30e6  # parameters
_FAMILIES = sorted({entry.family for entry in catalog.ENTRIES.values()})


def _differences(folder: Path, names: list[str], dtype: str) -> dict[str, float]:
    folder.mkdir(exist_ok=True)
    for generation in ("keras3", "keras2"):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.probes.carry_over"),
                *(str(folder), generation, dtype, *names),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    found = {}
    for name in names:
        first, second = (np.load(folder / name / f"keras{n}.npy") for n in (3, 2))
        assert np.ptp(first, axis=0).max() > 1e-3, f"{name} says the same to every image"
        found[name] = float(np.abs(first - second).max())
    return found


def test_small_networks_answer_the_same_in_both_generations(tmp_path: Path) -> None:
    found = _differences(tmp_path, ["LeNet5", "BasicCNN", "ShuffleNetV2"], "float32")
    assert max(found.values()) < _TOLERANCE, found


@pytest.mark.slow
@pytest.mark.parametrize("family", _FAMILIES)
def test_every_family_answers_the_same_in_both_generations(family: str, tmp_path: Path) -> None:
    """The generations normalise by other kernels. What these round differently in float32 grows
    through the layers of random weights, until in the EfficientNets a saturated softmax may tip
    over; there float64 must tell it from a mistake.
    """
    entries = [entry for entry in catalog.ENTRIES.values() if entry.family == family]
    smallest = min(entry.params or 0 for entry in entries)
    # The larger of a family are its same blocks, more of them or wider.
    names = [e.name for e in entries if (e.params or 0) <= max(smallest, _LARGE)]
    found = _differences(tmp_path / "float32", names, "float32")
    if far := [name for name in names if found[name] >= _TOLERANCE]:
        found = _differences(tmp_path / "float64", far, "float64")
        assert max(found.values()) < _TOLERANCE, found
