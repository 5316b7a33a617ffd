"""Files of a builder: its module, and those of the user's modules that it imports.

Imports are read from the source; nothing is imported. Installed packages and cnnbench itself are
not followed.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

Name = tuple[str, ...]

INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Names of the folders of installed packages."""


def sha256(file: Path, *folders: Path) -> str:
    """Return the hash of a module's source and of the modules it imports from ``folders``."""
    found = sources(file, *folders)
    if len(found) == 1:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    parts = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root).as_posix()}\n"
        for path, root in found.items()
    ]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def sources(file: Path, *folders: Path) -> dict[Path, Path]:
    """Return ``file`` and every file that it imports from ``folders``, directly or indirectly.

    Args:
        file: in the first of the folders.
        folders: those from which the user's modules are imported, the first that has one wins.

    Returns:
        The files in alphabetical order, each with the folder that it is imported from.
    """
    if folders[0].name in INSTALLED:
        return {file: folders[0]}
    found: dict[Path, Path] = {}
    left = [(file, folders[0])]
    while left:
        path, root = left.pop()
        if path not in found:
            found[path] = root
            package = path.relative_to(root).parent.parts
            left += [each for name in _imported(path, package) for each in _files(folders, name)]
    return dict(sorted(found.items()))


def _imported(file: Path, package: Name) -> frozenset[Name]:
    try:
        found = file.stat()
        return _read(file, package, (found.st_mtime_ns, found.st_size))
    except (OSError, SyntaxError, ValueError, RecursionError):  # importing it will report it
        return frozenset()


@lru_cache(maxsize=1024)
def _read(file: Path, package: Name, _stamp: tuple[int, int]) -> frozenset[Name]:
    """Return the names that ``file`` imports; cached, as every cell of a suite needs them."""
    nodes = ast.walk(ast.parse(file.read_bytes()))
    names = {name for node in nodes for name in _names(node, package)}
    return frozenset(name for name in names if name[:1] != ("cnnbench",))


def _names(node: ast.AST, package: Name) -> Iterator[Name]:
    """Yield the dotted names that a statement of a module in ``package`` may import."""
    if isinstance(node, ast.Import):
        yield from (tuple(alias.name.split(".")) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        base += tuple(node.module.split(".")) if node.module else ()
        yield base
        yield from ((*base, alias.name) for alias in node.names)


def _files(folders: Sequence[Path], name: Name) -> Iterator[tuple[Path, Path]]:
    """Yield the files that importing ``name`` runs: those of its packages, and its own.

    Each comes with the folder that it is imported from.
    """
    for root in folders:
        found = [path for end in range(1, len(name) + 1) for path in _file(root, name[:end])]
        if found:
            yield from ((path, root) for path in found)
            return


def _file(root: Path, name: Name) -> Iterator[Path]:
    stem = root.joinpath(*name)
    for candidate in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
        if candidate.is_file():
            yield candidate
            return
