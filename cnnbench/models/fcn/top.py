"""The layers after the last maps of a classifier, as layers of maps with the same weights.

A vector of the classifier is one place of a map: its elements are the channels there, or, after
``Flatten``, the channels of a window of places. A dense layer on the latter is a convolution with a
kernel of that window; on the former, one with a kernel of 1×1. Global pooling is pooling with the
window of the classifier's own maps and stride 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from cnnbench.errors import UserError
from cnnbench.models import keras_graph
from cnnbench.models.fcn.steps import Names, Step, Value, sizes

GLOBAL_POOLS = ("GlobalAveragePooling2D", "GlobalMaxPooling2D")
AVERAGE_POOL = "AveragePooling2D"
"""Global, where its window is that of the maps, as in networks older than global pooling."""
RESHAPES = ("Flatten", "Reshape")


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


_ANYWHERE = _set(
    "Activation ReLU LeakyReLU ELU ThresholdedReLU Dropout AlphaDropout GaussianDropout "
    "GaussianNoise ActivityRegularization Identity Rescaling"
)
_ALONG_CHANNELS = _set(
    "BatchNormalization LayerNormalization UnitNormalization Softmax Concatenate"
)
_MERGING = _set("Add Subtract Multiply Average Maximum Minimum")
_POINTWISE = _set("Conv2D DepthwiseConv2D SeparableConv2D")
# Element operations of ``keras.ops``, and of TensorFlow in networks of Keras 2.
_OPERATIONS = _set(
    "add subtract multiply divide truediv true_divide maximum minimum negative abs square sqrt exp "
    "log tanh sigmoid relu relu6 silu swish gelu elu selu softplus hard_sigmoid hard_silu "
    "hard_swish leaky_relu clip"
)
_SOFTMAXES = ("softmax", "log_softmax")


Weights = list[np.ndarray]


@dataclass(frozen=True)
class _Made:
    """A layer made for another, and how its weights are made of the other's."""

    original: Any
    window: tuple[int, int]
    new: Any
    weights: Callable[[Weights], Weights]


@dataclass(frozen=True)
class Placed:
    """A vector of the classifier in the new network.

    Attributes:
        tensor: symbolic maps ``(n, height, width, channels)``.
        window: ``(height, width)`` of the places that one vector holds; (1, 1) but after Flatten.
    """

    tensor: Any
    window: tuple[int, int] = (1, 1)


