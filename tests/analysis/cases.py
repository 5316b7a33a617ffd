"""Small networks that are easily counted wrong; the right values are in ``test_cases.py``."""

import keras
import numpy as np
import tensorflow as tf
from keras import Input, Model, Sequential, ops
from keras import layers as L


class NoTrainingArgument(L.Layer):
    def __init__(self):
        super().__init__()
        self.conv = L.Conv2D(8, 3, padding="same")

    def call(self, x):
        return self.conv(x)


def called_anew():  # --input-shape 64x64x3
    i = Input((None, None, 3))
    return Model(i, L.Conv2D(4, 1)(NoTrainingArgument()(i)))


class Embed(L.Layer):
    def __init__(self):
        super().__init__()
        self.net = keras.applications.MobileNetV2(weights=None, include_top=False, pooling="avg")

    def call(self, x):
        return tf.math.l2_normalize(self.net(x), axis=-1)


def memory_inside_traced():  # --fit 1GB
    i = Input((224, 224, 3))
    return Model(i, Embed()(i))


def keyword_tensors():
    q, kv = Input((16, 32)), Input((64, 48))
    return Model([q, kv], L.MultiHeadAttention(4, 8)(query=q, value=kv, key=kv))


class Scan(L.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], shape[-1]))

    def call(self, x):
        def step(h, t):
            return (ops.tanh(h @ self.w + t),) * 2

        return ops.scan(step, x[:, 0] * 0, ops.transpose(x, (1, 0, 2)))[0]


def loop_over_lists():
    i = Input((10, 64))
    return Model(i, L.Dense(5)(Scan()(i)))


class ThreeOperands(L.Layer):
    def build(self, shape):
        self.a, self.b = self.add_weight(shape=(shape[-1], 8)), self.add_weight(shape=(8, 512))

    def call(self, x):
        return ops.einsum("bnk,kr,rm->bnm", x, self.a, self.b)


def einsum_of_three():
    i = Input((64, 256))
    return Model(i, ThreeOperands()(i))


class Refine(L.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], shape[-1]))

    def call(self, x):
        def turn(n, x):
            return n + 1, x @ self.w

        return ops.while_loop(lambda n, x: n < 3, turn, (0, x), maximum_iterations=100)[1]


def bounded_loop():
    i = Input((64,))
    return Model(i, Refine()(i))


class FakeQuant(L.Layer):
    def call(self, x):
        scale = ops.maximum(ops.max(ops.abs(x)), 1e-6) / 127
        return ops.round(x / scale) * scale


def scalar_tensor():
    i = Input((16, 16, 3))
    return Model(i, FakeQuant()(L.Conv2D(4, 3)(i)))


class AugmentsInTraining(keras.Model):
    def __init__(self):
        super().__init__()
        self.aug, self.head = Sequential([L.RandomFlip()]), L.Conv2D(8, 3)

    def call(self, x, training=False):
        return self.head(self.aug(x) if training else x)


def unused_at_inference(input_shape=(32, 32, 3)):
    m = AugmentsInTraining()
    m.build((None, *input_shape))
    return m


class TwoInputs(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv, self.head = L.Conv2D(8, 3), L.Dense(10)

    def call(self, inputs):
        maps = ops.mean(self.conv(inputs[0]), (1, 2))
        return self.head(ops.concatenate([maps, inputs[1]], -1))


def called_with_two_inputs():  # live
    m = TwoInputs()
    m([tf.zeros((1, 32, 32, 3)), tf.zeros((1, 5))])
    return m


def unsorted_dict_inputs():
    image, depth = Input((32, 32, 3), batch_size=2), Input((32, 32, 1), batch_size=2)
    joined = L.Concatenate()([image, depth])
    return Model({"image": image, "depth": depth}, L.Conv2D(4, 3)(joined))


class Table(L.Layer):
    def build(self, shape):
        self.t = keras.Variable(np.zeros((1, *shape[1:]), "float32"), trainable=False)

    def call(self, x):
        return x + self.t


def variable_made_of_values():
    i = Input((16, 32))
    return Model(i, L.Dense(4)(Table()(i)))


def unread_branch():
    i = Input((32, 32, 3))
    a = L.Conv2D(8, 3, strides=2)(i)
    body = Model(i, [a, L.Conv2D(512, 3)(a)])
    j = Input((32, 32, 3))
    return Model(j, L.Conv2D(2, 1)(body(j)[0]))


def channels_first_slices():
    i = Input((16, 32, 32))
    x = L.Conv2D(16, 3, padding="same", data_format="channels_first")(i)
    return Model(i, L.Add()([x[:, :8], x[:, 8:]]))


def depth_to_space_field():
    i = Input((16, 16, 3))
    x = L.Lambda(lambda t: tf.nn.depth_to_space(t, 4))(L.Conv2D(48, 3, padding="same")(i))
    for _ in range(4):
        x = L.Conv2D(3, 3, padding="same")(x)
    return Model(i, x)


def built_subclass():
    m = Whole()
    m.build((None, 10, 10, 3))
    return m


class Whole(keras.Model):
    def __init__(self):
        super().__init__()
        self.c, self.p, self.d = L.Conv2D(6, 3, padding="same"), L.GlobalAvgPool2D(), L.Dense(4)

    def call(self, x):
        return self.d(self.p(self.c(x)))


class Until(L.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=(3, 3, shape[-1], shape[-1]))

    def call(self, x):
        def goes_on(h):
            return ops.sum(h) < 7

        return tf.while_loop(goes_on, lambda h: [tf.nn.conv2d(h, self.w, 1, "SAME")], [x])[0]


def loop_until():
    i = Input((8, 8, 3))
    return Model(i, L.Conv2D(4, 1)(Until(name="until")(L.Conv2D(3, 3)(i))))
