"""Layers that bring feature maps back to a finer resolution, for segmentation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnnbench.models.families.layers import layers, tf


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class BilinearKernel(tf.keras.initializers.Initializer):  # type: ignore[misc]
    """Kernel of a transposed convolution that interpolates each channel (arXiv:1411.4038, 3.3).

    Channel ``c`` of the output is the interpolated channel ``c`` of the input: with a kernel of
    ``2 s`` (``2 s - 1`` if the stride ``s`` is odd) and padding "same" the layer equals bilinear
    resizing with half-pixel centres, except at the border, where it fades to 0.
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> Any:
        rows, columns, outputs, inputs = shape
        kernel = np.zeros(shape, np.float32)
        for channel in range(min(outputs, inputs)):
            kernel[:, :, channel, channel] = np.outer(_triangle(rows), _triangle(columns))
        return tf.constant(kernel, dtype or tf.float32)

    def get_config(self) -> dict[str, Any]:
        return {}


def _triangle(size: int) -> np.ndarray:
    half = (size + 1) // 2
    return 1 - np.abs(np.arange(size) - (size - 1) / 2) / half


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class MirrorEdges(tf.keras.layers.Layer):  # type: ignore[misc]
    """Extend maps ``(n, height, width, channels)`` by their mirror images.

    Args:
        rows: rows added before the first and after the last; at most the height each.
        columns: columns added likewise.
    """

    def __init__(self, rows: Sequence[int], columns: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows, self.columns = tuple(rows), tuple(columns)

    def call(self, inputs: Any) -> Any:
        return tf.pad(inputs, ((0, 0), self.rows, self.columns, (0, 0)), mode="SYMMETRIC")

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, height + sum(self.rows), width + sum(self.columns), channels)

    def get_config(self) -> dict[str, Any]:
        own = {"rows": list(self.rows), "columns": list(self.columns)}
        return {**super().get_config(), **own}


Upsample = Callable[[Any, int], Any]
"""``upsample(maps, factor) -> maps`` that are ``factor`` times as high and wide."""


def enlarged(x: Any, size: Sequence[int], upsample: Upsample, name: str) -> Any:
    """Return maps upsampled by the power of 2 next to the ratio of sizes, and of exactly ``size``.

    Positions stay aligned with the finer maps that ``x`` was computed from. Rows and columns in
    excess are cropped at the end, since downsampling with padding "same" begins at the first
    position. Those missing mirror the edges: at the end if they are fewer than the factor, as
    downsampling drops a rest, else on both sides, as convolutions without padding do.

    Args:
        x: ``(n, height, width, channels)``.
        size: height and width of the result.
        upsample: not called for a factor of 1.
        name: prefix of the names of layers that pad and crop.
    """
    now = [int(many) for many in x.shape[1:3]]
    factor = 2 ** max(int(math.log2(math.prod(size) / math.prod(now)) / 2 + 0.5), 0)
    added, cuts = [], []
    for have, wanted in zip(now, size, strict=True):
        missing = max(wanted - factor * have, 0)
        first = 0 if missing < factor else missing // 2
        before, after = -(-first // factor), -(-(missing - first) // factor)
        start = factor * before - first
        added.append((before, after))
        cuts.append((start, factor * (have + before + after) - wanted - start))
    if any(map(any, added)):
        x = MirrorEdges(*added, name=f"{name}_edges")(x)
    if factor > 1:
        x = upsample(x, factor)
    if any(map(any, cuts)):
        x = layers.Cropping2D(cuts, name=f"{name}_crop")(x)
    return x


def bilinear(name: str) -> Upsample:
    """Return bilinear resizing with half-pixel centres, as PyTorch's ``align_corners=False``."""

    def upsample(x: Any, factor: int) -> Any:
        return layers.UpSampling2D(factor, interpolation="bilinear", name=name)(x)

    return upsample


def transposed_bilinear(name: str) -> Upsample:
    """Return a transposed convolution that starts as bilinear interpolation and is trained."""

    def upsample(x: Any, factor: int) -> Any:
        return layers.Conv2DTranspose(
            x.shape[-1],
            2 * factor - factor % 2,
            strides=factor,
            padding="same",
            use_bias=False,
            kernel_initializer=BilinearKernel(),
            name=name,
        )(x)

    return upsample


def up_convolution(filters: int, name: str) -> Upsample:
    """Return U-Net's up-convolution: a kernel as large as its stride (arXiv:1505.04597, sec. 2)."""

    def upsample(x: Any, factor: int) -> Any:
        return layers.Conv2DTranspose(
            filters, factor, strides=factor, kernel_initializer="he_normal", name=name
        )(x)

    return upsample
