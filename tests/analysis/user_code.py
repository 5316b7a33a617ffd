"""Layers written with ``tf.function``, AutoGraph and sizes that depend on the data.

Every network is written for either Keras; ``python -m`` counts those of this process.
"""

from __future__ import annotations

import json
from typing import Any

import tensorflow as tf

from cnnbench import inspect
from cnnbench.analysis import weightless

layers, Input, Model = tf.keras.layers, tf.keras.Input, tf.keras.Model
IS_KERAS_2 = Model.__module__.startswith("tf_keras")


class Decorated(layers.Layer):
    """Three convolutions in a ``tf.function``, and a condition that is always true."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = [layers.Conv2D(4, 3, padding="same") for _ in range(3)]

    def build(self, shape: Any) -> None:
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = (*shape[:-1], 4)

    @tf.function
    def call(self, x: Any) -> Any:
        for convolution in self.convolutions:
            x = convolution(x)
        return tf.cond(tf.constant(True), lambda: x, lambda: 2 * x)


class Repeated(layers.Layer):
    """One convolution, five times: a loop that AutoGraph makes."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = layers.Conv2D(3, 3, padding="same")

    def build(self, shape: Any) -> None:
        self.convolution.build(shape)

    @tf.function
    def call(self, x: Any) -> Any:
        for _ in tf.range(5):
            x = self.convolution(x)
        return x


class Chosen(layers.Layer):
    """One of two dense layers, by the data: a condition that AutoGraph makes."""

    def __init__(self) -> None:
        super().__init__()
        self.large, self.small = layers.Dense(100), layers.Dense(10)

    def build(self, shape: Any) -> None:
        self.large.build(shape)
        self.small.build(shape)

    @tf.function
    def call(self, x: Any) -> Any:
        if tf.reduce_mean(x) > 0:
            y = tf.reduce_sum(self.large(x), -1)
        else:
            y = tf.reduce_sum(self.small(x), -1)
        return y


class Selected(layers.Layer):
    """A dense layer on as many rows as are positive."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(8)

    def build(self, shape: Any) -> None:
        self.dense.build((None, shape[-1]))

    def call(self, x: Any) -> Any:
        return self.dense(tf.boolean_mask(x, x[..., 0] > 0))

    def compute_output_shape(self, shape: Any) -> Any:
        return (None, 8)


class Doubled(Model):
    """A functional model whose ``call`` does more."""

    def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
        return 2 * super().call(x, training=training, mask=mask)


def _with(layer: Any, *shape: int) -> Any:
    image = Input(shape)
    return Model(image, layer(image))


def decorated() -> Any:
    return _with(Decorated(), 10, 10, 3)


def repeated() -> Any:
    return _with(Repeated(), 12, 12, 3)


def chosen() -> Any:
    return _with(Chosen(), 64)


def selected() -> Any:
    return _with(Selected(), 256, 64)


def doubled() -> Any:
    image = Input((16, 16, 3))
    return Doubled(image, layers.Conv2D(4, 3)(image))


class Plain(layers.Layer):
    """A layer that Keras 2 converts by itself, without ``tf.function``."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = layers.Conv2D(3, 3, padding="same")

    def call(self, x: Any) -> Any:
        for _ in tf.range(5):
            x = self.convolution(x)
        return x


def converted_by_keras_2() -> Any:
    return _with(Plain(), 12, 12, 3)


# By hand: output positions x filters x weights of one filter.
MACS = {
    decorated: 10 * 10 * 4 * (27 + 36 + 36),
    repeated: 5 * 12 * 12 * 3 * 27,
    chosen: 64 * 100,  # the dearer branch
    selected: 0,  # at least; the product is named
    doubled: 14 * 14 * 4 * 27,
}
OF_KERAS_2 = {converted_by_keras_2: 5 * 12 * 12 * 3 * 27}


def _count(build: Any) -> dict[str, Any]:
    found = inspect(build())
    return {"macs": found.metrics["macs"], "uncounted": found.uncounted_ops}


def main() -> None:
    """Print what every network was counted at, live and without weights."""
    found: dict[str, Any] = {}
    for build in MACS | (OF_KERAS_2 if IS_KERAS_2 else {}):
        found[build.__name__] = [_count(build)]
        with weightless():
            found[build.__name__] += [_count(build)]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
