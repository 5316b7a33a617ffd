"""Images for fine-tuning, calibration and evaluation of a variant.

A model that was trained on a data set uses the images of that data set. A model with random weights
uses random images, and its own float32 outputs are the targets of fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cnnbench.errors import JobFailed
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training.loop import Training
from cnnbench.probes.accuracy.training.recipes import TrainingJob
from cnnbench.probes.compression import outputs
from cnnbench.probes.compression.settings import FEWEST_REPRESENTATIVE, CompressionSetting
from cnnbench.probes.interface import Context
from cnnbench.probes.latency import calibrated_model
from cnnbench.tasks.task import TASKS, Objective

# Epoch, from 1 -> a `tf.data.Dataset` of ``(images, targets)``; their number is returned with it.
Batches = Callable[[int], Any]

_RANDOM_IMAGES, _RANDOM_BATCH = 64, 8


class DatasetImages:
    """Images of a data set, preprocessed for the model.

    Attributes:
        job: the training of the float32 model: its data set and objective.
    """

    def __init__(self, job: TrainingJob) -> None:
        self.job = job

    @property
    def objective(self) -> Objective:
        """The objective of the training."""
        return self.job.objective

    def preprocessed(self, images: np.ndarray) -> np.ndarray:
        """Return uint8 images, ``(n, h, w, c)``, as the float32 input of the model."""
        return np.asarray(self.job.preprocess(images.astype(np.float32)), np.float32)

    def representative(self, count: int) -> Iterator[list[np.ndarray]]:
        """Yield ``count`` random training images, each in a list of one batch of one image.

        Raises:
            JobFailed: there are fewer training images.
        """
        part = self.job.dataset.train
        if count > len(part):
            is_enough = len(part) >= FEWEST_REPRESENTATIVE
            hint = f": set representative to {len(part)} or less" if is_enough else ""
            raise JobFailed(
                f"too few images for calibration: representative is {count}, but "
                f"{self.job.setting.dataset} has {len(part)} training images{hint}"
            )
        chosen = np.random.default_rng(0).permutation(len(part))[:count]
        for index in chosen:
            yield [self.preprocessed(part.images[index : index + 1])]

    def training_batches(self, model: Any) -> tuple[Batches, int]:
        """Return the training images, augmented as in the training of the float32 model."""
        job = self.job
        encoding = job.objective.encoding(model)
        batches = job.training_batches(job.setting.augment, encoding)
        return lambda epoch: batches.epoch(job.seed, 1000 + epoch), batches.steps

    def loss(self, encoding: str) -> Any:
        """Return the Keras loss of fine-tuning: that of the training."""
        return self.objective.loss(encoding)

    def loss_weights(self, encoding: str) -> Mapping[str, float] | None:
        """Return the weights of several losses in their sum: those of the training."""
        return self.objective.loss_weights(encoding)

    def for_training(self, model: Any) -> Any:
        """Return the model that is fitted."""
        return self.objective.for_training(model)


class RandomImages:
    """Seeded random images, for a model with random weights."""

    def __init__(self, handle: ModelHandle) -> None:
        self._handle = handle
        self.objective: Objective = TASKS.find(handle.task).objective((), "random images")

    def representative(self, count: int) -> Iterator[list[np.ndarray]]:
        """Yield ``count`` random images, each in a list of one batch of one image."""
        for seed in range(count):
            yield [calibrated_model.random_inputs(self._handle, 1, seed=100 + seed)]

    def training_batches(self, model: Any) -> tuple[Batches, int]:
        """Return random images with the present outputs of ``model`` as targets."""
        import tensorflow as tf

        images = calibrated_model.random_inputs(self._handle, _RANDOM_IMAGES, seed=10)
        targets = outputs.structured(model, calibrated_model.keras_outputs(model, images))
        dataset = tf.data.Dataset.from_tensor_slices((images, targets)).batch(_RANDOM_BATCH)
        return lambda epoch: dataset, _RANDOM_IMAGES // _RANDOM_BATCH

    def loss(self, encoding: str) -> Any:
        """Return the Keras loss of fine-tuning: of the float32 model's outputs."""
        return self.objective.imitation_loss(encoding)

    def loss_weights(self, encoding: str) -> None:
        """Return None: all outputs are imitated alike."""
        return

    def for_training(self, model: Any) -> Any:
        """Return the model itself, whose outputs are imitated."""
        return model


def load(
    handle: ModelHandle, setting: CompressionSetting, context: Context
) -> DatasetImages | RandomImages:
    """Return the images for a setting, those of a data set in memory.

    Raises:
        Unavailable: the data set is not on this machine.
        JobFailed: the setting has too few representative images.
    """
    if 0 < setting.representative < FEWEST_REPRESENTATIVE:
        raise JobFailed(
            f"too few images for calibration: representative is {setting.representative}, but at "
            f"least {FEWEST_REPRESENTATIVE} are needed for the ranges of the activations"
        )
    if setting.training is None:
        return RandomImages(handle)
    job, _ = prepare_training(handle, setting.training, context, with_backbone=False)
    return DatasetImages(job)


def prepare_training(
    handle: ModelHandle, training: AccuracySetting, context: Context, with_backbone: bool
) -> tuple[TrainingJob, Training]:
    """Return the job and the loop of the float32 training, for the first seed.

    Without ``with_backbone`` only the images are needed, and the pretrained weights of a transfer
    may be missing on this machine.
    """
    if not with_backbone:
        training = training.model_copy(update={"recipe": "scratch"})
    return accuracy.prepare_training(handle, training, replace(context, repeat=0))
