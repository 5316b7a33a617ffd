"""Find the source file of a builder without importing it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from cnnbench.errors import UserError, explained, nearest
from cnnbench.files import check_path
from cnnbench.models import signature


@dataclass(frozen=True)
class Location:
    """A Python module on disk: the folder that it is imported from, its dotted name, its file."""

    root: Path
    module: str
    file: Path

    def load(self) -> ModuleType:
        """Import the module without writing bytecode next to it.

        Raises:
            UserError: it raises while it is imported, or another module has its name.
        """
        # At the front, so that a user's `resnet.py` is found before anything installed.
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))
        before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            module = importlib.import_module(self.module)
        except Exception as error:
            raise UserError(f"importing it failed: {explained(error)}", str(self.file)) from error
        finally:
            sys.dont_write_bytecode = before
        loaded = module.__file__
        if loaded is None or not check_path(lambda: self.file.samefile(loaded)):
            raise UserError(
                f"another module '{self.module}' is already loaded from {module.__file__}",
                str(self.file),
                "rename the file",
            )
        return module


def module(name: str, search_path: Sequence[Path]) -> Location:
    """Find ``package.module``, or a path to a ``.py`` file.

    Raises:
        UserError: not found; the folders that were searched are named.
    """
    if name.endswith(".py"):
        found = file(name, search_path).resolve()
        return Location(found.parent, found.stem, found)
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise UserError(
            f"'{name}' is not the name of a module", hint="write package.module:builder"
        )
    for root in (*search_path, *(Path(folder or ".").resolve() for folder in sys.path)):
        stem = root.joinpath(*parts)
        for candidate in (stem / "__init__.py", stem.with_name(stem.name + ".py")):
            if check_path(candidate.is_file):
                return Location(root, name, candidate)
    here = [*dict.fromkeys(search_path)] or [Path.cwd()]
    known = [path.stem for root in here for path in root.glob("*.py")]
    folders = " and ".join(str(root) for root in here)
    hint = nearest(name, known) or f"looked in {folders} and in the installed packages"
    raise UserError(f"no module '{name}'", hint=hint)


def file(name: str, search_path: Sequence[Path]) -> Path:
    """Find a file that is absolute, or relative to one of the folders.

    Raises:
        UserError: not found.
    """
    for root in [*search_path, Path.cwd()]:
        if check_path((found := root / name).is_file):
            return found
        if check_path(found.is_dir):
            raise UserError(
                f"'{name}' is a folder, not a file",
                hint="if it was unpacked, zip its content again",
            )
    raise UserError(
        f"no file '{name}'", hint="the path is relative to the suite or to the working directory"
    )


def registered(folders: Iterable[Path]) -> dict[str, tuple[Path, str]]:
    """Return name -> file and builder for every ``@cnnbench.register`` in Python files there."""
    found: dict[str, tuple[Path, str]] = {}
    for path in _mentioning(folders, b"cnnbench"):
        try:
            builders = signature.registered(path)
        except UserError:  # a broken file next to the suite must not break others
            continue
        for name, builder in builders.items():
            found.setdefault(name, (path, builder))
    return found


def _mentioning(folders: Iterable[Path], word: bytes) -> Iterator[Path]:
    for folder in dict.fromkeys(folders):
        for path in sorted(folder.glob("*.py")):
            try:
                content = path.read_bytes()
            except OSError:
                continue
            if word in content:
                yield path
