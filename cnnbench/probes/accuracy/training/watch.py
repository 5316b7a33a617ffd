"""What is looked at while an epoch runs: the learning rate, the loss, the time left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from cnnbench.errors import JobFailed

_SAY_EVERY_S = 1.0


def callback(
    rate: Callable[[int], float],
    say: Callable[[str], None],
    epoch: int,
    epochs: int,
    steps: int,
) -> Any:
    """A Keras callback for one epoch.

    It sets the learning rate before each step from ``rate(step)``, says where the training is
    (``epoch 2/5, step 40/156, 32 s left``) at most once a second, and raises `JobFailed` at the
    first step whose loss is not finite.
    """
    import tensorflow as tf

    class _Watch(tf.keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            self.started = self.said = time.perf_counter()
            say(f"epoch {epoch}/{epochs}")

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate.assign(rate(batch))

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            loss = (logs or {}).get("loss", 0.0)
            if not math.isfinite(loss):
                raise JobFailed(
                    f"diverged at epoch {epoch}: the loss is {loss} at step {batch + 1}"
                )
            now = time.perf_counter()
            if now - self.said < _SAY_EVERY_S:
                return
            self.said = now
            left = steps - batch - 1 + (epochs - epoch) * steps
            seconds = (now - self.started) / (batch + 1) * left
            say(f"epoch {epoch}/{epochs}, step {batch + 1}/{steps}, {seconds:.0f} s left")

    return _Watch()