class Top:
    """Converts the layers after the maps, in the order in which they are called.

    Args:
        prefix: of the names of new layers.
        names: of the layers of the new network.
    """

    def __init__(self, prefix: str, names: Names) -> None:
        self._prefix, self._names = prefix, names
        self._made: list[_Made] = []

    def begun(self, step: Step, maps: Any) -> Placed:
        """Return the vectors that a step makes of maps.

        Raises:
            UserError: it cannot be converted.
        """
        import tensorflow as tf

        given, layer = step.inputs[0].shape, step.layer
        if not step.is_of_keras:
            raise _refusal(step, "its arithmetic is not known")
        if getattr(layer, "data_format", "channels_last") == "channels_first":
            raise _refusal(step, "it takes the channels first")
        window = (int(given[1] or 0), int(given[2] or 0))
        if step.kind in (*GLOBAL_POOLS, AVERAGE_POOL):
            kind = "MaxPooling2D" if "Max" in step.kind else AVERAGE_POOL
            pool = getattr(tf.keras.layers, kind)(window, strides=1, name=self._name(step))
            return Placed(pool(maps))
        if step.kind in RESHAPES and len(step.outputs[0].shape) == 2:
            return Placed(maps, window)
        if step.kind in RESHAPES:
            raise _refusal(
                step, f"it makes a sequence of {sizes(step.outputs[0].shape)} of maps; {_READABLE}"
            )
        raise _refusal(step, f"it is neither Flatten nor pooling over all places; {_READABLE}")

    def continued(self, step: Step, placed: Mapping[Value, Placed]) -> list[Placed]:
        """Return the vectors that a step makes of vectors.

        Raises:
            UserError: it cannot be converted.
        """
        if not all(value in placed for value in step.inputs):
            raise _refusal(step, "it merges vectors with something else")
        if not step.is_of_keras:
            raise _refusal(step, "its arithmetic is not known")
        given = [placed[value] for value in step.inputs]
        window = given[0].window
        if any(one.window != window for one in given):
            raise _refusal(step, "it merges vectors of windows of different sizes")
        if step.kind == "Dense" and len(step.inputs[0].shape) == 2:
            return [self._dense(step, given[0])]
        if step.kind in RESHAPES:
            return [self._reshaped(step, given[0])]
        if step.kind in _ANYWHERE and (window == (1, 1) or not _is_softmax(step.layer)):
            return self._same(step, placed)
        if window != (1, 1):
            raise _refusal(step, "it takes flattened maps, and only a Dense can be a convolution")
        if step.kind in GLOBAL_POOLS:
            return given
        if step.kind in _ALONG_CHANNELS and _is_last_axis(step):
            return self._same(step, placed, axis=-1)
        if step.kind == "PReLU":
            return self._same(step, placed, shared_axes=[1, 2])
        if step.kind in _MERGING or (step.kind in _POINTWISE and _is_pointwise(step.layer)):
            return self._same(step, placed)
        if _operation(step) in _OPERATIONS:
            tensors = {value: placed[value].tensor for value in step.inputs}
            return [Placed(tensor) for tensor in step.called(tensors)]
        raise _refusal(step, "no layer of maps does the same at every place")

    def copy_weights(self) -> None:
        """Copy the weights of the original layers, where they have values."""
        for made in self._made:
            weights = made.original.weights
            if weights and keras_graph.are_allocated(weights):
                made.new.set_weights(made.weights(made.original.get_weights()))

    def _dense(self, step: Step, given: Placed) -> Placed:
        """Return a dense layer as a convolution whose kernel is the window of its input."""
        import tensorflow as tf

        layer = step.layer
        if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
            raise _refusal(step, "it is adapted (LoRA) or quantised")
        channels = int(given.tensor.shape[-1])
        features = int(step.inputs[0].shape[-1] or 0)
        assert features == prod(given.window) * channels, (step, features, given)

        def convolution(name: str) -> Any:
            return tf.keras.layers.Conv2D(
                layer.units,
                given.window,
                padding="valid",
                activation=layer.activation,
                use_bias=layer.use_bias,
                dtype=layer.get_config()["dtype"],
                name=name,
            )

        def reshaped(weights: Weights) -> Weights:
            kernel, *bias = weights
            return [kernel.reshape(*given.window, channels, layer.units), *bias]

        return Placed(self._new(step, given.window, convolution, reshaped)(given.tensor))

    def _reshaped(self, step: Step, given: Placed) -> Placed:
        """Return a reshape between ``(n, c)`` and ``(n, 1, 1, c)``: nothing has to be done."""
        before, after = step.inputs[0].shape, step.outputs[0].shape
        if len(after) == 2 or (given.window == (1, 1) and after[1:-1] == (1, 1)):
            return given
        raise _refusal(step, f"it makes {sizes(after)} of a vector of {sizes(before)}; {_READABLE}")

    def _same(self, step: Step, placed: Mapping[Value, Placed], **changed: Any) -> list[Placed]:
        """Return the outputs of a layer of the same kind and weights."""

        def reshaped(weights: Weights) -> Weights:
            if step.kind == "PReLU":
                return [alpha.reshape(1, 1, -1) for alpha in weights]
            return weights

        def same(name: str) -> Any:
            return type(step.layer).from_config(step.layer.get_config() | changed | {"name": name})

        window = placed[step.inputs[0]].window
        layer = self._new(step, window, same, reshaped)
        tensors = {value: placed[value].tensor for value in step.inputs}
        return [Placed(tensor, window) for tensor in step.called(tensors, layer)]

    def _new(
        self,
        step: Step,
        window: tuple[int, int],
        make: Callable[[str], Any],
        weights: Callable[[Weights], Weights],
    ) -> Any:
        """Return the layer that stands for that of a step: one for all of its calls."""
        for made in self._made:
            if made.original is step.layer and made.window == window:
                return made.new
        made = _Made(step.layer, window, make(self._name(step)), weights)
        self._made.append(made)
        return made.new

    def _name(self, step: Step) -> str:
        return self._names.free(f"{self._prefix}{step.layer.name}", step.path)


_READABLE = "only Dense layers, element by element layers and 1x1 convolutions can follow maps"


def _refusal(step: Step, why: str) -> UserError:
    return UserError(f"the layer {step} cannot be made fully convolutional: {why}")


def _is_softmax(layer: Any) -> bool:
    name = getattr(getattr(layer, "activation", None), "__name__", "")
    return type(layer).__name__ == "Softmax" or name in _SOFTMAXES


def _operation(step: Step) -> str:
    """Return the name of the function of an operation that is no layer; empty for a layer."""
    symbol = getattr(step.layer, "symbol", None)  # a TensorFlow function in Keras 2
    if isinstance(symbol, str):
        return symbol.rpartition(".")[2]
    if hasattr(step.layer, "weights"):
        return ""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in step.kind).lstrip("_")


def _is_last_axis(step: Step) -> bool:
    """Return whether the layer works along the channels, the last axis of its vectors."""
    axis, rank = step.layer.axis, len(step.outputs[0].shape)
    axes = list(axis) if hasattr(axis, "__iter__") else [axis]
    return [one % rank for one in axes] == [rank - 1]


def _is_pointwise(layer: Any) -> bool:
    return tuple(layer.kernel_size) == tuple(layer.strides) == (1, 1)
