"""Filters of a layer, and the feature maps that it makes of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from cnnbench.errors import UserError, nearest

Direction = Literal["vertical", "horizontal"]
"""Filters of zeros with a line of ones in the middle, as in the chapter's figure 14-5."""
DIRECTIONS: tuple[str, ...] = get_args(Direction)

_SIDE = 7  # px of a hand-made filter
_KERNELS = ("kernel", "depthwise_kernel")
_SEED = 0


def set_seed() -> None:
    """Make the random weights of the networks that are built next the same every time."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(_SEED)


def layer_of(network: Any, name: str | None) -> Any:
    """Return a layer of a ``keras.Model``; by default the first that has filters.

    Raises:
        UserError: there is no such layer, or none with filters.
    """
    names = [layer.name for layer in network.layers]
    if name in names:
        return network.layers[names.index(name)]
    if name is not None:
        hint = nearest(name, names) or f"its first layers: {', '.join(names[:8])}"
        raise UserError(f"the network has no layer '{name}'", "--layer", hint)
    for layer in network.layers:
        if _kernel(layer) is not None:
            return layer
    raise UserError("the network has no layer with filters", "--layer", "name one of its layers")


def maps(network: Any, layer: Any, inputs: Any) -> np.ndarray:
    """Return the feature maps of a layer, float32 ``(n, h, w, c)``.

    Args:
        network: a ``keras.Model`` with one input.
        layer: one of its layers.
        inputs: preprocessed images.

    Raises:
        UserError: its output has no maps.
    """
    import tensorflow as tf

    output = getattr(layer, "output", None)  # a subclassed network has no graph
    if output is None:
        what = f"the network has no graph with one output of '{layer.name}'"
        raise UserError(what, "--layer", "show a layer of a Sequential or functional network")
    if isinstance(output, list | tuple | dict) or len(output.shape) != 4:
        what = f"the output of '{layer.name}' is not a stack of feature maps"
        raise UserError(what, "--layer", "name a convolution or a pooling layer")
    part = tf.keras.Model(network.input, output)
    return np.asarray(part(inputs, training=False), np.float32)


def filters(layer: Any) -> np.ndarray:
    """Return the filters of a convolution, float32 ``(height, width, channels, count)``.

    A depthwise one has one filter for each channel, of a single channel.

    Raises:
        UserError: it has none of two dimensions.
    """
    kernel = _kernel(layer)
    if kernel is None:
        what = f"'{layer.name}' has no filters of two dimensions"
        raise UserError(what, "--layer", "name a convolution, or an image to see feature maps")
    values = np.asarray(kernel, np.float32)
    if "epthwise" in type(layer).__name__:
        values = values.reshape(*values.shape[:2], 1, -1)
    if type(layer).__name__ == "Conv2DTranspose":  # its kernel has the outputs first
        values = values.swapaxes(2, 3)
    return values


def hand_made(directions: Sequence[str], channels: int) -> np.ndarray:
    """Return filters of 7 × 7 px with a line of ones, ``(7, 7, channels, count)``.

    Args:
        directions: ``vertical`` or ``horizontal`` for each filter.
        channels: of the images; each filter sums over them.
    """
    found = np.zeros((_SIDE, _SIDE, channels, len(directions)), np.float32)
    for number, direction in enumerate(directions):
        if direction == "vertical":
            found[:, _SIDE // 2, :, number] = 1.0
        else:
            found[_SIDE // 2, :, :, number] = 1.0
    return found


def convolution(kernel: np.ndarray, input_shape: Sequence[int]) -> Any:
    """Return a ``keras.Model`` of one convolution with given filters and padding ``same``."""
    import tensorflow as tf

    layer = tf.keras.layers.Conv2D(
        kernel.shape[-1], kernel.shape[:2], padding="same", use_bias=False
    )
    inputs = tf.keras.Input(tuple(input_shape))
    network = tf.keras.Model(inputs, layer(inputs))
    layer.set_weights([kernel])
    return network


def _kernel(layer: Any) -> Any:
    for name in _KERNELS:
        kernel = getattr(layer, name, None)
        if kernel is not None and len(kernel.shape) == 4:
            return kernel
    return None
