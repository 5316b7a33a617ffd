"""Sequences to track objects in: frames with their true objects.

Those of ``scenes``, which are generated, or a folder of sequences in the layout of the
MOTChallenge: ``SEQUENCE/gt/gt.txt`` and the frames in ``SEQUENCE/img1/``, sorted by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from cnnbench import files
from cnnbench.data import datasets, photographs
from cnnbench.data.fitting import Placement
from cnnbench.data.folder import Folder
from cnnbench.data.pictures import Fit, Images
from cnnbench.data.scenes import Recipe, Scenes, sequences
from cnnbench.data.scenes.generate import SEEDS, Split, garments_of
from cnnbench.errors import JobFailed, Unavailable, UserError, all_of
from cnnbench.named import parse
from cnnbench.tasks.tracking import mot
from cnnbench.tasks.tracking.tracker import Tracks

_TRUTH, _FRAMES = Path("gt") / "gt.txt", "img1"
_PICTURES = {".jpg", ".jpeg", ".png", ".bmp"}
_SEARCHED = 200  # sequences looked at for each one that is wanted


class Footage(Protocol):
    """One sequence."""

    @property
    def name(self) -> str:
        """Its name for people."""

    @property
    def truth(self) -> Sequence[Tracks]:
        """The true objects of each frame, with boxes in px."""

    def __len__(self) -> int:
        """Return the number of frames that can be read; 0 if there are no pictures."""

    def fitted(self, frame: int, shape: tuple[int, ...], fit: Fit) -> tuple[Images, Placement]:
        """Return a frame fitted to ``(height, width, channels)``, uint8, and its place."""


@dataclass(frozen=True)
class SceneFootage:
    """A sequence of ``scenes``; its frames are uint8 ``(frames, px, px)``."""

    name: str
    truth: Sequence[Tracks]
    images: Images = field(repr=False)

    def __len__(self) -> int:
        return len(self.images)

    def fitted(self, frame: int, shape: tuple[int, ...], fit: Fit) -> tuple[Images, Placement]:
        """Return a frame as `Footage.fitted`."""
        height, width, channels = shape
        image = self.images[frame]
        placement = Placement.of(image.shape, (height, width), fit)
        return placement.image(Image.fromarray(image), channels), placement


@dataclass(frozen=True)
class FolderFootage:
    """A sequence of the user's; its frames are files."""

    name: str
    truth: Sequence[Tracks]
    pictures: Sequence[Path]

    def __len__(self) -> int:
        return len(self.pictures)

    def fitted(self, frame: int, shape: tuple[int, ...], fit: Fit) -> tuple[Images, Placement]:
        """Return a frame as `Footage.fitted`."""
        return photographs.placed(self.pictures[frame], shape, fit)


def recipe_of(dataset: str) -> Recipe | None:
    """Return the recipe of the sequences of ``scenes[...]``; None for a folder.

    Raises:
        UserError: a data set without sequences.
    """
    found = datasets.find(dataset)
    if isinstance(found, Folder):
        return None
    if not isinstance(found, Scenes):
        hint = "scenes, or folder:PATH with SEQUENCE/gt/gt.txt and SEQUENCE/img1/"
        raise UserError(f"{dataset} has no sequences to track objects in", hint=hint)
    parameters = dict(parse(dataset, "data set", "scenes[objects=2]").parameters)
    return Scenes(sequences.RECIPE).adjusted(parameters).recipe


def load(
    dataset: str,
    number: int,
    hidden: float = 1.0,
    search_path: Sequence[Path] = (),
    split: Split = "test",
) -> list[Footage]:
    """Return the first sequences of a data set.

    Args:
        dataset: ``scenes``, with parameters, or ``folder:PATH``.
        number: of sequences; of a folder at most.
        hidden: the largest share of an object that may be hidden in a frame; a sequence of scenes
            in which more is hidden is passed over. 0: nothing hides anything.
        search_path: folders in which a folder is looked up.
        split: of the scenes.

    Raises:
        UserError: a data set without sequences, or a wrong file of true objects.
        Unavailable: there is no such folder, or no sequence in it.
        JobFailed: too few sequences in which as little is hidden.
    """
    recipe = recipe_of(dataset)
    if recipe is None:
        return _of_folder(dataset, number, search_path)
    found: list[Footage] = []
    garments = garments_of(split)
    for index in count():
        images, objects = sequences.make(SEEDS[split], index, garments, recipe)
        assert objects.tracks is not None and objects.visible is not None
        if 1 - float(objects.visible.min()) <= hidden:
            truth = [
                Tracks(ids + 1, boxes.astype(np.float64) * recipe.px, np.ones(len(ids)), labels)
                for ids, boxes, labels in zip(
                    objects.tracks, objects.boxes, objects.labels, strict=True
                )
            ]
            found.append(SceneFootage(f"{dataset} {index}", truth, images))
        if len(found) == number:
            return found
        if index + 1 == _SEARCHED * number:
            break
    raise JobFailed(
        f"only {len(found)} of {_SEARCHED * number} sequences of {dataset} have no object of which "
        f"more than {hidden:g} is hidden; fewer objects hide each other less: scenes[objects=2]"
    )


def check(dataset: str, number: int, search_path: Sequence[Path], is_detected: bool) -> None:
    """Raise `UserError` with the mistakes in the first sequences of a folder, one for each.

    The arguments are those of `load`. A folder that is not there is no mistake, and neither are
    the sequences of ``scenes``.

    Args:
        is_detected: frames are given to a detector: there must be pictures.
    """
    if recipe_of(dataset) is not None:
        return
    problems = []
    for truth in _truths(dataset, search_path)[:number]:
        try:
            found = _sequence(truth)
        except UserError as error:
            problems.append(error)
            continue
        if is_detected and not len(found):
            hint = "without pictures, only detections: truth can be tracked"
            problems.append(UserError(f"no pictures in {_FRAMES}", str(truth.parent.parent), hint))
    if problems:
        raise all_of(problems)


def _of_folder(dataset: str, number: int, search_path: Sequence[Path]) -> list[Footage]:
    truths = _truths(dataset, search_path)
    if not truths:
        path = dataset.partition(":")[2]
        raise Unavailable(f"no folder '{path}' with sequences, each with {_TRUTH.as_posix()}")
    return [_sequence(truth) for truth in truths[:number]]


def _truths(dataset: str, search_path: Sequence[Path]) -> list[Path]:
    """Return the files of true objects in a folder, one for each sequence."""
    root = files.find(dataset.partition(":")[2], search_path)
    return sorted(root.glob(f"*/{_TRUTH.as_posix()}")) if root is not None else []


def _sequence(truth: Path) -> Footage:
    """Return the sequence with a file of true objects.

    Raises:
        UserError: a line of the file is wrong, or it does not fit the pictures.
    """
    folder = truth.parent.parent
    frames = folder / _FRAMES
    paths = sorted(frames.iterdir()) if frames.is_dir() else []
    pictures = [one for one in paths if one.suffix.lower() in _PICTURES]
    objects = mot.read_tracks(truth, len(pictures))
    if not objects:
        raise UserError("has no true objects, and there are no pictures", str(truth))
    if pictures and len(objects) > len(pictures):
        words = f"names frame {len(objects)}, but {_FRAMES} has {len(pictures)} pictures"
        raise UserError(words, str(truth))
    return FolderFootage(folder.name, objects, pictures)
