"""A user's folders are read, not written: importing a builder leaves no ``__pycache__`` there.

Not by `sys.dont_write_bytecode`: where the installed packages were never compiled, every worker
would compile Keras anew, which takes seconds.
"""

from __future__ import annotations

import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from typing import Any

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_folders: set[Path] = set()


class _Reader(SourceFileLoader):
    def set_data(self, path: str, data: Any, **_: Any) -> None:
        """Where the loader would keep its bytecode."""


_find = FileFinder.path_hook(
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (_Reader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


def leave(folder: Path) -> None:
    """From here on nothing is written where something is imported from below ``folder``.

    Packages installed below it are not meant.
    """
    if not _folders:
        sys.path_hooks.insert(0, _hook)
    _folders.add(folder.resolve())
    for known in filter(_is_own, list(sys.path_importer_cache)):
        del sys.path_importer_cache[known]


def _hook(folder: str) -> Any:
    if not _is_own(folder):
        raise ImportError(f"{folder} is left to others")
    return _find(folder)


def _is_own(folder: str) -> bool:
    path = Path(folder).resolve()
    if _INSTALLED.intersection(path.parts):
        return False
    return any(path.is_relative_to(own) for own in _folders)
