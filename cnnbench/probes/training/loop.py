"""The training loop: Keras' own ``fit``, an epoch at a time, watched, stopped and resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnbench.core.errors import JobFailed
from cnnbench.core.settings.accuracy import AccuracySetting
from cnnbench.data.pipeline import TrainingBatches
from cnnbench.probes.training import network, optimisation
from cnnbench.probes.training import watch as watching
from cnnbench.probes.training.checkpoint import Checkpoint, State

Say = Callable[[str], None]


@dataclass(frozen=True)
class Phase:
    """A stretch of training with an optimiser of its own.

    Attributes:
        epochs: how many, at most.
        learning_rate: the highest.
        first_epoch: how many epochs of the whole training come before.
        total_epochs: of the whole training.
    """

    epochs: int
    learning_rate: float
    first_epoch: int = 0
    total_epochs: int = 0


@dataclass
class Training:
    """One network on its way through its phases.

    Attributes:
        setting: the schedule.
        seed: of shuffling and augmentation.
        checkpoint: where the state is kept between epochs.
        say: takes progress messages.
        curve: what each epoch gave, oldest first.
    """

    setting: AccuracySetting
    seed: int
    checkpoint: Checkpoint
    say: Say
    curve: list[dict[str, Any]]
    found: State | None

    @classmethod
    def begin(
        cls, setting: AccuracySetting, seed: int, checkpoint: Checkpoint, say: Say
    ) -> Training:
        """Start, or go on from the state that an earlier attempt left."""
        found = checkpoint.load()
        return cls(setting, seed, checkpoint, say, list(found.curve) if found else [], found)

    def fit(
        self, model: Any, batches: TrainingBatches, validation: Any, phase: Phase, index: int = 0
    ) -> None:
        """Train ``model`` through ``phase``, the ``index``-th.

        Args:
            model: a `keras.Model` whose trainable layers are set.
            batches: what it is trained on.
            validation: batches that it is judged by after every epoch, or None.
            phase: how long and how fast.
            index: which phase this is; one that an earlier attempt has finished is passed over.

        Raises:
            JobFailed: the loss is no longer a number.
        """
        if self.found is not None and self.found.phase > index:
            return
        self._compile(model, phase)
        best: list[Any] = []
        if self.found is not None:
            _restore(model, self.found.variables)
            best, self.found = self.found.best, None
        mine = self.curve[phase.first_epoch :]
        for epoch in range(phase.first_epoch + len(mine), phase.first_epoch + phase.epochs):
            if self._is_over(mine):
                break
            point = self._epoch(model, batches, validation, phase, epoch)
            self.curve.append(point)
            mine.append(point)
            if self.setting.early_stop and _is_best(mine):
                best = model.get_weights()
            self.checkpoint.save(State(index, self.curve, _variables(model), best))
        if best:
            model.set_weights(best)

    def _compile(self, model: Any, phase: Phase) -> None:
        import tensorflow as tf

        loss = tf.keras.losses.CategoricalCrossentropy(
            from_logits=not network.gives_probabilities(model),
            label_smoothing=self.setting.label_smoothing,
        )
        model.compile(
            optimizer=optimisation.optimizer(self.setting, phase.learning_rate),
            loss=loss,
            metrics=[tf.keras.metrics.CategoricalAccuracy(name="top1")],
            jit_compile=False,  # on a CPU, XLA is several times slower for depthwise networks
        )
        model.optimizer.build(model.trainable_variables)

    def _epoch(
        self, model: Any, batches: TrainingBatches, validation: Any, phase: Phase, epoch: int
    ) -> dict[str, Any]:
        done = (epoch - phase.first_epoch) * batches.steps
        watch = watching.callback(
            rate=lambda step: self._rate(phase, (done + step + 1) / (phase.epochs * batches.steps)),
            say=self.say,
            epoch=epoch + 1,
            epochs=phase.total_epochs or phase.epochs,
            steps=batches.steps,
        )
        started = time.perf_counter()
        history = model.fit(
            batches.epoch(self.seed, epoch), shuffle=False, verbose=0, callbacks=[watch]
        ).history
        point: dict[str, Any] = {
            "epoch": epoch + 1,
            "seconds": round(time.perf_counter() - started, 4),
            "loss": _rounded(history["loss"][-1]),
            "top1": _rounded(history["top1"][-1]),
        }
        if not math.isfinite(point["loss"]):
            raise JobFailed(f"diverged at epoch {epoch + 1}: the loss is {point['loss']}")
        if validation is not None:
            judged = model.evaluate(validation, verbose=0, return_dict=True)
            point["val_loss"] = _rounded(judged["loss"])
            point["val_top1"] = _rounded(judged["top1"])
        return point

    def _rate(self, phase: Phase, progress: float) -> float:
        setting = self.setting
        share = optimisation.rate_at(progress, setting.schedule, setting.warmup, setting.final_rate)
        return phase.learning_rate * share

    def _is_over(self, mine: list[dict[str, Any]]) -> bool:
        patience = self.setting.early_stop
        if not patience or not mine:
            return False
        losses = [point["val_loss"] for point in mine]
        return len(losses) - 1 - int(np.argmin(losses)) >= patience


def _is_best(points: list[dict[str, Any]]) -> bool:
    return int(np.argmin([point["val_loss"] for point in points])) == len(points) - 1


def _rounded(value: Any) -> float:
    return float(f"{float(value):.6g}")


def _variables(model: Any) -> list[Any]:
    return [np.asarray(variable) for variable in _all_variables(model)]


def _restore(model: Any, values: list[Any]) -> None:
    for variable, value in zip(_all_variables(model), values, strict=True):
        variable.assign(value)


def _all_variables(model: Any) -> list[Any]:
    """Weights, the state of random layers, and the optimiser's, in one fixed order."""
    variables = model.optimizer.variables
    of_optimizer = variables() if callable(variables) else variables  # Keras 2 has a method
    return [*model.variables, *of_optimizer]
