"""Heads of detectors on a small backbone: counts by hand, codings, saved files, refusals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cnnbench import analysis
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.heads import HEADS, PREFIX
from cnnbench.models.heads.coding import (
    LAYER,
    AnchorCoding,
    Coding,
    GridCoding,
    Level,
    of_json,
    to_json,
)
from tests.models.built import weightless

CLASSES = 3
SMALL: dict[str, dict[str, Any]] = {
    "yolo": {"grid": 4, "width": 8, "depth": 1},
    "ssdlite": {"finest": 8, "levels": 2, "width": 8, "ratios": 2, "smallest": 0.2, "largest": 0.6},
    "retina": {"stride": 4, "levels": 2, "channels": 8, "depth": 1, "scale": 2.0},
    "windows": {"finest": 8, "window": 0.25, "scales": 2, "sizes": 1, "width": 8},
}
BACKBONE_PARAMS = (9 * 4 + 4) + (9 * 4 * 6 + 6)
BACKBONE_MACS = 16 * 16 * 9 * 4 + 8 * 8 * 9 * 4 * 6


def backbone(size: tuple[int, int] = (32, 32)) -> Any:
    """Two convolutions that halve the image: 4 maps at a stride of 2, 6 at one of 4."""
    inputs = x = tf.keras.Input((*size, 1))
    for filters in (4, 6):
        x = tf.keras.layers.Conv2D(
            filters, 3, strides=2, padding="same", activation="relu", name=f"conv{filters}"
        )(x)
    return tf.keras.Model(inputs, x, name="net")


def detector(head: str, size: tuple[int, int] = (32, 32), **changed: Any) -> Any:
    tf.keras.utils.set_random_seed(5)
    bare = backbone(size)
    outputs = HEADS.find(head).attach(bare, CLASSES, **{**SMALL[head], **changed})
    return tf.keras.Model(bare.inputs[0], outputs, name=f"net_{head}")


def coding_of(network: Any) -> Coding:
    return of_json(network.get_layer(LAYER).coding)


def counted(network: Any, field: int) -> tuple[int, int]:
    """Return the head's parameters and MACs; check the receptive field of the whole, in px."""
    found = analysis.inspect(network)
    assert found.metrics["uncounted_ops"] == 0
    assert found.metrics["receptive_field_px"] == field
    # The maps of both convolutions of the backbone are alive at once.
    assert found.metrics["activation_infer_peak_bytes"] >= 4 * (16 * 16 * 4 + 8 * 8 * 6)
    return (
        found.metrics["params"] - BACKBONE_PARAMS,
        found.metrics["macs"] - BACKBONE_MACS,
    )


def depthwise(places: int, maps: int) -> tuple[int, int]:
    """Parameters, batch normalisation included, and MACs of a depthwise convolution of 3x3."""
    return 9 * maps + 4 * maps, places * 9 * maps


def dense(places: int, given: int, made: int, after: int = 4) -> tuple[int, int]:
    """The same of one of 1x1; ``after`` is 4 with batch normalisation, 1 with a bias."""
    return (given + after) * made, places * given * made


def total(*parts: tuple[int, int]) -> tuple[int, int]:
    return sum(params for params, _ in parts), sum(macs for _, macs in parts)


def test_counts_of_yolo_equal_those_by_hand() -> None:
    halved = (9 * 6 * 8 + 4 * 8, 4 * 4 * 9 * 6 * 8)
    convolution = (9 * 8 * 8 + 4 * 8, 4 * 4 * 9 * 8 * 8)
    cells = dense(4 * 4, 8, 2 * 5 + 3, after=1)
    network = detector("yolo")
    assert counted(network, 7 + 8 + 16) == total(halved, convolution, cells) == (1_189, 17_792)
    assert network.output_shape == (None, 4, 4, 13)
    assert coding_of(network) == GridCoding(4, 4, 2, 3)


