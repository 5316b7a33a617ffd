"""Throughput of cnnbench's training loop, compared with a plain ``fit`` on arrays in memory.

Both train the same network on the same images, alternating by epoch, so that other load affects
both equally. The first epoch of each, which traces the graph, is excluded. The network is small,
because a slow input pipeline shows most when steps are fast. The exit code is 1 if the loop has
less than 95 % of the throughput of the plain ``fit``.

    python benchmarks/training_speed.py [--images 10000] [--epochs 8] [--size 28]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from cnnbench.data.augmentation import Augment
from cnnbench.data.pipeline import TrainingBatches
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training.checkpoint import Checkpoint
from cnnbench.probes.accuracy.training.loop import Phase, Training
from cnnbench.tasks.classification import CLASSIFICATION

CLASSES = 10
WANTED = 0.95


def network(size: int) -> Any:
    """Return two convolutions of 32 and 64 filters, each with pooling, and a softmax."""
    import tensorflow as tf

    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Input((size, size, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def scaled(images: Any) -> Any:
    return images / 255.0


class Ours:
    """The probe's loop, run one epoch at a time."""

    def __init__(self, images: np.ndarray, targets: np.ndarray, epochs: int, folder: Path) -> None:
        size = images.shape[1]
        setting = AccuracySetting(
            dataset="fashion_mnist", image_size=size, epochs=epochs, clip_norm=None
        )
        self._phase = Phase(1, epochs, setting.learning_rate)
        objective = CLASSIFICATION.objective([str(label) for label in range(CLASSES)], "images")
        checkpoint = Checkpoint(folder / "state.npz", "speed")
        self._training = Training(setting, objective, 0, checkpoint, lambda text: None)
        self._model = network(size)
        self._batches = TrainingBatches(images, targets, setting.batch_size, Augment(), scaled)
        self._training._compile(self._model, self._phase)

    def epoch(self, number: int) -> None:
        self._training.curve.append(
            self._training._epoch(self._model, self._batches, self._phase, number)
        )


class Bare:
    """A plain ``fit``, run one epoch at a time."""

    def __init__(self, images: np.ndarray, targets: np.ndarray) -> None:
        self._model = network(images.shape[1])
        self._model.compile(
            "adam", "categorical_crossentropy", metrics=["accuracy"], jit_compile=False
        )
        self._images = scaled(images.astype(np.float32))
        self._labels = targets

    def epoch(self, number: int) -> None:
        self._model.fit(self._images, self._labels, batch_size=64, verbose=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--size", type=int, default=28)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    shape = (options.images, options.size, options.size, 1)
    images = random.integers(0, 256, shape, dtype=np.uint8)
    targets = np.eye(CLASSES, dtype=np.float32)[random.integers(0, CLASSES, options.images)]
    seconds: dict[str, list[float]] = {"cnnbench": [], "bare fit": []}
    with tempfile.TemporaryDirectory() as folder:
        loops = {
            "cnnbench": Ours(images, targets, options.epochs, Path(folder)),
            "bare fit": Bare(images, targets),
        }
        for number in range(options.epochs):
            # Alternate which goes first, so that neither always benefits from warm caches.
            for name in list(loops) if number % 2 else reversed(list(loops)):
                started = time.perf_counter()
                loops[name].epoch(number)
                seconds[name].append(time.perf_counter() - started)
    for name, spent in seconds.items():
        pace = options.images / statistics.median(spent[1:])
        print(f"{name:10} {pace:8.0f} images/s, median of {len(spent) - 1} epochs")
    ratios = [bare / ours for ours, bare in zip(*seconds.values(), strict=True)][1:]
    ratio = statistics.median(ratios)
    low, high = min(ratios), max(ratios)
    print(f"ratio      {ratio:.3f}, epoch by epoch from {low:.3f} to {high:.3f}; {WANTED} required")
    return 0 if ratio >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
