"""Layout of a folder of images, from file names alone; no image is opened.

A subfolder is a class. If all subfolders have names of splits, such as ``train/`` and ``test/``,
they are the splits, and the classes are the subfolders below them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnbench import files

SMALLEST_CLASS = 5  # images, so that a fifth of them is at least one
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "test": TEST,
    "testing": TEST,
}
NO_CLASS = "not in the subfolder of a class"


@dataclass(frozen=True)
class Member:
    """One file of a folder.

    Attributes:
        file: its path.
        split: its split; empty if the folder has none.
        label: its class; empty if it has none.
    """

    file: Path
    split: str
    label: str


@dataclass(frozen=True)
class Layout:
    """Layout of a folder of images, from its names.

    Attributes:
        folder: its path.
        members: every file; test files first, then training files.
        classes: every class that has a subfolder or a link, in order.
        splits: top subfolder -> ``train``, ``validation`` or ``test``; empty without splits.
        odd: paths that do not lead to a file, and what they are instead.
    """

    folder: Path
    members: tuple[Member, ...]
    classes: tuple[str, ...]
    splits: Mapping[str, str]
    odd: Mapping[Path, str]

    @property
    def test_split(self) -> str:
        """The split used for testing; the validation split if there is no test split."""
        return TEST if TEST in self.splits.values() else VALIDATION

    def large_enough(
        self, pictures: Iterable[tuple[str, str]], trains: bool = True
    ) -> tuple[list[str], list[str]]:
        """Return the classes with enough ``pictures``, in order, and why others are left out.

        Args:
            pictures: class and split of each.
            trains: training images are needed as well.
        """
        counts = Counter(pictures)
        needed = {"": SMALLEST_CLASS if trains else 1}
        if self.splits:
            needed = {self.test_split: 1} | ({TRAIN: 1} if trains else {})
        kept, left_out = [], []
        for label in self.classes:
            lacks = [
                f"{counts[label, split]} of the {least} {split or 'usable'} pictures needed"
                for split, least in needed.items()
                if counts[label, split] < least
            ]
            if lacks:
                left_out.append(f"class {label} left out: {', '.join(lacks)}")
            else:
                kept.append(label)
        return kept, left_out

    def shown(self, path: Path) -> str:
        """Return a path for messages, relative to the folder."""
        return path.relative_to(self.folder).as_posix()

    def problems(self) -> list[str]:
        """Return the paths that are not usable files, with the reason."""
        return [f"{self.shown(path)}: {what}" for path, what in sorted(self.odd.items())]

    def notes(self) -> list[str]:
        """Return remarks for the report: the splits, and the order of the classes."""
        found = []
        if self.splits:
            of = {split: f"{top}/" for top, split in self.splits.items()}
            found.append(f"trained on {of[TRAIN]}, tested on {of[self.test_split]}")
        elif beside := [top for top in self.classes if top.lower() in SPLITS]:
            found.append(f"{'/ and '.join(beside)}/ taken as classes: there are other subfolders")
        if list(self.classes) != sorted(self.classes):
            first, last = self.classes[0], self.classes[-1]
            found.append(f"classes in numerical order, {first} to {last}")
        return found


def read(folder: Path) -> Layout:
    """Return the layout of ``folder``."""
    tree = files.tree(folder)
    # An empty folder, or a link to one, defines a class like a folder with files.
    ends = {path: path.relative_to(folder).parts for path in tree.odd if path.is_dir()}
    ways = {file: file.relative_to(folder).parts[:-1] for file in tree.files} | ends
    splits = _splits(way[0] for way in ways.values() if way)
    depth = 1 if splits else 0

    def label(path: Path) -> str:
        return ways[path][depth] if len(ways[path]) > depth else ""

    members = [
        Member(file, splits[ways[file][0]] if splits and ways[file] else "", label(file))
        for file in tree.files
    ]
    members.sort(key=lambda member: [TEST, TRAIN, VALIDATION, ""].index(member.split))
    return Layout(
        folder=folder,
        members=tuple(members),
        classes=tuple(in_order({name for path in ways if (name := label(path))})),
        splits=splits,
        odd=tree.odd,
    )


def in_order(names: Iterable[str]) -> Sequence[str]:
    """Return class names in the order of their labels: as numbers where all are, else as text."""
    names = list(names)
    if all(name.isascii() and name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _splits(tops: Iterable[str]) -> dict[str, str]:
    """Return the split of each top subfolder if all are splits and one can be tested on."""
    roles = {top: SPLITS.get(top.lower(), "") for top in sorted(set(tops))}
    found = set(roles.values())
    return roles if TRAIN in found and "" not in found and len(found) > 1 else {}
