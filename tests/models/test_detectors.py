"""The named detectors against their papers and torchvision: layers, anchors, files."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.analysis import inspect
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.heads.anchors import centred_level, default_box_sizes, octave_sizes
from cnnbench.models.heads.coding import LAYER, AnchorCoding, GridCoding, of_json, to_json
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.quiet import quiet
from tests.models.built import weightless
from tests.probes.paths import require

DETECTORS = ("YOLOv1", "SSD300", "SSDLite320", "RetinaNet")
# The smallest of each that is quick to build with weights and still has all its layers.
SMALL = {
    "YOLOv1": "YOLOv1[input_shape=64x80x1,classes=3,units=8]",
    "SSD300": "SSD300[input_shape=48x64x1,classes=3]",
    "SSDLite320": "SSDLite320[input_shape=64x80x1,classes=3]",
    "RetinaNet": "RetinaNet[input_shape=72x64x1,classes=3]",
}


def coding_of(network: Any) -> Any:
    return of_json(network.get_layer(LAYER).coding)


@cache
def coding(name: str, **overrides: Any) -> Any:
    with weightless(registry.resolve(name), **overrides) as network:
        return coding_of(network)


# Counts -----------------------------------------------------------------------------------------


def test_retinanet_trains_the_batch_normalisation_that_torchvision_freezes() -> None:
    """34,068,119 of ours less 53,120 are torchvision's 34,014,999."""
    with weightless(registry.resolve("RetinaNet")) as network:
        norms = [one for one in network.layers if type(one).__name__ == "BatchNormalization"]
        channels = [one.gamma.shape[0] for one in norms]
        trainable = sum(math.prod(weight.shape) for weight in network.trainable_weights)
    # A stem of 64; in each stage the units' w, w and 4 w maps, and 4 w of the one projection.
    units = [(64, 3), (128, 4), (256, 6), (512, 3)]
    assert len(channels) == 1 + sum(3 * count + 1 for _, count in units) == 53
    expected = 64 + sum(count * 6 * width + 4 * width for width, count in units)
    assert sum(channels) == expected == 26_560
    assert 2 * expected == 53_120  # a scale and an offset each
    # The rest: convolutions of ResNet-50 without its classifier, the pyramid and two subnets.
    resnet = 25_557_032 - (2048 * 1000 + 1000) - 53_120
    pyramid = sum(c * 256 + 256 for c in (512, 1024, 2048)) + 5 * (9 * 256 * 256 + 256)
    hidden = 2 * 4 * (9 * 256 * 256 + 256)
    last = (9 * 256 + 1) * 9 * 4 + (9 * 256 + 1) * 9 * 91
    assert resnet + pyramid + hidden + last == 34_014_999
    assert trainable == 34_014_999 + 53_120


def test_ssd_for_other_classes_differs_in_its_last_convolutions_only() -> None:
    maps, anchors = (512, 1024, 512, 256, 256, 256), (4, 6, 6, 6, 4, 4)
    a_logit = sum((9 * m + 1) * a for m, a in zip(maps, anchors, strict=True))
    with weightless(registry.resolve("SSD300"), classes=20) as network:
        assert network.count_params() == 35_641_826 - (91 - 21) * a_logit


def test_yolo_counts_equal_those_of_its_figure() -> None:
    """arXiv:1506.02640, fig. 3, layer by layer: size of the output, kernel, maps in and out."""
    layers = [(224, 7, 3, 64), (112, 3, 64, 192)]
    layers += [(56, 1, 192, 128), (56, 3, 128, 256), (56, 1, 256, 256), (56, 3, 256, 512)]
    layers += [(28, 1, 512, 256), (28, 3, 256, 512)] * 4
    layers += [(28, 1, 512, 512), (28, 3, 512, 1024)]
    layers += [(14, 1, 1024, 512), (14, 3, 512, 1024)] * 2
    layers += [(14, 3, 1024, 1024), (7, 3, 1024, 1024), (7, 3, 1024, 1024), (7, 3, 1024, 1024)]
    assert len(layers) == 24
    convolutions = sum(k * k * given * made + made for _, k, given, made in layers)
    macs = sum(px * px * k * k * given * made for px, k, given, made in layers)
    dense = [(7 * 7 * 1024, 4096), (4096, 7 * 7 * 30)]
    with weightless(registry.resolve("YOLOv1")) as network:
        found = inspect(network).metrics
    assert found["params"] == convolutions + sum(i * o + o for i, o in dense) == 271_703_550
    assert found["macs"] == macs + sum(i * o for i, o in dense) == 20_285_153_280
    assert found["depth"] == 26


