"""Pictures of a TFDS split with the objects in them, decoded when they are read.

No encoded picture stays in memory: COCO's training images take 19 GB. The annotations of a split
are read once; reading pictures goes through its records again, up to the last one wanted.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from cnnbench.data.annotations import IGNORED, Objects, of_lists
from cnnbench.data.fitting import Placement
from cnnbench.data.pictures import Fit, Images, Labels, Size, sides
from cnnbench.errors import JobFailed, brief, is_out_of_memory

_IMAGE = "image"
_THREADS = 4  # Pillow releases the GIL while it decodes and resizes
_AT_ONCE = 64  # encoded pictures in memory

Example = Mapping[str, Any]
"""Features of one picture by name, as NumPy arrays; images are still encoded."""


@dataclass(frozen=True)
class Marks:
    """Annotations of one picture as it is stored.

    Attributes:
        labels: class of each object, int64 ``(k,)``.
        boxes: float ``(k, 4)``: top, left, bottom, right as fractions of the picture.
        ignored: bool ``(k,)``.
        crowd: bool ``(k,)``: those of them that are crowds; None if there are none.
        semantic: uint8 ``(H, W)``, as `Objects.semantic`; None if unknown.
        problems: why objects were left out.
    """

    labels: Labels
    boxes: npt.NDArray[Any]
    ignored: npt.NDArray[np.bool_]
    semantic: npt.NDArray[np.uint8] | None = None
    problems: tuple[str, ...] = ()
    crowd: npt.NDArray[np.bool_] | None = None

    @property
    def crowds(self) -> npt.NDArray[np.bool_]:
        """``crowd`` of every object, ``(k,)``."""
        return np.zeros_like(self.ignored) if self.crowd is None else self.crowd


class Annotator(Protocol):
    """Interpretation of the features of a data set."""

    @property
    def file_name(self) -> str:
        """The feature with the name of a picture's file."""

    @property
    def features(self) -> Mapping[str, Any]:
        """The features that `label` reads, as `tfds.decode.PartialDecoding` takes them."""

    @property
    def masks(self) -> tuple[str, ...]:
        """Images that `marks` reads besides those features."""

    def label(self, example: Example) -> tuple[int, tuple[str, ...]]:
        """Return the label of a picture, and why objects were left out."""

    def marks(self, example: Example) -> Marks:
        """Return the annotations of a picture."""


