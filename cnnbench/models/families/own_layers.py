"""Layers that Keras does not have, made so that a network with them can be saved and loaded."""

from __future__ import annotations

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
