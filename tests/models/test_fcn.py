"""Classifiers made fully convolutional: ``cnnbench.to_fcn``."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import cnnbench
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.fcn import Classifier
from tests.models.every_fcn import Compared, compare
from tests.models.keras_2 import in_keras_2

L = keras.layers
FAST = ("BasicCNN", "LeNet5", "MobileNetV3Small")
HUGE = ("NASNetLarge", "EfficientNetB7", "EfficientNetV2L", "ConvNeXtXLarge")
CLASSIFIERS = [entry.name for entry in registry.entries(task="classification")]
SLOW = [name for name in CLASSIFIERS if name not in FAST]


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def network(*layers: Any, size: tuple[int, int, int] = (16, 12, 3)) -> Any:
    """A sequential network whose weights, biases too, are random."""
    made = keras.Sequential([keras.Input(size), *layers])
    rng = np.random.default_rng(1)
    made.set_weights(
        [rng.uniform(0.1, 0.6, w.shape) - 0.3 * (w.ndim > 1) for w in made.get_weights()]
    )
    return made


def crops(picture: np.ndarray, window: tuple[int, int], stride: tuple[int, int]) -> np.ndarray:
    """Every window of a picture ``(h, w, c)``: ``(down, right, *window, c)``."""
    cut = np.lib.stride_tricks.sliding_window_view(picture, window, axis=(0, 1))
    return np.moveaxis(cut[:: stride[0], :: stride[1]], 2, -1)


def assert_equal_at_every_window(
    net: Any, stride: tuple[int, int], places: tuple[int, int]
) -> None:
    """The network on a larger image gives the classifier's outputs on each window."""
    height, width, channels = net.input_shape[1:]
    size = [height + (places[0] - 1) * stride[0], width + (places[1] - 1) * stride[1]]
    picture = images(*size, channels, seed=3)
    windows = crops(picture, (height, width), stride)
    assert windows.shape[:2] == places
    expected = net.predict(windows.reshape(-1, height, width, channels), verbose=0)
    found = cnnbench.to_fcn(net).predict(picture[None], verbose=0)[0]
    assert found.shape == (*places, expected.shape[-1])
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-3  # not all the same


# The chapter's example ------------------------------------------------------------------------


def chapter(size: int) -> Any:
    """Five halvings to 7 x 7 x 100 at 224 px, 200 neurons, 10 classes."""
    halvings = [L.Conv2D(8, 3, strides=2, padding="same", activation="relu") for _ in range(4)]
    last = L.Conv2D(100, 3, strides=2, padding="same", activation="relu")
    top = [L.Flatten(), L.Dense(200, activation="relu"), L.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input((size, size, 3)), *halvings, last, *top])


def test_the_chapters_dense_layers_become_convolutions_with_the_same_weights() -> None:
    net = chapter(224)
    fcn = cnnbench.to_fcn(net)
    first, second = fcn.layers[-2:]
    assert [type(one).__name__ for one in (first, second)] == ["Conv2D", "Conv2D"]
    assert (first.kernel.shape, first.padding, first.filters) == ((7, 7, 100, 200), "valid", 200)
    assert second.kernel.shape == (1, 1, 200, 10)
    assert fcn.count_params() == net.count_params()
    np.testing.assert_array_equal(
        first.get_weights()[0].reshape(4900, 200), net.layers[-2].get_weights()[0]
    )


def test_a_picture_of_448_px_gives_the_chapters_grid_of_8_by_8() -> None:
    fcn = cnnbench.to_fcn(chapter(224))
    assert fcn.output_shape == (None, None, None, 10)
    assert fcn(images(1, 224, 224, 3)).shape == (1, 1, 1, 10)
    assert fcn(images(1, 448, 448, 3)).shape == (1, 8, 8, 10)
    assert cnnbench.to_fcn(chapter(224), (448, 448, 3)).output_shape == (None, 8, 8, 10)


# The catalogue --------------------------------------------------------------------------------


def assert_equal(found: Compared) -> None:
    assert found.difference <= 1e-5
    assert found.spread > 1e-3
    assert found.params[0] == found.params[1]
    assert tuple(found.places) == (3, 2)


