"""Which files a builder's module is made of: itself, and what it imports from where it lies.

Read from their source, nothing is imported. What is found elsewhere, an installed package say, is
not followed.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

Name = tuple[str, ...]

_INSTALLED = ("site-packages", "dist-packages")


def sha256(file: Path, root: Path) -> str:
    """Of a module's source, and of all that it imports from the same ``root``."""
    found = sources(file, root)
    if len(found) == 1:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    parts = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root).as_posix()}\n"
        for path in found
    ]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def sources(file: Path, root: Path) -> list[Path]:
    """``file`` and every file that it imports from the folder ``root``, directly or by others."""
    if root.name in _INSTALLED:
        return [file]
    found: set[Path] = set()
    left = [file]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left.extend(_imported(path, root))
    return sorted(found)


def _imported(file: Path, root: Path) -> Iterator[Path]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):  # importing it will say so
        return
    package = file.relative_to(root).parent.parts
    for node in ast.walk(tree):
        for name in _names(node, package):
            yield from _files(root, name)


def _names(node: ast.AST, package: Name) -> Iterator[Name]:
    """The dotted names that a statement of a module in ``package`` may import."""
    if isinstance(node, ast.Import):
        yield from (tuple(alias.name.split(".")) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        base += tuple(node.module.split(".")) if node.module else ()
        yield base
        yield from ((*base, alias.name) for alias in node.names)


def _files(root: Path, name: Name) -> Iterator[Path]:
    """The files that importing ``name`` runs: its packages' and its own."""
    for end in range(1, len(name) + 1):
        stem = root.joinpath(*name[:end])
        for candidate in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            if candidate.is_file():
                yield candidate
                break
