"""The ``accuracy`` probe: train the network on images, look once at the test set.

A repeat is a seed. On a CPU the result follows from setting and seed alone.
"""

from __future__ import annotations

import json
import statistics
from typing import Any

import numpy as np

from cnnbench.core.settings.accuracy import AccuracySetting
from cnnbench.core.subject import Context, Finding, Subject
from cnnbench.data import catalog, pipeline
from cnnbench.data.pictures import Dataset
from cnnbench.probes.training import network, scores
from cnnbench.probes.training.checkpoint import Checkpoint
from cnnbench.probes.training.loop import Phase, Training

_TEST_BATCH = 256


def run(subject: Subject, setting: AccuracySetting, context: Context) -> Finding:
    """Train once, with seed ``context.repeat``, and judge on the test images.

    Raises:
        Unavailable: the data or the weights are not here and cannot be had.
        JobFailed: the training diverged.
    """
    import tensorflow as tf

    context.say(f"reading {setting.dataset}")
    dataset = catalog.load(_wanted(subject, setting), context.data_dir)
    tf.keras.utils.set_random_seed(context.repeat)
    identity = json.dumps([subject.label, setting.model_dump(mode="json"), context.repeat])
    checkpoint = Checkpoint(context.scratch / "training.npz", identity)
    training = Training.begin(setting, context.repeat, checkpoint, context.say)
    model = _scratch(subject, setting, dataset, training)
    finding = _judged(model, subject, dataset, training, context)
    checkpoint.remove()
    return finding


def _wanted(subject: Subject, setting: AccuracySetting) -> catalog.Wanted:
    return catalog.Wanted(
        name=setting.dataset,
        size=setting.image_size,
        channels=network.channels(subject),
        train_examples=setting.train_examples,
        test_examples=setting.test_examples,
        validation=setting.validation,
    )


def _scratch(
    subject: Subject, setting: AccuracySetting, dataset: Dataset, training: Training
) -> Any:
    classes = len(dataset.classes)
    model = network.scratch(subject, setting.image_size, classes, setting.batchnorm_momentum)
    batches = pipeline.TrainingBatches(
        dataset.train, classes, setting.batch_size, setting.augment, subject.preprocess
    )
    phase = Phase(setting.epochs, setting.learning_rate)
    training.fit(model, batches, _validation(subject, dataset), phase)
    return model


def _validation(subject: Subject, dataset: Dataset) -> Any:
    if dataset.validation is None:
        return None
    return pipeline.evaluation_batches(
        dataset.validation, len(dataset.classes), _TEST_BATCH, subject.preprocess
    )


def _judged(
    model: Any, subject: Subject, dataset: Dataset, training: Training, context: Context
) -> Finding:
    context.say(f"testing on {len(dataset.test):,} images")
    batches = pipeline.evaluation_batches(
        dataset.test, len(dataset.classes), _TEST_BATCH, subject.preprocess
    )
    outputs = np.asarray(model.predict(batches, verbose=0))
    probs = scores.probabilities(outputs, not network.gives_probabilities(model))
    labels = dataset.test.labels
    return Finding(
        metrics=scores.metrics(probs, labels) | _pace(training.curve, len(dataset.train)),
        details=scores.details(probs, labels)
        | {
            "curve": training.curve,
            "n_train": len(dataset.train),
            "classes": list(dataset.classes)[:50],
            "problems": list(dataset.problems)[:20],
            "n_problems": len(dataset.problems),
        },
    )


def _pace(curve: list[dict[str, Any]], images: int) -> dict[str, float]:
    """Seconds, and images a second; without the first epoch, which traces, where there are more."""
    seconds = [float(point["seconds"]) for point in curve]
    epoch_s = statistics.median(seconds[1:] or seconds)
    return {"train_s": sum(seconds), "epoch_s": epoch_s, "images_per_s": images / epoch_s}
