"""What each recipe does with a data set: which networks, which phases, trained on what."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnbench.data import pipeline
from cnnbench.data.augment import Augment
from cnnbench.data.pictures import Dataset, Part
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network, transfer
from cnnbench.probes.accuracy.training.loop import Phase, Training
from cnnbench.probes.accuracy.training_config import IMAGENET


@dataclass(frozen=True)
class Task:
    """What there is to learn, and how.

    Attributes:
        subject: the network.
        setting: the schedule.
        dataset: the images.
        seed: of everything random.
        weights: of a ``transfer``: ``imagenet`` or a file.
    """

    subject: ModelHandle
    setting: AccuracySetting
    dataset: Dataset
    seed: int
    weights: str | Path = IMAGENET

    @property
    def classes(self) -> int:
        return len(self.dataset.classes)

    @property
    def preprocess(self) -> Callable[[Any], Any]:
        """Return the preprocessing of images in 0..255."""
        return network.preprocessing(self.subject, self.setting)

    def augment(self, phase: Phase) -> Augment:
        """How ``phase`` changes its training images."""
        setting = self.setting
        is_plain_head = setting.recipe == "transfer" and phase.number == 1
        return Augment() if is_plain_head and not setting.augment_head else setting.augment

    def training_batches(
        self, part: Part, preprocess: Callable[[Any], Any], augment: Augment
    ) -> pipeline.TrainingBatches:
        """``part`` in shuffled batches, augmented."""
        size = self.setting.batch_size
        return pipeline.TrainingBatches(part, self.classes, size, augment, preprocess)

    def evaluation_batches(self, part: Part | None, preprocess: Callable[[Any], Any]) -> Any:
        """``part`` in order and unchanged, or None."""
        if part is None:
            return None
        return pipeline.evaluation_batches(part, self.classes, preprocess)


def scratch(task: Task, training: Training) -> Any:
    """Train the whole network from fresh weights; return it."""
    subject, setting = task.subject, task.setting
    shape, momentum = network.images(subject, setting), setting.batchnorm_momentum
    model, training.output = network.scratch(subject, shape, task.classes, momentum)
    _fit_images(task, training, model, Phase(1, setting.epochs, setting.learning_rate))
    return model


def from_pretrained(task: Task, training: Training, cache_features: bool | None = None) -> Any:
    """Train a new head on the pretrained backbone, then fine-tune; return the whole network.

    Args:
        task: with ``weights``.
        training: the loop.
        cache_features: whether phase one computes the backbone's features once; by default
            wherever nothing is augmented.
    """
    setting = task.setting
    nets = transfer.build(task.subject, setting, task.classes, task.weights, task.seed)
    if setting.fine_tune_epochs:
        transfer.first_unfrozen(nets, setting.unfreeze_from)  # a mistake in it costs no phase one
    head_only = Phase(1, setting.epochs, setting.learning_rate)
    if cache_features is None:
        cache_features = task.augment(head_only).is_off()
    if not training.has_passed(head_only):
        if cache_features:
            _fit_features(task, training, nets, head_only)
        else:
            _fit_images(task, training, nets.whole, head_only)
    if setting.fine_tune_epochs:
        transfer.unfreeze(nets, setting.unfreeze_from)
        fine = Phase(2, setting.fine_tune_epochs, setting.fine_tune_rate)
        _fit_images(task, training, nets.whole, fine)
    return nets.whole


RECIPES: dict[str, Callable[[Task, Training], Any]] = {
    "scratch": scratch,
    "transfer": from_pretrained,
}


def _fit_images(task: Task, training: Training, model: Any, phase: Phase) -> None:
    preprocess = task.preprocess
    training.notes = network.notes(model, preprocess)
    for note in training.notes:
        training.say(note)
    training.fit(
        model,
        task.training_batches(task.dataset.train, preprocess, task.augment(phase)),
        task.evaluation_batches(task.dataset.validation, preprocess),
        phase,
    )


def _fit_features(task: Task, training: Training, nets: transfer.Transfer, phase: Phase) -> None:
    started = time.perf_counter()
    training.notes = network.notes(nets.whole, task.preprocess)

    def seen(part: Part) -> Part:
        training.say(f"computing the backbone's features of {len(part):,} images")
        return transfer.pooled_features(nets, part, task.classes, task.preprocess)

    train, held = seen(task.dataset.train), task.dataset.validation
    validation = task.evaluation_batches(
        seen(held) if held is not None else None, network.unchanged
    )
    training.features_s = time.perf_counter() - started
    batches = task.training_batches(train, network.unchanged, Augment())
    training.fit(nets.head, batches, validation, phase)
