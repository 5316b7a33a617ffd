"""Heads for segmentation on a small backbone: counts by hand, sizes, saved files, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cnnbench import analysis
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.heads import HEADS, PREFIX
from tests.models.built import weightless
from tests.models.test_detection_heads import (
    BACKBONE_MACS,
    BACKBONE_PARAMS,
    backbone,
    dense,
    total,
)

CLASSES = 3
SMALL: dict[str, dict[str, Any]] = {
    "fcn32s": {"width": 8, "depth": 1},
    "fcn16s": {},
    "fcn8s": {},
    "unet": {"width": 8, "depth": 1},
    "fcn": {"output_stride": 2, "width": 4},
    "deeplabv3": {"output_stride": 4, "rates": (2, 3), "width": 4},
    "lraspp": {"output_stride": 4, "width": 4},
}
FINE, COARSE = 16 * 16, 8 * 8  # positions of the backbone's maps


def segmenter(head: str, size: tuple[int, int] = (32, 32), **changed: Any) -> Any:
    tf.keras.utils.set_random_seed(5)
    bare = backbone(size)
    outputs = HEADS.find(head).attach(bare, CLASSES, **{**SMALL[head], **changed})
    return tf.keras.Model(bare.inputs[0], outputs, name=f"net_{head}")


def counted(network: Any) -> tuple[int, int]:
    """Return the head's parameters and MACs."""
    found = analysis.inspect(network).metrics
    assert found["uncounted_ops"] == 0
    return int(found["params"]) - BACKBONE_PARAMS, int(found["macs"]) - BACKBONE_MACS


def conv3(places: int, given: int, made: int) -> tuple[int, int]:
    """Parameters and MACs of a 3x3 convolution with batch normalisation."""
    return dense(places, 9 * given, made, after=4)


def transposed(places: int, factor: int) -> tuple[int, int]:
    """The same of a transposed convolution of the scores, without bias."""
    kernel = (2 * factor) ** 2 * CLASSES**2
    return kernel, places * kernel


def test_counts_of_fcn_without_skips_equal_those_by_hand() -> None:
    score = dense(COARSE, 8, CLASSES, after=1)
    expected = total(conv3(COARSE, 6, 8), score, transposed(COARSE, 4))
    assert counted(segmenter("fcn32s")) == expected == (1_067, 66_048)


@pytest.mark.parametrize("head", ["fcn16s", "fcn8s"])
def test_counts_of_fcn_with_skips_equal_those_by_hand(head: str) -> None:
    """The backbone has one finer resolution: two skips are one here."""
    scores = [dense(COARSE, 6, CLASSES, after=1), dense(FINE, 4, CLASSES, after=1)]
    expected = total(*scores, transposed(COARSE, 2), transposed(FINE, 2))
    assert counted(segmenter(head)) == expected == (324, 50_304)


def test_counts_of_unet_equal_those_by_hand() -> None:
    up = ((4 * 6 + 1) * 8, COARSE * 4 * 6 * 8)
    expected = total(up, conv3(FINE, 4 + 8, 8), dense(FINE, 8, CLASSES, after=1))
    assert counted(segmenter("unet")) == expected == (1_123, 239_616)


def test_counts_of_fcn_on_a_dilated_backbone_equal_those_by_hand() -> None:
    finer = (0, (FINE - COARSE) * 9 * 4 * 6)  # the second convolution without its stride
    expected = total(finer, conv3(FINE, 6, 4), dense(FINE, 4, CLASSES, after=1))
    assert counted(segmenter("fcn")) == expected == (247, 99_840)


def test_counts_of_deeplabv3_equal_those_by_hand() -> None:
    aspp = [dense(COARSE, 6, 4), *[conv3(COARSE, 6, 4)] * 2, dense(1, 6, 4)]
    after = [dense(COARSE, 4 * 4, 4), conv3(COARSE, 4, 4), dense(COARSE, 4, CLASSES, after=1)]
    assert counted(segmenter("deeplabv3")) == total(*aspp, *after) == (799, 43_288)


def test_counts_of_lraspp_equal_those_by_hand() -> None:
    gate = dense(1, 6, 4, after=0)
    scores = [dense(FINE, 4, CLASSES, after=1), dense(FINE, 4, CLASSES, after=1)]
    assert counted(segmenter("lraspp")) == total(dense(COARSE, 6, 4), gate, *scores) == (94, 7_704)


