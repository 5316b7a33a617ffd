"""Training a little further, with the toolkit's wrappers on: pruning, clustering, fake int8."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cnnbench.errors import JobFailed
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.compression.material import Lessons
from cnnbench.tasks.classification.objective import cross_entropy
from cnnbench.tasks.classification.outputs import Kind


@dataclass(frozen=True)
class FineTuning:
    """Settings for fine-tuning a wrapped network.

    Attributes:
        lessons: what it sees.
        epochs: how often.
        rate: the learning rate, of Adam.
        on_labels: the targets are classes or probabilities; else they are what the network said.
        outputs: what the network's are.
        say: takes progress messages.
    """

    lessons: Lessons
    epochs: int
    rate: float
    on_labels: bool
    outputs: Kind
    say: Callable[[str], None]

    @property
    def steps(self) -> int:
        """Of all epochs."""
        return self.epochs * self.lessons.steps

    def fit(self, model: Any, what: str, callbacks: Sequence[Any] = ()) -> None:
        """Train ``model`` in place; its batch statistics stay as they were trained.

        Raises:
            JobFailed: the loss is no longer a number.
        """
        import tensorflow as tf

        is_learnt = cross_entropy(self.outputs) if self.on_labels else "mean_squared_error"
        model.compile(tf.keras.optimizers.Adam(self.rate), is_learnt, jit_compile=False)
        for epoch in range(1, self.epochs + 1):
            self.say(f"{what}, epoch {epoch} of {self.epochs}")
            history = model.fit(
                self.lessons.epoch(epoch),
                initial_epoch=epoch - 1,
                epochs=epoch,
                shuffle=False,
                verbose=0,
                callbacks=list(callbacks),
            ).history
            if not math.isfinite(history["loss"][-1]):
                raise JobFailed(f"diverged in {what} at epoch {epoch}")


def freeze_statistics(model: Any) -> None:
    """Put every BatchNormalization into inference mode: a short tuning would only disturb it."""
    for layer in network.all_layers(model):
        if network.is_batchnorm(layer):
            layer.trainable = False
