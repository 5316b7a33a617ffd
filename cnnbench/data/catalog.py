"""Every data set by its name; a new one is one file, a line here and its facts in `datasets`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnbench.data import digits, fashion_mnist, folder, stratified, tf_flowers
from cnnbench.data.facts import FOLDER
from cnnbench.data.pictures import Dataset, Labels, Part, Pictures, Size, Splits

_LOADERS: dict[str, Callable[[Path | None], Splits]] = {
    "digits": digits.load,
    "fashion_mnist": fashion_mnist.load,
    "tf_flowers": tf_flowers.load,
}
# What comes with cnnbench of a data set: subsets of so many training and test images, or None.
_PACKAGED: dict[str, Callable[[int | None, int | None], Splits | None]] = {
    "fashion_mnist": fashion_mnist.drawn,
}


@dataclass(frozen=True)
class Wanted:
    """A request for a data set.

    Attributes:
        name: in the catalogue, or ``folder:PATH``.
        size: of the images, in px: the side of squares, or ``(height, width)``.
        channels: 1 or 3.
        train_examples: how many training images, stratified, or all.
        test_examples: likewise.
        validation: share of the training images held out where there is no official split.
        sha256: what a folder was when the suite was planned; empty where that is not known.
    """

    name: str
    size: Size
    channels: int
    train_examples: int | None = None
    test_examples: int | None = None
    validation: float = 0.0
    sha256: str = ""


def load(wanted: Wanted, data_dir: Path | None = None, search_path: Sequence[Path] = ()) -> Dataset:
    """Read a data set into memory at one size.

    Args:
        wanted: which, and how.
        data_dir: holds ``keras/`` and ``tensorflow_datasets/``; by default the libraries' own.
        search_path: where a relative ``folder:PATH`` is looked up, in this order.

    Raises:
        Unavailable: the data is not here and cannot be had; says how to provide it.
        JobFailed: more examples are asked for than there are, or a folder was changed.
    """
    splits = _splits(wanted, data_dir, search_path)
    train, held = _training_indices(splits, wanted)
    validation = None
    if splits.validation is not None:
        validation = _part(splits.validation, np.arange(len(splits.validation.labels)), wanted)
    elif held.size:
        validation = _part(splits.train, held, wanted)
    test = stratified.subset(splits.test.labels, wanted.test_examples)
    return Dataset(
        classes=splits.classes,
        train=_part(splits.train, train, wanted),
        test=_part(splits.test, test, wanted),
        validation=validation,
        problems=splits.problems,
        notes=splits.notes,
    )


def _splits(wanted: Wanted, data_dir: Path | None, search_path: Sequence[Path]) -> Splits:
    if wanted.name.startswith(FOLDER):
        return folder.load(wanted.name.removeprefix(FOLDER), list(search_path), wanted.sha256)
    drawn = _PACKAGED.get(wanted.name)
    if drawn is not None and not wanted.validation:  # held-out images change what is drawn
        found = drawn(wanted.train_examples, wanted.test_examples)
        if found is not None:
            return found
    return _LOADERS[wanted.name](data_dir)


def _training_indices(splits: Splits, wanted: Wanted) -> tuple[Labels, Labels]:
    """The pictures to train on and, where there is no official split, those held out."""
    labels = splits.train.labels
    kept, held = np.arange(len(labels)), np.empty(0, np.int64)
    if splits.validation is None and wanted.validation:
        kept, held = stratified.held_out(labels, wanted.validation)
    return kept[stratified.subset(labels[kept], wanted.train_examples)], held


def _part(pictures: Pictures, indices: Labels, wanted: Wanted) -> Part:
    images = pictures.read(indices, wanted.size, wanted.channels)
    return Part(images, pictures.labels[indices])
