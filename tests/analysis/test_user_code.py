"""``tf.function``, AutoGraph and sizes that depend on the data, in layers of both Keras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

import cnnbench
from cnnbench.errors import UserError
from tests.analysis.user_code import MACS, OF_KERAS_2


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("0", id="keras 3"),
        pytest.param("1", id="keras 2", marks=pytest.mark.slow),
    ],
)
def counted(request: pytest.FixtureRequest) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.analysis.user_code"],
        env={**os.environ, "TF_USE_LEGACY_KERAS": request.param},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_macs_equal_those_counted_by_hand(counted: Any) -> None:
    right = {build.__name__: macs for build, macs in (MACS | OF_KERAS_2).items()}
    assert {name: [one["macs"] for one in found] for name, found in counted.items()} == {
        name: [right[name]] * 2 for name in counted
    }
    assert {name for name in right if name not in counted} <= {"converted_by_keras_2"}


def test_names_only_products_of_unknown_size(counted: Any) -> None:
    for name, found in counted.items():
        for one in found:
            assert bool(one["uncounted"]) == (name == "selected")
            assert name != "selected" or any("MatMul" in what for what in one["uncounted"])


def test_refusal_names_a_layer_that_fails_at_every_batch_size() -> None:
    """Batches of two only: what one image alone raises says nothing of the network."""
    import keras

    class Pairs(keras.layers.Layer):
        is_broken = False

        def call(self, x: Any) -> Any:
            if self.is_broken:
                raise ValueError("one alone" if x.shape[0] == 1 else "the pair is broken\nand more")
            return x * 2.0

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    inputs = keras.Input((4, 4, 1), batch_size=2)
    layer = Pairs(name="pairs")
    model = keras.Model(inputs, layer(inputs))
    layer.is_broken = True
    words = r"cannot take 4x4x1 at layer 'pairs' \(Pairs\): the pair is broken"
    with pytest.raises(UserError, match=words) as refused:
        cnnbench.inspect(model)
    assert refused.value.__cause__ is not None
    assert refused.value.__cause__.__notes__ == ["with a batch of 1: one alone"]
