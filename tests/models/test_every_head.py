"""Every architecture of the catalogue takes every head, built without weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import tensorflow as tf

from cnnbench import analysis
from cnnbench.models import registry
from cnnbench.models.dilated import dilated
from cnnbench.models.heads import PREFIX
from cnnbench.models.heads import coding as codings
from cnnbench.models.heads.feature_maps import image_size, size_of, stage_maps
from tests.models.built import weightless
from tests.models.keras_2 import in_keras_2

CLASSES = 7
BACKBONES = [entry.name for entry in registry.entries(task="classification")]
BOX_PX = 32
DETECTOR_PX = 96  # +windows halves the image, and many networks need 32 px
HALVED_INCEPTION_PX = 2 * 75
SEGMENTER_PX = (75, 97)  # no multiple of a stride, and the smallest height of Inception

# Built by the fast tests: a few of each kind.
FAST_WITH_BOX = (
    "BasicCNN", "LeNet5", "EfficientNetLite0", "ResNet18", "ShuffleNetV2", "MobileNetV2"
)  # fmt: skip
FAST = (
    ("BasicCNN", "yolo"), ("LeNet5", "ssdlite"), ("ShuffleNetV2", "windows"),
    ("BasicCNN", "fcn8s"), ("LeNet5", "unet"), ("SqueezeNet", "fcn"), ("ResNet18", "lraspp"),
)  # fmt: skip
FAST_DILATED = ("VGG11", "MobileNetV2")


def pairs(task: str) -> list[tuple[str, str]]:
    return [(name, head) for name in BACKBONES for head in registry.heads(task=task)]


def fast_first(cases: Sequence[object], fast: Sequence[object]) -> list[object]:
    """Return the cases as parameters; those that are not ``fast`` are marked slow."""
    first = [case for case in cases if case in fast]
    others = [case for case in cases if case not in fast]
    return [
        *first,
        *(
            pytest.param(*(case if isinstance(case, tuple) else [case]), marks=pytest.mark.slow)
            for case in others
        ),
    ]


# Boxes ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WithBox:
    """Parameters of a network with ``+box`` and of its backbone, and the backbone's maps."""

    whole: int
    backbone: int
    maps: int
    head_layers: list[str]
    outputs: dict[str, list[int | None]]


def with_box(name: str) -> WithBox:
    """Count one at the smallest size of its line in the catalogue, at least `BOX_PX`."""
    size = max(registry.resolve(name).min_size or 0, BOX_PX)
    model = registry.resolve(f"{name}+box[input_shape={size}x{size}x3,classes={CLASSES}]")
    with weightless(model, include_top=False) as backbone:
        bare, maps = backbone.count_params(), backbone.outputs[0].shape[-1]
    with weightless(model) as network:
        outputs = {key: list(tensor.shape) for key, tensor in network.output.items()}
        names = sorted(layer.name for layer in model.head_layers(network))
        return WithBox(network.count_params(), bare, maps, names, outputs)


def check_box(counted: WithBox) -> None:
    dense = (counted.maps + 1) * 4 + (counted.maps + 1) * CLASSES
    assert counted.whole == counted.backbone + dense
    assert counted.outputs == {"boxes": [None, 4], "classes": [None, CLASSES]}
    assert counted.head_layers == [f"{PREFIX}boxes", f"{PREFIX}classes", f"{PREFIX}pool"]


@pytest.mark.parametrize("name", fast_first(BACKBONES, FAST_WITH_BOX))
def test_every_architecture_takes_a_box_head(name: str) -> None:
    check_box(with_box(name))


@pytest.mark.slow
def test_every_architecture_takes_a_box_head_in_keras_2() -> None:
    for counted in in_keras_2(with_box, [(name,) for name in BACKBONES]):
        check_box(counted)


# Detectors and segmentation networks ----------------------------------------------------------


@dataclass(frozen=True)
class Counted:
    """A network with a head for detection or segmentation.

    Attributes:
        outputs: shapes by name; that of a single one by ``""``.
        uncounted: number of operations without a rule.
        head_layers: number of layers of the head.
        boxes: number of boxes, or the shape of the grid, that the coding of a detector has.
        scores: ``softmax``, ``sigmoid`` or ``grid``; empty without boxes.
        resolutions: number of levels of anchors.
    """

    outputs: dict[str, list[int | None]]
    uncounted: int
    head_layers: int
    boxes: list[int]
    scores: str
    resolutions: int