def test_receptive_field_of_ssd_equals_that_by_hand() -> None:
    field, jump = 1, 1
    steps = [(3, 1)] * 2 + [(2, 2)] + [(3, 1)] * 2 + [(2, 2)]
    steps += ([(3, 1)] * 3 + [(2, 2)]) * 2  # to the fourth pooling
    steps += [(3, 1)] * 3 + [(3, 1), (13, 1), (1, 1)]  # conv6 is dilated by 6
    steps += [(3, 2), (3, 2), (3, 1), (3, 1)]
    for kernel, stride in [*steps, (3, 1)]:  # the last are the predictions
        field, jump = field + (kernel - 1) * jump, jump * stride
    with weightless(registry.resolve("SSD300")) as network:
        assert inspect(network).metrics["receptive_field_px"] == field == 900


# Layers -----------------------------------------------------------------------------------------


def test_ssd_has_the_maps_of_its_figure() -> None:
    """arXiv:1512.02325, fig. 2: 38, 19, 10, 5, 3 and 1 a side, from these layers."""
    maps = {"conv4_3_norm": (38, 512), "conv7": (19, 1024), "conv8_2": (10, 512)}
    maps |= {"conv9_2": (5, 256), "conv10_2": (3, 256), "conv11_2": (1, 256)}
    with weightless(registry.resolve("SSD300")) as network:
        for name, (size, channels) in maps.items():
            assert network.get_layer(name).output.shape[1:] == (size, size, channels), name
        assert network.get_layer("conv6").dilation_rate == (6, 6)
        assert network.get_layer("block5_pool").strides == (1, 1)
        assert network.get_layer("conv4_3_norm").scale == 20


def test_ssdlite_reads_the_expansion_at_a_stride_of_16() -> None:
    """arXiv:1905.02244, sec. 6.3; the last stage has half the channels of its Table 1."""
    sizes = {"unit13_expand_act": (20, 672), "last_act": (10, 480)}
    sizes |= {f"extra{n}_expand_act": size for n, size in enumerate([(5, 512), (3, 256)], 1)}
    sizes |= {f"extra{n}_expand_act": size for n, size in enumerate([(2, 256), (1, 128)], 3)}
    with weightless(registry.resolve("SSDLite320")) as network:
        for name, (size, channels) in sizes.items():
            assert network.get_layer(name).output.shape[1:] == (size, size, channels), name
        norms = [one for one in network.layers if type(one).__name__ == "BatchNormalization"]
        assert {(one.epsilon, one.momentum) for one in norms} == {(1e-3, 0.97)}


def test_retinanet_shares_its_convolutions_between_five_levels() -> None:
    with weightless(registry.resolve("RetinaNet")) as network:
        for part, values in (("boxes", 9 * 4), ("classes", 9 * 91)):
            names = [f"{part}_conv{number}" for number in (1, 2, 3, 4)]
            assert all(network.get_layer(name).filters == 256 for name in names)
            assert network.get_layer(f"{part}_values").filters == values
            assert len(network.get_layer(f"{part}_values")._inbound_nodes) == 5
        sizes = [network.get_layer(f"p{level}").output.shape[1] for level in range(3, 8)]
    assert sizes == [100, 50, 25, 13, 7]