def test_counts_of_ssdlite_equal_those_by_hand() -> None:
    extra = total(dense(64, 6, 4), depthwise(16, 4), dense(16, 4, 8))
    # Four anchors a place: four numbers each, and three classes with the background.
    first = total(depthwise(64, 6), dense(64, 6, 16, after=1))
    second = total(depthwise(16, 8), dense(16, 8, 16, after=1))
    network = detector("ssdlite")
    expected = total(extra, first, first, second, second)
    assert counted(network, 7 + 8 + 16) == expected == (1_032, 28_224)
    shapes = {name: one.shape for name, one in network.output.items()}
    assert shapes == {"boxes": (None, 320, 4), "classes": (None, 320, 4)}


def test_anchors_of_ssdlite_rise_from_the_smallest_to_the_largest() -> None:
    coding = coding_of(detector("ssdlite"))
    assert isinstance(coding, AnchorCoding)
    assert (coding.scores, coding.variances) == ("softmax", (0.1, 0.2))
    fine, coarse = coding.levels
    assert (fine.rows, fine.columns, fine.step, fine.first) == (8, 8, (1 / 8,) * 2, (1 / 16,) * 2)
    assert (coarse.rows, coarse.step, coarse.first) == (4, (1 / 4,) * 2, (1 / 8,) * 2)
    long, short = 0.2 * 2**0.5, 0.2 / 2**0.5
    between = (0.2 * 0.6) ** 0.5
    expected = [(0.2, 0.2), (between, between), (short, long), (long, short)]
    np.testing.assert_allclose(fine.sizes, expected)
    np.testing.assert_allclose(coarse.sizes[0], (0.6, 0.6))
    assert coding.anchors().shape == (320, 4)


def test_counts_of_retina_equal_those_by_hand() -> None:
    places = 64 + 16
    pyramid = total(dense(64, 6, 8, after=1), *[(9 * 8 * 8 + 8, n * 9 * 8 * 8) for n in (64, 16)])
    hidden = (9 * 8 * 8 + 8, places * 9 * 8 * 8)  # shared: parameters once, work on each level
    boxes = ((9 * 8 + 1) * 9 * 4, places * 9 * 8 * 9 * 4)
    classes = ((9 * 8 + 1) * 9 * 3, places * 9 * 8 * 9 * 3)
    network = detector("retina")
    expected = total(pyramid, hidden, boxes, hidden, classes)
    assert counted(network, 7 + 8 + 8 + 16 + 16) == expected == (6_991, 504_192)
    shapes = {name: one.shape for name, one in network.output.items()}
    assert shapes == {"boxes": (None, 9 * places, 4), "classes": (None, 9 * places, 3)}


def test_retina_reads_all_coarser_maps_of_the_backbone() -> None:
    network = detector("retina", stride=2, levels=3)
    laterals = [layer.name for layer in network.layers if "lateral" in layer.name]
    assert len(laterals) == 2
    coding = coding_of(network)
    assert isinstance(coding, AnchorCoding)
    assert [(one.rows, one.columns) for one in coding.levels] == [(16, 16), (8, 8), (4, 4)]
    assert coding.levels[0].sizes[3] == (4 / 32, 4 / 32)  # the square after three wide ones
    assert coding.levels[2].sizes[3] == (16 / 32, 16 / 32)


def test_retina_has_no_level_whose_anchors_are_as_large_as_the_image() -> None:
    coding = coding_of(detector("retina", levels=9))
    assert isinstance(coding, AnchorCoding)
    assert [one.sizes[3] for one in coding.levels] == [(0.25, 0.25), (0.5, 0.5)]


def test_scores_are_improbable_at_first() -> None:
    images = np.random.default_rng(1).uniform(size=(2, 32, 32, 1)).astype(np.float32)
    for head in ("retina", "windows"):
        scores = tf.sigmoid(detector(head)(images)["classes"]).numpy()
        np.testing.assert_allclose(scores, 0.01, atol=0.005)
    cells = detector("yolo")(images).numpy()
    np.testing.assert_allclose(tf.sigmoid(cells[..., [4, 9]]), 0.12, atol=0.03)


