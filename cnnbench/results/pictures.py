"""Example pictures that records name: files of a run, which may come from anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnbench.results import run_files

FIELD = "examples"
"""Detail of a record: a list of mappings with ``image``, ``file`` and ``sha256``."""

_MOST_BYTES = 100_000  # of one picture
_PNG = b"\x89PNG\r\n\x1a\n"


def content(folder: Path, listed: Any, most_bytes: int = _MOST_BYTES) -> bytes:
    """Return the bytes of a picture that a record lists.

    Args:
        folder: of the run; the picture is read inside it, and never through a link.
        listed: an entry of the record's list.
        most_bytes: a larger picture is not read.

    Raises:
        ValueError: it is not there, too large, or not the PNG that the record names.
    """
    named = listed if isinstance(listed, Mapping) else {}
    path, expected = named.get("file"), named.get("sha256")
    if not isinstance(path, str) or not isinstance(expected, str):
        raise ValueError("the record names no file")
    try:
        found = run_files.read_bytes(folder, path, min(most_bytes, _MOST_BYTES))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or 'cannot be read'}") from None
    if hashlib.sha256(found).hexdigest() != expected:
        raise ValueError(f"{path}: not the file that was measured, its hash differs")
    if not found.startswith(_PNG):
        raise ValueError(f"{path}: not a PNG")
    return found