def test_backbones_come_without_their_heads() -> None:
    channels = {"YOLOv1": 1024, "SSD300": 1024, "SSDLite320": 480, "RetinaNet": 2048}
    for name, expected in channels.items():
        with weightless(registry.resolve(SMALL[name]), include_top=False) as network:
            assert network.outputs[0].shape[-1] == expected
            assert LAYER not in [layer.name for layer in network.layers]


def test_l2_normalisation_equals_hand_computation() -> None:
    from cnnbench.models.families.own_layers import L2Normalization

    maps = np.array([[[[3, 4], [0, 0]]]], np.float32)
    layer = L2Normalization(20.0)
    assert np.asarray(layer(maps)).tolist() == [[[[12, 16], [0, 0]]]]  # 20 of 3/5 and 4/5
    layer.set_weights([np.array([1, 2], np.float32)])
    np.testing.assert_allclose(np.asarray(layer(maps))[0, 0, 0], [0.6, 1.6], rtol=1e-6)


# Anchors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cells", "places"),
    [
        ("SSD300", (38, 19, 10, 5, 3, 1), (4, 6, 6, 6, 4, 4)),
        ("SSDLite320", (20, 10, 5, 3, 2, 1), (6,) * 6),
        ("RetinaNet", (100, 50, 25, 13, 7), (9,) * 5),
    ],
)
def test_number_of_anchors(name: str, cells: tuple[int, ...], places: tuple[int, ...]) -> None:
    found = coding(name)
    assert [(one.rows, one.columns) for one in found.levels] == [(many, many) for many in cells]
    assert [len(one.sizes) for one in found.levels] == list(places)
    total = {"SSD300": 8_732, "SSDLite320": 3_234, "RetinaNet": 120_087}[name]
    assert len(found.anchors()) == total


def test_default_boxes_of_ssd300_equal_hand_computation() -> None:
    found = coding("SSD300")
    assert (found.scores, found.variances) == ("softmax", (0.1, 0.2))
    anchors = found.anchors() * 300
    # The first place: 21 px, the mean of 21 and 45, then 2 to 1 and 1 to 2; 8 px apart.
    root = math.sqrt(2)
    square, mean, long, short = 21, math.sqrt(21 * 45), 21 * root, 21 / root
    expected = [
        [4, 4, square, square],
        [4, 4, mean, mean],
        [4, 4, short, long],
        [4, 4, long, short],
    ]
    np.testing.assert_allclose(anchors[:4], expected, rtol=1e-5)
    np.testing.assert_allclose(anchors[4], [4, 12, square, square], rtol=1e-5)  # right, then down
    np.testing.assert_allclose(anchors[4 * 38], [12, 4, square, square], rtol=1e-5)
    # The last place, in the middle: 261 px, the mean of 261 and 315; its long sides are cut.
    mean, long, short = math.sqrt(261 * 315), 300, 261 / root
    expected = [[150, 150, side, side] for side in (261, mean)]
    expected += [[150, 150, short, long], [150, 150, long, short]]
    np.testing.assert_allclose(anchors[-4:], expected, rtol=1e-5)
    steps = [round(300 * level.step[0], 6) for level in found.levels]
    assert steps == [8, 16, 32, 64, 100, 300]
    scales = [level.sizes[0][0] for level in found.levels]
    assert scales == [0.07, 0.15, 0.33, 0.51, 0.69, 0.87]


def test_default_boxes_of_ssdlite_equal_hand_computation() -> None:
    found = coding("SSDLite320")
    assert (found.scores, found.variances) == ("softmax", (0.1, 0.2))
    anchors = found.anchors()
    mean = math.sqrt(0.2 * 0.35)
    sides = [(0.2, 0.2), (mean, mean)]
    for ratio in (2, 3):
        pair = (0.2 / math.sqrt(ratio), 0.2 * math.sqrt(ratio))
        sides += [pair, pair[::-1]]
    expected = [[1 / 40, 1 / 40, *side] for side in sides]
    np.testing.assert_allclose(anchors[:6], expected, rtol=1e-6)
    assert [level.sizes[0][0] for level in found.levels] == [0.2, 0.35, 0.5, 0.65, 0.8, 0.95]
    np.testing.assert_allclose(anchors[-5, 2:], math.sqrt(0.95), rtol=1e-6)  # the next scale is 1