@dataclass(frozen=True)
class Split:
    """One split of a prepared data set, in the order of its files.

    Attributes:
        builder: the `tfds.core.DatasetBuilder`.
        name: of the split.
        annotator: knows its features.
    """

    builder: Any
    name: str
    annotator: Annotator

    def examples(
        self, images: tuple[str, ...] = (), wanted: Labels | None = None
    ) -> Iterator[tuple[int, Example]]:
        """Yield the place of each example and its features.

        Args:
            images: the encoded images to read besides `Annotator.features`.
            wanted: the places to read; all by default.
        """
        import tensorflow as tf
        import tensorflow_datasets as tfds

        features = {**self.annotator.features, self.annotator.file_name: True}
        decoders = tfds.decode.PartialDecoding(
            features | dict.fromkeys(images, True),
            decoders={image: tfds.decode.SkipDecoding() for image in images},
        )
        reading = tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1)
        found = self.builder.as_dataset(
            split=self.name, decoders=decoders, shuffle_files=False, read_config=reading
        ).enumerate()
        if wanted is not None:
            is_wanted = np.zeros(int(wanted.max(initial=-1)) + 1, np.bool_)
            is_wanted[wanted] = True
            chosen = tf.constant(is_wanted)
            found = found.take(len(is_wanted)).filter(lambda place, _: tf.gather(chosen, place))
        yield from found.as_numpy_iterator()

    def pictures(self) -> tuple[TfdsPictures, tuple[str, ...]]:
        """Read the annotations; return the pictures, and a line for each problem."""
        labels, problems = [], []
        for _, example in self.examples():
            label, found = self.annotator.label(example)
            labels.append(label)
            problems += [f"{self.name}/{self._file(example)}: {problem}" for problem in found]
        places = np.arange(len(labels))
        return TfdsPictures(self, places, np.array(labels, np.int64)), tuple(problems)

    def read(
        self, example: Example, size: tuple[int, int], channels: int, fit: Fit
    ) -> tuple[Images, Marks, Placement]:
        """Return an image of that size, its annotations, and the place of the picture in it.

        Raises:
            JobFailed: it cannot be decoded.
        """
        try:
            marks = self.annotator.marks(example)
            # The annotations are those of the pixels as they are stored, whatever the EXIF says.
            with Image.open(io.BytesIO(example[_IMAGE])) as picture:
                placement = Placement.of((picture.height, picture.width), size, fit)
                picture.draft("RGB", (max(size), max(size)))  # decode at a fraction of its size
                image = placement.image(picture, channels)
        except Exception as error:  # Pillow's readers can raise anything
            if is_out_of_memory(error):
                raise
            raise JobFailed(
                f"{self.name}/{self._file(example)} cannot be decoded ({brief(error)}); delete "
                f"{self.builder.data_dir} and prepare it again"
            ) from error
        kept = placement.kept(marks.boxes)
        boxes = placement.boxes(marks.boxes)[kept]
        semantic = marks.semantic
        if semantic is not None:
            semantic = placement.mask(semantic, outside=IGNORED)
        crowd = marks.crowds[kept]
        fitted = Marks(marks.labels[kept], boxes, marks.ignored[kept], semantic, crowd=crowd)
        return image, fitted, placement

    def _file(self, example: Example) -> str:
        return str(example[self.annotator.file_name].decode(errors="replace"))


class TfdsPictures:
    """Pictures of a split, an `AnnotatedPictures`.

    Args:
        split: where they are.
        places: of the pictures in the split, ``(n,)``.
        labels: of the pictures, ``(n,)``.
    """

    def __init__(self, split: Split, places: Labels, labels: Labels) -> None:
        self._split = split
        self._places = places
        self.labels = labels

    def at(self, indices: Labels) -> TfdsPictures:
        """Return some of the pictures."""
        return TfdsPictures(self._split, self._places[indices], self.labels[indices])

    def read(self, indices: Labels, size: Size, channels: int) -> Images:
        return self.read_annotated(indices, size, channels, "crop")[0]

    def read_annotated(
        self, indices: Labels, size: Size, channels: int, fit: Fit
    ) -> tuple[Images, Objects]:
        wanted = self._places[indices]
        rows_of: dict[int, list[int]] = {}
        for row, place in enumerate(wanted.tolist()):
            rows_of.setdefault(place, []).append(row)
        images = np.empty((len(indices), *sides(size), channels), np.uint8)
        shapes = np.empty((len(indices), 2), np.int64)
        spans = np.empty((len(indices), 2), np.float32)
        marks: list[Marks] = [_NONE] * len(indices)

        def one(found: tuple[int, Example]) -> None:
            image, mark, placement = self._split.read(found[1], sides(size), channels, fit)
            for row in rows_of[int(found[0])]:
                images[row], marks[row] = image, mark
                shapes[row], spans[row] = placement.picture, placement.span

        examples = self._split.examples((_IMAGE, *self._split.annotator.masks), wanted)
        with ThreadPoolExecutor(_THREADS) as pool:
            while chunk := list(islice(examples, _AT_ONCE)):
                list(pool.map(one, chunk))
        masks = [mark.semantic for mark in marks if mark.semantic is not None]
        objects = of_lists(
            [mark.labels.tolist() for mark in marks],
            [mark.boxes for mark in marks],
            shapes,
            [mark.ignored.tolist() for mark in marks],
            [mark.crowds.tolist() for mark in marks],
            semantic=np.stack(masks) if masks else None,
            spans=spans,
        )
        return images, objects


_NONE = Marks(np.empty(0, np.int64), np.empty((0, 4)), np.empty(0, np.bool_))
