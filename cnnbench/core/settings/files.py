"""Files and folders that a suite names: where they are looked up, and the hash that a key holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from cnnbench.core.errors import UserError


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


def weights_folders(search_path: Sequence[Path], data_dir: Path | None) -> list[Path]:
    """Where a weights file is looked up: beside the suite, then in the data folder."""
    return [*search_path, *([data_dir / "weights"] if data_dir else [])]


def sha256(path: Path) -> str:
    """Of a file's bytes, or of a folder's names and bytes (hidden files left out).

    Raises:
        UserError: a file cannot be read.
    """
    try:
        files = [path] if path.is_file() else sorted(visible_files(path))
        stamps = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
        return _sha256(str(path), stamps)
    except OSError as error:
        where = str(error.filename or path)
        raise UserError(f"cannot be read: {error.strerror}", where) from None


def hash_of(name: str, folders: Iterable[Path | None]) -> str:
    """The `sha256` of what `find` finds; empty where it finds nothing."""
    found = find(name, folders)
    return sha256(found) if found else ""


def visible_files(folder: Path) -> Iterable[Path]:
    """Every file below ``folder`` whose way there has no hidden part."""
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        if file.is_file() and not any(part.startswith(".") for part in parts):
            yield file


# A plan asks once a model; the stamps notice a file that has changed in between.
@lru_cache(maxsize=64)
def _sha256(path: str, stamps: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, size, _ in stamps:
        file = Path(name)
        if file != Path(path):
            # The name's own bytes: not every file system's names are UTF-8.
            digest.update(os.fsencode(file.relative_to(path)) + f"\0{size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()