@pytest.mark.parametrize(
    "name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_every_architecture_gives_equal_outputs_at_its_size(name: str) -> None:
    assert_equal(compare(name))


@pytest.mark.parametrize(
    "names",
    [FAST, [name for name in SLOW if name not in HUGE]],
)
@pytest.mark.slow
def test_every_architecture_gives_equal_outputs_in_keras_2(names: list[str]) -> None:
    for found in in_keras_2(compare, [(name,) for name in names]):
        assert_equal(found)


# Layers ---------------------------------------------------------------------------------------


def trunk() -> list[Any]:
    """16 x 12 to 14 x 10 to 7 x 5: a stride of 2."""
    return [L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(2)]


TOPS: dict[str, list[Any]] = {
    "flatten": [L.Flatten(), L.Dense(5, activation="softmax")],
    "reshape": [L.Reshape((140,)), L.Dense(5)],
    "dropout and activation on flattened maps": [
        L.Flatten(), L.Dropout(0.5), L.ReLU(), L.Dense(6), L.Dropout(0.5), L.Dense(5),
    ],
    "normalisation": [
        L.Flatten(), L.Dense(6), L.BatchNormalization(), L.LeakyReLU(), L.Dense(5), L.Softmax(),
    ],
    "layer normalisation": [L.GlobalAveragePooling2D(), L.LayerNormalization(), L.Dense(5)],
    "parametric relu": [L.Flatten(), L.Dense(6), L.PReLU("ones"), L.Dense(5, activation="sigmoid")],
    "average pooling": [L.GlobalAveragePooling2D(), L.Dense(5, activation="softmax")],
    "max pooling": [L.GlobalMaxPooling2D(), L.Dense(5, use_bias=False)],
    "kept dimensions": [
        L.GlobalAveragePooling2D(keepdims=True), L.Conv2D(5, 1), L.Reshape((5,)),
        L.Activation("softmax"),
    ],
    "a pooling window of the whole maps": [L.AveragePooling2D((7, 5)), L.Flatten(), L.Dense(5)],
    "a softmax on pooled maps": [L.Conv2D(5, 1), L.GlobalAveragePooling2D(), L.Softmax()],
    "rescaling": [L.GlobalAveragePooling2D(), L.Rescaling(2.0, offset=0.5), L.Dense(5)],
}  # fmt: skip


@pytest.mark.parametrize("top", TOPS.values(), ids=TOPS)
def test_a_valid_network_is_equal_at_every_window(top: list[Any]) -> None:
    fresh = [type(layer).from_config(layer.get_config()) for layer in top]
    assert_equal_at_every_window(network(*trunk(), *fresh), (2, 2), (4, 3))


def test_pooled_features_of_two_kinds_can_be_joined() -> None:
    inputs = keras.Input((16, 12, 3))
    x = L.Conv2D(4, 3, activation="relu")(inputs)
    pooled = [L.GlobalAveragePooling2D()(x), L.GlobalMaxPooling2D()(x)]
    outputs = L.Dense(5, activation="softmax")(L.Concatenate()(pooled))
    assert_equal_at_every_window(keras.Model(inputs, outputs), (1, 1), (3, 4))


def test_a_stride_may_differ_by_axis() -> None:
    layers = [L.Conv2D(4, 3, strides=(1, 3)), L.Flatten(), L.Dense(5)]
    assert_equal_at_every_window(network(*layers), (1, 3), (3, 2))


def test_nested_models_are_entered() -> None:
    """A backbone and a top, each a model of its own, with layers of one name."""
    backbone = keras.Sequential([keras.Input((None, None, 3)), L.Conv2D(4, 3, name="same")])
    top = keras.Sequential([keras.Input((14, 10, 4)), L.Conv2D(6, 3, name="same"), L.Flatten()])
    inputs = keras.Input((16, 12, 3))
    outputs = L.Dense(5, activation="softmax", name="classes")(top(backbone(inputs)))
    net = keras.Model(inputs, outputs)
    assert_equal_at_every_window(net, (1, 1), (2, 3))


def test_a_gate_inside_the_network_keeps_its_pooling() -> None:
    """It sees the whole larger image, so windows are not equal, and nothing is said to be."""
    inputs = keras.Input((16, 12, 3))
    x = L.Conv2D(4, 3)(inputs)
    gate = L.Reshape((1, 1, 4))(L.Dense(4, "sigmoid")(L.GlobalAveragePooling2D(name="gate")(x)))
    x = L.GlobalAveragePooling2D(name="last")(L.Multiply()([x, gate]))
    fcn = cnnbench.to_fcn(keras.Model(inputs, L.Dense(5)(x)))
    assert fcn.get_layer("gate").name == "gate"
    assert type(fcn.get_layer("last")).__name__ == "AveragePooling2D"
    assert fcn(images(1, 20, 20, 3)).shape == (1, 5, 9, 5)


def test_several_outputs_keep_their_structure() -> None:
    inputs = keras.Input((8, 8, 1))
    x = L.Conv2D(4, 3)(inputs)
    flat, pooled = L.Flatten()(x), L.GlobalAveragePooling2D()(x)
    net = keras.Model(inputs, {"a": L.Dense(3)(flat), "b": L.Dense(2)(pooled)})
    picture = images(1, 8, 8, 1)
    expected, found = net(picture), cnnbench.to_fcn(net)(picture)
    assert found.keys() == {"a", "b"}
    for name in found:
        np.testing.assert_allclose(found[name][:, 0, 0], expected[name], atol=1e-5)


def test_the_trunk_is_shared_and_the_top_copied() -> None:
    net = network(*trunk(), L.Flatten(), L.Dense(5))
    fcn = cnnbench.to_fcn(net)
    assert fcn.layers[1] is net.layers[0]
    net.layers[-1].set_weights([0 * weight for weight in net.layers[-1].get_weights()])
    assert np.abs(fcn.layers[-1].get_weights()[0]).max() > 0


# What cannot be converted ---------------------------------------------------------------------


def tokens() -> Any:
    inputs = keras.Input((8, 8, 1))
    x = L.Reshape((36, 4), name="tokens")(L.Conv2D(4, 3)(inputs))
    x = L.MultiHeadAttention(2, 2, name="attention")(x, x)
    return keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling1D()(x)))


