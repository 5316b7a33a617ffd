"""The script that is sent to a device: one Python file with the modules of cnnbench that it needs.

They are the same modules that measure here, so the rules are the same. They import the standard
library, NumPy and the runtime alone; ``threadpoolctl``, one file without dependencies, is sent too.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cnnbench.probes.latency.runtimes import RUNTIMES

ROOT = "cnnbench.execution.ssh.there"
_OURS = "cnnbench"
_SENT_TOO = ("threadpoolctl",)

_HEAD = '''\
"""Measures a network on this device and ends; made and sent by cnnbench."""
import sys

if sys.version_info < (3, 11):
    found = "%d.%d" % sys.version_info[:2]
    sys.exit("cnnbench needs Python 3.11 or newer on the device, not " + found)

import importlib.abc
import importlib.machinery

SOURCES = {sources}
PACKAGES = {packages}


class Sent(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the modules that were sent."""

    def find_spec(self, name, path=None, target=None):
        if name not in SOURCES:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, is_package=name in PACKAGES)
        spec.origin = name
        return spec

    def get_source(self, name):
        return SOURCES[name]


sys.meta_path.insert(0, Sent())
sys.dont_write_bytecode = True

from {root} import main

main()
'''


@cache
def text() -> str:
    """Return the script."""
    found = sources()
    packages = {name for name in found if any(other.startswith(f"{name}.") for other in found)}
    written = ",\n".join(f"    {name!r}: {source!r}" for name, source in sorted(found.items()))
    return _HEAD.format(sources=f"{{\n{written},\n}}", packages=repr(sorted(packages)), root=ROOT)


@cache
def sources() -> dict[str, str]:
    """Return module -> its source, of everything that the script imports, and the runtimes.

    A package from which nothing but modules is imported is sent empty.
    """
    found: dict[str, str] = {}
    runtimes = [RUNTIMES[name] for name in RUNTIMES if RUNTIMES.is_built_in(name)]
    usable = [info.create.__module__ for info in runtimes if info.there]
    pending = [ROOT, *usable]
    while pending:
        name = pending.pop()
        if found.get(name):
            continue
        found[name] = _file(name).read_text(encoding="utf-8")
        pending += _imported(name, found[name])
        for end in range(1, name.count(".") + 1):
            found.setdefault(".".join(name.split(".")[:end]), "")
    return found


def _imported(module: str, source: str) -> Iterator[str]:
    """Yield the modules among ours that a module imports, those of its functions left out."""
    for node in ast.parse(source).body:
        match node:
            case ast.Import():
                yield from (one.name for one in node.names if _is_sent(one.name))
            case ast.ImportFrom(module=str(origin)) if _is_sent(origin):
                names = [f"{origin}.{one.name}" for one in node.names]
                modules = [name for name in names if _is_module(name)]
                yield from modules
                if len(modules) < len(names):
                    yield origin


def _is_sent(name: str) -> bool:
    return name.partition(".")[0] in (_OURS, *_SENT_TOO)


def _is_module(name: str) -> bool:
    parent = _file(name.rpartition(".")[0])
    own = parent.parent / name.rpartition(".")[2]
    return parent.name == "__init__.py" and (
        own.with_suffix(".py").is_file() or (own / "__init__.py").is_file()
    )


@cache
def _file(name: str) -> Path:
    """Return the file of a module, without importing anything but its first package."""
    first, *rest = name.split(".")
    spec = importlib.util.find_spec(first)
    if spec is None or spec.origin is None:
        raise ImportError(f"no source of {first}")
    file = Path(spec.origin)
    for part in rest:
        own = file.parent / part
        file = own / "__init__.py" if own.is_dir() else own.with_suffix(".py")
    return file
