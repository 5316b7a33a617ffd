"""``tf.function``, AutoGraph and sizes that depend on the data, in layers of both Keras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.analysis.user_code import MACS, OF_KERAS_2


@pytest.fixture(scope="module", params=["0", "1"], ids=["keras 3", "keras 2"])
def counted(request: pytest.FixtureRequest) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.analysis.user_code"],
        env={**os.environ, "TF_USE_LEGACY_KERAS": request.param},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_macs_are_those_counted_by_hand(counted: Any) -> None:
    right = {build.__name__: macs for build, macs in (MACS | OF_KERAS_2).items()}
    assert {name: [one["macs"] for one in found] for name, found in counted.items()} == {
        name: [right[name]] * 2 for name in counted
    }
    assert {name for name in right if name not in counted} <= {"converted_by_keras_2"}


def test_only_a_product_of_unknown_size_is_named(counted: Any) -> None:
    for name, found in counted.items():
        for one in found:
            assert bool(one["uncounted"]) == (name == "selected")
            assert name != "selected" or any("MatMul" in what for what in one["uncounted"])
