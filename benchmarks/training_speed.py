"""Is cnnbench's training loop as fast as a hand-written ``fit`` on arrays in memory?

Both train the same network on the same images, an epoch at a time, in turn, so that what else the
machine does hits both alike; the first epoch of each, which traces, is left out.

    python benchmarks/training_speed.py [--images 10000] [--epochs 5] [--size 28]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.core.settings.accuracy import AccuracySetting, Augment
from cnnbench.data.pictures import Part
from cnnbench.data.pipeline import TrainingBatches
from cnnbench.probes.training.checkpoint import Checkpoint
from cnnbench.probes.training.loop import Phase, Training

CLASSES = 10


def network(size: int) -> Any:
    """A small network: the faster the step, the more a slow pipeline shows."""
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
    """The probe's loop, called for one more epoch at a time."""

    def __init__(self, part: Part, size: int, epochs: int, folder: Path) -> None:
        setting = AccuracySetting(
            dataset="fashion_mnist", image_size=size, epochs=epochs, clip_norm=None
        )
        self._phase = Phase(1, epochs, setting.learning_rate)
        self._training = Training(
            setting, 0, Checkpoint(folder / "state.npz", "speed"), lambda text: None
        )
        self._model = network(size)
        self._batches = TrainingBatches(part, CLASSES, setting.batch_size, Augment(), scaled)
        self._training._compile(self._model, self._phase)

    def epoch(self, number: int) -> None:
        self._training.curve.append(
            self._training._epoch(self._model, self._batches, self._phase, number)
        )


class Bare:
    """What one would write by hand."""

    def __init__(self, part: Part, size: int) -> None:
        import tensorflow as tf

        self._model = network(size)
        self._model.compile(
            "adam", "categorical_crossentropy", metrics=["accuracy"], jit_compile=False
        )
        self._images = scaled(part.images.astype(np.float32))
        self._labels = tf.one_hot(part.labels, CLASSES).numpy()

    def epoch(self, number: int) -> None:
        self._model.fit(self._images, self._labels, batch_size=64, verbose=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--size", type=int, default=28)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    shape = (options.images, options.size, options.size, 1)
    part = Part(
        random.integers(0, 256, shape, dtype=np.uint8),
        random.integers(0, CLASSES, options.images),
    )
    seconds: dict[str, list[float]] = {"cnnbench": [], "bare fit": []}
    with tempfile.TemporaryDirectory() as folder:
        loops = {
            "cnnbench": Ours(part, options.size, options.epochs, Path(folder)),
            "bare fit": Bare(part, options.size),
        }
        for number in range(options.epochs):
            for name, loop in loops.items():
                started = time.perf_counter()
                loop.epoch(number)
                seconds[name].append(time.perf_counter() - started)
    pace = {name: options.images / statistics.median(spent[1:]) for name, spent in seconds.items()}
    for name, images_per_s in pace.items():
        print(f"{name:10} {images_per_s:8.0f} images/s")
    ratios = [bare / ours for ours, bare in zip(*seconds.values(), strict=True)][1:]
    print(f"{'ratio':10} {statistics.median(ratios):8.3f} (epoch by epoch, median)")


if __name__ == "__main__":
    main()
