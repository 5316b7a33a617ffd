"""Images are changed together with their objects: known shapes are drawn and found again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.data.annotations import IGNORED, NO_OBJECT
from cnnbench.data.augmentation import Augment, changed, refuse_rotation
from cnnbench.errors import UserError

PX = 48
GROUND, PAINT = 60.0, 190.0
KINDS: dict[str, Augment] = {
    "flip": Augment(flip="both"),
    "translation": Augment(translation=0.4),
    "zoom": Augment(zoom=0.4),
    "crop": Augment(crop=0.3),
    "contrast": Augment(contrast=0.4),
    "brightness": Augment(brightness=0.2),
    "all but rotation": Augment(
        flip="both", translation=0.2, zoom=0.3, crop=0.2, contrast=0.4, brightness=0.2
    ),
}
WITH_ROTATION = {
    "rotation": Augment(rotation=0.5),
    "all": KINDS["all but rotation"].model_copy(update={"rotation": 0.2}),
}
ALL = KINDS | WITH_ROTATION


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return images with a rectangle in the first channel and an L in the second.

    The L lies on the rectangle's right, and nothing touches the edge. Row 3 fills up.
    """
    rng = np.random.default_rng(seed)
    images = np.full((count, PX, PX, 3), GROUND, np.float32)
    instances = np.zeros((count, PX, PX), np.uint8)
    boxes = np.zeros((count, 3, 4), np.float32)
    for index in range(count):
        for number, left in enumerate((2, 25)):
            height, width = rng.integers(9, 21, 2)
            y, x = rng.integers(1, PX - 1 - height), left + rng.integers(0, 21 - width + 1)
            shape = np.zeros((PX, PX), np.bool_)
            shape[y : y + height, x : x + width] = True
            if number:
                shape[y : y + height // 2, x + width // 2 : x + width] = False
            images[index, shape, number] = PAINT
            instances[index, shape] = number + 1
            boxes[index, number] = np.array([y, x, y + height, x + width]) / PX
    labels = np.tile([4, 7, NO_OBJECT], (count, 1))
    semantic = np.array([0, 5, 8], np.uint8)[instances]
    ignored = np.tile([False, True, False], (count, 1))
    names = {"labels": labels, "boxes": boxes, "ignored": ignored}
    return images, names | {"instances": instances, "semantic": semantic}


def changes(
    images: np.ndarray, objects: dict[str, np.ndarray], augment: Augment, seed: Any = (1, 2)
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return what `changed` gives in a graph, as in training."""
    found, others = tf.function(lambda one, rest: changed(one, rest, augment, seed))(
        images, dict(objects)
    )
    return found.numpy(), {name: value.numpy() for name, value in others.items()}


def without(objects: dict[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
    return {name: value for name, value in objects.items() if name not in names}


def seen(image: np.ndarray, number: int) -> np.ndarray:
    """Return the pixels of one channel that are painted, by its middle between dark and light.

    A change of contrast and brightness moves both; black of a crop counts as ground.
    """
    values = image[..., number]
    lightest = values.max()
    ground = np.median(values[values > 0]) if (values > 0).any() else 0.0
    return np.asarray(values > (lightest + ground) / 2)


def extent(pixels: np.ndarray) -> np.ndarray:
    (rows,), (columns,) = (np.nonzero(pixels.any(axis=axis)) for axis in (1, 0))
    return np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]) / PX


@pytest.mark.parametrize("name", ALL)
def test_boxes_and_masks_are_those_of_the_shapes_in_the_changed_image(name: str) -> None:
    images, objects = drawn(64)
    found, after = changes(images, objects, ALL[name])
    kept = 0
    for image, labels, boxes, instances in zip(
        found, after["labels"], after["boxes"], after["instances"], strict=True
    ):
        for number in (0, 1):
            if labels[number] == NO_OBJECT:
                continue
            pixels = seen(image, number)
            kept += 1
            assert np.abs(extent(pixels) - boxes[number]).max() <= 1.01 / PX
            # Bilinear and nearest values round corners differently: six of an L, two px each.
            assert (pixels != (instances == number + 1)).sum() <= 12
    assert kept >= 64
    assert (after["labels"][:, 2] == NO_OBJECT).all()


@pytest.mark.parametrize("name", KINDS)
def test_boxes_without_masks_are_those_of_the_shapes(name: str) -> None:
    images, objects = drawn(64)
    found, after = changes(images, without(objects, "instances", "semantic"), KINDS[name])
    for image, labels, boxes in zip(found, after["labels"], after["boxes"], strict=True):
        if labels[0] != NO_OBJECT:  # the rectangle: a cut L has less than its box
            assert np.abs(extent(seen(image, 0)) - boxes[0]).max() <= 1.01 / PX


def test_a_flip_is_exact_and_happens_to_half_of_the_images() -> None:
    images, objects = drawn(1)
    images = np.repeat(images, 2000, axis=0)
    objects = {name: np.repeat(value, 2000, axis=0) for name, value in objects.items()}
    found, after = changes(images, objects, Augment(flip="both"))
    counts = []
    for step_y, step_x in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        same = (found == images[:1, ::step_y, ::step_x]).all(axis=(1, 2, 3))
        counts.append(same.sum())
        expected = objects["boxes"][0, :2].copy()
        for axis, step in ((0, step_y), (1, step_x)):
            if step < 0:
                expected[:, [axis, 2 + axis]] = 1 - expected[:, [2 + axis, axis]]
        assert np.allclose(after["boxes"][same][:, :2], expected, atol=1e-6)
        for mask in ("instances", "semantic"):
            assert (after[mask][same] == objects[mask][0, ::step_y, ::step_x]).all()
    assert sum(counts) == 2000
    # Four binomial counts around 500, five standard deviations of 19.
    assert min(counts) > 400
    assert max(counts) < 600
    assert (after["labels"] == objects["labels"]).all()
    assert (after["ignored"] == objects["ignored"]).all()


@pytest.mark.parametrize(("flip", "axis"), [("horizontal", 2), ("vertical", 1)])
def test_a_flip_has_only_the_direction_asked_for(flip: Any, axis: int) -> None:
    images, objects = drawn(32)
    found, _ = changes(images, objects, Augment(flip=flip))
    mirrored = np.flip(images, axis)
    same = [(found == other).all(axis=(1, 2, 3)) for other in (images, mirrored)]
    assert (same[0] | same[1]).all()
    assert same[0].any()
    assert same[1].any()


@pytest.mark.parametrize("name", ["translation", "zoom", "crop", "rotation"])
def test_every_image_of_a_batch_is_changed_otherwise(name: str) -> None:
    images, objects = drawn(1)
    alike = {key: np.repeat(value, 32, axis=0) for key, value in objects.items()}
    found, _ = changes(np.repeat(images, 32, axis=0), alike, ALL[name])
    assert len(np.unique(found.reshape(32, -1), axis=0)) >= 30


def test_the_same_seed_gives_the_same_changes_and_another_one_others() -> None:
    images, objects = drawn(8)
    first, of_first = changes(images, objects, ALL["all"], (5, 0))
    again, of_again = changes(images, objects, ALL["all"], (5, 0))
    assert (first == again).all()
    assert all((of_first[name] == of_again[name]).all() for name in objects)
    for other in ((5, 1), (6, 0)):
        assert (changes(images, objects, ALL["all"], other)[0] != first).any(axis=(1, 2, 3)).all()


def test_a_setting_does_not_change_the_draws_of_another() -> None:
    images, objects = drawn(32)
    flipped = changes(images, objects, Augment(flip="horizontal"))[0]
    both = changes(images, objects, Augment(flip="horizontal", contrast=0.01))[0]
    # A contrast within one per cent moves values by less than 2.
    assert np.abs(flipped - both).max() < 2


def test_an_object_of_which_less_than_a_tenth_is_left_is_dropped() -> None:
    image = np.full((400, PX, PX, 3), GROUND, np.float32)
    image[:, 10:20, 1:21, 0] = PAINT  # not at the edge, which is repeated
    instances = np.zeros((400, PX, PX), np.uint8)
    instances[:, 10:20, 1:21] = 1
    objects: dict[str, np.ndarray] = {
        "labels": np.full((400, 1), 3),
        "boxes": np.tile(np.array([10, 1, 20, 21], np.float32) / PX, (400, 1, 1)),
        "ignored": np.ones((400, 1), np.bool_),
        "instances": instances,
    }
    for known in (objects, without(objects, "instances")):
        found, after = changes(image, known, Augment(translation=0.5))
        is_lost = after["labels"][:, 0] == NO_OBJECT
        assert 0 < is_lost.sum() < 200
        painted = (found[..., 0] > (GROUND + PAINT) / 2).sum(axis=(1, 2))
        # 200 pixels: a tenth is 20; a row more or less by rounding.
        assert painted[is_lost].max() <= 20 + 10
        assert painted[~is_lost].min() >= 20 - 10
        assert (after["boxes"][is_lost] == 0).all()
        assert not after["ignored"][is_lost].any()
        assert after["ignored"][~is_lost].all()
        assert (after["boxes"] >= 0).all()
        assert (after["boxes"] <= 1).all()
        if "instances" in after:
            assert (after["instances"][is_lost] == 0).all()


def test_pixels_from_outside_repeat_the_edge_and_are_ignored_in_masks() -> None:
    images = np.full((64, PX, PX, 1), PAINT, np.float32)
    objects: dict[str, np.ndarray] = {
        "labels": np.zeros((64, 1), np.int64),
        "instances": np.ones((64, PX, PX), np.uint16),
        "semantic": np.ones((64, PX, PX), np.uint8),
    }
    found, after = changes(images, objects, Augment(translation=0.3))
    assert np.allclose(found, PAINT)
    assert after["instances"].dtype == np.uint16
    assert after["semantic"].dtype == np.uint8
    outside = after["instances"] == 0
    assert 0.1 < outside.mean() < 0.5
    assert (after["semantic"] == np.where(outside, IGNORED, 1)).all()


def test_the_window_of_a_crop_is_black_beside_the_image() -> None:
    images = np.full((64, PX, PX, 1), PAINT, np.float32)
    semantic = np.ones((64, PX, PX), np.uint8)
    objects: dict[str, np.ndarray] = {
        "labels": np.zeros((64, 1), np.int64),
        "boxes": np.tile(np.array([0, 0, 1, 1], np.float32), (64, 1, 1)),
        "semantic": semantic,
    }
    found, after = changes(images, objects, Augment(crop=0.25, zoom=0.2))
    assert set(np.unique(found)) == {0.0, PAINT}
    assert (after["semantic"][found[..., 0] == 0] == IGNORED).all()
    for image, box in zip(found, after["boxes"][:, 0], strict=True):
        shown = extent(image[..., 0] > 0)
        # Of a picture made smaller by the zoom, the repeated edge is no object.
        assert (box[:2] >= shown[:2] - 1e-6).all()
        assert (box[2:] <= shown[2:] + 1e-6).all()
    assert {extent(image[..., 0] > 0)[0] for image in found} <= {i / PX for i in range(13)}


def test_contrast_keeps_the_mean_and_brightness_adds_one_value() -> None:
    images, objects = drawn(16)
    found, after = changes(images, objects, Augment(contrast=0.3))
    assert np.allclose(found.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=0.01)
    spread = found.std(axis=(1, 2))[:, 0] / images.std(axis=(1, 2))[:, 0]
    assert 0.7 <= spread.min() < 0.9 < 1.1 < spread.max() <= 1.3
    assert all((after[name] == objects[name]).all() for name in objects)
    found, _ = changes(images, objects, Augment(brightness=0.2))
    added = found - images
    assert np.ptp(added, axis=(1, 2, 3)).max() < 1e-3
    assert -51 <= added.min() < -20 < 20 < added.max() <= 51
    found, _ = changes(images, objects, Augment(brightness=0.9, contrast=0.9))
    assert found.min() == 0
    assert found.max() == 255


def test_nothing_changes_if_everything_is_off() -> None:
    images, objects = drawn(2)
    found, after = changes(images, objects, Augment())
    assert (found == images).all()
    assert all((after[name] == objects[name]).all() for name in objects)


def test_an_object_without_pixels_keeps_its_box_unless_it_is_rotated() -> None:
    images, objects = drawn(16)
    crowd = objects | {"instances": np.where(objects["instances"] == 2, 0, objects["instances"])}
    _, after = changes(images, crowd, Augment(flip="horizontal"))
    assert (after["labels"][:, 1] == 7).all()
    sides = after["boxes"][:, 1, 2:] - after["boxes"][:, 1, :2]
    expected = objects["boxes"][:, 1, 2:] - objects["boxes"][:, 1, :2]
    assert np.allclose(sides, expected, atol=1e-6)
    _, after = changes(images, crowd, Augment(rotation=0.1))
    assert (after["labels"][:, 0] == 4).all()
    assert (after["labels"][:, 1] == NO_OBJECT).all()


def test_rotation_is_refused_for_boxes_without_masks() -> None:
    images, objects = drawn(2)
    with pytest.raises(UserError, match="boxes cannot be rotated without the masks"):
        changed(images, without(objects, "instances"), WITH_ROTATION["rotation"], (1, 2))
    with pytest.raises(UserError, match=r"^augment.rotation: .*leave rotation out"):
        refuse_rotation(WITH_ROTATION["all"], {"boxes", "semantic"}, "augment.rotation")
    for augment, kinds in (
        (KINDS["all but rotation"], {"boxes"}),
        (WITH_ROTATION["all"], {"boxes", "instances"}),
        (WITH_ROTATION["all"], {"semantic"}),
    ):
        refuse_rotation(augment, kinds)  # type: ignore[arg-type]
    found, after = changes(images, {"semantic": objects["semantic"]}, WITH_ROTATION["rotation"])
    for image, semantic in zip(found, after["semantic"], strict=True):
        for number, label in enumerate((5, 8)):
            assert (seen(image, number) != (semantic == label)).sum() <= 12


def test_a_training_set_without_objects_passes() -> None:
    images, objects = drawn(4)
    nothing: dict[str, np.ndarray] = {
        "labels": np.empty((4, 0), np.int64),
        "boxes": np.empty((4, 0, 4), np.float32),
        "instances": np.zeros_like(objects["instances"]),
    }
    found, after = changes(images, nothing, KINDS["all but rotation"])
    assert found.shape == images.shape
    assert after["boxes"].shape == (4, 0, 4)


def test_batches_of_a_dataset_are_the_same_when_an_epoch_is_repeated() -> None:
    images, objects = drawn(12)

    def epoch(number: int) -> list[np.ndarray]:
        batches = tf.data.Dataset.from_tensor_slices((images, objects)).batch(5).enumerate()
        return [
            batch.numpy()
            for batch, _ in batches.map(
                lambda step, pair: changed(pair[0], pair[1], ALL["all"], (number, step)),
                num_parallel_calls=2,
            )
        ]

    first, second = epoch(3), epoch(4)
    assert [len(batch) for batch in first] == [5, 5, 2]
    assert all((a == b).all() for a, b in zip(first, epoch(3), strict=True))
    assert all((a != b).any() for a, b in zip(first, second, strict=True))
