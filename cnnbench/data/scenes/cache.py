"""Generated scenes in files, for the next job or run; safe to delete at any time.

A file has a header of 512 bytes (JSON that says what it holds), the scenes as records of
`generate.layout`, and the CRC-32 of the records. Scenes are read through a memory map, so that they
take no memory of their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench import files
from cnnbench.data.scenes import Recipe, generate
from cnnbench.data.scenes.generate import Records, Split
from cnnbench.errors import brief

FOLDER = "scenes"
_HEADER, _CHECKSUM = 512, 4  # bytes
_AT_ONCE = 500  # scenes generated before they are written
_BLOCK = 2**22  # bytes


@dataclass(frozen=True)
class Wanted:
    """Scenes of a split: ``count`` of them, from ``first`` on."""

    recipe: Recipe
    split: Split
    first: int
    count: int

    def folder(self, cache: Path) -> Path:
        """Return the folder of the scenes of this recipe."""
        text = json.dumps([generate.VERSION, asdict(self.recipe)], sort_keys=True)
        return cache / FOLDER / hashlib.sha256(text.encode()).hexdigest()[:16]

    def header(self) -> dict[str, Any]:
        """Return what a file says of its content, except the number of scenes."""
        return {
            "format": "cnnbench scenes",
            "generator": generate.VERSION,
            "recipe": json.loads(json.dumps(asdict(self.recipe))),  # as it is read
            "split": self.split,
            "first": self.first,
        }


def scenes(wanted: Wanted, cache: Path | None) -> tuple[Records, list[str]]:
    """Return scenes from the cache, where they are put if it does not have them yet.

    Args:
        wanted: which ones.
        cache: the folder for generated data, or None.

    Returns:
        The scenes, and remarks: a file that was damaged, a folder that cannot be written.
    """
    remarks: list[str] = []
    if cache is not None and wanted.count:
        folder = wanted.folder(cache)
        try:
            with _held(folder, cache):
                return _kept(wanted, folder, remarks), remarks
        except OSError as error:
            reason = error.strerror or brief(error)
            remarks.append(f"scenes are not kept in {folder}: {reason}")
    indices = range(wanted.first, wanted.first + wanted.count)
    return generate.records(wanted.recipe, wanted.split, indices), remarks


@contextlib.contextmanager
def _held(folder: Path, cache: Path) -> Iterator[None]:
    """Make a folder of the cache and lock it: a second process waits, and finds the scenes there.

    Raises:
        OSError: it cannot be made, or leads elsewhere by a symbolic link.
    """
    for path in (cache, folder.parent, folder):
        if path.is_symlink():
            raise OSError(f"{path} is a symbolic link")
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which unlocks it


def _kept(wanted: Wanted, folder: Path, remarks: list[str]) -> Records:
    """Return scenes from a file, after adding to it those that it lacks."""
    file = folder / f"{wanted.split}-{wanted.first}.scenes"
    known = None
    try:
        known = _read(file, wanted)
    except _Unusable as error:
        remarks.append(f"{file} {error}; its scenes were generated anew")
    if known is None or len(known) < wanted.count:
        _write(file, wanted, known)
        known = _read(file, wanted)
    if known is None:
        raise OSError(f"{file} has disappeared")
    return known[: wanted.count]


class _Unusable(Exception):
    """A file that holds something else than it should; the message follows its name."""


def _read(file: Path, wanted: Wanted) -> Records | None:
    """Return the scenes in a file, memory-mapped, or None if there is no file.

    Raises:
        _Unusable: it is damaged, or of something else.
        OSError: it cannot be read.
    """
    if not os.path.lexists(file):
        return None
    if file.is_symlink() or not file.is_file():
        raise _Unusable("is not a file")
    kind = generate.layout(wanted.recipe)
    with file.open("rb") as stream:
        try:
            header = json.loads(stream.read(_HEADER))
            count = header.pop("count")
        except (ValueError, TypeError, AttributeError, KeyError):
            raise _Unusable("is damaged") from None
        if header != wanted.header() or not isinstance(count, int):
            raise _Unusable("is of other scenes")
        left = count * kind.itemsize
        if count < 1 or file.stat().st_size != _HEADER + left + _CHECKSUM:
            raise _Unusable("is damaged")
        checksum = 0
        while left and (block := stream.read(min(left, _BLOCK))):
            checksum = zlib.crc32(block, checksum)
            left -= len(block)
        if stream.read() != _bytes(checksum):
            raise _Unusable("is damaged")
        return np.memmap(stream, kind, "r", _HEADER, (count,))


def _write(file: Path, wanted: Wanted, known: Records | None) -> None:
    """Write the scenes wanted to a file in one step; ``known`` are the first of them."""
    header = json.dumps({**wanted.header(), "count": wanted.count}).encode()
    with files.replacing(file) as stream:
        stream.write(header.ljust(_HEADER - 1) + b"\n")
        checksum = 0
        for records in _pieces(wanted, known):
            data = records.tobytes()
            checksum = zlib.crc32(data, checksum)
            stream.write(data)
        stream.write(_bytes(checksum))


def _pieces(wanted: Wanted, known: Records | None) -> Iterator[Records]:
    done = 0 if known is None else len(known)
    for start in range(0, done, _AT_ONCE):
        assert known is not None
        yield known[start : start + _AT_ONCE]
    for start in range(wanted.first + done, wanted.first + wanted.count, _AT_ONCE):
        stop = min(start + _AT_ONCE, wanted.first + wanted.count)
        yield generate.records(wanted.recipe, wanted.split, range(start, stop))


def _bytes(checksum: int) -> bytes:
    return checksum.to_bytes(_CHECKSUM, "little")
