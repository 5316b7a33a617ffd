"""Layers that Keras does not have, made so that a network with them can be saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class LocalResponseNormalization(tf.keras.layers.Layer):  # type: ignore[misc]
    """Divide each activation by a sum over its neighbours in the channel axis (AlexNet, 3.3).

    ``b_i = a_i / (k + alpha * sum_j a_j ** 2) ** beta``, the sum over the window of ``size``
    channels around i. The paper's equation has no division of ``alpha`` by the window's size.

    Args:
        size: channels in the window, odd: the r = 5 of the chapter and the n = 5 of the paper.
        alpha, beta, k: as in the equation.
    """

    def __init__(
        self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if size < 1 or size % 2 == 0:
            raise ValueError(f"the window of local response normalisation is odd, not {size}")
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def call(self, inputs: Any) -> Any:
        # TensorFlow's depth_radius counts the neighbours on one side of the window's centre.
        return tf.nn.local_response_normalization(
            inputs, depth_radius=self.size // 2, bias=self.k, alpha=self.alpha, beta=self.beta
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"size": self.size, "alpha": self.alpha, "beta": self.beta, "k": self.k}
        return {**super().get_config(), **own}


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class ChannelSlice(tf.keras.layers.Layer):  # type: ignore[misc]
    """The channels from ``start`` up to, not including, ``stop``."""

    def __init__(self, start: int, stop: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start, self.stop = start, stop

    def call(self, inputs: Any) -> Any:
        return inputs[..., self.start : self.stop]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.stop - self.start)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start, "stop": self.stop}


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class RegroupChannels(tf.keras.layers.Layer):  # type: ignore[misc]
    """Reshape the axes after the places of maps: ``(n, h, w, ...)`` to ``(n, h, w, *target)``.

    Unlike ``Reshape`` it names no height and width, so that maps can have any.

    Args:
        target: the sizes of the axes after the first three.
    """

    def __init__(self, target: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target = tuple(target)

    def call(self, inputs: Any) -> Any:
        sizes, known = tf.shape(inputs), inputs.shape
        places = [sizes[axis] if known[axis] is None else known[axis] for axis in (1, 2)]
        return tf.reshape(inputs, (-1, *places, *self.target))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:3], *self.target)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target": list(self.target)}


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class CutWindows(tf.keras.layers.Layer):  # type: ignore[misc]
    """Cut equally spaced windows out of images: ``(n, h, w, c)`` to ``(n × places, *size, c)``.

    The windows of an image follow one another, row by row.

    Args:
        size: ``(height, width)`` of a window.
        stride: from one window to the next, down and right.
        places: number of windows, down and right.
    """

    def __init__(
        self, size: Sequence[int], stride: Sequence[int], places: Sequence[int], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.size, self.stride, self.places = tuple(size), tuple(stride), tuple(places)

    def call(self, inputs: Any) -> Any:
        # Operations that every runtime has; TensorFlow's own (ExtractImagePatches) is not one.
        (height, width), (_, right) = self.size, self.places
        channels = inputs.shape[-1]
        rows = tf.gather(inputs, self._pixels(0), axis=1)
        rows = tf.reshape(rows, (-1, height, inputs.shape[2], channels))
        cut = tf.gather(rows, self._pixels(1), axis=2)
        cut = tf.transpose(tf.reshape(cut, (-1, height, right, width * channels)), (0, 2, 1, 3))
        return tf.reshape(cut, (-1, height, width, channels))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch = input_shape[0]
        windows = None if batch is None else batch * self.places[0] * self.places[1]
        return (windows, *self.size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        own = {"size": self.size, "stride": self.stride, "places": self.places}
        return {**super().get_config(), **{name: list(pair) for name, pair in own.items()}}

    def _pixels(self, axis: int) -> list[int]:
        """Return the rows (or columns) of all windows, one window after another."""
        starts = range(0, self.places[axis] * self.stride[axis], self.stride[axis])
        return [start + pixel for start in starts for pixel in range(self.size[axis])]


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class PlaceOnGrid(tf.keras.layers.Layer):  # type: ignore[misc]
    """Arrange the outputs for `CutWindows` as maps: ``(n × places, c)`` to ``(n, *places, c)``.

    Args:
        places: number of windows, down and right.
    """

    def __init__(self, places: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.places = tuple(places)

    def call(self, inputs: Any) -> Any:
        return tf.reshape(inputs, (-1, *self.places, inputs.shape[-1]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch = input_shape[0]
        images = None if batch is None else batch // (self.places[0] * self.places[1])
        return (images, *self.places, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "places": list(self.places)}


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class StateCoding(tf.keras.layers.Layer):  # type: ignore[misc]
    """Identity layer that states the coding of a detector's boxes.

    It keeps the coding with a network that is saved, cloned or compressed.

    Args:
        coding: JSON values of a `cnnbench.models.heads.coding.Coding`.
    """

    def __init__(self, coding: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.coding = dict(coding)

    def call(self, inputs: Any) -> Any:
        return tf.identity(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "coding": dict(self.coding)}


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class L2Normalization(tf.keras.layers.Layer):  # type: ignore[misc]
    """Divide the channels of every position by their norm, then scale each by a trained factor.

    As SSD does with its first maps (arXiv:1506.04579, sec. 3.3).

    Args:
        scale: the initial factor of every channel.
    """

    def __init__(self, scale: float = 20.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def build(self, input_shape: Any) -> None:
        initial = tf.keras.initializers.Constant(self.scale)
        self.factors = self.add_weight(
            shape=(input_shape[-1],), initializer=initial, trainable=True, name="factors"
        )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return tf.math.l2_normalize(inputs, axis=-1) * self.factors

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}
