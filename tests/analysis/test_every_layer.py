"""Every layer that Keras has: counted by a rule or by tracing, or free for a stated reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.analysis import inspect, weightless
from tests.analysis.specimens import DTYPES, IDENTITIES, MOVES, SPECIMENS, WITHOUT
from tests.analysis.traced_count import traced_macs

layers = tf.keras.layers
APART = ("MultiHeadAttention", "GroupedQueryAttention")  # their inputs are no list


def classes() -> dict[str, Any]:
    """All layer classes of the Keras of this process by their names; aliases count once."""
    found = [value for value in vars(layers).values() if isinstance(value, type)]
    return {cls.__name__: cls for cls in found if issubclass(cls, layers.Layer)}


def specimen(name: str, text: str) -> Any:
    """The layer of a class with the arguments written in ``text``."""
    return eval(f"make({text})", {"make": classes()[name], "layers": layers})


def network(name: str, text: str, shapes: Any) -> Any:
    """A model of one specimen."""
    inputs = [tf.keras.Input(shape, dtype=DTYPES.get(name, "float32")) for shape in shapes]
    layer = specimen(name, text)
    if name in APART:
        return tf.keras.Model(inputs, layer(*inputs))
    return tf.keras.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))


def count(model: Any) -> Any:
    """Return the counts of ``model`` with a ReLU added, since an empty count is an error."""
    beside = tf.keras.Input((1,))
    outputs = [model(model.inputs), layers.ReLU()(beside)]
    return inspect(tf.keras.Model([*model.inputs, beside], outputs))


def kinds() -> dict[str, tuple[str, Any]]:
    """The specimens of the layers that this Keras has."""
    every = {**SPECIMENS, **MOVES, **IDENTITIES}
    return {name: every[name] for name in sorted(classes().keys() & every.keys())}


def counts() -> dict[str, tuple[int, int, int]]:
    """By layer the MACs, the FLOPs (without the ReLU beside it) and how much was not counted."""
    found = {}
    for name, kind in kinds().items():
        with weightless():
            metrics = count(network(name, *kind)).metrics
        found[name] = metrics["macs"], metrics["flops"] - 1, metrics["uncounted_ops"]
    return found


def test_no_layer_of_keras_is_forgotten() -> None:
    assert classes().keys() - {*SPECIMENS, *MOVES, *IDENTITIES, *WITHOUT} == set()


def test_every_layer_equals_its_traced_graph() -> None:
    for name, kind in kinds().items():
        with weightless():
            model = network(name, *kind)
            metrics = count(model).metrics
            assert metrics["uncounted_ops"] == 0, name
            assert metrics["macs"] == traced_macs(model), name
            assert (metrics["flops"] > 1) == (name in SPECIMENS), name


@pytest.mark.parametrize("name", sorted(classes().keys() & IDENTITIES.keys()))
def test_what_counts_as_the_identity_is_one(name: str) -> None:
    text, (shape,) = IDENTITIES[name]
    image = np.random.default_rng(0).uniform(0, 255, (2, *shape)).astype("float32")
    layer = specimen(name, text)
    takes = "training" in layer.call.__code__.co_varnames or layer._call_has_training_arg
    output = layer(image, training=False) if takes else layer(image)
    np.testing.assert_array_equal(np.asarray(output), image)


# Keras 2 alone: 5 and 7 x 7 positions, a kernel each.
ONLY_KERAS2 = {"LocallyConnected1D": 5 * 3 * 8, "LocallyConnected2D": 49 * 3 * 16}


@pytest.mark.slow
def test_every_layer_of_keras_2() -> None:
    program = (
        "import json; from tests.analysis import test_every_layer as t\n"
        "t.test_no_layer_of_keras_is_forgotten(); print(json.dumps(t.counts()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    keras2 = json.loads(done.stdout)
    assert [name for name, (_, _, uncounted) in keras2.items() if uncounted] == []
    expected = {name: macs for name, (macs, _, _) in counts().items()} | ONLY_KERAS2
    assert {name: macs for name, (macs, _, _) in keras2.items()} == {
        name: expected.get(name, 0) for name in keras2
    }
    assert len(keras2) > 80
