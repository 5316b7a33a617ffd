"""A detector of red and green rectangles that is exact, and frames in which they move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnnbench.models.file_facts import FileFacts

SIDE = 32
FRAME = (64, 48)  # width and height in px
COUNT = 12


def detector(file: Path) -> Path:
    """Write a network that finds one rectangle of each colour, with a score of 0.9.

    The largest value of every column is 1 inside a rectangle and 0 beside it. Their mean is the
    width; where they are, by a softmax, the centre.
    """
    import keras

    layers = keras.layers
    inputs = keras.Input((SIDE, SIDE, 3))
    places = ((np.arange(SIDE) + 0.5) / SIDE)[:, None]
    mean = np.full((SIDE, 1), 1 / SIDE)
    # From x, width, y, height to top, left, bottom, right.
    corners = np.array([[0, 1, 0, 1], [0, -0.5, 0, 0.5], [1, 0, 1, 0], [-0.5, 0, 0.5, 0]])
    boxes, scores = [], []
    for colour in range(2):
        chosen = np.eye(3)[colour].reshape(1, 1, 3, 1)
        channel = layers.Conv2D(1, 1, use_bias=False, kernel_initializer=_constant(chosen))(inputs)
        bright = layers.ReLU()(layers.Rescaling(4 / 255, -3)(channel))
        found = []
        for pool in ((SIDE, 1), (1, SIDE)):
            profile = layers.Flatten()(layers.MaxPooling2D(pool)(bright))
            where = layers.Softmax()(layers.Rescaling(100.0)(profile))
            found += [_dense(places)(where), _dense(mean)(profile)]
        boxes.append(_dense(corners)(layers.Concatenate()(found)))
        scores.append(_dense(0.9 * np.eye(2)[[colour]])(layers.GlobalMaxPooling2D()(bright)))
    outputs = {
        "boxes": layers.Reshape((2, 4))(layers.Concatenate()(boxes)),
        "scores": layers.Reshape((2, 2))(layers.Concatenate()(scores)),
    }
    keras.Model(inputs, outputs).save(file)
    FileFacts("detection", ("red", "green"), fit="stretch").write(file)
    return file


def frames(folder: Path, count: int = COUNT, size: tuple[int, int] = FRAME) -> Path:
    """Write ``frame1.png`` and so on: red moves to the right, green, lower, to the left."""
    folder.mkdir()
    for number in range(count):
        pixels = np.full((size[1], size[0], 3), 20, np.uint8)
        red, green = places(number)
        pixels[red[0] : red[2], red[1] : red[3], 0] = 255
        pixels[green[0] : green[2], green[1] : green[3], 1] = 255
        Image.fromarray(pixels).save(folder / f"frame{number + 1}.png")
    return folder


def places(number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return top, left, bottom and right of both rectangles in a frame, in px."""
    return (4, 4 + 2 * number, 20, 20 + 2 * number), (26, 40 - 2 * number, 42, 56 - 2 * number)


def _dense(kernel: np.ndarray) -> Any:
    import keras

    units = kernel.shape[1]
    return keras.layers.Dense(units, use_bias=False, kernel_initializer=_constant(kernel))


def _constant(kernel: np.ndarray) -> Any:
    import keras

    return keras.initializers.Constant(kernel.tolist())
