"""The training loop: Keras' ``fit`` for one epoch at a time, with early stopping and resumption."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnnbench.data.pipeline import TrainingBatches
from cnnbench.errors import JobFailed
from cnnbench.metrics import QUALITY
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import optimisation
from cnnbench.probes.accuracy.training.checkpoint import Checkpoint, State
from cnnbench.probes.accuracy.training.network import predicted
from cnnbench.tasks.task import Arrays, Objective

Report = Callable[[str], None]
Point = dict[str, Any]

_REPORT_EVERY_S = 1.0


@dataclass(frozen=True)
class Phase:
    """A phase of training with its own optimiser.

    Attributes:
        number: its position, from 1.
        epochs: number of epochs at most.
        learning_rate: the highest rate of its schedule.
    """

    number: int
    epochs: int
    learning_rate: float


@dataclass(frozen=True)
class Validation:
    """Images for evaluation after every epoch.

    Attributes:
        batches: a `tf.data.Dataset` of images, or features, and encoded targets.
        targets: their ground truth, as `Objective.targets` returns it.
    """

    batches: Any
    targets: Arrays


@dataclass
class Training:
    """Training of one network, through all its phases.

    Attributes:
        setting: the schedule.
        objective: loss, targets and evaluation.
        seed: of shuffling and augmentation.
        checkpoint: stores the state between epochs.
        report_progress: takes progress messages.
        curve: results of each epoch, oldest first.
        features_s: seconds for computing the features of a frozen backbone.
        output: the path of the output that is trained; empty if the network has only one.
        images: number of images per epoch of the latest phase; 0 if it trains on features.
        notes: remarks for the reader of the result.
    """

    setting: AccuracySetting
    objective: Objective
    seed: int
    checkpoint: Checkpoint
    report_progress: Report
    curve: list[Point] = field(default_factory=list)
    features_s: float = 0.0
    output: str = ""
    images: int = 0
    notes: list[str] = field(default_factory=list)
    _found: State | None = None

    def __post_init__(self) -> None:
        self._found = self.checkpoint.load()
        if self._found is not None:
            self.curve = list(self._found.curve)
            self.features_s = self._found.features_s

    def has_passed(self, phase: Phase) -> bool:
        """Return whether an earlier attempt was already in a later phase."""
        return self._found is not None and self._found.phase > phase.number

    def fit(
        self, model: Any, batches: TrainingBatches, validation: Validation | None, phase: Phase
    ) -> None:
        """Train ``model`` for one phase, resuming where an earlier attempt ended.

        Args:
            model: a `keras.Model` whose trainable layers are set.
            batches: training batches.
            validation: for evaluation after every epoch, or None.
            phase: epochs and learning rate.

        Raises:
            JobFailed: the training or validation loss is not finite.
        """
        network, model = model, self.objective.for_training(model)
        self._compile(model, network, phase)
        self.images = batches.n_images
        best = self._restored_best(model, phase)
        points = [point for point in self.curve if point["phase"] == phase.number]
        known = len(points)
        while len(points) < phase.epochs and not self._is_over(points):
            point = self._epoch(model, batches, phase, len(points))
            if len(points) == known:  # includes tracing the graph
                point["traced"] = True
            if validation is not None:
                point |= self._evaluated(model, validation, point["epoch"], network)
            self.curve.append(point)
            points.append(point)
            if self.setting.early_stop and self._best(points) == len(points) - 1:
                best = model.get_weights()
            self.checkpoint.save(
                State(phase.number, self.curve, _values(model), best, self.features_s)
            )
        if best:
            model.set_weights(best)

    def _compile(self, model: Any, network: Any, phase: Phase) -> None:
        encoding = self.objective.encoding(network)
        weights, watched = self.objective.loss_weights(encoding), self.objective.watched(encoding)
        model.compile(
            optimizer=optimisation.optimizer(self.setting, phase.learning_rate),
            loss=self.objective.loss(encoding, self.setting.label_smoothing),
            loss_weights=dict(weights) if weights is not None else None,
            metrics=watched if watched is None or isinstance(watched, dict) else [watched],
            jit_compile=False,  # on a CPU, XLA is several times slower for depthwise networks
        )
        model.optimizer.build(model.trainable_variables)

    def _restored_best(self, model: Any, phase: Phase) -> list[Any]:
        """Restore the state of an earlier attempt, if any; return its best weights."""
        found = self._found
        if found is None or found.phase != phase.number:
            return []
        for variable, value in zip(_variables(model), found.variables, strict=True):
            variable.assign(value)
        self._found = None
        return found.best

    def _epoch(self, model: Any, batches: TrainingBatches, phase: Phase, done: int) -> Point:
        setting, epoch = self.setting, len(self.curve) + 1
        all_steps = phase.epochs * batches.steps

        def rate(step: int) -> float:
            progress = (done * batches.steps + step + 1) / all_steps
            share = optimisation.rate_at(
                progress, setting.schedule, setting.warmup, setting.final_rate
            )
            return phase.learning_rate * share

        total = setting.epochs + (setting.fine_tune_epochs if setting.recipe == "transfer" else 0)
        watch = _watch(rate, self.report_progress, epoch, total, batches.steps)
        started = time.perf_counter()
        with optimisation.graphs_as_traced():
            history = model.fit(
                batches.epoch(self.seed, epoch), shuffle=False, verbose=0, callbacks=[watch]
            ).history
        seconds = time.perf_counter() - started
        loss = float(history["loss"][-1])
        if not math.isfinite(loss):
            raise JobFailed(f"diverged at epoch {epoch}: the loss is {loss}")
        watched = _of_metric(history, self._watched)
        return {
            "epoch": epoch,
            "phase": phase.number,
            "seconds": round(seconds, 4),
            "loss": _rounded(loss),
        } | ({} if watched is None else {self._watched: _rounded(watched[-1])})

    @property
    def _watched(self) -> str:
        return self.setting.goal.watched

    def _is_over(self, points: list[Point]) -> bool:
        patience = self.setting.early_stop
        return bool(patience and points and len(points) - 1 - self._best(points) >= patience)

    def _best(self, points: list[Point]) -> int:
        """Return the index of the best epoch by the metric of the task; of equal ones by the loss.

        An average precision may be 0 for several epochs in which the loss falls.
        """
        name = self.setting.goal.early_stop_metric
        sign = 1 if QUALITY[name].metric.better == "lower" else -1
        values = [(sign * point[f"val_{name}"], point["val_loss"]) for point in points]
        return values.index(min(values))

    def _evaluated(
        self, model: Any, validation: Validation, epoch: int, network: Any = None
    ) -> Point:
        """Return the loss and the watched metric of the validation images.

        A metric that Keras does not compute from batches takes long: only where it is needed.
        """
        found = model.evaluate(validation.batches, verbose=0, return_dict=True)
        if not math.isfinite(found["loss"]):  # a NaN has no place in an order
            raise JobFailed(f"diverged at epoch {epoch}: the validation loss is {found['loss']}")
        point, watched = {"val_loss": _rounded(found["loss"])}, self._watched
        value = _of_metric(found, watched)
        if value is None and (self.setting.early_stop or self.setting.target is not None):
            network, objective = model if network is None else network, self.objective
            encoding = objective.encoding(network)
            answers = predicted(network, validation.batches, objective)
            value = objective.watched_value(answers, validation.targets, encoding)
        return point if value is None else point | {f"val_{watched}": _rounded(value)}


def _of_metric(found: Mapping[str, Any], name: str) -> Any:
    """Return what Keras reports of a metric; None if it does not compute it.

    Of a network with several outputs, Keras puts the output before the name: ``boxes_mean_iou``.
    """
    if name in found:
        return found[name]
    return next((value for key, value in found.items() if key.endswith(f"_{name}")), None)


def _rounded(value: Any) -> float:
    return float(f"{float(value):.6g}")


def _values(model: Any) -> list[Any]:
    return [np.asarray(variable) for variable in _variables(model)]


def _variables(model: Any) -> list[Any]:
    """Return weights, states of random layers and the optimiser's variables, in a fixed order."""
    variables = model.optimizer.variables
    of_optimizer = variables() if callable(variables) else variables  # Keras 2 has a method
    return [*model.variables, *of_optimizer]


def _watch(
    rate: Callable[[int], float],
    report_progress: Report,
    epoch: int,
    epochs: int,
    steps: int,
) -> Any:
    """Return a Keras callback for one epoch.

    It sets the learning rate before each step from ``rate(step)``, reports where the training is
    (``epoch 2/5, step 40/156, 32 s left``) at most once a second, and raises `JobFailed` at the
    first step whose loss is not finite.
    """
    import tensorflow as tf

    class Watch(tf.keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            self.started = self.reported = time.perf_counter()
            report_progress(f"epoch {epoch}/{epochs}")

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate.assign(rate(batch))

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            loss = (logs or {}).get("loss", 0.0)
            if not math.isfinite(loss):
                raise JobFailed(
                    f"diverged at epoch {epoch}: the loss is {loss} at step {batch + 1}"
                )
            now = time.perf_counter()
            if now - self.reported < _REPORT_EVERY_S:
                return
            self.reported = now
            left = steps - batch - 1 + (epochs - epoch) * steps
            seconds = (now - self.started) / (batch + 1) * left
            report_progress(
                f"epoch {epoch}/{epochs}, step {batch + 1}/{steps}, {seconds:.0f} s left"
            )

    return Watch()
