"""Find the source file of a builder without importing it, and import it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from cnnbench.errors import UserError, nearest
from cnnbench.files import check_path
from cnnbench.models import signature, user_errors

_PROJECT_FILE, _SOURCES = "pyproject.toml", "src"

_imported: dict[Path, tuple[int, int]] = {}  # time and size of files when they were imported


@dataclass(frozen=True)
class Location:
    """A Python module on disk.

    Attributes:
        root: the folder that it is imported from.
        module: its dotted name.
        file: its file.
        project: the folder of the project that it belongs to, with a ``pyproject.toml``; its
            modules, and those in its ``src``, can be imported too. None if there is none.
    """

    root: Path
    module: str
    file: Path
    project: Path | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders from which the module imports the user's own modules."""
        return tuple(dict.fromkeys([self.root, *_of_project(self.project)]))

    @property
    def is_loaded(self) -> bool:
        """True if this process has imported the module."""
        return self.module in sys.modules

    def load(self) -> ModuleType:
        """Import the module without writing bytecode next to it; again if its file has changed.

        Raises:
            UserError: it raises or exits while it is imported, or another module has its name.
        """
        with self._importing():
            found = self.file.stat()
            stamp = found.st_mtime_ns, found.st_size
            if _imported.get(self.file, stamp) != stamp:  # edited in a notebook's session
                sys.modules.pop(self.module, None)
            module = importlib.import_module(self.module)
            _imported[self.file] = stamp
        loaded = module.__file__
        if loaded is None or not check_path(lambda: self.file.samefile(loaded)):
            raise UserError(
                f"another module '{self.module}' is already loaded from {module.__file__}",
                user_errors.shown(self.file),
                "rename the file",
            )
        return module

    def run(self) -> ModuleType:
        """Run the file again and return a new module; the one that is loaded stays as it is.

        Raises:
            UserError: as `load`.
        """
        loaded = sys.modules.get(self.module)
        spec = importlib.util.spec_from_file_location(self.module, self.file)
        if spec is None or spec.loader is None:
            raise UserError("is not a Python module", user_errors.shown(self.file))
        module = importlib.util.module_from_spec(spec)
        with self._importing():
            # Classes look up the module that they are defined in.
            sys.modules[self.module] = module
            try:
                spec.loader.exec_module(module)
            finally:
                del sys.modules[self.module]
                if loaded is not None:
                    sys.modules[self.module] = loaded
        return module

    @contextmanager
    def _importing(self) -> Iterator[None]:
        """Find the user's modules first, write no bytecode, and report errors in one line."""
        # At the front, so that a user's `resnet.py` is found before anything installed.
        for folder in reversed(self.folders):
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
        before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            yield
        except (Exception, SystemExit) as error:
            raise user_errors.of_import(error, self.file, self.folders) from error
        finally:
            sys.dont_write_bytecode = before


def module(name: str, search_path: Sequence[Path]) -> Location:
    """Find ``package.module``, or a path to a ``.py`` file.

    A file in a package is imported as a part of it. A module is looked up in ``search_path``, in
    the projects that its folders belong to and their ``src``, and where Python imports from.

    Raises:
        UserError: not found; the folders that were searched are named.
    """
    if name.endswith(".py"):
        found = file(name, search_path).resolve()
        root, dotted = _package(found)
        return Location(root, dotted, found, _project(root))
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise UserError(
            f"'{name}' is not the name of a module", hint="write package.module:builder"
        )
    projects = [folder for root in search_path for folder in _of_project(_project(root))]
    installed = (Path(folder or ".").resolve() for folder in sys.path)
    for root in dict.fromkeys([*search_path, *projects, *installed]):
        if (candidate := _module_file(root.joinpath(*parts))) is not None:
            return Location(root, name, candidate, _project(root))
    if (hooked := _hooked(parts)) is not None:
        return hooked
    here = [*dict.fromkeys([*search_path, *projects])] or [Path.cwd()]
    known = [path.stem for root in here for path in root.glob("*.py")]
    folders = " and ".join(str(root) for root in here)
    hint = nearest(name, known) or f"looked in {folders} and in the installed packages"
    raise UserError(f"no module '{name}'", hint=hint)


def _module_file(stem: Path) -> Path | None:
    for candidate in (stem / "__init__.py", stem.with_name(stem.name + ".py")):
        if check_path(candidate.is_file):
            return candidate
    return None


def _package(file: Path) -> tuple[Path, str]:
    """Return the folder that a file is imported from, and the dotted name of its module."""
    root, parts = file.parent, [] if file.stem == "__init__" else [file.stem]
    while check_path((root / "__init__.py").is_file) and root.name.isidentifier():
        parts.insert(0, root.name)
        root = root.parent
    return root, ".".join(parts)


def _project(folder: Path) -> Path | None:
    """Return the nearest of a folder and its parents that has a ``pyproject.toml``, or None."""
    folders = (folder, *folder.parents)
    return next((each for each in folders if check_path((each / _PROJECT_FILE).is_file)), None)


def _of_project(project: Path | None) -> list[Path]:
    """Return the folders from which the modules of a project can be imported."""
    if project is None:
        return []
    sources = project / _SOURCES
    return [sources, project] if check_path(sources.is_dir) else [project]


def _hooked(parts: Sequence[str]) -> Location | None:
    """Find a module of a package that an import hook finds, as of an editable installation."""
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError, AttributeError):
        return None
    for folder in (spec and spec.submodule_search_locations) or ():
        package = Path(folder)
        if (found := _module_file(package.joinpath(*parts[1:]))) is not None:
            return Location(package.parent, ".".join(parts), found, _project(package.parent))
    return None


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
