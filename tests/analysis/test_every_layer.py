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
from tests.analysis.layer_examples import DTYPES, EXAMPLES, IDENTITIES, MOVES, WITHOUT
from tests.analysis.traced_count import traced_macs

layers = tf.keras.layers
TAKES_SEVERAL = ("MultiHeadAttention", "GroupedQueryAttention")  # inputs are separate arguments


def classes() -> dict[str, Any]:
    """All layer classes of the Keras of this process by their names; aliases count once."""
    found = [value for value in vars(layers).values() if isinstance(value, type)]
    return {cls.__name__: cls for cls in found if issubclass(cls, layers.Layer)}


def make_layer(name: str, text: str) -> Any:
    """Layer of a class with the arguments in ``text``."""
    return eval(f"make({text})", {"make": classes()[name], "layers": layers})


def network(name: str, text: str, shapes: Any) -> Any:
    """Model of one layer."""
    inputs = [tf.keras.Input(shape, dtype=DTYPES.get(name, "float32")) for shape in shapes]
    layer = make_layer(name, text)
    if name in TAKES_SEVERAL:
        return tf.keras.Model(inputs, layer(*inputs))
    return tf.keras.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))


def count(model: Any) -> Any:
    """Return the counts of ``model`` with a ReLU added, since an empty count is an error."""
    beside = tf.keras.Input((1,))
    outputs = [model(model.inputs), layers.ReLU()(beside)]
    return inspect(tf.keras.Model([*model.inputs, beside], outputs))


def examples() -> dict[str, tuple[str, Any]]:
    """Examples of the layers that this Keras has."""
    every = {**EXAMPLES, **MOVES, **IDENTITIES}
    return {name: every[name] for name in sorted(classes().keys() & every.keys())}


def counts() -> dict[str, tuple[int, int, int]]:
    """MACs, FLOPs without the added ReLU, and uncounted operations by layer."""
    found = {}
    for name, example in examples().items():
        with weightless():
            metrics = count(network(name, *example)).metrics
        found[name] = metrics["macs"], metrics["flops"] - 1, metrics["uncounted_ops"]
    return found


def test_every_layer_of_keras_has_an_example() -> None:
    assert classes().keys() - {*EXAMPLES, *MOVES, *IDENTITIES, *WITHOUT} == set()


def is_of_images(name: str) -> bool:
    """Return whether a layer computes on images or vectors; the others are counted by slow tests.

    Those are of sequences and volumes, or only move numbers, or change images at random.
    """
    return name in EXAMPLES and not name.endswith(("1D", "3D"))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if is_of_images(name) else [pytest.mark.slow])
        for name in examples()
    ],
)
def test_every_layer_equals_its_traced_graph(name: str) -> None:
    with weightless():
        model = network(name, *examples()[name])
        metrics = count(model).metrics
        assert metrics["uncounted_ops"] == 0
        assert metrics["macs"] == traced_macs(model)
        assert (metrics["flops"] > 1) == (name in EXAMPLES)


@pytest.mark.parametrize("name", sorted(classes().keys() & IDENTITIES.keys()))
def test_layers_counted_as_identity_return_their_input_at_inference(name: str) -> None:
    text, (shape,) = IDENTITIES[name]
    image = np.random.default_rng(0).uniform(0, 255, (2, *shape)).astype("float32")
    layer = make_layer(name, text)
    takes = "training" in layer.call.__code__.co_varnames or layer._call_has_training_arg
    output = layer(image, training=False) if takes else layer(image)
    np.testing.assert_array_equal(np.asarray(output), image)


# Keras 2 alone: 5 and 7 x 7 positions, a kernel each.
ONLY_KERAS2 = {"LocallyConnected1D": 5 * 3 * 8, "LocallyConnected2D": 49 * 3 * 16}


@pytest.mark.slow
def test_every_layer_of_keras_2_is_counted_as_in_keras_3() -> None:
    program = (
        "import json; from tests.analysis import test_every_layer as t\n"
        "t.test_every_layer_of_keras_has_an_example(); print(json.dumps(t.counts()))"
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
