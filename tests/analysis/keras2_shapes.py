"""Networks of Keras 2 in which a shape follows from another tensor; ``python -m`` counts them.

Every network takes 16 x 16 x 3, or leaves height and width open.
"""

from __future__ import annotations

import json
from typing import Any

import tensorflow as tf

from cnnbench import inspect
from cnnbench.analysis import weightless

layers, Input, Model = tf.keras.layers, tf.keras.Input, tf.keras.Model


def resized_to_the_input(side: int | None) -> Any:
    image = Input((side, side, 3))
    small = layers.Conv2D(8, 3, strides=2, padding="same")(image)
    large = tf.image.resize(small, tf.shape(image)[1:3])
    return Model(image, layers.Conv2D(4, 3, padding="same")(large))


def resized_to_half(side: int | None) -> Any:
    image = Input((side, side, 3))
    maps = layers.Conv2D(8, 3, padding="same")(image)
    shape = tf.shape(maps)
    half = tf.image.resize(maps, (shape[1] // 2, shape[2] // 2))
    return Model(image, layers.Conv2D(4, 3, padding="same")(half))


def reshaped_to_a_sequence(side: int | None) -> Any:
    image = Input((side, side, 3))
    maps = layers.Conv2D(8, 1)(image)
    shape = tf.shape(maps)
    sequence = tf.reshape(maps, (shape[0], shape[1] * shape[2], 8))
    return Model(image, layers.Dense(5)(sequence))


def reshaped_with_the_batch_alone(side: int | None) -> Any:
    image = Input((side, side, 3))
    maps = layers.Conv2D(8, 1)(image)
    return Model(image, layers.Dense(5)(tf.reshape(maps, (tf.shape(maps)[0], -1, 8))))


class ResizeLike(layers.Layer):
    def call(self, inputs: Any) -> Any:
        small, large = inputs
        return tf.image.resize(small, tf.shape(large)[1:3])


def _pyramid(side: int | None, resize: Any) -> Any:
    image = Input((side, side, 3))
    large = layers.Conv2D(8, 3, strides=2, padding="same")(image)
    small = layers.Conv2D(8, 3, strides=2, padding="same")(large)
    return Model(image, layers.Conv2D(4, 3, padding="same")(resize([small, large])))


def resized_in_a_layer(side: int | None) -> Any:
    return _pyramid(side, ResizeLike())


def resized_in_a_lambda(side: int | None) -> Any:
    return _pyramid(side, layers.Lambda(lambda x: tf.image.resize(x[0], tf.shape(x[1])[1:3])))


class Resizing(Model):
    def __init__(self) -> None:
        super().__init__()
        self.down = layers.Conv2D(8, 3, strides=2, padding="same")
        self.head = layers.Conv2D(4, 3, padding="same")

    def call(self, image: Any) -> Any:
        return self.head(tf.image.resize(self.down(image), tf.shape(image)[1:3]))


def resized_in_a_subclass(side: int | None) -> Any:
    model = Resizing()
    model.build((None, side, side, 3))
    return model


def resized_in_an_inner_model(side: int | None) -> Any:
    open_image, image = Input((None, None, 3)), Input((side, side, 3))
    small = layers.Conv2D(8, 3, strides=2, padding="same")(open_image)
    body = Model(open_image, tf.image.resize(small, tf.shape(open_image)[1:3]))
    return Model(image, layers.Conv2D(4, 3, padding="same")(body(image)))


def tiled_over_the_map(side: int | None) -> Any:
    image = Input((side, side, 3))
    maps = layers.Conv2D(8, 3, padding="same")(image)
    mean = layers.GlobalAveragePooling2D(keepdims=True)(maps)
    everywhere = tf.tile(mean, (1, tf.shape(maps)[1], tf.shape(maps)[2], 1))
    return Model(image, layers.Conv2D(4, 1)(tf.concat([everywhere, maps], -1)))


def joined_to_zeros(side: int | None) -> Any:
    image = Input((side, side, 3))
    maps = layers.Conv2D(8, 3, padding="same")(image)
    shape = tf.shape(maps)
    zeros = tf.zeros((shape[0], shape[1], shape[2], 2))
    return Model(image, layers.Conv2D(4, 1)(tf.concat([zeros, maps], -1)))


def transposed_to_the_input(side: int | None) -> Any:
    image = Input((side, side, 3))
    small = layers.Conv2D(8, 3, strides=2, padding="same")(image)
    shape, kernel = tf.shape(image), tf.ones((3, 3, 4, 8))
    large = tf.nn.conv2d_transpose(small, kernel, (shape[0], shape[1], shape[2], 4), 2)
    return Model(image, layers.Conv2D(2, 1)(large))


def cropped_to_the_map(side: int | None) -> Any:
    image = Input((side, side, 3))
    maps = layers.Conv2D(8, 3)(image)
    crop = image[:, : tf.shape(maps)[1], : tf.shape(maps)[2]]
    return Model(image, layers.Conv2D(4, 1)(tf.concat([maps, crop], -1)))


# By hand: output positions x filters x weights of one filter, added up.
MACS = {
    resized_to_the_input: 8 * 8 * 8 * 27 + 16 * 16 * 4 * 72,
    resized_to_half: 16 * 16 * 8 * 27 + 8 * 8 * 4 * 72,
    reshaped_to_a_sequence: 16 * 16 * 8 * 3 + 256 * 5 * 8,
    reshaped_with_the_batch_alone: 16 * 16 * 8 * 3 + 256 * 5 * 8,
    resized_in_a_layer: 8 * 8 * 8 * 27 + 4 * 4 * 8 * 72 + 8 * 8 * 4 * 72,
    resized_in_a_lambda: 8 * 8 * 8 * 27 + 4 * 4 * 8 * 72 + 8 * 8 * 4 * 72,
    resized_in_a_subclass: 8 * 8 * 8 * 27 + 16 * 16 * 4 * 72,
    resized_in_an_inner_model: 8 * 8 * 8 * 27 + 16 * 16 * 4 * 72,
    tiled_over_the_map: 16 * 16 * 8 * 27 + 16 * 16 * 4 * 16,
    joined_to_zeros: 16 * 16 * 8 * 27 + 16 * 16 * 4 * 10,
    # Every position of the small map meets the whole kernel.
    transposed_to_the_input: 8 * 8 * 8 * 27 + 8 * 8 * 3 * 3 * 4 * 8 + 16 * 16 * 2 * 4,
    cropped_to_the_map: 14 * 14 * 8 * 27 + 14 * 14 * 4 * 11,
}


def _count(build: Any, side: int | None) -> dict[str, Any]:
    shape = None if side else (16, 16, 3)
    try:
        found = inspect(build(side), input_shape=shape)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"macs": found.metrics["macs"], "uncounted": found.uncounted_ops}


def main() -> None:
    """Print what every network was counted at, by its name and where its size came from."""
    found: dict[str, dict[str, Any]] = {}
    for build in MACS:
        found[build.__name__] = {"own": _count(build, 16), "given": _count(build, None)}
        with weightless():
            found[build.__name__]["weightless"] = _count(build, 16)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
