"""The ``accuracy`` probe: train the network on images, look once at the test set.

A repeat is a seed. On a CPU the result follows from setting and seed alone.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.data import catalog
from cnnbench.errors import JobFailed, brief, is_out_of_memory
from cnnbench.models.handle import ModelHandle
from cnnbench.models.pixel_map import PixelMap
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network, pretrained, scores, transfer
from cnnbench.probes.accuracy.training.checkpoint import Checkpoint
from cnnbench.probes.accuracy.training.loop import Training
from cnnbench.probes.accuracy.training.recipes import RECIPES, Task
from cnnbench.probes.accuracy.training_config import IMAGENET, PRETRAINED
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.tasks import outputs

_MOST_POINTS = 60  # of a learning curve that a record keeps; a long one is thinned out


def run(subject: ModelHandle, setting: AccuracySetting, context: Context) -> ProbeResult:
    """Train once, with seed ``context.repeat``, and judge on the test images.

    Raises:
        Unavailable: the data or the weights are not here and cannot be had.
        JobFailed: the training diverged.
    """
    if setting.recipe == PRETRAINED:
        return pretrained.judged(subject, setting, context)
    task, training = prepare_training(subject, setting, context)
    model = RECIPES[setting.recipe](task, training)
    context.report_progress(f"testing on {len(task.dataset.test):,} images")
    finding = judged(model, task, training)
    if setting.keep_weights:
        _keep(model, task, context)
    training.checkpoint.remove()
    return finding


def _keep(model: Any, task: Task, context: Context) -> None:
    """Save the weights, and of a network trained from scratch the whole of it.

    What a transfer trains has a layer of our own around its backbone, which no ``.keras`` file in
    safe mode can bring back.
    """
    context.artifacts.mkdir(parents=True, exist_ok=True)
    file, setting = context.artifacts / f"seed-{context.repeat}", task.setting
    model.save_weights(f"{file}.weights.h5")
    if setting.recipe != "scratch":
        return
    # Not the trained object, which would bring its optimiser along.
    shape = network.images(task.subject, setting)
    whole, _ = network.scratch(task.subject, shape, task.classes, setting.batchnorm_momentum)
    whole.set_weights(model.get_weights())
    try:
        whole.save(f"{file}.keras")
        channels = network.channels(task.subject)
        if pixels := PixelMap.of(task.preprocess, channels):
            pixels.write(Path(f"{file}.keras"))
        else:
            context.report_progress(
                "the .keras file leaves out its preprocessing, which is no map of pixels"
            )
    except Exception as error:  # layers of the user's own that cannot say what they are made of
        if is_out_of_memory(error):
            raise
        context.report_progress(f"kept as weights alone: {brief(error, 200)}")


def prepare_training(
    subject: ModelHandle, setting: AccuracySetting, context: Context
) -> tuple[Task, Training]:
    """Return the training data, in memory, and the training loop, which resumes from a checkpoint.

    Raises:
        Unavailable: the data or the weights are not here and cannot be had.
        JobFailed: too few images for what is asked, or other classes than those of a fixed network.
    """
    import tensorflow as tf

    weights = _weights(subject, setting, context)
    context.report_progress(f"reading {setting.dataset}")
    dataset = catalog.load(_wanted(subject, setting), context.data_dir, context.search_path)
    if dataset.validation is None and (setting.early_stop or setting.target_top1):
        raise JobFailed(
            f"validation: {setting.validation:g} holds out none of {len(dataset.train):,} images, "
            "and early_stop and target_top1 need some"
        )
    _check_classes(subject, setting, len(dataset.classes))
    if dataset.problems:
        context.report_progress(
            f"{len(dataset.problems)} files of {setting.dataset} cannot be used"
        )
    tf.keras.utils.set_random_seed(context.repeat)
    task = Task(subject, setting, dataset, context.repeat, weights)
    identity = json.dumps([subject.label, setting.model_dump(mode="json"), context.repeat])
    checkpoint = Checkpoint(context.scratch / "training.npz", identity)
    return task, Training(setting, context.repeat, checkpoint, context.report_progress)


def _check_classes(subject: ModelHandle, setting: AccuracySetting, classes: int) -> None:
    """Check the number of classes, which for a folder is known only after reading it."""
    apart = outputs.apart(subject.classes or classes)
    if "classes" in subject.fixed and apart != classes:
        raise JobFailed(f"it has {apart} classes, but {setting.dataset} has {classes}")


def _weights(subject: ModelHandle, setting: AccuracySetting, context: Context) -> str | Path:
    """What a ``transfer`` begins with, known to be here before the images are read."""
    if setting.recipe != "transfer":
        return IMAGENET
    weights = transfer.locate_weights(setting, context.search_path, context.data_dir)
    if weights == IMAGENET:
        context.report_progress("looking for ImageNet weights")
        transfer.backbone(subject, setting, weights)
    return weights


def _wanted(subject: ModelHandle, setting: AccuracySetting) -> catalog.Wanted:
    height, width, channels = network.images(subject, setting)
    return catalog.Wanted(
        name=setting.dataset,
        size=(height, width),
        channels=channels,
        train_examples=setting.train_examples,
        test_examples=setting.test_examples,
        validation=setting.validation,
        sha256=setting.dataset_sha256,
    )


def judged(model: Any, task: Task, training: Training) -> ProbeResult:
    """How good a trained ``model`` is on the test images, and what its training took.

    Raises:
        JobFailed: its outputs are not numbers.
    """
    dataset = task.dataset
    batches = task.evaluation_batches(dataset.test, task.preprocess)
    given = np.asarray(model.predict(batches, verbose=0))
    if not np.isfinite(given).all():
        raise JobFailed(f"diverged at epoch {len(training.curve)}: its outputs are not numbers")
    probs = scores.probabilities(given, network.kind_of_outputs(model))
    labels = dataset.test.labels
    return ProbeResult(
        metrics=scores.metrics(probs, labels) | _pace(training) | _time_to_target(training),
        details=scores.details(probs, labels)
        | network.taken(training.output)
        | {
            "curve": _thinned(training.curve),
            "features_s": round(training.features_s, 4),
            "n_train": len(dataset.train),
            "classes": list(dataset.classes)[:50],
            **scores.notes_of(dataset, [*training.notes, *_notes(task)]),
        },
    )


def _notes(task: Task) -> list[str]:
    """Return remarks for the report on the network that was trained."""
    if "classes" not in task.subject.stated or task.subject.classes == task.classes:
        return []
    return [f"trained for the data set's {task.classes} classes"]


def _pace(training: Training) -> dict[str, float]:
    """Seconds in all (of features, too), and of an epoch and images a second in the last phase.

    A head that was trained on features saw no images. An epoch that traced the graph, the first of
    a phase and of every attempt, is left out of its pace where there is another.
    """
    curve = training.curve
    train_s = training.features_s + sum(float(point["seconds"]) for point in curve)
    last = [point for point in curve if point["phase"] == curve[-1]["phase"]]
    steady = [point for point in last if "traced" not in point] or last
    epoch_s = statistics.median(float(point["seconds"]) for point in steady)
    found = {"train_s": train_s, "epoch_s": epoch_s}
    return found | ({"images_per_s": training.images / epoch_s} if training.images else {})


def _time_to_target(training: Training) -> dict[str, float]:
    """Training seconds until the validation images first reached the target, where they did."""
    target, seconds = training.setting.target_top1, training.features_s
    for point in training.curve if target else ():
        seconds += float(point["seconds"])
        if point["val_top1"] >= target:
            return {"time_to_target_s": seconds}
    return {}


def _thinned(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    step = -(-len(curve) // _MOST_POINTS)
    return [
        point for index, point in enumerate(curve, 1) if index % step == 0 or point is curve[-1]
    ]
