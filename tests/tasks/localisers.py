"""Networks, images and options for tests of localization."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnbench.data.annotations import Objects, of_lists
from cnnbench.data.pictures import Part
from cnnbench.tasks.localization import LOCALIZATION
from cnnbench.tasks.objective import Objective

NAMES = ("bag", "boot", "shirt")


def objective(**options: Any) -> Objective:
    """Return the objective for three classes."""
    return LOCALIZATION.objective(NAMES, "things", LOCALIZATION.options(**options))


def part(objects: Objects, size: int = 8) -> Part:
    """Return black images with these objects."""
    labels = np.zeros(len(objects), np.int64)
    return Part(np.zeros((len(objects), size, size, 1), np.uint8), labels, objects)


def pictured(count: int, seed: int = 0, size: int = 16) -> Part:
    """Return images with one bright square each, whose class is its brightness."""
    random = np.random.default_rng(seed)
    images = np.zeros((count, size, size, 1), np.uint8)
    labels, boxes = [], []
    for image in images:
        side, label = int(random.integers(4, 10)), int(random.integers(3))
        top, left = random.integers(0, size - side, 2)
        image[top : top + side, left : left + side] = 85 * (label + 1)
        labels.append([label])
        boxes.append(np.array([[top, left, top + side, left + side]]) / size)
    objects = of_lists(labels, boxes, np.full((count, 2), size))
    return Part(images, objects.labels[:, 0], objects)


def network(outputs: Any = None, size: int = 16) -> Any:
    """Return a small functional network; ``outputs`` makes its outputs of boxes and classes."""
    import tensorflow as tf

    layers = tf.keras.layers
    images = tf.keras.Input((size, size, 1))
    features = layers.Dense(64, "relu")(layers.Flatten()(images))
    boxes, classes = layers.Dense(4)(features), layers.Dense(3, "softmax")(features)
    made = {"boxes": boxes, "classes": classes} if outputs is None else outputs(boxes, classes)
    return tf.keras.Model(images, made)
