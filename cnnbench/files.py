"""Files: look-up of those that a suite names, hashes, and writing in one step."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cnnbench.errors import UserError


def seen(look: Callable[[], bool]) -> bool:
    """What ``look`` (a path's ``exists``, ``is_file``) says; False where it cannot be looked there.

    A suite may name anything: a path longer than there can be, one in a folder that is closed.
    """
    try:
        return look()
    except OSError:
        return False


def find(name: str, folders: Iterable[Path | None]) -> Path | None:
    """The first of ``folders`` in which ``name`` exists, or ``name`` itself where absolute."""
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # the home of somebody unknown here
        return None
    for folder in [Path()] if path.is_absolute() else folders:
        if folder is not None and seen((folder / path).exists):
            return (folder / path).resolve()
    return None


def names_in(file: Path) -> list[str]:
    """Return the names in a text file, one per line; blank lines are left out.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def weights_folders(search_path: Sequence[Path], data_dir: Path | None) -> list[Path]:
    """Where a weights file is looked up: beside the suite, then in the data folder."""
    return [*search_path, *([data_dir / "weights"] if data_dir else [])]


def sha256(path: Path) -> str:
    """Hash a file's bytes, or all that `tree` finds in a folder: names, bytes, and what is odd.

    Raises:
        UserError: a file cannot be read.
    """
    try:
        found = Tree((path,), {}) if path.is_file() else tree(path)
        stamps = tuple((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in found.files)
        return _sha256(str(path), stamps, tuple(str(odd) for odd in sorted(found.odd)))
    except OSError as error:
        where = str(error.filename or path)
        raise UserError(f"cannot be read: {error.strerror}", where) from None


def hash_of(name: str, folders: Iterable[Path | None]) -> str:
    """The `sha256` of what `find` finds; empty where it finds nothing."""
    found = find(name, folders)
    return sha256(found) if found else ""


@dataclass(frozen=True)
class Tree:
    """Everything below a folder except hidden files and folders.

    Attributes:
        files: every file, in the order of their paths; links are followed, wherever they lead.
        odd: every other path that leads to no file, and what it is instead.
    """

    files: tuple[Path, ...]
    odd: Mapping[Path, str]


def tree(folder: Path) -> Tree:
    """List what is below ``folder``; nothing but hidden names is passed over.

    A link to a folder that contains it is not followed, since that would never end.
    """
    above = frozenset(_identity(one.stat()) for one in (folder, *folder.resolve().parents))
    found = dict(_walk(folder, above))
    files = (path for path, problem in found.items() if not problem)
    return Tree(tuple(sorted(files)), {path: what for path, what in found.items() if what})


def _walk(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[tuple[Path, str]]:
    """``(path, "")`` for every file, ``(path, what it is)`` for every end that is none."""
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        yield folder, f"a folder that cannot be read ({error.strerror})"
        return
    if not paths:
        yield folder, "an empty folder"
    for path in paths:
        try:
            found = path.stat()
        except OSError as error:
            is_link = path.is_symlink()
            yield path, "a dangling link" if is_link else f"unreadable ({error.strerror})"
            continue
        if stat.S_ISREG(found.st_mode):
            yield path, ""
        elif not stat.S_ISDIR(found.st_mode):
            yield path, "neither a file nor a folder"
        elif _identity(found) in above:
            yield path, "a link to a folder that contains it"
        else:
            yield from _walk(path, above | {_identity(found)})


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


# A plan asks once a model; the stamps notice a file that has changed in between.
@lru_cache(maxsize=64)
def _sha256(path: str, stamps: tuple[tuple[str, int, int], ...], odd: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name, size, _ in stamps:
        file = Path(name)
        if file != Path(path):
            # The name's own bytes: not every file system's names are UTF-8.
            digest.update(os.fsencode(file.relative_to(path)) + f"\0{size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    for name in odd:
        digest.update(os.fsencode(Path(name).relative_to(path)) + b"\0\0")
    return digest.hexdigest()


def replace_text(file: Path, text: str) -> None:
    """Write ``file`` in one step: whoever looks, or a kill, finds the old text or the new.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def replace_arrays(file: Path, arrays: Mapping[str, Any]) -> None:
    """Write NumPy ``arrays`` to ``file``, an ``.npz``, in one step like `replace_text`.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    import numpy as np

    part = file.with_name(f".{file.name}.part")
    with part.open("wb") as stream:
        np.savez(stream, **arrays)
    part.replace(file)
