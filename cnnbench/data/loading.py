"""Read a data set into memory at one size: stratified subsets, validation images held out.

A subset is the same for every model and seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnnbench.data import datasets
from cnnbench.data.datasets import Request
from cnnbench.data.pictures import AnnotatedPictures, Labels, LoadedData, Part, Pictures, Splits
from cnnbench.errors import JobFailed

# A fixed draw: a subset must not differ between models or seeds.
_DRAW = 14


def load(
    request: Request, data_dir: Path | None = None, search_path: Sequence[Path] = ()
) -> LoadedData:
    """Read a data set into memory at one size.

    Args:
        request: which data set, and how.
        data_dir: holds ``keras/`` and ``tensorflow_datasets/``; by default the libraries' folders.
        search_path: folders in which a relative path is looked up, in this order.

    Raises:
        Unavailable: the data is missing and cannot be downloaded; says how to provide it.
        JobFailed: more examples are asked for than there are, or the files have changed.
    """
    splits = datasets.find(request.name).load(request, data_dir, search_path)
    train, held = _training_indices(splits, request)
    validation = None
    if splits.validation is not None:
        validation = read_part(splits.validation, np.arange(len(splits.validation.labels)), request)
    elif held.size:
        validation = read_part(splits.train, held, request)
    test = subset(splits.test.labels, request.test_examples)
    return LoadedData(
        classes=splits.classes,
        train=read_part(splits.train, train, request),
        test=read_part(splits.test, test, request),
        validation=validation,
        problems=splits.problems,
        notes=splits.notes,
    )


def subset(labels: Labels, count: int | None) -> Labels:
    """Return the sorted indices of ``count`` images with the classes in proportion (rounded).

    A smaller subset is contained in every larger one.

    Raises:
        JobFailed: there are fewer than ``count`` images.
    """
    if count is None or count == len(labels):
        return np.arange(len(labels))
    if count > len(labels):
        raise JobFailed(f"{count} examples asked for, but there are only {len(labels)}")
    return np.sort(order(labels)[:count])


def order(labels: Labels) -> Labels:
    """Return all indices in the order of the draw; a subset is the first ``count`` of them."""
    # Rank the images of each class at random; take them by rank divided by the class size.
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        # Images without objects have a negative label, which is no seed.
        ranks = np.random.default_rng((_DRAW, int(label) % 2**32)).permutation(len(members))
        place[members] = (ranks + 0.5) / len(members)
    return np.argsort(place, kind="stable")


def held_out(labels: Labels, share: float) -> tuple[Labels, Labels]:
    """Split all indices into ``(kept, held)``, with ``share`` of every class held out."""
    held = subset(labels, round(len(labels) * share))
    return np.setdiff1d(np.arange(len(labels)), held), held


def _training_indices(splits: Splits, request: Request) -> tuple[Labels, Labels]:
    """Return the training indices and the held-out ones; none if there is an official split."""
    labels = splits.train.labels
    kept, held = np.arange(len(labels)), np.empty(0, np.int64)
    if splits.validation is None and request.validation:
        kept, held = held_out(labels, request.validation)
    return kept[subset(labels[kept], request.train_examples)], held


def read_part(pictures: Pictures, indices: Labels, request: Request) -> Part:
    """Read some of the images of a split, and the objects in them if these are known."""
    labels = pictures.labels[indices]
    if isinstance(pictures, AnnotatedPictures):
        found = pictures.read_annotated(indices, request.size, request.channels, request.fit)
        return Part(found[0], labels, found[1])
    return Part(pictures.read(indices, request.size, request.channels), labels)
