"""``folder:PATH``: one's own pictures, a class a subfolder.

What cannot be used is named and counted, and the rest is trained on: files that are no pictures,
damaged pictures, files outside every class, and the same picture under two classes.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from cnnbench.core import datasets
from cnnbench.core.errors import JobFailed, Unavailable, is_out_of_memory
from cnnbench.core.settings import files
from cnnbench.data import stratified
from cnnbench.data.photographs import Photographs, fitted
from cnnbench.data.pictures import Splits

_TEST_SHARE = 0.2
_THREADS = 4


@dataclass(frozen=True)
class _Found:
    """One file: its class, the hash of its bytes, and what is wrong with it, if anything."""

    file: Path
    label: str
    digest: str
    problem: str


def load(
    name: str,
    search_path: list[Path],
    sha256: str = "",
    smallest_class: int = datasets.SMALLEST_CLASS,
) -> Splits:
    """Four fifths for training, one fifth for the test, every class in its share.

    Args:
        name: of the folder.
        search_path: where it is looked up.
        sha256: what the folder was when the suite was planned; empty where that is not known.
        smallest_class: a class of fewer pictures is left out.

    Raises:
        Unavailable: there is no such folder.
        JobFailed: fewer than two classes have enough pictures, or the folder was changed.
    """
    folder = files.find(name, search_path)
    if folder is None or not folder.is_dir():
        raise Unavailable(f"no folder '{name}' beside the suite; make it, one subfolder a class")
    if sha256 and files.sha256(folder) != sha256:
        raise JobFailed(f"the pictures in '{name}' are not those of the plan; run again")
    problems: list[str] = []
    chosen = _usable(folder, problems, smallest_class)
    classes = tuple(sorted(chosen))
    if len(classes) < 2:
        raise JobFailed(
            f"'{name}' has {len(classes)} classes with {smallest_class} pictures or more; "
            f"two are needed ({len(problems)} problems: {'; '.join(problems[:3]) or 'none'})"
        )
    pictures = [file for label in classes for file in chosen[label]]
    labels = np.repeat(np.arange(len(classes)), [len(chosen[label]) for label in classes])
    train, test = stratified.held_out(labels, _TEST_SHARE)
    return Splits(
        classes=classes,
        train=Photographs([pictures[i] for i in train], labels[train]),
        test=Photographs([pictures[i] for i in test], labels[test]),
        problems=tuple(problems),
    )


def _usable(folder: Path, problems: list[str], smallest_class: int) -> dict[str, list[Path]]:
    """The pictures of every class that has enough; all else goes into ``problems``."""
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(lambda file: _examined(folder, file), _files(folder)))
    problems.extend(
        f"{one.file.relative_to(folder)}: {one.problem}" for one in found if one.problem
    )
    good = [one for one in found if not one.problem]
    labels_of: dict[str, set[str]] = defaultdict(set)
    for one in good:
        labels_of[one.digest].add(one.label)
    chosen: dict[str, list[Path]] = defaultdict(list)
    seen: set[str] = set()
    for one in good:
        where = one.file.relative_to(folder)
        if len(labels_of[one.digest]) > 1:
            among = " and ".join(sorted(labels_of[one.digest]))
            problems.append(f"{where}: mislabelled, the same picture is in {among}")
        elif one.digest in seen:
            problems.append(f"{where}: the same picture again")
        else:
            seen.add(one.digest)
            chosen[one.label].append(one.file)
    return dict(_large_enough(chosen, problems, smallest_class))


def _files(folder: Path) -> list[Path]:
    return sorted(files.visible_files(folder))


def _large_enough(
    chosen: dict[str, list[Path]], problems: list[str], smallest: int
) -> Iterator[tuple[str, list[Path]]]:
    for label, members in chosen.items():
        if len(members) >= smallest:
            yield label, members
        else:
            problems.append(f"{label}/: only {len(members)} pictures, {smallest} are needed")


def _examined(folder: Path, file: Path) -> _Found:
    label = file.relative_to(folder).parts[0]
    if file.parent == folder:
        return _Found(file, "", "", "in no class's subfolder")
    try:
        with Image.open(file) as picture:
            picture.load()
            for channels in (1, 3):  # as it will be: its orientation may be what is damaged
                fitted(picture, 8, 8, channels)
    except UnidentifiedImageError:
        return _Found(file, label, "", "not a picture")
    except Exception as error:  # Pillow's readers raise what they like
        if is_out_of_memory(error):
            raise
        return _Found(file, label, "", f"unreadable ({' '.join(str(error).split())[:200]})")
    return _Found(file, label, hashlib.sha256(file.read_bytes()).hexdigest(), "")
