"""Rules that a user adds for layers of their own."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from cnnbench.analysis import Inspection, Rule, Work, add_rule, inspect, weightless
from cnnbench.errors import UserError

L = tf.keras.layers


class Opaque(L.Layer):  # type: ignore[misc]
    """Doubles its inputs in Python, which cannot be counted by tracing."""

    def call(self, inputs: Any) -> Any:
        doubled = tf.numpy_function(lambda array: 2 * array, [inputs], inputs.dtype)
        doubled.set_shape(inputs.shape)
        return doubled

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Ruled(Opaque):
    """The same, with a rule."""


class Derived(Ruled):
    """Follows the rule of its parent."""


class Rewritten(Ruled):
    """Computes something else than its parent."""

    def call(self, inputs: Any) -> Any:
        return inputs + 1


class Traceable(L.Layer):  # type: ignore[misc]
    """Tracing would count 8 x 8 x 4 x 4 MACs; its rule says otherwise."""

    def call(self, inputs: Any) -> Any:
        return tf.linalg.matmul(inputs, inputs, transpose_b=True)


add_rule(Ruled, Rule(count=lambda op: Work(macs=7 * op.output.elements)))
add_rule(Traceable, Rule(count=lambda op: Work(macs=11)))


def counted(layer: Any, input_shape: tuple[int, ...] | None = None) -> Inspection:
    with weightless():
        inputs = tf.keras.Input((4, 4, 1) if input_shape is None else (None, None, 1))
        return inspect(tf.keras.Model(inputs, layer(inputs)), input_shape=input_shape)


@pytest.mark.parametrize("input_shape", [None, (4, 4, 1)], ids=["from layers", "traced"])
@pytest.mark.parametrize("layer", [Ruled, Derived])
def test_add_rule_counts_a_custom_layer_by_its_rule(layer: Any, input_shape: Any) -> None:
    found = counted(layer(), input_shape)
    assert found.metrics["macs"] == 7 * 16
    assert found.uncounted_ops == []
    assert found.bounds["receptive_field_px"] == "at least"  # the rule does not say


@pytest.mark.parametrize("input_shape", [None, (4, 4, 1)], ids=["from layers", "traced"])
def test_an_added_rule_takes_precedence_over_tracing(input_shape: Any) -> None:
    assert counted(Traceable(), input_shape).metrics["macs"] == 11


def test_a_layer_without_a_rule_or_with_an_overridden_call_is_traced() -> None:
    assert len(counted(Opaque()).uncounted_ops) == 1
    found = counted(Rewritten())
    assert (found.metrics["macs"], found.metrics["flops"]) == (0, 16)


def test_add_rule_rejects_a_layer_of_keras() -> None:
    with pytest.raises(UserError, match="Dense is a layer of Keras"):
        add_rule(L.Dense, Rule())
