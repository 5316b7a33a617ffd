"""An architecture: one convolution and one dense layer."""

from tensorflow import keras

from extras.hard_swish import HardSwish


def tiny(include_top=True, input_shape=(8, 8, 1), classes=2, filters=8, activation="softmax"):
    maps = [keras.Input(input_shape), keras.layers.Conv2D(filters, 3), HardSwish()]
    top = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(classes, activation)]
    return keras.Sequential([*maps, *(top if include_top else ())])