def recurrent() -> Any:
    inputs = keras.Input((8, 8, 1))
    x = L.LSTM(4, name="memory")(L.Reshape((6, 24), name="rows")(L.Conv2D(4, 3)(inputs)))
    return keras.Model(inputs, L.Dense(3)(x))


def normalised_places() -> Any:
    inputs = keras.Input((8, 8, 1))
    x = L.BatchNormalization(name="by_place")(L.Flatten()(L.Conv2D(4, 3)(inputs)))
    return keras.Model(inputs, L.Dense(3)(x))


def tokens_within() -> Any:
    inputs = keras.Input((8, 8, 1))
    x = L.Conv2D(4, 3)(inputs)
    mixed = L.Reshape((6, 6, 4))(L.Dense(4)(L.Reshape((36, 4), name="mixed")(x)))
    return keras.Model(inputs, L.Dense(3)(L.Flatten()(L.Add()([x, mixed]))))


class Own(L.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


def unknown() -> Any:
    inputs = keras.Input((8, 8, 1))
    x = Own(name="own")(L.Flatten()(L.Conv2D(4, 3)(inputs)))
    return keras.Model(inputs, L.Dense(3)(x))


def by_place() -> Any:
    inputs = keras.Input((8, 8, 1))
    x = L.PReLU(name="slopes")(L.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (tokens, r"'tokens' \(Reshape\).*sequence of 36x4"),
        (recurrent, r"'rows' \(Reshape\)"),
        (normalised_places, r"'by_place' \(BatchNormalization\).*flattened maps"),
        (tokens_within, r"'mixed' \(Reshape\).*6x6x4 to 36x4"),
        (unknown, r"'own' \(Own\).*arithmetic is not known"),
        (by_place, r"'slopes' \(PReLU\) cannot take maps of another size"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_refuses_a_layer_by_name(make: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        cnnbench.to_fcn(make())
    assert "\n" not in str(caught.value)


def test_refuses_what_has_no_vectors_a_subclass_and_an_open_input() -> None:
    maps = keras.Sequential([keras.Input((8, 8, 1)), L.Conv2D(4, 3)])
    with pytest.raises(UserError, match="no layer that turns maps into a vector"):
        cnnbench.to_fcn(maps)
    open_input = [keras.Input((None, None, 1)), L.GlobalAveragePooling2D(), L.Dense(2)]
    with pytest.raises(UserError, match="any size"):
        cnnbench.to_fcn(keras.Sequential(open_input))

    class Subclassed(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(UserError, match="subclassed"):
        cnnbench.to_fcn(Subclassed())
    with pytest.raises(UserError, match="one image"):
        cnnbench.to_fcn(keras.Sequential([keras.Input((8,)), L.Dense(2)]))


# The stride -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stride"),
    [
        ("BasicCNN", (8, 8)),
        ("LeNet5", (4, 4)),
        ("AlexNet", (32, 32)),
        ("MobileNetV2", (32, 32)),
        ("InceptionV3", (32, 32)),
    ],
)
def test_the_stride_is_the_product_of_the_strides(name: str, stride: tuple[int, int]) -> None:
    from tests.models.built import weightless

    with weightless(registry.resolve(name)) as net:
        assert Classifier.read(net).stride() == stride