def test_anchors_of_retinanet_equal_hand_computation() -> None:
    found = coding("RetinaNet")
    assert (found.scores, found.variances) == ("sigmoid", (1.0, 1.0))
    anchors = found.anchors() * 800
    # Heights and widths: of 32, 40 and 50 px by ratios 0.5, 1 and 2, halves rounded to whole px.
    sizes = [
        (22, 46),
        (28, 56),
        (36, 70),
        (32, 32),
        (40, 40),
        (50, 50),
        (46, 22),
        (56, 28),
        (70, 36),
    ]
    expected = [[0, 0, height, width] for height, width in sizes]
    np.testing.assert_allclose(anchors[:9], expected, rtol=1e-5)
    np.testing.assert_allclose(anchors[9, :2], [0, 8], rtol=1e-5)
    # 800 px are 13 times 61 px on P6 and 7 times 114 px on P7, rounded down.
    assert [round(800 * level.step[0], 6) for level in found.levels] == [8, 16, 32, 61, 114]
    np.testing.assert_allclose(anchors[-6], [6 * 114, 6 * 114, 512, 512], rtol=1e-5)


def test_smaller_anchors_of_retinanet_are_a_parameter() -> None:
    found = coding("RetinaNet[smallest_anchor=8,input_shape=128x96x3]")
    assert [level.sizes[3] for level in found.levels[:2]] == [
        (8 / 128, 8 / 96),
        (16 / 128, 16 / 96),
    ]


def test_default_boxes_are_cut_at_the_image() -> None:
    assert default_box_sizes(0.8, 0.9, [4]) == (
        (0.8, 0.8),
        (math.sqrt(0.8 * 0.9),) * 2,
        (0.4, 1.0),
        (1.0, 0.4),
    )


def test_octaves_are_in_fractions_of_both_sides() -> None:
    assert octave_sizes(32, (64, 128))[3:6] == (
        (0.5, 0.25),
        (40 / 64, 40 / 128),
        (50 / 64, 50 / 128),
    )


def test_a_single_place_stands_in_the_middle() -> None:
    assert centred_level((1, 4), (2.0, 0.3), ((1.0, 1.0),)).first == (0.5, 0.15)


def test_grid_of_yolo_has_a_cell_for_every_64_pixels() -> None:
    assert coding("YOLOv1") == GridCoding(7, 7, 2, 20)
    assert coding("YOLOv1[boxes=3]", input_shape=(128, 320, 1), classes=4) == GridCoding(2, 5, 3, 4)


@pytest.mark.parametrize("name", ["SSD300", "SSDLite320", "RetinaNet"])
@pytest.mark.parametrize(
    "shape",
    [
        (1, 1, 1),
        (33, 65, 1),
        *(pytest.param(shape, marks=pytest.mark.slow) for shape in ((112, 112, 1), (300, 513, 3))),
    ],
)
def test_anchors_match_the_maps_at_every_size(name: str, shape: tuple[int, int, int]) -> None:
    with weightless(registry.resolve(name), input_shape=shape, classes=2) as network:
        found = coding_of(network)
        assert isinstance(found, AnchorCoding)
        assert network.output["boxes"].shape[1] == len(found.anchors())
    assert np.isfinite(found.anchors()).all()
    assert (found.anchors()[:, 2:] > 0).all()


