"""Recipe ``pretrained``: evaluate a network with its published weights on a folder of images.

It is meant for ImageNet's validation images in one subfolder per class. As in the papers, the
shorter side of an image is scaled to size / 0.875 and the central ``size x size`` cut out. Pictures
with objects are fitted as in training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from cnnbench import files
from cnnbench.data import loading, pipeline
from cnnbench.data.datasets import Request
from cnnbench.data.pictures import AnnotatedPictures, Labels, Part, Pictures, data_details
from cnnbench.errors import JobFailed, Unavailable
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy import examples, task_options
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network, transfer
from cnnbench.probes.accuracy.training_config import IMAGENET
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.tasks.objective import concatenated
from cnnbench.tasks.task import Arrays, TrainedOn

_CROP = 0.875


def evaluate(model: ModelHandle, setting: AccuracySetting, context: Context) -> ProbeResult:
    """Evaluate ``model`` on all images of a folder, or on its test split if it has splits.

    Raises:
        Unavailable: the folder, the weights or the class names are missing.
        JobFailed: the folder's classes are not those of the network.
    """
    weights: str | Path | None = None
    if setting.weights != IMAGENET or not model.is_trained:
        weights = transfer.locate_weights(setting, context.search_path, context.data_dir)
    context.report_progress(f"reading {setting.dataset}")
    request = Request(
        setting.dataset, sha256=setting.dataset_sha256, trains=False, cache=context.cache
    )
    splits = setting.data_set.load(request, context.data_dir, context.search_path)
    names = _class_names(setting, context.search_path)
    is_imagenet = setting.weights == IMAGENET and not model.is_trained
    trained_on = TrainedOn(is_imagenet, names, setting.class_names or "", model.class_names)
    options = task_options.parsed(setting.goal, setting.options)
    objective = setting.goal.fixed_objective(
        splits.classes, setting.dataset, model, trained_on, options
    )
    parts = [splits.test] if splits.has_own_test else [splits.train, splits.test]
    labels = np.concatenate([part.labels for part in parts])
    chosen = loading.subset(labels, setting.test_examples)
    whole = model.build(weights=weights)
    trained, path = network.select_output(model, whole, setting.goal)
    preprocess = network.preprocessing(model, setting)
    answers: list[Arrays] = []
    targets: list[Arrays] = []
    encoding, done = objective.encoding(trained), 0
    rows, shown = examples.places(len(chosen)), []
    shape = network.images(model, setting)
    step = pipeline.at_once(shape[:2], setting.evaluated_at_once)
    for batch in _batches(parts, chosen, shape, step, _reader(setting)):
        context.report_progress(f"testing on {len(chosen):,} images, {done:,} done")
        outputs = trained.predict_on_batch(preprocess(batch.images.astype(np.float32)))
        answers.append(objective.answers(network.as_arrays(outputs), encoding))
        targets.append(objective.targets(batch))
        shown += [batch.images[row - done] for row in rows if done <= row < done + len(batch)]
        done += len(batch)
    given, truth = concatenated(answers), objective.joined(targets)
    found = objective.evaluate(given, truth, encoding)
    notes = [*network.notes(trained, preprocess), *found.notes]
    for note in (*splits.notes, *notes):
        context.report_progress(note)
    return ProbeResult(
        metrics=dict(found.metrics),
        details={
            **found.details,
            **examples.kept(
                examples.Evaluated(rows, shown, given, truth), objective, encoding, context
            ),
            **network.output_details(path),
            "is_trained_here": False,
            **data_details(splits, notes),
        },
    )


def _class_names(setting: AccuracySetting, search_path: Sequence[Path]) -> list[str] | None:
    """Return the class names in the file of the setting, in order; None if it has no file.

    Raises:
        Unavailable: there is no such file.
        JobFailed: the file has changed since planning, or has duplicate names.
    """
    asked = setting.class_names
    if asked is None:
        return None
    file = files.find(asked, search_path)
    if file is None or not file.is_file():
        raise Unavailable(f"no file '{asked}' with class names next to the suite")
    if setting.class_names_sha256 and files.sha256(file) != setting.class_names_sha256:
        raise JobFailed(f"'{asked}' has changed since the run was planned; run again")
    try:
        names = files.names_in(file)
    except UnicodeDecodeError as error:
        raise JobFailed(f"'{asked}' is not UTF-8 text: {error}") from None
    if len(set(names)) < len(names):
        raise JobFailed(f"'{asked}' has a duplicate name")
    return names


_Read = Callable[[Pictures, Labels, tuple[int, ...]], Part]


def _batches(
    parts: Sequence[Pictures], chosen: Labels, shape: tuple[int, ...], step: int, read: _Read
) -> Iterator[Part]:
    """Yield the chosen images of all parts, in batches of at most ``step``."""
    first = 0
    for pictures in parts:
        last = first + len(pictures.labels)
        indices = chosen[(chosen >= first) & (chosen < last)] - first
        first = last
        for start in range(0, len(indices), step):
            yield read(pictures, indices[start : start + step], shape)


def _reader(setting: AccuracySetting) -> _Read:
    """Return the function that reads images for the task of a setting."""
    if setting.goal.needs <= {"class"}:
        return _central

    def with_objects(pictures: Pictures, indices: Labels, shape: tuple[int, ...]) -> Part:
        if not isinstance(pictures, AnnotatedPictures):
            raise JobFailed(f"{setting.dataset} has no objects, which {setting.task} needs")
        size, channels = (shape[0], shape[1]), shape[2]
        found = pictures.read_annotated(indices, size, channels, setting.picture_fit)
        return Part(found[0], pictures.labels[indices], found[1])

    return with_objects


def _central(pictures: Pictures, indices: Labels, shape: tuple[int, ...]) -> Part:
    height, width, channels = shape
    scaled = round(height / _CROP), round(width / _CROP)
    top, left = (scaled[0] - height) // 2, (scaled[1] - width) // 2
    whole = pictures.read(indices, scaled, channels)
    images = whole[:, top : top + height, left : left + width]
    return Part(images, pictures.labels[indices])
