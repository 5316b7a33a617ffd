"""Recipe ``pretrained``: a network as its authors trained it, judged on a folder of images.

Made for ImageNet's validation images, a subfolder a class. The centre of every picture is taken as
the papers do: its shorter side scaled to size / 0.875, then the middle ``size x size`` cut out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cnnbench.data import folder, stratified
from cnnbench.data.facts import FOLDER
from cnnbench.data.pictures import Images, Labels, Pictures
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import labels, network, scores, transfer
from cnnbench.probes.accuracy.training_config import IMAGENET
from cnnbench.probes.interface import Context, ProbeResult

_CROP = 0.875
_PIXELS = 64 * 224 * 224  # in a batch, so that the largest networks need no more memory


def judged(subject: ModelHandle, setting: AccuracySetting, context: Context) -> ProbeResult:
    """Top-1, top-5, loss and calibration of ``subject`` with its weights on all of the folder.

    Of a folder with splits only the images that are for judging count.

    Raises:
        Unavailable: the folder, the weights or the names of the classes are not here.
        JobFailed: the folder's classes are not the network's.
    """
    weights: str | Path | None = None
    if setting.weights != IMAGENET or not subject.is_trained:
        weights = transfer.locate_weights(setting, context.search_path, context.data_dir)
    context.report_progress(f"reading {setting.dataset}")
    splits = folder.load(
        setting.dataset.removeprefix(FOLDER),
        list(context.search_path),
        setting.dataset_sha256,
        trains=False,
    )
    outputs_of = labels.outputs_of(splits.classes, subject, setting, context.search_path)
    parts = [splits.test] if splits.has_own_test else [splits.train, splits.test]
    folder_labels = np.concatenate([part.labels for part in parts])
    chosen = stratified.subset(folder_labels, setting.test_examples)
    known = np.array(outputs_of.places)[folder_labels[chosen]]
    model, path = network.judged(subject, subject.build(weights=weights))
    preprocess = network.preprocessing(subject, setting)
    outputs: list[np.ndarray] = []
    for images in _batches(parts, chosen, network.images(subject, setting)):
        done = sum(len(one) for one in outputs)
        context.report_progress(f"testing on {len(chosen):,} images, {done:,} done")
        answers = model.predict_on_batch(preprocess(images.astype(np.float32)))
        outputs.append(np.asarray(answers))
    probs = scores.probabilities(np.concatenate(outputs), network.kind_of_outputs(model))
    notes = [*network.notes(model, preprocess), *outputs_of.notes(probs, known)]
    for note in (*splits.notes, *notes):
        context.report_progress(note)
    return ProbeResult(
        metrics=scores.metrics(probs, known),
        details=scores.details(probs, known)
        | {
            **network.taken(path),
            "is_trained_here": False,
            "classes": list(splits.classes)[:50],
            **scores.notes_of(splits, notes),
        },
    )


def _batches(parts: Sequence[Pictures], chosen: Labels, shape: tuple[int, ...]) -> Iterator[Images]:
    """The chosen pictures of all parts, in batches."""
    height, width, channels = shape
    step = max(1, _PIXELS // (height * width))
    scaled = round(height / _CROP), round(width / _CROP)
    top, left = (scaled[0] - height) // 2, (scaled[1] - width) // 2
    first = 0
    for pictures in parts:
        last = first + len(pictures.labels)
        indices = chosen[(chosen >= first) & (chosen < last)] - first
        first = last
        for start in range(0, len(indices), step):
            whole = pictures.read(indices[start : start + step], scaled, channels)
            yield whole[:, top : top + height, left : left + width]
