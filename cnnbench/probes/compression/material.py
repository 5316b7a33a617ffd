"""The images that a variant is fine-tuned, calibrated and judged with.

Where the network was trained on a data set they are that data set's; where its weights are
random, they are random images, and what there is to learn is what the network says already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnnbench.data.pictures import LoadedData, Part
from cnnbench.errors import JobFailed
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training.loop import Training
from cnnbench.probes.accuracy.training.recipes import TrainingJob
from cnnbench.probes.compression.settings import FEWEST_REPRESENTATIVE, CompressionSetting
from cnnbench.probes.interface import Context
from cnnbench.probes.latency import calibrated_model
from cnnbench.tasks.task import Objective

_RANDOM_IMAGES, _RANDOM_BATCH = 64, 8


@dataclass(frozen=True)
class Lessons:
    """What fine-tuning goes through.

    Attributes:
        epoch: number of the epoch, from 1 -> a `tf.data.Dataset` of ``(images, targets)``.
        steps: batches an epoch.
    """

    epoch: Callable[[int], Any]
    steps: int


class Pictures:
    """A data set's images, preprocessed for the network."""

    def __init__(self, task: TrainingJob) -> None:
        self._task = task

    @property
    def dataset(self) -> LoadedData:
        """The images as they were read."""
        return self._task.dataset

    @property
    def objective(self) -> Objective:
        """What the network was trained for."""
        return self._task.objective

    @property
    def test(self) -> Part:
        """Those to judge by."""
        return self.dataset.test

    def preprocessed(self, images: np.ndarray) -> np.ndarray:
        """``(n, h, w, c)`` uint8 as float32 that the network takes."""
        return np.asarray(self._task.preprocess(images.astype(np.float32)), np.float32)

    def representative(self, count: int) -> Iterator[list[np.ndarray]]:
        """Training images, one at a time, drawn at random.

        Raises:
            JobFailed: there are not so many.
        """
        part = self._task.dataset.train
        if count > len(part):
            are_enough = len(part) >= FEWEST_REPRESENTATIVE
            hint = f": set representative to {len(part)} or less" if are_enough else ""
            raise JobFailed(
                f"too little representative data: {count} images wanted, "
                f"{self._task.setting.dataset} has {len(part)} training images{hint}"
            )
        chosen = np.random.default_rng(0).permutation(len(part))[:count]
        for index in chosen:
            yield [self.preprocessed(part.images[index : index + 1])]

    def lessons(self, model: Any) -> Lessons:
        """The training images, augmented as the network was trained."""
        task = self._task
        batches = task.training_batches(task.setting.augment)
        return Lessons(lambda epoch: batches.epoch(task.seed, 1000 + epoch), batches.steps)


class RandomImages:
    """Seeded random images, for a network with random weights."""

    test = None

    def __init__(self, subject: ModelHandle) -> None:
        self._subject = subject

    def representative(self, count: int) -> Iterator[list[np.ndarray]]:
        """Random images, one at a time."""
        for seed in range(count):
            yield [calibrated_model.random_inputs(self._subject, 1, seed=100 + seed)]

    def lessons(self, model: Any) -> Lessons:
        """The network's own answers are the targets."""
        import tensorflow as tf

        images = calibrated_model.random_inputs(self._subject, _RANDOM_IMAGES, seed=10)
        targets = calibrated_model.answers(model, images)[0]
        dataset = tf.data.Dataset.from_tensor_slices((images, targets)).batch(_RANDOM_BATCH)
        return Lessons(lambda epoch: dataset, _RANDOM_IMAGES // _RANDOM_BATCH)


def gather(
    subject: ModelHandle, setting: CompressionSetting, context: Context
) -> Pictures | RandomImages:
    """Read what the setting asks for.

    Raises:
        Unavailable: the data is not here.
        JobFailed: too few representative images are asked for.
    """
    if 0 < setting.representative < FEWEST_REPRESENTATIVE:
        raise JobFailed(
            f"too little representative data: {setting.representative} images, at least "
            f"{FEWEST_REPRESENTATIVE} are needed to know the ranges of the activations"
        )
    if setting.training is None:
        return RandomImages(subject)
    task, _ = prepare_training(subject, setting.training, context, with_backbone=False)
    return Pictures(task)


def prepare_training(
    subject: ModelHandle, training: AccuracySetting, context: Context, with_backbone: bool
) -> tuple[TrainingJob, Training]:
    """Return `accuracy.run.prepare_training` of the first seed: one network is compressed.

    Where only the images are wanted, the backbone of a transfer need not be there.
    """
    if not with_backbone:
        training = training.model_copy(update={"recipe": "scratch"})
    return accuracy.prepare_training(subject, training, replace(context, repeat=0))
