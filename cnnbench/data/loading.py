"""Read a data set into memory at one size: stratified subsets, validation images held out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnnbench.data import datasets, stratified
from cnnbench.data.datasets import Request
from cnnbench.data.pictures import Labels, LoadedData, Part, Pictures, Splits


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
        validation = _part(splits.validation, np.arange(len(splits.validation.labels)), request)
    elif held.size:
        validation = _part(splits.train, held, request)
    test = stratified.subset(splits.test.labels, request.test_examples)
    return LoadedData(
        classes=splits.classes,
        train=_part(splits.train, train, request),
        test=_part(splits.test, test, request),
        validation=validation,
        problems=splits.problems,
        notes=splits.notes,
    )


def _training_indices(splits: Splits, request: Request) -> tuple[Labels, Labels]:
    """Return the training indices and the held-out ones; none if there is an official split."""
    labels = splits.train.labels
    kept, held = np.arange(len(labels)), np.empty(0, np.int64)
    if splits.validation is None and request.validation:
        kept, held = stratified.held_out(labels, request.validation)
    return kept[stratified.subset(labels[kept], request.train_examples)], held


def _part(pictures: Pictures, indices: Labels, request: Request) -> Part:
    images = pictures.read(indices, request.size, request.channels)
    return Part(images, pictures.labels[indices])
