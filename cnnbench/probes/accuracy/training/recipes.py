"""Recipes: the networks, training data and phases of a training."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.data import pipeline
from cnnbench.data.augmentation import Augment
from cnnbench.data.pictures import LoadedData, Part
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network, transfer
from cnnbench.probes.accuracy.training.loop import Phase, Training, Validation
from cnnbench.probes.accuracy.training_config import CONTINUE, IMAGENET
from cnnbench.tasks.task import Objective

Preprocess = Callable[[Any], Any]


@dataclass(frozen=True)
class TrainingJob:
    """One training: the network, the schedule, the images.

    Attributes:
        model: the network.
        setting: the schedule.
        dataset: the images.
        seed: of all random numbers.
        weights: initial weights of a ``transfer``: ``imagenet`` or a file.
    """

    model: ModelHandle
    setting: AccuracySetting
    dataset: LoadedData
    seed: int
    weights: str | Path = IMAGENET

    @cached_property
    def objective(self) -> Objective:
        """Training target and evaluation, from the task."""
        return self.setting.objective(self.dataset.classes)

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing of images in 0..255."""
        return network.preprocessing(self.model, self.setting)

    def augment(self, phase: Phase) -> Augment:
        """Return how ``phase`` changes its training images."""
        setting = self.setting
        is_plain_head = setting.recipe == "transfer" and phase.number == 1
        return Augment() if is_plain_head and not setting.augment_head else setting.augment

    def training_batches(self, augment: Augment, encoding: str) -> pipeline.TrainingBatches:
        """Return the training images in shuffled batches, augmented.

        Args:
            augment: their changes.
            encoding: of the network's outputs, for the targets.
        """
        part = self.dataset.train
        return self.batches_of(part.images, part, self.preprocess, augment, encoding)

    def batches_of(
        self,
        images: np.ndarray,
        part: Part,
        preprocess: Preprocess,
        augment: Augment,
        encoding: str,
    ) -> pipeline.TrainingBatches:
        """Return ``images``, or features of them, with the targets of ``part``."""
        targets, size = self.objective.targets(part), self.setting.batch_size
        encode = self._encode(encoding)
        weights, drawn = self.objective.image_weights(targets), self.objective.drawn(targets)
        return pipeline.TrainingBatches(
            images, targets, size, augment, preprocess, encode, weights, drawn
        )

    def evaluation_batches(self, part: Part) -> Any:
        """Return the batches of ``part``, in order, not augmented, with targets as they are."""
        targets = self.objective.targets(part)
        return pipeline.evaluation_batches(
            part.images, targets, self.preprocess, self.setting.evaluated_at_once
        )

    def validation(self, encoding: str) -> Validation | None:
        """Return the validation images, or None if there are none."""
        held = self.dataset.validation
        if held is None:
            return None
        return self.validation_of(held.images, held, self.preprocess, encoding)

    def validation_of(
        self, images: np.ndarray, part: Part, preprocess: Preprocess, encoding: str
    ) -> Validation:
        """Return ``images``, or features of them, with the targets of ``part``."""
        targets, encode = self.objective.targets(part), self._encode(encoding)
        batches = pipeline.evaluation_batches(
            images, targets, preprocess, self.setting.evaluated_at_once, encode
        )
        return Validation(batches, targets)

    def _encode(self, encoding: str) -> pipeline.Encode:
        objective = self.objective
        return lambda targets: objective.encoded(targets, encoding)


def scratch(job: TrainingJob, training: Training) -> Any:
    """Train the whole network from fresh weights; return it."""
    model, setting = job.model, job.setting
    shape, momentum = network.images(model, setting), setting.batchnorm_momentum
    whole, training.output = network.scratch(model, shape, job.objective, momentum, setting.goal)
    _fit_images(job, training, whole, Phase(1, setting.epochs, setting.learning_rate))
    return whole


def further(job: TrainingJob, training: Training) -> Any:
    """Train the whole network further from its own weights, or those in a file; return it."""
    model, setting = job.model, job.setting
    shape, momentum = network.images(model, setting), setting.batchnorm_momentum
    whole, training.output = network.scratch(model, shape, job.objective, momentum, setting.goal)
    weights = None if job.weights == IMAGENET else job.weights
    classes = None if "classes" in model.fixed else job.objective.outputs_for(model.classes)
    trained = model.build(input_shape=shape, classes=classes, weights=weights)
    own, _ = network.select_output(model, trained, setting.goal)
    whole.set_weights(own.get_weights())
    _fit_images(job, training, whole, Phase(1, setting.epochs, setting.learning_rate))
    return whole


def from_pretrained(
    job: TrainingJob, training: Training, cache_features: bool | None = None
) -> Any:
    """Train a new head on the pretrained backbone, then fine-tune; return the whole network.

    Args:
        job: with ``weights``.
        training: the loop.
        cache_features: compute the backbone's features once for phase one; by default if images
            are not augmented in it.
    """
    setting = job.setting
    nets = transfer.build(job.model, setting, job.objective, job.weights, job.seed)
    training.output = nets.output
    if setting.fine_tune_epochs:
        transfer.first_unfrozen(nets, setting.unfreeze_from)  # raises before phase one
    head_only = Phase(1, setting.epochs, setting.learning_rate)
    if cache_features is None:
        cache_features = job.augment(head_only).is_off()
    cache_features = cache_features and nets.features is not None
    if not training.has_passed(head_only):
        if cache_features:
            _fit_features(job, training, nets, head_only)
        else:
            _fit_images(job, training, nets.whole, head_only)
    if setting.fine_tune_epochs:
        transfer.unfreeze(nets, setting.unfreeze_from)
        fine = Phase(2, setting.fine_tune_epochs, setting.fine_tune_rate)
        _fit_images(job, training, nets.whole, fine)
    return nets.whole


RECIPES: dict[str, Callable[[TrainingJob, Training], Any]] = {
    "scratch": scratch,
    "transfer": from_pretrained,
    CONTINUE: further,
}


def _fit_images(job: TrainingJob, training: Training, whole: Any, phase: Phase) -> None:
    training.notes = network.notes(whole, job.preprocess)
    for note in training.notes:
        training.report_progress(note)
    encoding = job.objective.encoding(whole)
    batches = job.training_batches(job.augment(phase), encoding)
    training.fit(whole, batches, job.validation(encoding), phase)


def _fit_features(
    job: TrainingJob, training: Training, nets: transfer.Transfer, phase: Phase
) -> None:
    started = time.perf_counter()
    training.notes = network.notes(nets.whole, job.preprocess)

    def features(part: Part) -> np.ndarray:
        training.report_progress(f"computing the backbone's features of {len(part):,} images")
        return transfer.pooled_features(nets, part.images, job.preprocess)

    part, held = job.dataset.train, job.dataset.validation
    seen = features(part)
    validation, encoding = None, job.objective.encoding(nets.head)
    if held is not None:
        validation = job.validation_of(features(held), held, pipeline.unchanged, encoding)
    training.features_s = time.perf_counter() - started
    batches = job.batches_of(seen, part, pipeline.unchanged, Augment(), encoding)
    training.fit(nets.head, batches, validation, phase)
