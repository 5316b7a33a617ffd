"""Keras 3 and Keras 2 build the same network: as many parameters, and the same answers."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from cnnbench.models.catalog import ENTRIES
from tests.conftest import ROOT

FAST = ["LeNet5", "ShuffleNetV2"]
# Building hundreds of millions of real weights twice is what takes long.
_BY_FAMILY = [
    [entry.name for entry in group]
    for _, group in groupby(sorted(ENTRIES.values(), key=lambda e: e.family), lambda e: e.family)
]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(FAST, id="two of ours"),
        *(
            pytest.param(names, id=ENTRIES[names[0]].family, marks=pytest.mark.slow)
            for names in _BY_FAMILY
        ),
    ],
)
def test_both_generations_agree(names: list[str], tmp_path: Path) -> None:
    for legacy in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.models.generation", str(tmp_path), *names],
            env={**os.environ, "TF_USE_LEGACY_KERAS": legacy, "TF_CPP_MIN_LOG_LEVEL": "3"},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    for name in names:
        _agree(name, *(np.load(tmp_path / f"{name}-keras{n}.npz") for n in (3, 2)))


def _agree(name: str, new: np.lib.npyio.NpzFile, old: np.lib.npyio.NpzFile) -> None:
    assert new["params"] == old["params"], name
    assert list(new["shapes"]) == list(old["shapes"]), name
    # Networks without normalisation have logits in the hundreds, which a softmax would saturate.
    scale = max(1.0, float(np.abs(new["outputs"]).max()))
    answers = [softmax(each["outputs"] / scale, axis=1) for each in (new, old)]
    assert np.ptp(answers[0], axis=0).max() > 1e-3, f"{name} says the same to every image"
    np.testing.assert_allclose(*answers, rtol=0, atol=1e-5, err_msg=name)