# Errors, preprocessing, files --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("YOLOv1[boxes=0]", "boxes and units must be at least 1"),
        ("RetinaNet[smallest_anchor=1]", "smallest_anchor must be at least 2 px"),
    ],
)
def test_impossible_parameters_are_one_line(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        registry.resolve(text).architecture()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_preprocessing_is_that_of_the_source() -> None:
    grey = np.full((1, 1, 1, 1), 51, np.float32)
    colour = np.full((1, 1, 1, 3), 51, np.float32)
    apply = {name: registry.resolve(name).preprocess for name in DETECTORS}
    np.testing.assert_allclose(apply["YOLOv1"](colour).ravel(), [0.2] * 3, rtol=1e-6)
    np.testing.assert_allclose(apply["SSD300"](colour).ravel(), [51 - 123, 51 - 117, 51 - 104])
    np.testing.assert_allclose(apply["SSD300"](grey).ravel(), [51 - 344 / 3], rtol=1e-6)
    np.testing.assert_allclose(apply["SSDLite320"](colour).ravel(), [-0.6] * 3, rtol=1e-6)
    means, deviations = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    found = apply["RetinaNet"](colour).ravel()
    np.testing.assert_allclose(found, (0.2 - means) / deviations, rtol=1e-5)


def test_frozen_normalisation_is_never_trained() -> None:
    with weightless(registry.resolve("RetinaNet[frozen_norm=true]")) as network:
        norms = [one for one in network.layers if type(one).__name__ == "BatchNormalization"]
        assert not any(one.trainable for one in norms)
        assert network.get_layer("p3").trainable


def test_own_layers_of_detectors_are_saved_and_loaded_in_safe_mode(tmp_path: Path) -> None:
    import keras

    from cnnbench.models.families.own_layers import L2Normalization, StateCoding

    stated = to_json(AnchorCoding((centred_level((2, 2), (0.5, 0.5), ((1.0, 1.0),)),), "sigmoid"))
    inputs = keras.Input((2, 2, 4))
    x = StateCoding(stated, name=LAYER)(L2Normalization(7.0)(inputs))
    network = keras.Model(inputs, x)
    network.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras", safe_mode=True)
    assert again.layers[1].scale == 7
    assert again.get_layer(LAYER).coding == stated
    images = np.random.default_rng(0).normal(size=(1, 2, 2, 4)).astype(np.float32)
    np.testing.assert_array_equal(again(images), network(images))


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_a_saved_detector_says_how_it_is_read(name: str, tmp_path: Path) -> None:
    import keras

    network = registry.resolve(SMALL[name]).build()
    network.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras", safe_mode=True)
    assert coding_of(again) == coding_of(network)
    images = np.random.default_rng(0).normal(size=(2, *network.input_shape[1:]))
    for one, other in zip(flat(network(images)), flat(again(images)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "onnxruntime", "openvino"])
@pytest.mark.parametrize("name", DETECTORS)
def test_runtimes_compute_the_same(name: str, runtime: str, tmp_path: Path) -> None:
    """Within 1e-4 of each output's range."""
    require(runtime)
    model = registry.resolve(SMALL[name])
    network = calibrated_model.build(model)
    images = calibrated_model.random_inputs(model, 1, seed=2)
    with quiet():
        runner = RUNTIMES[runtime].create(
            model, LatencySetting(runtime=runtime, threads=1), tmp_path
        )
        runner.prepare(network)
        runner.start()
        runner.load()
        runner.compile(images)
        found = runner.outputs(runner.call(runner.feed(images)))
    expected = flat(network(images))
    assert len(found) == len(expected)
    for one, other in zip(expected, found, strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max() < 1e-4 * np.ptp(one)


def flat(outputs: Any) -> list[np.ndarray]:
    import tensorflow as tf

    return [np.asarray(one) for one in tf.nest.flatten(outputs)]


def test_torchvision_publishes_the_precision_of_its_own_weights() -> None:
    found = {name: dict(registry.resolve(name).published()) for name in DETECTORS[1:]}
    assert found == {
        "SSD300": {"published_box_map": 0.251},
        "SSDLite320": {"published_box_map": 0.213},
        "RetinaNet": {"published_box_map": 0.364},
    }
    assert not registry.resolve("SSD300[classes=20]").published()
