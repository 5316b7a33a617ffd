"""Find the usable images of a folder with classes; list and count the others.

Not usable are files that are not images, damaged images, files outside every class, an image that
is in two classes, dangling links, and classes with too few images.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from cnnbench import files
from cnnbench.data import loading, tones
from cnnbench.data.folder import annotated
from cnnbench.data.folder import layout as layouts
from cnnbench.data.folder.layout import Layout, Member
from cnnbench.data.photographs import Photographs, fitted
from cnnbench.data.pictures import Labels, Splits
from cnnbench.data.tones import Picture, Tones
from cnnbench.errors import JobFailed, Unavailable, brief, is_out_of_memory

_TEST_SHARE = 0.2
_THREADS = 4


@dataclass(frozen=True)
class _Found:
    """One file: its class and split, the hash of its bytes, and why it cannot be used, if so."""

    member: Member
    digest: str = ""
    tones: Tones = field(default_factory=Tones)
    problem: str = ""


def load(
    name: str,
    search_path: list[Path],
    sha256: str = "",
    trains: bool = True,
) -> Splits:
    """Return the folder's splits; without splits, four fifths of each class are for training.

    Args:
        name: the path of the folder.
        search_path: folders in which it is looked up.
        sha256: of the folder when the suite was planned; empty if unknown.
        trains: a model is trained: a class needs five images, or one in each split. Otherwise it
            needs one test image, and of a folder with splits only the test split is read.

    Raises:
        Unavailable: there is no such folder.
        JobFailed: fewer than two classes have enough pictures, or too few annotated ones can be
            used, or the folder was changed.
    """
    path = files.find(name, search_path)
    if path is None or not path.is_dir():
        raise Unavailable(
            f"no folder '{name}' next to the suite; create it with one subfolder per class"
        )
    if sha256 and files.sha256(path) != sha256:
        raise JobFailed(f"the pictures in '{name}' are not those of the plan; run again")
    if (listing := annotated.listing(path, sha256)) is not None:
        return annotated.load(name, path, listing, trains)
    layout = layouts.read(path)
    problems = layout.problems()
    found = _usable(layout, problems, [layout.test_split] if layout.splits and not trains else [])
    places = [(one.member.label, one.member.split) for one in found]
    kept, left_out = layout.large_enough(places, trains)
    if len(kept) < 2:
        reasons = "; ".join([*left_out, *problems][:3])
        raise JobFailed(
            f"'{name}' has {len(kept)} classes with enough pictures; two are needed"
            f"{_meant(name, layout)} ({len(problems)} problems: {reasons or 'none'})"
        )
    chosen = [one for label in kept for one in found if one.member.label == label]
    notes = [*layout.notes(), *left_out, *tones.notes([one.tones for one in chosen])]
    return _split(chosen, kept, layout, tuple(problems), tuple(notes))


def _split(
    chosen: list[_Found],
    classes: list[str],
    layout: Layout,
    problems: tuple[str, ...],
    notes: tuple[str, ...],
) -> Splits:
    place = {label: index for index, label in enumerate(classes)}
    labels = np.array([place[one.member.label] for one in chosen], np.int64)
    white = tones.white_level(one.tones.brightest for one in chosen)

    def part(indices: Labels) -> Photographs:
        return Photographs([chosen[i].member.file for i in indices], labels[indices], white)

    if not layout.splits:
        train, test = loading.held_out(labels, _TEST_SHARE)
        return Splits(tuple(classes), part(train), part(test), None, problems, notes, False)
    of = {
        split: np.array([i for i, one in enumerate(chosen) if one.member.split == split], np.int64)
        for split in (layouts.TRAIN, layout.test_split, layouts.VALIDATION)
    }
    has_validation = layout.test_split != layouts.VALIDATION and of[layouts.VALIDATION].size
    validation = part(of[layouts.VALIDATION]) if has_validation else None
    official = part(of[layouts.TRAIN]), part(of[layout.test_split])
    return Splits(tuple(classes), *official, validation, problems, notes)


def _usable(layout: Layout, problems: list[str], only: Sequence[str]) -> list[_Found]:
    """Return the usable images, each once; append the reasons for the others to ``problems``.

    Args:
        layout: the folder.
        problems: gets a line for each image that cannot be used.
        only: the splits to examine; empty for all.
    """
    members = [member for member in layout.members if not only or member.split in only]
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(_examined, members))
    problems.extend(
        f"{layout.shown(one.member.file)}: {one.problem}" for one in found if one.problem
    )
    good = [one for one in found if not one.problem]
    labels_of: dict[str, set[str]] = defaultdict(set)
    for one in good:
        labels_of[one.digest].add(one.member.label)
    chosen: dict[str, _Found] = {}
    for one in good:
        where = layout.shown(one.member.file)
        if len(labels_of[one.digest]) > 1:
            among = " and ".join(sorted(labels_of[one.digest]))
            problems.append(f"{where}: mislabelled, the same picture is in {among}")
        elif (twin := chosen.setdefault(one.digest, one)) is not one:
            problems.append(f"{where}: duplicate of {layout.shown(twin.member.file)}")
    return list(chosen.values())


def _meant(name: str, layout: Layout) -> str:
    """Suggest a subfolder that may be meant: the only one, or the training split.

    Where there is none, and no two classes, tell which annotations were looked for.
    """
    if layout.splits:
        top = next(top for top, split in layout.splits.items() if split == layouts.TRAIN)
        return f"; folder:{name}/{top} alone would hold out a fifth for testing"
    if len(layout.classes) == 1:
        inner = layouts.read(layout.folder / layout.classes[0])
        if len(inner.classes) > 1:
            return f"; did you mean folder:{name}/{layout.classes[0]}?"
    return "" if len(layout.classes) > 1 else f"; no annotations either: {annotated.LOOKED_FOR}"


def _examined(member: Member) -> _Found:
    if not member.label:
        return _Found(member, problem=layouts.NO_CLASS)
    try:
        with Image.open(member.file) as opened:
            picture = Picture(opened)
            seen = picture.tones()
            upright = picture.eight_bits()  # the orientation tag may be damaged
            for channels in (1, 3):  # as it will be read
                fitted(upright, 8, 8, channels)
    except UnidentifiedImageError:
        return _Found(member, problem="not an image")
    except Exception as error:  # Pillow's readers can raise anything
        if is_out_of_memory(error):
            raise
        return _Found(member, problem=f"unreadable ({brief(error, 200)})")
    digest = hashlib.sha256(member.file.read_bytes()).hexdigest()
    return _Found(member, digest, seen)
