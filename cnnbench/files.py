"""Files: look-up of paths in a suite, hashes, and atomic writes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from cnnbench.errors import UserError

DATA_DIR = "CNNBENCH_DATA"  # the environment variable that names the data folder


def check_path(look: Callable[[], bool]) -> bool:
    """Return ``look()``, a path's ``exists`` or ``is_file``, or False if it raises.

    It raises `OSError` for a path that is too long, or in a folder without access.
    """
    try:
        return look()
    except OSError:
        return False


def find(name: str, folders: Iterable[Path | None]) -> Path | None:
    """Return the path of ``name`` in the first of ``folders`` that has it, or None.

    An absolute ``name`` is looked up as it is.
    """
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # '~name' of an unknown user
        return None
    for folder in [Path()] if path.is_absolute() else folders:
        if folder is not None and check_path((folder / path).exists):
            return (folder / path).resolve()
    return None


def names_in(file: Path) -> list[str]:
    """Return the names in a text file, one per line; blank lines are left out.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def data_folder(path: Path | str | None, option: str = "data_dir") -> Path | None:
    """Return the data folder: ``path``, else the one that ``CNNBENCH_DATA`` names, else None.

    Raises:
        UserError: it is no folder; ``option`` is where ``path`` was given.
    """
    named, where = (path, option) if path else (os.environ.get(DATA_DIR), DATA_DIR)
    if not named:
        return None
    if not check_path(Path(named).is_dir):
        what = "is not a folder" if check_path(Path(named).exists) else "does not exist"
        hint = "create it or correct the path; it holds keras/, tensorflow_datasets/ and weights/"
        raise UserError(f"the data folder '{named}' {what}", where, hint)
    return Path(named).resolve()


def weights_folders(search_path: Sequence[Path], data_dir: Path | None) -> list[Path]:
    """Return the folders to search for a weights file: those of the suite, then the data folder."""
    return [*search_path, *([data_dir / "weights"] if data_dir else [])]


def sha256(path: Path) -> str:
    """Return the hash of a file's bytes, or of a folder's `Tree`: its names, bytes and oddities.

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
    """Return the `sha256` of the path that `find` returns, or an empty string if there is none."""
    found = find(name, folders)
    return sha256(found) if found else ""


@dataclass(frozen=True)
class Tree:
    """The content of a folder without hidden files and folders.

    Attributes:
        files: every file, sorted by path; links are followed.
        odd: every path that ends at something other than a file, and what that is.
    """

    files: tuple[Path, ...]
    odd: Mapping[Path, str]


def tree(folder: Path) -> Tree:
    """Return the content of ``folder``, at any depth.

    A link to a folder that contains the link is not followed, which would never end.
    """
    above = frozenset(_identity(one.stat()) for one in (folder, *folder.resolve().parents))
    found = dict(_walk(folder, above))
    files = (path for path, problem in found.items() if not problem)
    return Tree(tuple(sorted(files)), {path: what for path, what in found.items() if what})


def _walk(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[tuple[Path, str]]:
    """Yield ``(path, "")`` for a file and ``(path, problem)`` for any other end of a path."""
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


# Planning asks once per model; the stamps detect a file that changed in between.
@lru_cache(maxsize=64)
def _sha256(path: str, stamps: tuple[tuple[str, int, int], ...], odd: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name, size, _ in stamps:
        file = Path(name)
        if file != Path(path):
            # The raw bytes of the name: file names need not be UTF-8.
            digest.update(os.fsencode(file.relative_to(path)) + f"\0{size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    for name in odd:
        digest.update(os.fsencode(Path(name).relative_to(path)) + b"\0\0")
    return digest.hexdigest()


@contextmanager
def replacing(file: Path, sync: bool = False) -> Iterator[BinaryIO]:
    """Open a stream whose content replaces ``file`` in one step when the block ends.

    Another process, or this one after being killed, sees the old content or the new, never a part.
    If the block raises, ``file`` is untouched.

    Args:
        file: the file to write; its folder exists.
        sync: flush to the disk as well, so that a power cut cannot lose the content.

    Raises:
        OSError: the file cannot be written; the old content is untouched.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as stream:
            yield stream
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if sync:
        _sync_folder(file.parent)


def replace_text(file: Path, text: str, sync: bool = False) -> None:
    """Write ``text`` to ``file`` as UTF-8 in one step; see `replacing`."""
    with replacing(file, sync) as stream:
        stream.write(text.encode())


def replace_arrays(file: Path, arrays: Mapping[str, Any], sync: bool = False) -> None:
    """Write NumPy ``arrays`` to ``file``, an ``.npz``, in one step; see `replacing`."""
    import numpy as np

    with replacing(file, sync) as stream:
        np.savez(stream, **arrays)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
