"""Fine-tuning in the compression steps, and the sequence of steps of a variant."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cnnbench.data.pipeline import unchanged
from cnnbench.errors import JobFailed
from cnnbench.files import replace_text
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.compression import networks
from cnnbench.probes.compression.images import Batches
from cnnbench.probes.compression.steps.wrapping import SkippedLayers
from cnnbench.probes.compression.variants import Variant

_SKIPPED = "left.json"


@dataclass(frozen=True)
class FineTuning:
    """Settings of the fine-tuning of a wrapped model.

    Attributes:
        batches: images and targets of an epoch.
        batches_per_epoch: their number.
        epochs: number of epochs of each step.
        rate: learning rate of Adam.
        loss: Keras loss of targets and outputs, or one for each of several outputs.
        loss_weights: of several losses in their sum; None for equal ones.
        report_progress: takes progress messages.
        for_training: from the model to the one that is fitted, as `Objective.for_training`.
        skipped: collects the layers that a step does not support.
    """

    batches: Batches
    batches_per_epoch: int
    epochs: int
    rate: float
    loss: Any
    report_progress: Callable[[str], None]
    loss_weights: Mapping[str, float] | None = None
    for_training: Callable[[Any], Any] = unchanged
    skipped: SkippedLayers = field(default_factory=SkippedLayers)

    @property
    def steps(self) -> int:
        """Number of batches in all epochs."""
        return self.epochs * self.batches_per_epoch

    def fit(self, model: Any, step: str, callbacks: Sequence[Any] = ()) -> None:
        """Train ``model`` in place; the statistics of batch normalisation stay fixed.

        Args:
            model: a Keras 2 model.
            step: name of the compression step, for messages.
            callbacks: Keras callbacks of the step.

        Raises:
            JobFailed: the loss is not finite.
        """
        import tensorflow as tf

        model = self.for_training(model)
        optimizer = tf.keras.optimizers.Adam(self.rate)
        weights = self.loss_weights and dict(self.loss_weights)
        model.compile(optimizer, self.loss, loss_weights=weights, jit_compile=False)
        for epoch in range(1, self.epochs + 1):
            self.report_progress(f"{step}, epoch {epoch} of {self.epochs}")
            history = model.fit(
                self.batches(epoch),
                initial_epoch=epoch - 1,
                epochs=epoch,
                shuffle=False,
                verbose=0,
                callbacks=list(callbacks),
            ).history
            if not math.isfinite(history["loss"][-1]):
                raise JobFailed(f"diverged in {step} at epoch {epoch}")


def compress(
    model: Any, variant: Variant, tuning: FineTuning, folder_of: Callable[[Variant], Path]
) -> Any:
    """Return ``model`` after all steps of ``variant`` that fine-tune, each on the previous result.

    Float models on the way are trained once and stored: every variant that begins with the same
    steps continues from the same weights.

    Args:
        model: a Keras 2 copy of the trained model; it is used up.
        variant: the steps.
        tuning: how each step is fine-tuned; its ``skipped`` is filled in.
        folder_of: folder in which the float model of a stage is stored.

    Raises:
        Unavailable: the toolkit does not support the model.
        JobFailed: the training diverged.
    """
    freeze_statistics(model)
    for stage in variant.stages:
        if stage.steps[-1].gives_float_model:
            model = _stored_or_made(model, stage, tuning, folder_of(stage))
        else:
            model = stage.steps[-1].apply(model, stage, tuning)
    return model


def _stored_or_made(model: Any, stage: Variant, tuning: FineTuning, folder: Path) -> Any:
    """Return ``model`` after the last step of ``stage``, from ``folder`` if it is stored there."""
    weights = folder / networks.WEIGHTS
    if weights.is_file():
        found = json.loads((folder / _SKIPPED).read_text(encoding="utf-8"))
        tuning.skipped.add(SkippedLayers(**found))
        networks.load_weights(model, weights)
        return model
    now = SkippedLayers()
    model = stage.steps[-1].apply(model, stage, replace(tuning, skipped=now))
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / _SKIPPED, json.dumps({"layers": now.layers, "kinds": now.kinds}))
    networks.save_weights(model, folder)
    tuning.skipped.add(now)
    return model


def freeze_statistics(model: Any) -> None:
    """Put every BatchNormalization into inference mode, since short fine-tuning disturbs them."""
    for layer in network.all_layers(model):
        if network.is_batchnorm(layer):
            layer.trainable = False