@pytest.mark.parametrize("size", [(32, 32), (31, 45), (7, 64), (33, 18)])
@pytest.mark.parametrize("head", SMALL)
def test_logits_are_as_large_as_any_image(head: str, size: tuple[int, int]) -> None:
    network = segmenter(head, size)
    images = np.random.default_rng(1).uniform(size=(2, *size, 1)).astype(np.float32)
    logits = network(images)
    assert logits.shape == (2, *size, CLASSES)
    assert logits.dtype == tf.float32
    assert np.isfinite(logits).all()
    assert np.ptp(logits) > 0


@pytest.mark.parametrize("head", SMALL)
def test_a_head_outlives_a_saved_file(head: str, tmp_path: Path) -> None:
    network = segmenter(head, (31, 45))
    network.save(tmp_path / "net.keras")
    model = registry.resolve(str(tmp_path / "net.keras"))
    loaded = model.build()
    images = np.random.default_rng(2).uniform(size=(2, 31, 45, 1)).astype(np.float32)
    np.testing.assert_array_equal(network(images), loaded(images))


@pytest.mark.parametrize("head", SMALL)
def test_names_of_its_layers_tell_a_head_from_the_backbone(head: str) -> None:
    others = [one.name for one in segmenter(head).layers if not one.name.startswith(PREFIX)]
    assert {name for name in others if not name.startswith("input")} == {"conv4", "conv6"}


@pytest.mark.parametrize("head", SMALL)
def test_every_weight_is_reached_by_the_logits(head: str) -> None:
    network = segmenter(head)
    images = np.random.default_rng(3).normal(size=(4, 32, 32, 1)).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(network(images, training=True) - 1.0))
    weights = [getattr(one, "value", one) for one in network.trainable_variables]
    assert all(one is not None for one in tape.gradient(loss, weights))


@pytest.mark.parametrize("head", SMALL)
def test_vectors_are_refused(head: str) -> None:
    inputs = tf.keras.Input((8, 8, 1))
    vectors = tf.keras.Model(inputs, tf.keras.layers.Flatten()(inputs), name="flat")
    with pytest.raises(UserError, match="its head needs feature maps"):
        HEADS.find(head).attach(vectors, CLASSES)


@pytest.mark.parametrize(
    ("head", "changed", "words"),
    [
        ("fcn8s", {"depth": -1}, "parameter depth=-1 must be at least 0"),
        ("unet", {"width": 0}, "parameter width=0 must be at least 1"),
        ("fcn", {"output_stride": 6}, "parameter output_stride=6 must be a power of 2"),
        ("deeplabv3", {"rates": (3, 0)}, "parameter rates=3x0 must be at least 1 each"),
        ("lraspp", {"output_stride": 0}, "parameter output_stride=0 must be a power of 2"),
    ],
)
def test_impossible_parameters_are_refused(head: str, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        segmenter(head, **changed)
    assert words in str(caught.value)


def test_parameters_of_a_head_are_written_in_its_brackets() -> None:
    text = "LeNet5+deeplabv3[rates=2x3,width=4,input_shape=40x48x1,classes=5]"
    model = registry.resolve(text)
    assert (model.task, model.parameters) == ("segmentation", {"rates": (2, 3), "width": 4})
    with weightless(model) as network:
        assert network.output_shape == (None, 40, 48, 5)
        assert network.get_layer(f"{PREFIX}aspp_rate2_conv").dilation_rate == (3, 3)


@pytest.mark.parametrize("head", ["fcn32s", "fcn8s", "unet"])
@pytest.mark.parametrize("trunk", ["BasicCNN[width=0.33,batch_norm=true]", "LeNet5"])
@pytest.mark.parametrize("side", [32, 75, 112])
def test_small_trunks_take_small_images(trunk: str, head: str, side: int) -> None:
    model = registry.resolve(f"{trunk}+{head}[input_shape={side}x{side}x1,classes=11]")
    with weightless(model) as network:
        assert network.output_shape == (None, side, side, 11)
        assert analysis.inspect(network).metrics["uncounted_ops"] == 0


def test_skips_of_fcn8s_are_the_next_finer_maps_of_the_backbone() -> None:
    model = registry.resolve("BasicCNN+fcn8s[input_shape=112x112x1,classes=11]")
    with weightless(model) as network:
        skips = [network.get_layer(f"{PREFIX}score_skip{number}").input.shape for number in (1, 2)]
        last = network.get_layer(f"{PREFIX}up_image")
        assert [tuple(shape) for shape in skips] == [(None, 28, 28, 256), (None, 56, 56, 128)]
        assert (last.strides, last.kernel_size) == ((2, 2), (4, 4))
