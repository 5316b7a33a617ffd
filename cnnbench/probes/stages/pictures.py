"""Test pictures as JPEG files, and the conversion of their bytes to the input of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.data import datasets, loading, photographs
from cnnbench.data.datasets import Request
from cnnbench.data.pictures import AnnotatedPictures, Fit, Images, Pictures, SizedPictures
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.interface import Context

QUALITY = 90  # of the JPEG files
_PATTERN = "picture-*.jpg"


@dataclass(frozen=True)
class Entrance:
    """Conversion of the bytes of a JPEG file to the input of a network.

    Attributes:
        shape: ``(height, width, channels)`` of the input.
        fit: how pictures are fitted to its size.
        preprocess: the network's preprocessing.
    """

    shape: tuple[int, ...]
    fit: Fit
    preprocess: Callable[[Any], Any]

    def __call__(self, content: bytes) -> np.ndarray:
        """Return a batch of one image, float32: decoded, fitted and preprocessed."""
        image, _ = photographs.placed(content, self.shape, self.fit)
        batch = image[None].astype(np.float32)
        return np.ascontiguousarray(self.preprocess(batch), np.float32)


def entrance(
    handle: ModelHandle, training: AccuracySetting | None, shape: tuple[int, ...], fit: Fit
) -> Entrance:
    """Return the conversion as in ``training``; ``fit`` is for a network without training."""
    if training is None:
        return Entrance(shape, fit, handle.preprocess)
    return Entrance(shape, training.picture_fit, network.preprocessing(handle, training))


def write(
    handle: ModelHandle,
    training: AccuracySetting | None,
    shape: tuple[int, ...],
    count: int,
    context: Context,
    folder: Path,
) -> None:
    """Write JPEG files of test pictures into ``folder``, at their original sizes where known.

    Args:
        handle: the model.
        training: the training, whose data set is used; None for random images.
        shape: shape of the network's input.
        count: maximum number of pictures.
        context: context of the job.
        folder: an existing folder.

    Raises:
        Unavailable: the data set is not on this machine.
    """
    images: Iterable[Images]
    if training is None:
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 256, (count, 8, 8, shape[-1]), dtype=np.uint8)
        size = shape[:2]
        images = (_enlarged(one, size) for one in coarse)
    else:
        images = _of_dataset(handle, training, count, context)
    for place, image in enumerate(images):
        (folder / f"picture-{place:04}.jpg").write_bytes(photographs.jpeg(image, QUALITY))


def read(folder: Path) -> list[bytes]:
    """Return the contents of the files that `write` wrote, in order."""
    return [file.read_bytes() for file in sorted(folder.glob(_PATTERN))]


def _of_dataset(
    handle: ModelHandle, training: AccuracySetting, count: int, context: Context
) -> Iterator[Images]:
    """Yield pictures one by one: hundreds of photographs do not fit into memory together."""
    request = accuracy.data_request(handle, training, context)
    found = datasets.find(training.dataset).load(request, context.data_dir, context.search_path)
    test = found.test
    chosen = loading.subset(test.labels, training.test_examples)
    chosen = chosen[loading.order(test.labels[chosen])[:count]]
    sizes = _sizes(test, chosen, request)
    for index, (high, wide) in zip(chosen, sizes, strict=True):
        yield test.read(np.array([index]), (int(high), int(wide)), request.channels)[0]


def _sizes(pictures: Pictures, chosen: Any, request: Request) -> Sequence[Sequence[int]]:
    """Return the original sizes of pictures, or the network's where they are not known."""
    if isinstance(pictures, AnnotatedPictures):
        _, objects = pictures.read_annotated(chosen, request.size, request.channels, request.fit)
        return objects.sizes.tolist()
    if isinstance(pictures, SizedPictures):
        return pictures.sizes(chosen).tolist()
    return [request.size] * len(chosen)  # type: ignore[list-item]


def _enlarged(image: Images, size: tuple[int, ...]) -> Images:
    rows, columns = (np.arange(side) * 8 // side for side in size)
    return image[rows][:, columns]
