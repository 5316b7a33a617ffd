"""An architecture: one convolution and one dense layer."""

from tensorflow import keras

from extras.hard_swish import HardSwish


def tiny(input_shape=(8, 8, 1), classes=2, filters=8, activation="softmax"):
    layers = [keras.layers.Conv2D(filters, 3), HardSwish(), keras.layers.GlobalAveragePooling2D()]
    head = keras.layers.Dense(classes, activation)
    return keras.Sequential([keras.Input(input_shape), *layers, head])
