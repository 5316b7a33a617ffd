"""Fully convolutional networks: a classifier that takes larger images.

================ ================================================================
`to_fcn`         the public function
`steps`          a network as a flat list of layer calls
`convert`, `top` the conversion: of the layers of maps, and of those of vectors
`sliding`        the windows that places see: their grid on an image, and its stride
================ ================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnbench.models.fcn.convert import Classifier

__all__ = ["Classifier", "to_fcn"]


def to_fcn(model: Any, input_shape: Sequence[int] | None = None) -> Any:
    """Return a classifier as a fully convolutional network, which takes larger images too.

    A dense layer after ``Flatten`` becomes a convolution whose kernel is the size of the maps
    before it: ``Dense(200)`` on 7x7x100 becomes 200 filters of 7x7 with padding ``valid``. A dense
    layer after another becomes a convolution of 1x1, global pooling becomes pooling with a window
    of the size of the maps and stride 1. On an image of the classifier's size the outputs are
    equal, ``(n, 1, 1, classes)``; on a larger one there is a place for every window of that size,
    as many pixels apart as the product of the network's strides.

    The layers before the last maps are those of ``model``, so that their weights are shared. The
    layers after them are new and hold copies of the weights.

    Args:
        model: a functional or sequential ``keras.Model`` of either generation; it may contain
            others. Its input has a fixed size.
        input_shape: ``(height, width, channels)`` of the images; by default any size.

    Raises:
        UserError: a layer cannot be converted, such as attention over places or a recurrent layer;
            it is named.

    Example:
        >>> import cnnbench, keras
        >>> layers = keras.layers
        >>> classifier = keras.Sequential([
        ...     keras.Input((224, 224, 3)), layers.Conv2D(100, 3, strides=32, padding="same"),
        ...     layers.Flatten(), layers.Dense(200, "relu"), layers.Dense(10, "softmax"),
        ... ])
        >>> cnnbench.to_fcn(classifier, (448, 448, 3)).output_shape
        (None, 8, 8, 10)
    """
    import tensorflow as tf

    classifier = Classifier.read(model)
    channels = classifier.steps.input.shape[-1]
    images = tf.keras.Input((None, None, channels) if input_shape is None else tuple(input_shape))
    return tf.keras.Model(images, classifier.on(images), name=f"{model.name}_fcn")
