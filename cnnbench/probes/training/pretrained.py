"""Recipe ``pretrained``: a network as its authors trained it, judged on a folder of images.

Made for ImageNet's validation images, a subfolder a class. The centre of every picture is taken as
the papers do: its shorter side scaled to size / 0.875, then the middle ``size x size`` cut out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from cnnbench.core.errors import JobFailed
from cnnbench.core.settings.accuracy import FOLDER, IMAGENET, AccuracySetting
from cnnbench.core.subject import Context, Finding, Subject
from cnnbench.data import folder, stratified
from cnnbench.data.pictures import Images, Labels, Splits
from cnnbench.probes.training import network, scores, transfer

_CROP = 0.875
_PIXELS = 64 * 224 * 224  # in a batch, so that the largest networks need no more memory
_WORDNET_ID = re.compile(r"n\d{8}")


def judged(subject: Subject, setting: AccuracySetting, context: Context) -> Finding:
    """Top-1, top-5, loss and calibration of ``subject`` with its weights on all of the folder.

    Raises:
        Unavailable: the folder or the weights are not here and cannot be had.
        JobFailed: the folder's classes are not the network's.
    """
    weights = transfer.locate_weights(setting, context.search_path, context.data_dir)
    context.say(f"reading {setting.dataset}")
    splits = folder.load(
        setting.dataset.removeprefix(FOLDER),
        list(context.search_path),
        setting.dataset_sha256,
        smallest_class=1,  # nothing is held out
    )
    _check_classes(splits.classes, subject, setting)
    model, path = network.judged(subject, subject.build(weights=weights))
    known = np.concatenate([splits.train.labels, splits.test.labels])
    chosen = stratified.subset(known, setting.test_examples)
    outputs: list[np.ndarray] = []
    for images in _batches(splits, chosen, setting.image_size, network.channels(subject)):
        done = sum(len(one) for one in outputs)
        context.say(f"testing on {len(chosen):,} images, {done:,} done")
        answers = model.predict_on_batch(subject.preprocess(images.astype(np.float32)))
        outputs.append(np.asarray(answers))
    probs = scores.probabilities(np.concatenate(outputs), not network.gives_probabilities(model))
    return Finding(
        metrics=scores.metrics(probs, known[chosen]),
        details=scores.details(probs, known[chosen])
        | {
            **network.taken(path),
            "is_trained_here": False,
            "classes": list(splits.classes)[:50],
            "problems": list(splits.problems)[:20],
            "n_problems": len(splits.problems),
        },
    )


def _check_classes(classes: tuple[str, ...], subject: Subject, setting: AccuracySetting) -> None:
    """The folder's names in alphabetical order must be the network's classes in theirs."""
    name = setting.dataset
    if len(classes) != subject.classes:
        raise JobFailed(
            f"'{name}' has {len(classes)} classes that can be used, and the network tells "
            f"{subject.classes} apart: a subfolder a class is expected"
        )
    odd = [one for one in classes if not _WORDNET_ID.fullmatch(one)]
    if setting.weights == IMAGENET and odd:
        raise JobFailed(
            f"'{name}/{odd[0]}' is no class of ImageNet: subfolders are named by WordNet id, as "
            "n01440764, so that their order is that of the network's outputs"
        )


def _batches(splits: Splits, chosen: Labels, size: int, channels: int) -> Iterator[Images]:
    """The chosen pictures, first those that training would have had, in batches."""
    step = max(1, _PIXELS // size**2)
    scaled = round(size / _CROP)
    edge = (scaled - size) // 2
    first = len(splits.train.labels)
    for pictures, indices in (
        (splits.train, chosen[chosen < first]),
        (splits.test, chosen[chosen >= first] - first),
    ):
        for start in range(0, len(indices), step):
            whole = pictures.read(indices[start : start + step], scaled, channels)
            yield whole[:, edge : edge + size, edge : edge + size]
