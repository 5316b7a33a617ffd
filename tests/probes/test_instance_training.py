"""Training of instance segmentation: a detector and the masks of its proposals in one graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cnnbench.api.predict import predict
from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.errors import JobFailed, UserError
from cnnbench.models import registry
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.tasks.instance_segmentation.outputs import Facts
from cnnbench.tasks.instance_segmentation.training import mask_loss, packed
from tests.probes import small_locators, trainings
from tests.probes.small_masks import HEAD, NAME, SCENES, network, setting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("masks")  # one for all: a module is imported once


def train(folder: Path, scratch: Path, name: str = NAME, **wording: Any) -> ProbeResult:
    model = small_locators.resolve(name, folder)
    return trainings.train(model, setting(**wording), folder, scratch)


@pytest.fixture(scope="module")
def trained(folder: Path) -> ProbeResult:
    return train(
        folder,
        folder / "trained",
        epochs=8,
        train_examples=512,
        validation=0.02,
        keep_weights=True,
        target_mask_map=0.0001,
    )


@pytest.mark.slow
def test_masks_are_learnt_beside_their_boxes(trained: ProbeResult) -> None:
    found = trained.metrics
    assert found["box_map50"] > 2 * trained.details["chances"]["box_map50"]
    assert found["mask_map50"] > 2 * trained.details["chances"]["mask_map50"]
    assert found["mask_map"] > 0.5 * found["box_map"]
    first, *_, last = trained.details["curve"]
    assert last["loss"] < first["loss"]
    assert {"loss", "val_loss", "val_mask_map"} <= last.keys()
    for name in ("mask_map", "box_map"):
        assert len(trained.details["replicates"][name]) == 200
    assert set(trained.details["class_ap"]) >= {"mask_map", "box_map"}


@pytest.mark.slow
def test_what_is_kept_gives_boxes_classes_and_masks(trained: ProbeResult, folder: Path) -> None:
    kept = registry.resolve("seed-0.keras", (folder / "trained",))
    assert kept.task == "instance_segmentation"
    shapes = {name: one.shape[1:] for name, one in kept.build().output.items()}
    assert shapes == {"cells": (4, 4, 20), "proposals": (12,), "masks": (12, 12, 12, 1)}


@pytest.mark.slow
def test_objects_of_a_picture_are_predicted_with_their_pixels(
    trained: ProbeResult, folder: Path, tmp_path: Path
) -> None:
    # As large as in the training, each pixel repeated: so short a training sees little in pictures
    # that were resized twice, and shows an object in some of these only.
    data = loading.load(Request(SCENES, 32, 1, train_examples=2, test_examples=24))
    (tmp_path / "drawn").mkdir()
    pictures = []
    for number, image in enumerate(data.test.images):
        pictures.append(tmp_path / f"{number}.png")
        enlarged = Image.fromarray(image[..., 0]).resize((96, 64), Image.Resampling.NEAREST)
        enlarged.save(pictures[-1])
    found = predict(str(folder / "trained" / "seed-0.keras"), pictures, draw=tmp_path / "drawn")
    assert found.predicted == "objects"
    objects = [one for picture in found.to_json() for one in picture["objects"]]
    assert objects
    for one in objects:
        assert one["mask"]["size"] == [64, 96]
        assert 0 <= one["mask_px"] <= 64 * 96
        assert isinstance(one["mask"]["counts"], str)
    assert max(one["mask_px"] for one in objects) > 0
    assert len(list((tmp_path / "drawn").iterdir())) == 24


@pytest.mark.slow
def test_objects_with_masks_are_followed(
    trained: ProbeResult, folder: Path, tmp_path: Path
) -> None:
    data = loading.load(Request(SCENES, 64, 1, train_examples=2, test_examples=6))
    (tmp_path / "frames").mkdir()
    for number in range(3):  # nothing moves
        Image.fromarray(data.test.images[0][..., 0]).save(tmp_path / "frames" / f"{number}.png")
    file = tmp_path / "followed.png"
    network = str(folder / "trained" / "seed-0.keras")
    found = predict(network, [tmp_path / "frames"], track="sort[min_hits=1]", draw=file)
    frames = [picture["objects"] for picture in found.to_json()]
    assert frames[0] and all(one["mask"]["size"] == [64, 64] for one in frames[0])
    assert [[one["track"] for one in frame] for frame in frames] == 3 * [
        list(range(1, 1 + len(frames[0])))
    ]
    with Image.open(file) as drawn:
        assert drawn.n_frames == 3  # type: ignore[attr-defined]


def test_data_without_masks_are_refused_when_planning() -> None:
    from cnnbench.probes.accuracy.settings import AccuracySpec

    model = registry.resolve(f"BasicCNN+{HEAD}")
    spec = AccuracySpec.model_validate({"dataset": "fashion_mnist"})
    assert not spec.serves(model)


def test_the_loss_is_that_of_matched_proposals_alone() -> None:
    facts = Facts("{}", (8, 8), 3, 2, 1)
    instances = np.zeros((1, 8, 8), np.uint8)
    instances[0, :4, :4], instances[0, 4:, 4:] = 1, 2
    instances[0, 0:2, 0:2] = 0  # a corner of the first object is ground
    targets = {
        "labels": np.array([[3, 1]]),
        "boxes": np.array([[[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]], np.float32),
        "ignored": np.zeros((1, 2), np.bool_),
        "instances": instances,
    }
    wanted = packed({name: tf.constant(one) for name, one in targets.items()})
    assert wanted.shape == (1, 2 * 6 + 64)
    boxes = np.array([[[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.2, 0.2, 0.8, 0.8]]], np.float32)
    right = np.array([[[-9, 9, 9, 9], [9, 9, 9, 9], [5, -5, 5, -5]]], np.float32)
    loss = mask_loss(facts, 0.5)
    good = loss(wanted, np.concatenate([boxes, right], axis=-1))
    assert float(good[0]) < 1e-3, "the third proposal overlaps both too little to count"
    wrong = right.copy()
    wrong[0, 0] = [9, 9, 9, 9]
    bad = loss(wanted, np.concatenate([boxes, wrong], axis=-1))
    # A quarter of one mask of two is wrong by a logit of 9.
    assert float(bad[0]) == pytest.approx(9 / 4 / 2, rel=1e-3)
    ignored = packed(
        {name: tf.constant(one) for name, one in targets.items()}
        | {"ignored": tf.constant([[True, False]])}
    )
    assert float(loss(ignored, np.concatenate([boxes, wrong], axis=-1))[0]) < 1e-3


def test_each_class_has_its_own_mask() -> None:
    facts = Facts("{}", (4, 4), 1, 1, 2)
    targets = {
        "labels": np.array([[1]]),
        "boxes": np.array([[[0, 0, 1, 1]]], np.float32),
        "ignored": np.zeros((1, 1), np.bool_),
        "instances": np.ones((1, 4, 4), np.uint8),
    }
    wanted = packed({name: tf.constant(one) for name, one in targets.items()})
    loss = mask_loss(facts, 0.5)

    def of(first: float, second: float) -> float:
        return float(loss(wanted, np.array([[[0, 0, 1, 1, first, second]]], np.float32))[0])

    assert of(-9, 9) < 1e-3
    assert of(9, -9) == pytest.approx(9, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("detector", ["retina", "ssdlite"])
def test_masks_of_every_detector_are_trained(detector: str, folder: Path, tmp_path: Path) -> None:
    from tests.probes.small_masks import HEADS

    found = train(folder, tmp_path, f"trunk+{HEADS[detector]}", epochs=1, train_examples=64)
    assert np.isfinite(found.details["curve"][0]["loss"])
    assert "mask_map" in found.metrics


def test_wrong_words_in_the_brackets_are_refused_in_one_line() -> None:
    for name, words in (
        ("BasicCNN+mask[detector=yolov9,input_shape=64x64x1]", "no detection head 'yolov9'"),
        (
            "BasicCNN+mask[detector=retina,grid=7,input_shape=64x64x1]",
            "the detection head 'retina' has no parameter 'grid'",
        ),
        ("BasicCNN+mask[proposals=0,input_shape=64x64x1]", "proposals=0 must be at least 1"),
    ):
        with pytest.raises(UserError, match=words.replace("[", r"\[")):
            registry.resolve(name).build()
    with pytest.raises(UserError, match="no parameter"):
        registry.resolve("BasicCNN+mask[colour=red]")


def test_a_network_without_masks_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    model = registry.resolve("BasicCNN+yolo[input_shape=32x32x1]")
    context = Context(0, tmp_path, tmp_path, cache=folder / "cache")
    with pytest.raises((UserError, JobFailed), match="a network for instance segmentation returns"):
        accuracy.run(model, setting(), context)


def test_a_detector_head_below_gets_the_gradients_of_its_own_loss_alone() -> None:
    """No gradient of a mask flows through the boxes that it was cut out by."""
    made = network("yolo")
    images = np.random.default_rng(0).uniform(size=(2, 32, 32, 1)).astype(np.float32)
    kernel = made.get_layer("task_head_cells").kernel
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(made(images)["masks"])
    assert tape.gradient(loss, kernel) is None
