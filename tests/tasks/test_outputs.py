"""Encodings of a classifier's outputs, and their probabilities."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import JobFailed
from cnnbench.tasks.classification import outputs


def network(*activations: str | None) -> Any:
    """Layers with these activations, None for a layer that has none."""
    layers = [
        SimpleNamespace(activation=SimpleNamespace(__name__=name)) if name else object()
        for name in activations
    ]
    return SimpleNamespace(layers=layers, outputs=[None])


@pytest.mark.parametrize(
    ("last", "given", "kind", "shares"),
    [
        ("softmax", [[0.2, 0.8]], "softmax", [[0.2, 0.8]]),
        ("sigmoid", [[0.0, 0.0]], "sigmoids", [[0.0, 0.0]]),  # that see nothing
        ("sigmoid", [[0.9, 0.7]], "sigmoids", [[0.9, 0.7]]),
        ("linear", [[-1.0, 1.0]], "logits", [[1 / (1 + np.exp(2)), 1 / (1 + np.exp(-2))]]),
        # Small logits look like shares; what an image is told does not hang on those beside it.
        ("linear", [[0.0, 0.5]], "logits", [[1 / (1 + np.exp(0.5)), 1 / (1 + np.exp(-0.5))]]),
        ("sigmoid", [[0.3]], "sigmoid", [[0.7, 0.3]]),  # one output, two classes
        ("linear", [[-2.0]], "logit", [[1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))]]),
        ("linear", [[-2000.0]], "logit", [[1.0, 0.0]]),
        (None, [[0.2, 0.8]], "softmax", [[0.2, 0.8]]),  # as the numbers look
        (None, [[0.2, 0.2]], "logits", [[0.5, 0.5]]),
        (None, [[0.2]], "sigmoid", [[0.8, 0.2]]),
    ],
)
def test_outputs_become_probabilities(
    last: str | None, given: list[list[float]], kind: outputs.Kind, shares: Any
) -> None:
    found = np.array(given)
    assert outputs.kind(network("relu", last), found) == kind
    np.testing.assert_allclose(outputs.probabilities(found, kind), shares)


def test_the_activation_is_found_behind_layers_that_pass_it_on_and_inside_networks() -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    inner = tf.keras.Sequential([layers.Input((4,)), layers.Dense(3, "sigmoid")])
    outer = tf.keras.Sequential(
        [layers.Input((4,)), inner, layers.Activation("linear", dtype="float32")]
    )
    assert outputs.kind(outer, np.array([[0.9, 0.7, 0.1]])) == "sigmoids"


def test_a_softmax_over_one_output_tells_nothing() -> None:
    with pytest.raises(JobFailed, match="a softmax, which is always 1: use a sigmoid"):
        outputs.probabilities(np.ones((3, 1)), outputs.kind(network("softmax"), np.ones((3, 1))))


def test_decoding_ranks_classes_and_numbers_those_without_names() -> None:
    given = np.array([[0.2, 0.5, 0.3]])
    (named,) = outputs.decode(given, network("softmax"), ["a", "b", "c"], top=2)
    assert named == [outputs.Guess(1, "b", 0.5), outputs.Guess(2, "c", 0.3)]
    ((first,),) = outputs.decode(given, network("softmax"), (), top=1)
    assert first == outputs.Guess(1, "class 1", 0.5)


def test_decoding_rejects_maps_and_another_number_of_names() -> None:
    with pytest.raises(JobFailed, match="not classes: predict with a classifier"):
        outputs.decode(np.ones((1, 4, 3)), network("softmax"), (), top=1)
    with pytest.raises(JobFailed, match="2 names, but it has 3 classes"):
        outputs.decode(np.ones((1, 3)) / 3, network("softmax"), ["a", "b"], top=1)
