"""``fashion_mnist``: 60,000 and 10,000 images of clothes, 28 × 28 px, grey.

H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, arXiv:1708.07747. The files are those of Keras'
own loader, in its cache; they are read here because that loader's folder is fixed when Keras is
imported and, where it cannot be written, is silently another one.

The first 2,500 and 2,000 images of the stratified draw are included in cnnbench (MIT licence, in
``fashion_mnist_draw/``, made by ``python -m tests.packaged``): smaller requests need no download.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from cnnbench.data import downloads
from cnnbench.data.datasets import Facts, FileLocation, Request
from cnnbench.data.pictures import ArrayPictures, Images, Labels, Splits
from cnnbench.errors import Unavailable, brief

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
PACKAGED = ("fashion_mnist_draw", "images.npz")
_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_SUBFOLDER = "datasets/fashion-mnist"
_HOW = (
    "Fashion-MNIST is missing and cannot be downloaded; put its four files "
    "(train- and t10k-, images-idx3-ubyte.gz and labels-idx1-ubyte.gz) into {folder}, or ask for "
    "at most {train:,} training and {test:,} test images without validation, which are included "
    "in cnnbench"
)


class FashionMnist:
    """The official 60,000 training and 10,000 test images."""

    facts = Facts(
        px=28,
        classes=10,
        training_images=60_000,
        location=FileLocation(
            "keras/datasets/fashion-mnist",
            *("KERAS_HOME", "~/.keras", "datasets/fashion-mnist"),
            evidence="train-images-idx3-ubyte.gz",
        ),
        packaged=(2_500, 2_000),
    )

    def load(self, request: Request, data_dir: Path | None, search_path: Sequence[Path]) -> Splits:
        """Return the packaged subset where it suffices, else the official sets."""
        # With held-out images the draw differs from the packaged one.
        found = None if request.validation else drawn(request.train_examples, request.test_examples)
        return found or official(data_dir)


FASHION_MNIST = FashionMnist()


def official(data_dir: Path | None) -> Splits:
    """Return the official sets, downloading them first where they are missing.

    Raises:
        Unavailable: the files are missing and cannot be downloaded, or are damaged.
    """
    home = _keras_home(data_dir)
    return Splits(
        classes=CLASSES,
        train=_pictures(home, "train", 60_000),
        test=_pictures(home, "t10k", 10_000),
    )


def drawn(train: int | None, test: int | None) -> Splits | None:
    """Return stratified subsets from the images included in cnnbench, or None if they are too few.

    They are the images, in the order, that `loading.subset` picks from the official sets. A
    count of None means the whole set.
    """
    most_train, most_test = FashionMnist.facts.packaged
    if train is None or train > most_train or test is None or test > most_test:
        return None
    parts = ArrayPictures(*packaged("train", train)), ArrayPictures(*packaged("test", test))
    return Splits(CLASSES, *parts)


def packaged(part: Literal["train", "test"], count: int | None = None) -> tuple[Images, Labels]:
    """Return the first ``count`` images of the draw, in the order of the official set.

    Args:
        part: of the official sets.
        count: at most as many as are included in cnnbench; by default all of them.

    Returns:
        Images ``(count, 28, 28, 1)`` and labels.
    """
    with (
        resources.files(__package__).joinpath(*PACKAGED).open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        rows = np.argsort(stored[f"{part}_places"][:count])
        labels = stored[f"{part}_labels"][rows].astype(np.int64)
        return stored[f"{part}_images"][rows], labels


def _pictures(home: Path, part: str, count: int) -> ArrayPictures:
    images = _idx(home, f"{part}-images-idx3-ubyte.gz", (count, 28, 28, 1), header=16)
    labels = _idx(home, f"{part}-labels-idx1-ubyte.gz", (count,), header=8)
    return ArrayPictures(images, labels.astype(np.int64))


def _idx(home: Path, name: str, shape: tuple[int, ...], header: int) -> npt.NDArray[np.uint8]:
    """Read one file in Y. LeCun's IDX format: a header of 4-byte numbers, then the bytes."""
    file = home / _SUBFOLDER / name
    if not file.exists():
        _fetch(home, name)
    try:
        data = gzip.decompress(file.read_bytes())
        return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise Unavailable(f"{file} is damaged ({error}); delete it and run again") from None


def _fetch(home: Path, name: str) -> None:
    import tensorflow as tf

    train, test = FashionMnist.facts.packaged
    how = _HOW.format(folder=home / _SUBFOLDER, train=train, test=test)
    if not downloads.reachable(_URL + name):
        raise Unavailable(how)
    try:
        home.mkdir(parents=True, exist_ok=True)  # without it, Keras would use /tmp
        with downloads.short_timeouts():
            tf.keras.utils.get_file(
                name, origin=_URL + name, cache_dir=str(home), cache_subdir=_SUBFOLDER
            )
    except Exception as error:  # get_file raises bare Exception for any answer but the file
        raise Unavailable(f"{how} ({brief(error, 200)})") from error


def _keras_home(data_dir: Path | None) -> Path:
    if data_dir is not None:
        return data_dir / "keras"
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