def test_counts_of_windows_equal_those_by_hand() -> None:
    windows = 7 * 7 + 3 * 3  # of 2x2 places of 8x8, and of 4x4
    top = total(*[dense(windows, given, made, after=1) for given, made in ((6, 8), (8, 4), (8, 3))])
    again = (0, BACKBONE_MACS // 4)  # the backbone on the halved image, its weights shared
    network = detector("windows")
    assert counted(network, 2 + 4 + 8 + 8) == total(top, again) == (119, 11_792)
    shapes = {name: one.shape for name, one in network.output.items()}
    assert shapes == {"boxes": (None, windows, 4), "classes": (None, windows, 3)}
    level = Level(7, 7, (1 / 8, 1 / 8), (1 / 8, 1 / 8), ((1 / 4, 1 / 4),))
    halved = Level(3, 3, (1 / 4, 1 / 4), (1 / 4, 1 / 4), ((1 / 2, 1 / 2),))
    assert coding_of(network) == AnchorCoding((level, halved), "sigmoid")


def test_a_window_depends_on_its_place_and_every_scale_on_the_same_weights() -> None:
    """On an image of one value, all inner windows of both scales are alike."""
    found = detector("windows")(np.full((1, 32, 32, 1), 0.5, np.float32))["boxes"].numpy()[0]
    fine, coarse = found[: 7 * 7].reshape(7, 7, 4), found[7 * 7 :].reshape(3, 3, 4)
    np.testing.assert_allclose(fine[3, 3], coarse[1, 1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("head", SMALL)
def test_the_coding_outlives_a_saved_file(head: str, tmp_path: Path) -> None:
    network = detector(head)
    network.save(tmp_path / "net.keras")
    loaded = tf.keras.models.load_model(tmp_path / "net.keras")  # safe mode is the default
    assert coding_of(loaded) == coding_of(network)
    assert to_json(coding_of(loaded)) == to_json(coding_of(network))
    images = np.random.default_rng(2).uniform(size=(2, 32, 32, 1)).astype(np.float32)
    expected, found = tf.nest.flatten(network(images)), tf.nest.flatten(loaded(images))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("head", SMALL)
def test_names_of_its_layers_tell_a_head_from_the_backbone(head: str) -> None:
    others = [one.name for one in detector(head).layers if not one.name.startswith(PREFIX)]
    assert {name for name in others if not name.startswith("input")} == {"conv4", "conv6"}


@pytest.mark.parametrize("head", SMALL)
def test_images_need_not_be_square(head: str) -> None:
    network = detector(head, size=(48, 64))
    coding = coding_of(network)
    if isinstance(coding, AnchorCoding):
        assert network.output["boxes"].shape[1] == len(coding.anchors())
        assert coding.levels[0].rows < coding.levels[0].columns
    else:
        assert network.output_shape[1:3] == (coding.rows, coding.columns) == (6, 8)


@pytest.mark.parametrize("head", SMALL)
def test_every_weight_is_reached_by_the_outputs(head: str) -> None:
    network = detector(head)
    images = np.random.default_rng(3).normal(size=(4, 32, 32, 1)).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = sum(
            tf.reduce_sum(tf.square(one - 1.0))
            for one in tf.nest.flatten(network(images, training=True))
        )
    weights = [getattr(one, "value", one) for one in network.trainable_variables]
    gradients = tape.gradient(loss, weights)
    assert all(one is not None for one in gradients)


REFUSALS: list[tuple[str, Callable[[], Any], str]] = [
    (
        "yolo",
        lambda: detector("yolo", grid=20),
        "an image of 32x32 is too small: the finest maps of 'net' have 16x16 positions, and its "
        "head needs 20x20 (set a larger input_shape, or a smaller grid)",
    ),
    ("ssdlite", lambda: detector("ssdlite", finest=17), "or a smaller finest)"),
    ("retina", lambda: detector("retina", stride=1), "or a larger stride)"),
    ("windows", lambda: detector("windows", finest=17), "or a smaller finest)"),
    ("boxes", lambda: detector("yolo", boxes=0), "parameter boxes=0 must be at least 1"),
    ("levels", lambda: detector("ssdlite", levels=0), "parameter levels=0 must be at least 1"),
    ("scales", lambda: detector("ssdlite", smallest=0.9, largest=0.2), "0.9 to 0.2, are not in"),
    ("scale", lambda: detector("retina", scale=0.0), "parameter scale=0.0, in strides, must be"),
    ("window", lambda: detector("windows", window=2.0), "window=2.0 is not in 0..1"),
    (
        "halvings",
        lambda: detector("windows", scales=7),
        "its image at scale 7 of 7 is 0x0: too small (set a larger input_shape, or fewer scales)",
    ),
]


@pytest.mark.parametrize(("attach", "words"), [case[1:] for case in REFUSALS])
def test_what_cannot_be_attached_is_refused_in_one_line(
    attach: Callable[[], Any], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        attach()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("head", SMALL)
def test_vectors_are_refused(head: str) -> None:
    inputs = tf.keras.Input((8, 8, 1))
    vectors = tf.keras.Model(inputs, tf.keras.layers.Flatten()(inputs), name="flat")
    with pytest.raises(UserError, match="its head needs feature maps"):
        HEADS.find(head).attach(vectors, CLASSES)


NETS = """
from tensorflow import keras

L = keras.layers


class Subclassed(keras.Model):
    def __init__(self, include_top=True, classes=4):
        super().__init__()
        self.conv = L.Conv2D(3, 3, strides=2, padding="same")

    def call(self, x):
        return self.conv(x)


def nested(include_top=True, input_shape=(32, 32, 1), classes=4):
    inputs = keras.Input(input_shape)
    first = L.Conv2D(3, 3, strides=2, padding="same", name="same_name")(inputs)
    inner = keras.Sequential([L.Conv2D(3, 3, strides=2, padding="same", name="same_name")])
    return keras.Model(inputs, inner(first))
"""


@pytest.fixture
def nets(tmp_path: Path) -> Iterator[Path]:
    sys.modules.pop("nets", None)
    (tmp_path / "nets.py").write_text(NETS)
    yield tmp_path
    sys.modules.pop("nets", None)


@pytest.mark.parametrize("head", ["yolo", "ssdlite", "retina", "windows"])
def test_a_subclassed_backbone_has_one_resolution_which_is_enough(head: str, nets: Path) -> None:
    text = f"nets:Subclassed+{head}[input_shape=32x32x1,classes=2]"
    with weightless(registry.resolve(text, [nets])) as network:
        coding = coding_of(network)
    if isinstance(coding, AnchorCoding):
        assert len(coding.levels) > 1


def test_a_backbone_whose_layers_share_a_name_cannot_see_several_scales(nets: Path) -> None:
    text = "nets:nested+windows[finest=8,input_shape=32x32x1,classes=2]"
    with pytest.raises(UserError, match=r"two layers of .* have one name"):
        registry.resolve(text, [nets]).build()
    one_scale = text.replace("finest=8", "finest=8,scales=1")
    with weightless(registry.resolve(one_scale, [nets])) as network:
        assert network.output["boxes"].shape[1] > 0


def test_an_image_too_small_for_a_head_is_one_line_with_the_models_name() -> None:
    with pytest.raises(UserError) as caught:
        registry.resolve("BasicCNN+ssdlite[input_shape=8x8x1]").build()
    assert str(caught.value) == (
        "BasicCNN+ssdlite[input_shape=8x8x1]: an image of 8x8 is too small: the finest maps of "
        "'basic_cnn' have 8x8 positions, and its head needs 12x12 (set a larger input_shape, or a "
        "smaller finest)"
    )
