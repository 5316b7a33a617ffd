"""``folder:PATH``: the user's images, one subfolder per class or annotated, maybe with splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cnnbench import files
from cnnbench.data.datasets import UNKNOWN, Facts, LocalDataSet, Located, Request
from cnnbench.data.folder import layout
from cnnbench.data.folder.layout import TRAIN

if TYPE_CHECKING:
    from cnnbench.data.pictures import Splits

# Training images by path, as last located. The time that a training takes is estimated by them.
_COUNTED: dict[str, int] = {}


@dataclass(frozen=True)
class Folder:
    """The images in one folder."""

    path: str

    @property
    def facts(self) -> Facts:
        """Defaults for photographs; the number of training images is known after `locate`."""
        return replace(UNKNOWN, training_images=_COUNTED.get(self.path, UNKNOWN.training_images))

    def locate(self, search_path: Sequence[Path]) -> Located:
        """Hash the folder, and read its layout from file names and annotations."""
        from cnnbench.data.folder import annotated

        sha256 = files.hash_of(self.path, search_path)
        found = files.find(self.path, search_path)
        if found is None or not found.is_dir():
            return Located(sha256)
        if (listing := annotated.listing(found, sha256)) is not None:
            _COUNTED[self.path] = _for_training([one.split for one in listing.pictures])
            notes = *annotated.notes(listing), *annotated.problem_notes(listing)
            return Located(sha256, len(listing.classes), notes, annotated.kinds(listing))
        plan = layout.read(found)
        _COUNTED[self.path] = _for_training([member.split for member in plan.members])
        classes = plan.large_enough((member.label, member.split) for member in plan.members)[0]
        notes = *plan.notes(), *plan.problems()
        return Located(sha256, len(classes), notes, frozenset({"class"}))

    def load(self, request: Request, data_dir: Path | None, search_path: Sequence[Path]) -> Splits:
        """Examine every file, and return the usable images."""
        from cnnbench.data.folder import pictures

        return pictures.load(self.path, list(search_path), request.sha256, request.trains)


def _for_training(splits: Sequence[str]) -> int:
    """Return how many of the pictures in these splits, or in none, are trained on."""
    return splits.count(TRAIN) if any(splits) else len(splits) - len(splits) // 5


class FolderFormat:
    """Images with one subfolder per class, or with annotations."""

    def at(self, path: str) -> LocalDataSet:
        """Return the images in the folder ``path``."""
        return Folder(path)


FOLDER = FolderFormat()
