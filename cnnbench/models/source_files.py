"""Files of a builder: its module, and the modules that it imports from the same folder.

Imports are read from the source; nothing is imported. Installed packages and cnnbench itself are
not followed.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

Name = tuple[str, ...]

_INSTALLED = ("site-packages", "dist-packages")


def sha256(file: Path, root: Path) -> str:
    """Return the hash of a module's source and of the modules it imports from ``root``."""
    found = sources(file, root)
    if len(found) == 1:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    parts = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root).as_posix()}\n"
        for path in found
    ]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def sources(file: Path, root: Path) -> list[Path]:
    """Return ``file`` and every file that it imports from ``root``, directly or indirectly."""
    if root.name in _INSTALLED:
        return [file]
    found: set[Path] = set()
    left = [file]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            package = path.relative_to(root).parent.parts
            left += [there for name in _imported(path, package) for there in _files(root, name)]
    return sorted(found)


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


def _files(root: Path, name: Name) -> Iterator[Path]:
    """Yield the files that importing ``name`` runs: those of its packages, and its own."""
    for end in range(1, len(name) + 1):
        stem = root.joinpath(*name[:end])
        for candidate in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            if candidate.is_file():
                yield candidate
                break
