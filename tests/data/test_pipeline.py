"""Batches: every picture once an epoch, the same at every call, augmented for training alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnnbench.data.augmentation import Augment
from cnnbench.data.pipeline import TrainingBatches, evaluation_batches

# Picture i is grey level i all over, so that a batch says which pictures it holds.
IMAGES = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
TARGETS = np.eye(3, dtype=np.float32)[np.arange(10) % 3]


def same(images: Any) -> Any:
    return images


def levels(batches: Any) -> list[list[int]]:
    return [np.asarray(images)[:, 0, 0, 0].astype(int).tolist() for images, _ in batches]


def test_an_epoch_holds_every_picture_at_most_once_and_is_repeatable() -> None:
    training = TrainingBatches(IMAGES, TARGETS, 3, Augment(), same)
    first = levels(training.epoch(seed=0, epoch=1))
    assert [len(batch) for batch in first] == [3, 3, 3]  # the tenth picture is left out
    assert len({level for batch in first for level in batch}) == 9
    assert levels(training.epoch(seed=0, epoch=1)) == first
    assert levels(training.epoch(seed=0, epoch=2)) != first
    assert levels(training.epoch(seed=1, epoch=1)) != first


def test_targets_follow_their_pictures() -> None:
    for images, targets in TrainingBatches(IMAGES, TARGETS, 5, Augment(), same).epoch(0, 0):
        shown = np.asarray(images)[:, 0, 0, 0].astype(int) % 3
        assert np.asarray(targets).argmax(axis=1).tolist() == shown.tolist()


def test_evaluation_is_in_order_complete_and_preprocessed() -> None:
    batches = evaluation_batches(IMAGES, TARGETS, lambda images: images * 2, most=4)
    assert levels(batches) == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18]]


def test_large_images_are_judged_fewer_at_a_time() -> None:
    def first_batch(size: int, most: int) -> int:
        images = np.zeros((300, size, size, 1), np.uint8)
        batches = evaluation_batches(images, np.zeros(300, np.float32), same, most)
        return len(next(iter(batches))[0])

    assert [first_batch(size, 256) for size in (8, 112, 224, 448)] == [256, 256, 64, 16]
    assert first_batch(112, 64) == 64


AUGMENTATIONS = pytest.mark.parametrize(
    "augment",
    [
        {"flip": "horizontal"},
        {"rotation": 0.1},
        {"translation": 0.2},
        {"zoom": 0.2},
        {"crop": 0.25},
        {"contrast": 0.5},
        {"brightness": 0.3},
    ],
    ids=lambda augment: next(iter(augment)),
)


@AUGMENTATIONS
def test_every_batch_is_augmented_by_a_draw_of_its_own(augment: dict[str, Any]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 1), dtype=np.uint8)
    images, targets = np.repeat(picture, 40, axis=0), np.zeros(40, np.float32)
    batches = TrainingBatches(images, targets, 10, Augment(**augment), same).epoch(0, 0)
    drawn = [np.asarray(images) for images, _ in batches]
    assert len({one.tobytes() for one in drawn}) == len(drawn) == 4


@AUGMENTATIONS
def test_each_augmentation_changes_pictures_and_follows_the_seed(augment: dict[str, Any]) -> None:
    random = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)
    targets = np.zeros(6, np.float32)
    training = TrainingBatches(random, targets, 6, Augment(**augment), same)
    plain = TrainingBatches(random, targets, 6, Augment(), same)

    def epoch(batches: TrainingBatches, seed: int) -> Any:
        return np.concatenate([np.asarray(images) for images, _ in batches.epoch(seed, 0)])

    changed = epoch(training, 0)
    assert changed.shape == (6, 8, 8, 1)
    assert not np.array_equal(changed, epoch(plain, 0))
    assert np.array_equal(changed, epoch(training, 0))


def test_targets_are_encoded_batch_by_batch_after_gathering() -> None:
    labels = np.arange(10) % 3

    def one_hot(batch: Any) -> Any:
        import tensorflow as tf

        return tf.one_hot(batch, 3)

    batches = TrainingBatches(IMAGES, labels, 5, Augment(), same, one_hot)
    for images, targets in batches.epoch(0, 0):
        shown = np.asarray(images)[:, 0, 0, 0].astype(int) % 3
        assert np.array_equal(np.asarray(targets), np.eye(3)[shown])
    (_, found), *_ = evaluation_batches(IMAGES, labels, same, encode=one_hot)
    assert np.array_equal(np.asarray(found), np.eye(3)[labels])


def objects(count: int) -> dict[str, np.ndarray]:
    """Return one object an image, in its left half; its label is the image's number."""
    boxes = np.tile(np.array([0.25, 0.0, 0.75, 0.5], np.float32), (count, 1, 1))
    return {"labels": np.arange(count)[:, None], "boxes": boxes}


def test_boxes_are_mirrored_with_their_images_and_follow_the_seed() -> None:
    # The left half is bright.
    images = np.zeros((40, 8, 8, 1), np.uint8)
    images[:, :, :4] = 200
    batches = TrainingBatches(images, objects(40), 10, Augment(flip="horizontal"), same)

    def epoch(number: int) -> list[tuple[np.ndarray, np.ndarray]]:
        return [
            (np.asarray(seen), np.asarray(targets["boxes"]))
            for seen, targets in batches.epoch(3, number)
        ]

    first = epoch(0)
    for seen, boxes in first:
        is_left = seen[:, 0, 0, 0] > 100
        np.testing.assert_allclose(boxes[:, 0, 1], np.where(is_left, 0.0, 0.5), atol=1e-6)
        np.testing.assert_allclose(boxes[:, 0, 3], np.where(is_left, 0.5, 1.0), atol=1e-6)
    turned = [tuple(boxes[:, 0, 1]) for _, boxes in first]
    assert len(set(turned)) > 1, "every batch has a draw of its own"
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(first, epoch(0), strict=True))
    assert not all(np.array_equal(a, b) for (_, a), (_, b) in zip(first, epoch(1), strict=True))


def test_objects_stay_beside_their_images() -> None:
    batches = TrainingBatches(IMAGES, objects(10), 5, Augment(), same)
    for images, targets in batches.epoch(0, 0):
        shown = np.asarray(images)[:, 0, 0, 0].astype(int)
        assert np.asarray(targets["labels"])[:, 0].tolist() == shown.tolist()


@pytest.mark.parametrize("augment", [{}, {"flip": "horizontal", "translation": 0.1, "crop": 0.1}])
def test_a_classifiers_batches_are_those_of_the_augmentations_layers(augment: Any) -> None:
    """Published accuracies depend on the draws of these layers, in this order."""
    import tensorflow as tf

    from cnnbench.data import augmentation

    random = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), dtype=np.uint8)
    changes = Augment(**augment)
    training = TrainingBatches(random, np.arange(12), 4, changes, same)
    layers = augmentation.layers(changes, (8, 8), seed=2 * 10_007 + 1)

    def changed(images: Any) -> Any:
        for layer in layers:
            images = layer(images, training=True)
        return images

    order = np.random.default_rng((2, 1)).permutation(12).reshape(3, 4)
    plain = tf.data.Dataset.from_tensor_slices(random[order].astype(np.float32)).map(changed)
    for (images, labels), expected, indices in zip(training.epoch(2, 1), plain, order, strict=True):
        assert np.array_equal(np.asarray(images), np.asarray(expected))
        assert np.asarray(labels).tolist() == indices.tolist()
