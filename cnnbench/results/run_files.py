"""Small files of a run's folder, read safely: a run may come from anywhere."""

from __future__ import annotations

import errno
import os
import re
import stat
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from cnnbench import safe_json
from cnnbench.record import are_words

ORDER = "order.json"
_ENVIRONMENT = "environment.json"
_MOST_BYTES = 2**20
_MOST_ENVIRONMENTS = 1000
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9.]+")
_LONGEST_LOG_NAME = 80  # characters, before what tells attempts apart
_MOST_LEVELS = 3  # fingerprint, libraries, versions


def log_words(title: str) -> str:
    """Return the beginning of the names of logs, for the title of a cell."""
    return _NOT_PLAIN.sub("-", title)[:_LONGEST_LOG_NAME]


def read_text(file: Path, most_bytes: int) -> str:
    """Return the text of ``file``, but never through a symbolic link.

    A run may be published: a link could put any file of this machine into it.

    Raises:
        OSError: it is not there, a link, not a plain file, or larger than ``most_bytes``.
        ValueError: it is not UTF-8.
    """
    return _content(file, most_bytes).decode("utf-8")


def read_bytes(folder: Path, path: str, most_bytes: int) -> bytes:
    """Return the content of a file in the run in ``folder``, never through a symbolic link.

    Args:
        folder: of the run.
        path: relative to it, with ``/``.
        most_bytes: a larger file is not read.

    Raises:
        OSError: it is not there, outside ``folder``, a link, not a plain file, or too large.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise OSError(errno.EINVAL, "not a path within the run", path)
    file = folder
    for part in parts:
        file = file / part
        if file.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(file))
    return _content(file, most_bytes)


def _content(file: Path, most_bytes: int) -> bytes:
    # Non-blocking: reading a pipe would wait for somebody to write into it.
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(file))
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(file))
    return content


def environment(folder: Path, name: str = _ENVIRONMENT) -> dict[str, Any]:
    """Return ``environment.json`` of the run in ``folder``; empty if no file holds valid facts.

    Tables are made without it too: where they were measured is then not known. ``name`` is that of
    another file, for an environment in which single jobs ran.
    """
    try:
        facts = safe_json.loads(read_text(folder / name, _MOST_BYTES))
    except (OSError, ValueError):
        return {}
    return facts if _is_environment(facts) else {}


def other_environments(folder: Path) -> dict[str, dict[str, Any]]:
    """Return by id the environments in which single jobs ran, from ``environment-ID.json``."""
    files = islice(folder.glob("environment-*.json"), _MOST_ENVIRONMENTS)
    found = {file.stem.partition("-")[2]: environment(folder, file.name) for file in files}
    return {name: facts for name, facts in found.items() if facts}


def order(folder: Path) -> tuple[list[str], list[str]]:
    """Return the models of a run's suite, and its settings with their probes, in their order.

    Both are empty if no file holds them.
    """
    try:
        found = safe_json.loads(read_text(folder / ORDER, _MOST_BYTES))
        models, settings = found["models"], found["settings"]
    except (OSError, ValueError, LookupError, TypeError):
        return [], []
    return (models, settings) if are_words(models) and are_words(settings) else ([], [])


def _is_environment(value: Any) -> bool:
    if not isinstance(value, dict) or not _are_facts(value, _MOST_LEVELS):
        return False
    fingerprint = value.get("fingerprint", {})
    return isinstance(fingerprint, dict) and isinstance(fingerprint.get("libraries", {}), dict)


def _are_facts(value: Any, levels: int) -> bool:
    """Return whether ``value`` is a fact, a list of facts, or a mapping ``levels`` deep."""
    if isinstance(value, dict):
        return levels > 0 and all(_are_facts(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return not any(isinstance(item, dict | list) for item in value)
    return True
