"""MaskRCNN against torchvision's figures, line by line, and its layers on small inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cnnbench.analysis import inspect
from cnnbench.models import registry
from cnnbench.models.families.second_stage import BoxDetections, MaskOfClass
from cnnbench.tasks.instance_segmentation import INSTANCE_SEGMENTATION
from cnnbench.tasks.instance_segmentation.objective import InstanceObjective
from tests.models.built import weightless

PUBLISHED_PARAMS, PUBLISHED_MACS = 44_401_393, 134.38e9
SMALL = "MaskRCNN[input_shape=64x96x3,classes=3,proposals=12,detections=5]"


def test_parameters_are_torchvisions_and_those_that_it_freezes() -> None:
    with weightless(registry.resolve("MaskRCNN")) as network:
        trainable = sum(math.prod(weight.shape) for weight in network.trainable_weights)
    with weightless(registry.resolve("MaskRCNN[frozen_norm=true]")) as network:
        frozen = sum(math.prod(weight.shape) for weight in network.trainable_weights)
    assert frozen == PUBLISHED_PARAMS
    assert trainable == PUBLISHED_PARAMS + 53_120
    # Line by line; ResNet-50 without its classifier has 53,120 of batch normalisation.
    trunk = 25_557_032 - (2048 * 1000 + 1000) - 53_120
    pyramid = sum(c * 256 + 256 for c in (256, 512, 1024, 2048)) + 4 * (9 * 256 * 256 + 256)
    proposing = (9 * 256 * 256 + 256) + (256 * 3 + 3) + (256 * 12 + 12)
    boxes = (7 * 7 * 256 * 1024 + 1024) + (1024 * 1024 + 1024) + (1024 + 1) * (91 + 4 * 91)
    masks = 4 * (9 * 256 * 256 + 256) + (4 * 256 * 256 + 256) + (256 * 91 + 91)
    assert trunk + pyramid + proposing + boxes + masks == PUBLISHED_PARAMS


@pytest.mark.slow
def test_multiply_adds_are_torchvisions_and_those_of_the_mask_head() -> None:
    """torchvision's are of 800 x 800 px and no detection: its mask head had nothing to do."""
    found = inspect("MaskRCNN[frozen_norm=true]")
    sides = (200, 100, 50, 25)  # of P2 to P5
    trunk = (4_089_184_256 - 2_048_000) * 800**2 // 224**2
    lateral = sum(s * s * c * 256 for s, c in zip(sides, (256, 512, 1024, 2048), strict=True))
    smoothing = sum(s * s * 9 * 256 * 256 for s in sides)
    places = sum(s * s for s in (*sides, 13))
    proposing = places * (9 * 256 * 256 + 256 * 3 + 256 * 12)
    boxes = 1000 * (7 * 7 * 256 * 1024 + 1024 * 1024 + 1024 * (91 + 4 * 91))
    without_masks = trunk + lateral + smoothing + proposing + boxes
    assert without_masks == 134_379_721_216
    assert without_masks == pytest.approx(PUBLISHED_MACS, abs=0.005e9)
    convolutions = 100 * 4 * 14 * 14 * 9 * 256 * 256
    doubling = 100 * 14 * 14 * 4 * 256 * 256
    logits = 100 * 28 * 28 * 256 * 91
    masks = convolutions + doubling + logits
    assert (convolutions, doubling, logits) == (46_242_201_600, 5_138_022_400, 1_826_406_400)
    assert found.metrics["macs"] == without_masks + masks == 187_586_351_616
    assert found.metrics["uncounted_ops"] == 0
    half = inspect("MaskRCNN[detections=50]").metrics["macs"]
    assert found.metrics["macs"] - half == masks // 2, "work is counted at the declared number"


@pytest.mark.slow
def test_one_network_gives_boxes_classes_and_masks() -> None:
    model = registry.resolve(SMALL)
    network = model.build()
    shapes = {name: one.shape for name, one in network.output.items()}
    assert shapes == {
        "boxes": (None, 5, 4), "scores": (None, 5, 3), "masks": (None, 5, 28, 28, 1)
    }  # fmt: skip
    objective = InstanceObjective(("a", "b", "c"), "", INSTANCE_SEGMENTATION.options())
    images = np.random.default_rng(0).normal(size=(2, 64, 96, 3)).astype(np.float32)
    outputs = {name: np.asarray(one) for name, one in network(images).items()}
    assert np.isfinite(outputs["masks"]).all()
    assert 0 <= outputs["boxes"].min() <= outputs["boxes"].max() <= 1
    best = outputs["scores"].max(axis=-1)
    assert (best > 0).all()
    assert ((outputs["scores"] > 0).sum(axis=-1) == 1).all(), "a detection has one class"
    answers = objective.answers(outputs, objective.encoding(network))
    assert answers["masks"].shape == (2, 100, 28, 28)
    with pytest.raises(Exception, match="evaluated but not trained"):
        objective.check_network(network)


def test_detections_are_moved_by_the_offsets_of_their_class() -> None:
    proposals = np.array([[[0.2, 0.2, 0.4, 0.6], [0.5, 0.5, 0.9, 0.9]]], np.float32)
    logits = np.array([[[0, 5, 0], [0, 0, 4]]], np.float32)  # background, two classes
    offsets = np.zeros((1, 2, 12), np.float32)
    offsets[0, 0, 4:8] = [1, 0, 0, 0]  # the first class of the first box: to the right
    offsets[0, 1, 8:12] = [0, 0, 0, 5 * np.log(0.5)]  # half as high
    found = BoxDetections(2, 4)([proposals, logits, offsets])
    expected = [[0.2, 0.24, 0.4, 0.64], [0.6, 0.5, 0.8, 0.9]]
    np.testing.assert_allclose(found["boxes"][0], expected, atol=1e-6)
    of_first = np.exp(5) / (np.exp(5) + 2)
    np.testing.assert_allclose(found["scores"][0, 0], [of_first, 0], atol=1e-6)
    assert float(found["scores"][0, 1, 0]) == 0 < float(found["scores"][0, 1, 1])


def test_a_near_duplicate_of_the_same_class_has_a_score_of_0() -> None:
    proposals = np.array([[[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.45], [0.5, 0.5, 1, 1]]], np.float32)
    logits = np.array([[[0, 6, 0], [0, 5, 0], [0, 4, 0]]], np.float32)
    found = BoxDetections(3, 3)([proposals, logits, np.zeros((1, 3, 12), np.float32)])
    np.testing.assert_allclose(found["boxes"][0], proposals[0, [0, 2, 1]], atol=1e-6)
    assert ((found["scores"][0].numpy() > 0) == [[True, False], [True, False], [False] * 2]).all()


def test_a_detection_keeps_the_mask_of_its_class() -> None:
    masks = np.arange(2 * 3 * 3 * 4, dtype=np.float32).reshape(1, 2, 3, 3, 4)
    scores = np.array([[[0, 0.9, 0], [0, 0, 0.1]]], np.float32)
    found = MaskOfClass()([masks, scores])
    np.testing.assert_array_equal(found[0, 0, ..., 0], masks[0, 0, ..., 2])
    np.testing.assert_array_equal(found[0, 1, ..., 0], masks[0, 1, ..., 3])
