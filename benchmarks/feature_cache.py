"""What it saves to compute a frozen backbone's features once, and that the same head comes out.

The same head is trained twice on MobileNetV2: on features computed once, and through the frozen
backbone in every epoch. CPU seconds, so that what else the machine does matters little.

    python benchmarks/feature_cache.py [--images 1000] [--epochs 20] [--size 96]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.models import registry
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import recipes
from cnnbench.probes.accuracy.training.checkpoint import Checkpoint
from cnnbench.probes.accuracy.training.loop import Training


def train(task: recipes.TrainingJob, cache: bool) -> tuple[float, Any]:
    """CPU seconds of phase one, and the head's weights."""
    with tempfile.TemporaryDirectory() as folder:
        state = Checkpoint(Path(folder) / "state.npz", "benchmark")
        training = Training(task.setting, task.objective, task.seed, state, lambda text: None)
        started = time.process_time()
        model = recipes.from_pretrained(task, training, cache)
        return time.process_time() - started, model.get_weights()[-2:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--size", type=int, default=96)
    options = parser.parse_args()
    import tensorflow as tf

    setting = AccuracySetting(
        dataset="digits", recipe="transfer", image_size=options.size, epochs=options.epochs
    )
    wanted = Request("digits", options.size, 3, train_examples=options.images)
    with tempfile.TemporaryDirectory() as folder:
        # Where ImageNet's weights cannot be had: the time and the sameness are those of any.
        subject = registry.resolve("MobileNetV2", ())
        weights = Path(folder) / "random.weights.h5"
        tf.keras.utils.set_random_seed(0)
        shape = (options.size, options.size, 3)
        subject.build(input_shape=shape, include_top=False).save_weights(str(weights))
        task = recipes.TrainingJob(subject, setting, loading.load(wanted), 0, weights)
        cached, ours = train(task, cache=True)
        through, theirs = train(task, cache=False)
    gap = max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))
    print(f"features computed once       {cached:8.1f} CPU seconds")
    print(f"through the frozen backbone  {through:8.1f} CPU seconds, {through / cached:.1f} times")
    print(f"largest difference of the two heads' weights: {gap:.2g}")
    return 0 if gap < 1e-3 and through > cached else 1


if __name__ == "__main__":
    sys.exit(main())
