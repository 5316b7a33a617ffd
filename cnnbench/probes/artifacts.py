"""Folders of a run's artifacts: named for people, found by key.

What the jobs of a run make lies in ``artifacts/<model>/<what>/``, for example
``artifacts/MobileNetV2-alpha=0.35/ptq-int8/model.tflite``. Each of these folders holds its key in
the file ``.key``, and is found by it; its name is the first that is free, the shortest first. Runs
of earlier versions have folders in ``artifacts/`` that are named by their keys, without the file;
they are found as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from cnnbench.errors import CnnbenchError

KEY = ".key"
_LONGEST_NAME, _LONGEST_KEY = 80, 200  # characters
_RANDOM = ".random-weights"


def words(text: str) -> str:
    """Return ``text`` as the name of a folder: ``MobileNetV2[alpha=0.35]``, without brackets.

    Example:
        >>> words("MobileNetV2[alpha=0.35]")
        'MobileNetV2-alpha=0.35'
    """
    found = re.sub(r"[^A-Za-z0-9.=+_]+", "-", text)[:_LONGEST_NAME]
    return found.strip("-.") or "unnamed"


def find(parent: Path, key: str) -> Path | None:
    """Return the folder in ``parent`` that has this key, or None."""
    if (parent / key).is_dir():
        return parent / key
    if not parent.is_dir():
        return None
    # A folder that another process still makes has its key too, and a hidden name.
    made = (folder for folder in sorted(parent.iterdir()) if not folder.name.startswith("."))
    return next((folder for folder in made if key_of(folder) == key), None)


def claim(parent: Path, key: str, names: Sequence[str]) -> Path:
    """Return the folder in ``parent`` that has this key, after making it if there is none.

    Several processes may claim folders at once.

    Args:
        parent: folder to look in; it is made where it is missing.
        key: decides the content of the folder.
        names: texts to name it by, in order of preference; where other folders have all of these
            names, the last one is followed by a hash of the key.

    Raises:
        OSError: the folder cannot be written.
    """
    if (found := find(parent, key)) is not None:
        return found
    short = hashlib.sha256(key.encode()).hexdigest()[:8]
    last = words(names[-1])
    for name in (*map(words, names), f"{last}-{short}"):
        if _take(parent / name, key):
            return parent / name
    raise CnnbenchError(f"no name is free for '{last}' in {parent}")


def release(folder: Path) -> None:
    """Remove a folder that holds nothing but its key."""
    if [path.name for path in folder.glob("*")] in ([], [KEY]):
        with contextlib.suppress(OSError):
            (folder / KEY).unlink(missing_ok=True)
            folder.rmdir()


def key_of(folder: Path) -> str:
    """Return the key of a folder; empty if it has none."""
    try:
        with (folder / KEY).open("rb") as stream:
            return stream.read(_LONGEST_KEY).decode()
    except (OSError, UnicodeDecodeError):
        return ""


def of_random_weights(file: Path) -> Path:
    """Return the name of a file whose weights nothing has trained: ``model.random-weights.tflite``.

    Such a file is as large and as fast as one with trained weights, and predicts nothing.
    """
    return file.with_name(f"{file.stem}{_RANDOM}{file.suffix}")


def existing(file: Path) -> Path:
    """Return ``file``, or the same with random weights if only that exists."""
    random = of_random_weights(file)
    return random if random.exists() and not file.exists() else file


def _take(folder: Path, key: str) -> bool:
    """Make ``folder`` with its key in one step; return whether it is there and has this key."""
    staging = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    (staging / KEY).write_text(key, encoding="utf-8")
    try:
        staging.rename(folder)  # replaces an empty folder, and no other
    except OSError:
        shutil.rmtree(staging, ignore_errors=True)
        return key_of(folder) == key
    return True