def count(name: str, head: str) -> Counted:
    """Count one at a size at which all heads of the task can be attached."""
    height, width = SEGMENTER_PX
    is_detector = head in registry.heads(task="detection")
    if is_detector:
        least = registry.resolve(name).min_size or 0
        height = width = HALVED_INCEPTION_PX if least > DETECTOR_PX // 2 else DETECTOR_PX
    model = registry.resolve(f"{name}+{head}[input_shape={height}x{width}x3,classes={CLASSES}]")
    with weightless(model) as network:
        found = network.output if isinstance(network.output, dict) else {"": network.output}
        outputs = {key: list(one.shape) for key, one in found.items()}
        uncounted = int(analysis.inspect(network).metrics["uncounted_ops"])
        layers = len(model.head_layers(network))
        if not is_detector:
            return Counted(outputs, uncounted, layers, [], "", 0)
        coding = codings.of_json(network.get_layer(codings.LAYER).coding)
    if isinstance(coding, codings.GridCoding):
        return Counted(outputs, uncounted, layers, [coding.rows, coding.columns], "grid", 1)
    anchors, levels = len(coding.anchors()), len(coding.levels)
    return Counted(outputs, uncounted, layers, [anchors], coding.scores, levels)


def check_detector(counted: Counted) -> None:
    assert counted.uncounted == 0
    if counted.scores == "grid":
        assert min(counted.boxes) >= 7
        assert counted.outputs == {"": [None, *counted.boxes, 2 * 5 + CLASSES]}
        return
    width = CLASSES + (counted.scores == "softmax")
    (anchors,) = counted.boxes
    assert counted.outputs == {"boxes": [None, anchors, 4], "classes": [None, anchors, width]}
    assert counted.resolutions > 1


def check_segmenter(counted: Counted) -> None:
    assert counted.uncounted == 0
    assert counted.outputs == {"": [None, *SEGMENTER_PX, CLASSES]}
    assert counted.head_layers > 1
    assert not counted.boxes


CHECKS: dict[str, Callable[[Counted], None]] = {
    "detection": check_detector,
    "segmentation": check_segmenter,
}


@pytest.mark.parametrize(("name", "head"), fast_first(pairs("detection"), FAST))
def test_every_architecture_takes_every_head_for_detection(name: str, head: str) -> None:
    check_detector(count(name, head))


@pytest.mark.parametrize(("name", "head"), fast_first(pairs("segmentation"), FAST))
def test_every_architecture_takes_every_head_for_segmentation(name: str, head: str) -> None:
    check_segmenter(count(name, head))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("detection", ["BasicCNN", "MobileNetV2", "ShuffleNetV2", "ResNet50", "VGG16"]),
        ("segmentation", ["BasicCNN", "MobileNetV3Large", "ResNet50V1_5", "VGG16"]),
    ],
)
def test_architectures_take_every_head_in_keras_2(task: str, names: list[str]) -> None:
    cases = [(name, head) for name, head in pairs(task) if name in names]
    assert len(cases) == len(names) * len(registry.heads(task=task))
    for counted in in_keras_2(count, cases):
        CHECKS[task](counted)


# Maps of backbones ----------------------------------------------------------------------------


def strides(name: str, output_stride: int) -> tuple[int, int, int]:
    """Return the resolutions and the stride of a backbone's maps, and their stride if dilated.

    The strides are the number of px in the place of one position, rounded to a power of 2.
    """
    model = registry.resolve(name)
    with weightless(model, input_shape=(256, 256, 3), include_top=False) as backbone:
        own = stage_maps(backbone)
        made = stage_maps(dilated(backbone, output_stride))
        found = [image_size(backbone)[0] / size_of(maps[-1])[0] for maps in (own, made)]
    first, second = (2 ** round(tf.math.log(one).numpy() / 0.6931) for one in found)
    return len(own), first, second


@pytest.mark.parametrize("name", fast_first(BACKBONES, FAST_DILATED))
def test_every_architecture_has_resolutions_and_can_be_dilated(name: str) -> None:
    resolutions, own, made = strides(name, 8)
    assert resolutions >= 3
    assert made == min(own, 8)
