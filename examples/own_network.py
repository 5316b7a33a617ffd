"""Compare your own network with the catalogue: ``cnnbench run examples/own_network.yaml``."""

from tensorflow import keras

import cnnbench


class ResidualUnit(keras.layers.Layer):
    def __init__(self, filters, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.main = keras.Sequential([*conv_bn(filters, 3, strides), *conv_bn(filters, 3)[:-1]])
        self.skip = keras.layers.Identity()
        if strides > 1:
            self.skip = keras.Sequential(conv_bn(filters, 1, strides)[:-1])

    def call(self, inputs):
        return keras.activations.relu(self.main(inputs) + self.skip(inputs))


def conv_bn(filters, size, strides=1):
    conv = keras.layers.Conv2D(filters, size, strides, padding="same", use_bias=False)
    return [conv, keras.layers.BatchNormalization(), keras.layers.ReLU()]


@cnnbench.register("SmallResNet")
def small_resnet(input_shape=(32, 32, 3), classes=10):
    units = [ResidualUnit(*unit) for unit in [(64, 2), (64, 1), (128, 2), (128, 1)]]
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(classes, "softmax")]
    return keras.Sequential([keras.Input(input_shape), *conv_bn(64, 7, 2), *units, *head])
